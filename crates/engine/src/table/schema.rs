//! Reads the columns of each file, and holds the files of a table to one set of them.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;

use super::files::{Compression, Format};
use super::pieces::FileError;
use super::stray::Notes;
use super::{csv, libsvm, merge, parquet};
use crate::{Error, Result};

/// What the files of a table say of it.
pub(crate) struct Described {
    /// The columns of all files.
    pub schema: SchemaRef,
    /// Their rows, where the files say so.
    pub rows: Option<u64>,
    /// What the user should know of the columns of CSV files.
    pub notes: Notes,
    /// CSV files with more rows than the types of their columns were told from.
    pub longer: Vec<PathBuf>,
}

/// The columns of all files, which must be the same.
pub(crate) fn of_files(files: &[PathBuf], format: Format, null_values: &[String]) -> Result<Described> {
    let mut common: Option<(Schema, &PathBuf)> = None;
    let (mut rows, mut notes, mut longer) = (Some(0), Notes::default(), Vec::new());
    for file in files {
        let (schema, file_rows) = match format {
            Format::Parquet => {
                let (schema, rows) = parquet::describe(file)?;
                (schema, Some(rows))
            }
            Format::Csv(compression) => {
                let described = csv::describe(file, compression, null_values)?;
                notes.extend(described.notes);
                longer.extend(described.has_more.then(|| file.clone()));
                (described.schema, None)
            }
            Format::LibSvm(_) => {
                refuse_empty(file)?;
                (libsvm::schema().as_ref().clone(), None)
            }
        };
        rows = rows.zip(file_rows).map(|(a, b)| a + b);
        refuse_duplicates(file, &schema)?;
        common = Some(match common {
            None => (schema, file),
            Some((before, first)) => {
                let both = merge::merged(&before, first, &schema, file, &notes.stray)?;
                if matches!(format, Format::Csv(_)) {
                    refuse_other_order(&before, first, &schema, file)?;
                }
                (both, first)
            }
        });
    }
    let (schema, _) = common.ok_or_else(|| Error::internal("a table without files"))?;
    // A column of a CSV file without any value is text, because later rows may have some.
    let typed = |field: &Arc<Field>| {
        let is_text = *field.data_type() == DataType::Null && matches!(format, Format::Csv(_));
        if is_text { Arc::new(Field::new(field.name(), DataType::Utf8View, true)) } else { field.clone() }
    };
    let schema = Arc::new(Schema::new(schema.fields().iter().map(typed).collect::<Vec<_>>()));
    Ok(Described { schema, rows, notes, longer })
}

/// CSV files are read by the place of their columns, not by name.
fn refuse_other_order(before: &Schema, first: &Path, schema: &Schema, file: &Path) -> Result<()> {
    let places = before.fields().iter().zip(schema.fields());
    match places.into_iter().find(|(a, b)| a.name() != b.name()) {
        None => Ok(()),
        Some((a, b)) => Err(Error::Column {
            table: file.display().to_string(),
            column: b.name().clone(),
            problem: format!(
                "it stands where {} has {:?}; give all CSV files of a table the same order of columns",
                first.display(),
                a.name()
            ),
        }),
    }
}

/// Refuses a file of no bytes.
pub(super) fn refuse_empty(file: &Path) -> Result<()> {
    match open(file)?.metadata().is_ok_and(|m| m.len() == 0) {
        true => Err(FileError::new(file, "the file is empty; write it again, or name another").into()),
        false => Ok(()),
    }
}

/// The bytes of a file that may be compressed.
pub(super) fn plain(file: &Path, compression: Compression) -> Result<Box<dyn Read + Send>, FileError> {
    let opened = File::open(file).map_err(|e| FileError::new(file, format!("the file cannot be read: {e}")))?;
    compression_type(compression).convert_read(opened).map_err(|e| FileError::cut_short(file, e))
}

fn compression_type(compression: Compression) -> FileCompressionType {
    match compression {
        Compression::None => FileCompressionType::UNCOMPRESSED,
        Compression::Gzip => FileCompressionType::GZIP,
        Compression::Zstd => FileCompressionType::ZSTD,
    }
}

/// Opens a file to read it.
pub(super) fn open(file: &Path) -> Result<File> {
    File::open(file).map_err(|source| Error::File { action: "read", path: file.into(), source })
}

fn refuse_duplicates(file: &Path, schema: &Schema) -> Result<()> {
    let mut seen = HashSet::new();
    match schema.fields().iter().find(|f| !seen.insert(f.name())) {
        None => Ok(()),
        Some(twice) => Err(Error::Column {
            table: file.display().to_string(),
            column: twice.name().clone(),
            problem: "the name occurs twice; rename one of the columns".into(),
        }),
    }
}

/// The type of the values, also of those in a dictionary.
pub(crate) fn value_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => values,
        other => other,
    }
}

/// Whether values of this type are text.
pub(crate) fn is_text(data_type: &DataType) -> bool {
    matches!(value_type(data_type), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}
