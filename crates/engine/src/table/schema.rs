//! Reads the columns of each file, and holds the files of a table to one set of them.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::csv::reader::Format as CsvFormat;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};

use super::files::{Compression, Format};
use super::stray::Stray;
use super::{csv, libsvm, merge};
use crate::{Error, Result};

/// Rows of a CSV file from which the types of its columns are told.
const CSV_ROWS: usize = 10_000;

/// What the files of a table say of it.
pub(crate) struct Described {
    /// The columns of all files.
    pub schema: SchemaRef,
    /// Their rows, where the files say so.
    pub rows: Option<u64>,
    /// Columns of CSV files that hold both numbers and other text.
    pub stray: Vec<Stray>,
}

/// The columns of all files, which must be the same.
pub(crate) fn of_files(files: &[PathBuf], format: Format, null_values: &[String]) -> Result<Described> {
    let mut common: Option<(Schema, &PathBuf)> = None;
    let (mut rows, mut stray) = (Some(0), Vec::<Stray>::new());
    for file in files {
        let (schema, file_rows) = match format {
            Format::Parquet => of_parquet(file)?,
            Format::Csv(compression) => {
                let (schema, of_file) = of_csv(file, compression, null_values)?;
                stray.extend(of_file);
                (schema, None)
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
                let both = merge::merged(&before, first, &schema, file, &stray)?;
                if matches!(format, Format::Csv(_)) {
                    refuse_other_order(&before, first, &schema, file)?;
                }
                (both, first)
            }
        });
    }
    let (schema, _) = common.ok_or_else(|| Error::internal("a table without files"))?;
    // A column without any value is text.
    let typed = |field: &Arc<Field>| {
        if *field.data_type() == DataType::Null { Arc::new(Field::new(field.name(), DataType::Utf8View, true)) } else { field.clone() }
    };
    let schema = Arc::new(Schema::new(schema.fields().iter().map(typed).collect::<Vec<_>>()));
    Ok(Described { schema, rows, stray })
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

/// The pattern of texts that are no value: nothing, or one of `null_values`.
pub(super) fn null_pattern(null_values: &[String]) -> String {
    let markers: Vec<String> = null_values.iter().map(|v| regex::escape(v)).collect();
    format!("^({})?$", markers.join("|"))
}

fn of_parquet(file: &Path) -> Result<(Schema, Option<u64>)> {
    let wrong = |problem: String| Error::Table { table: file.display().to_string(), problem };
    refuse_empty(file)?;
    let handle = open(file)?;
    let metadata = ArrowReaderMetadata::load(&handle, ArrowReaderOptions::new())
        .map_err(|e| wrong(format!("not a whole Parquet file ({e}); write it again")))?;
    let rows = metadata.metadata().file_metadata().num_rows();
    Ok((metadata.schema().as_ref().clone(), Some(rows.max(0) as u64)))
}

fn refuse_empty(file: &Path) -> Result<()> {
    match open(file)?.metadata().is_ok_and(|m| m.len() == 0) {
        true => {
            let problem = "the file is empty; write it again, or name another".into();
            Err(Error::Table { table: file.display().to_string(), problem })
        }
        false => Ok(()),
    }
}

fn of_csv(file: &Path, compression: Compression, null_values: &[String]) -> Result<(Schema, Vec<Stray>)> {
    let wrong = |problem: String| Error::Table { table: file.display().to_string(), problem };
    let plain = || compression_type(compression).convert_read(open(file)?).map_err(|e| wrong(e.to_string()));
    let is_null = |text: &str| text.is_empty() || null_values.iter().any(|marker| marker == text);
    let stray = csv::look(file, plain, CSV_ROWS, is_null)?;
    let nulls = regex::Regex::new(&null_pattern(null_values)).map_err(Error::internal)?;
    let csv = CsvFormat::default().with_header(true).with_null_regex(nulls);
    let (schema, _) = csv.infer_schema(plain()?, Some(CSV_ROWS)).map_err(|e| wrong(format!("not a CSV file with a header line: {e}")))?;
    let fields: Vec<Field> = schema.fields().iter().map(|f| Field::new(f.name(), csv_type(f.data_type()), true)).collect();
    Ok((Schema::new(fields), stray))
}

/// Looks over every row of a CSV file, and refuses the first that breaks.
pub(super) fn check_csv(file: &Path, compression: Compression) -> Result<()> {
    let wrong = |e: datafusion::error::DataFusionError| Error::Table { table: file.display().to_string(), problem: e.to_string() };
    let plain = || compression_type(compression).convert_read(open(file)?).map_err(wrong);
    csv::look(file, plain, usize::MAX, |_| true).map(|_| ())
}

/// A type that later rows can hardly break.
fn csv_type(inferred: &DataType) -> DataType {
    match inferred {
        DataType::Utf8 => DataType::Utf8View,
        DataType::Timestamp(..) | DataType::Date64 => DataType::Timestamp(TimeUnit::Microsecond, None),
        other => other.clone(),
    }
}

/// How DataFusion calls a compression.
pub(crate) fn compression_type(compression: Compression) -> FileCompressionType {
    match compression {
        Compression::None => FileCompressionType::UNCOMPRESSED,
        Compression::Gzip => FileCompressionType::GZIP,
        Compression::Zstd => FileCompressionType::ZSTD,
    }
}

fn open(file: &Path) -> Result<File> {
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
