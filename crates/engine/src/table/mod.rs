//! Tables as the user names them: files or a query, opened once and scanned in row order.

mod blame;
mod csv;
pub(crate) mod files;
mod guard;
mod libsvm;
pub(crate) mod lists;
mod merge;
mod parquet;
mod pieces;
mod plan;
mod scan;
mod schema;
mod store;
mod stray;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::datasource::{MemTable, TableProvider};
use datafusion::error::DataFusionError;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use quelea_core::suggest;
use quelea_data::{Position, Source};

use crate::{Error, Result};
pub(crate) use files::Format;
pub use libsvm::label_column;
use pieces::PieceTable;
pub(crate) use scan::Scan;
use schema::Described;
pub(crate) use schema::{is_text, value_type};
use store::FileStore;
use stray::{Notes, Padded, Stray};

/// Rows per batch; large, so that work per batch outweighs its overhead.
const BATCH_ROWS: usize = 32_768;
/// About as much of a table's files as one partition reads.
const PARTITION_BYTES: u64 = 64 << 20;
/// A partition of fewer rows is not worth opening its file for once more.
const PARTITION_ROWS: u64 = 4_096;

/// An opened table.
pub(crate) struct Table {
    /// As the user names it.
    pub name: String,
    /// Its files by path; for a query those of all its tables.
    pub files: Vec<PathBuf>,
    /// The format of its files; nothing for the result of a query.
    format: Option<Format>,
    /// Whether it is the result of a query.
    is_query: bool,
    /// What its columns are. Batches of a CSV file hold text all the same: see [`Table::is_csv`].
    pub schema: SchemaRef,
    /// The place of each column in the schema.
    places: HashMap<String, usize>,
    /// Its rows, where the files say so.
    pub rows: Option<u64>,
    /// Whether batches hold the text of a CSV file, to be parsed by the reader of the batch, who can name its row.
    pub is_csv: bool,
    /// Whether its columns are those of LibSVM files.
    pub is_libsvm: bool,
    /// Columns that are text because numbers stand among other text in a CSV file.
    pub stray: Vec<Stray>,
    /// Columns of numbers that have leading zeros in a CSV file.
    pub padded: Vec<Padded>,
    frame: DataFrame,
    context: SessionContext,
}

impl Table {
    /// Opens the table at a path, folder or glob. Texts in `null_values` do not count when types are told from a CSV file.
    pub fn open(name: &str, null_values: &[String], threads: usize) -> Result<Self> {
        let (files, format) = files::find(name)?;
        Self::of_files(name, files, format, null_values, threads)
    }

    /// Opens the table of these files, which messages call `name`.
    fn of_files(name: &str, files: Vec<PathBuf>, format: Format, null_values: &[String], threads: usize) -> Result<Self> {
        let Described { schema, rows, notes, .. } = schema::of_files(&files, format, null_values)?;
        let partitions = partitions(&files, rows, threads);
        let context = session(threads, partitions, BATCH_ROWS);
        let provider: Arc<dyn TableProvider> = match format {
            Format::Parquet => parquet::table(&files, 0, schema.clone())?,
            Format::Csv(compression) => {
                let pieces = csv::pieces(&files, compression, &schema);
                Arc::new(PieceTable::new(csv::as_text(&schema), &pieces, partitions))
            }
            Format::LibSvm(compression) => Arc::new(PieceTable::new(schema.clone(), &libsvm::pieces(&files, compression), partitions)),
        };
        context.register_object_store(&FileStore::address()?, Arc::new(FileStore::new(files.clone())));
        let frame = context.read_table(provider).map_err(|e| Error::Table { table: name.into(), problem: e.strip_backtrace() })?;
        Ok(Self {
            name: name.into(),
            files,
            format: Some(format),
            is_query: false,
            places: places(&schema),
            schema,
            rows,
            is_csv: matches!(format, Format::Csv(_)),
            is_libsvm: matches!(format, Format::LibSvm(_)),
            stray: notes.stray,
            padded: notes.padded,
            frame,
            context,
        })
    }

    /// Opens the result of a query over named tables. It runs in one partition, so that neither the order of rows nor
    /// a sum of floats in it depends on threads.
    pub async fn query(query: &str, tables: &BTreeMap<String, String>, null_values: &[String], threads: usize) -> Result<Self> {
        let context = session(threads, 1, BATCH_ROWS);
        let (mut all_files, mut all_notes) = (Vec::new(), Notes::default());
        for (name, path) in tables {
            let (files, format) = files::find(path)?;
            let Described { schema, notes, longer, .. } = schema::of_files(&files, format, null_values)?;
            all_notes.extend(notes);
            let provider: Arc<dyn TableProvider> = match format {
                Format::Parquet => parquet::table(&files, all_files.len(), schema)?,
                Format::Csv(compression) => {
                    let schema = csv::widened(&longer, compression, &schema, null_values)?;
                    let pieces = csv::typed_pieces(&files, compression, &schema, null_values);
                    Arc::new(PieceTable::new(schema, &pieces, 1))
                }
                Format::LibSvm(compression) => Arc::new(PieceTable::new(schema, &libsvm::pieces(&files, compression), 1)),
            };
            all_files.extend(files);
            let reference = datafusion::common::TableReference::bare(name.as_str());
            context.register_table(reference, provider).map_err(|e| Error::Query { problem: e.strip_backtrace() })?;
        }
        context.register_object_store(&FileStore::address()?, Arc::new(FileStore::new(all_files.clone())));
        let options =
            datafusion::execution::context::SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let frame = context.sql_with_options(query, options).await.map_err(|e| wrong_query(&e, tables))?;
        let schema: SchemaRef = Arc::new(frame.schema().as_arrow().clone());
        // A column of the result that is called as one of a file is that one, more likely than not.
        all_notes.stray.retain(|stray| schema.field_with_name(&stray.column).is_ok_and(|field| is_text(field.data_type())));
        all_notes.padded.retain(|padded| schema.field_with_name(&padded.column).is_ok_and(|field| field.data_type().is_numeric()));
        Ok(Self {
            name: "data.query".into(),
            files: all_files,
            format: None,
            is_query: true,
            places: places(&schema),
            schema,
            rows: None,
            is_csv: false,
            is_libsvm: false,
            stray: all_notes.stray,
            padded: all_notes.padded,
            frame,
            context,
        })
    }

    /// A table of the rows of `source`, which are read at once.
    pub fn of_source(source: &dyn Source, threads: usize) -> Result<Self> {
        let schema = source.schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let partitions = source.read(&names, Position::START)?.into_iter().map(Iterator::collect::<Result<Vec<RecordBatch>, _>>);
        let partitions = partitions.collect::<Result<Vec<_>, _>>()?;
        let batches = || partitions.iter().flatten().map(RecordBatch::num_rows);
        let (rows, largest) = (batches().sum::<usize>(), batches().max().unwrap_or(0));
        // Batches that are not cut again need not be joined again.
        let context = session(threads, threads, largest.max(BATCH_ROWS));
        let in_memory = MemTable::try_new(schema.clone(), partitions).map_err(Error::internal)?;
        let frame = context.read_table(Arc::new(in_memory)).map_err(Error::internal)?;
        Ok(Self {
            name: source.name().into(),
            files: Vec::new(),
            format: None,
            is_query: false,
            places: places(&schema),
            schema,
            rows: Some(rows as u64),
            is_csv: false,
            is_libsvm: false,
            stray: Vec::new(),
            padded: Vec::new(),
            frame,
            context,
        })
    }

    /// The column called `name`, or an error that suggests one.
    pub fn field(&self, name: &str) -> Result<&Field> {
        let field = self.places.get(name).map(|&place| self.schema.field(place));
        field.ok_or_else(|| {
            let names = self.schema.fields().iter().map(|f| f.name().as_str());
            let hint = suggest::nearest(name, names).map_or_else(String::new, |n| format!("; did you mean {n:?}?"));
            Error::Column { table: self.name.clone(), column: name.into(), problem: format!("there is no such column{hint}") }
        })
    }

    /// Whether its times are, or come from, the text of a CSV file, whose time zones a column's type does not tell.
    pub fn has_times_as_text(&self) -> bool {
        self.is_csv || self.is_query && self.files.iter().any(|file| files::is_csv(file))
    }

    /// Refuses an output that would take the place of one of the table's own files.
    pub fn refuse_to_replace(&self, output: &Path) -> Result<()> {
        let Ok(output) = output.canonicalize() else { return Ok(()) };
        match self.files.iter().find(|file| file.canonicalize().is_ok_and(|file| file == output)) {
            None => Ok(()),
            Some(file) => {
                let problem = "this file is also the output, which would replace it; name another output".into();
                Err(Error::Table { table: file.display().to_string(), problem })
            }
        }
    }

    /// A scan of these columns, in row order.
    pub async fn scan(&self, columns: &[&str]) -> Result<Scan> {
        Scan::new(self, columns).await
    }
}

/// The place of each column.
fn places(schema: &Schema) -> HashMap<String, usize> {
    schema.fields().iter().enumerate().map(|(place, field)| (field.name().clone(), place)).collect()
}

/// The error of a query that cannot be planned; one that names an unknown table is told which there are.
fn wrong_query(error: &DataFusionError, tables: &BTreeMap<String, String>) -> Error {
    let problem = error.strip_backtrace();
    let unknown = problem.split_once("table '").and_then(|(_, rest)| rest.split_once("' not found"));
    let Some((name, _)) = unknown else { return Error::Query { problem } };
    let name = name.trim_start_matches("datafusion.public.");
    let names = tables.keys().map(String::as_str);
    let meant = suggest::nearest(name, names.clone()).map_or_else(String::new, |meant| format!("did you mean {meant:?}? "));
    let known = names.collect::<Vec<_>>().join(", ");
    Error::Query { problem: format!("there is no table {name:?}; {meant}data.tables names {known}") }
}

fn session(threads: usize, partitions: usize, batch_rows: usize) -> SessionContext {
    let mut config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_batch_size(batch_rows)
        .with_collect_statistics(false)
        .with_round_robin_repartition(false);
    let options = config.options_mut();
    // Partitions, taken one after the other, must hold the rows in the table's order.
    options.execution.enable_file_stream_work_stealing = false;
    options.execution.planning_concurrency = threads;
    SessionContext::new_with_config(config)
}

/// How many partitions read these files, of so many rows if that is known. Each opens its file, which costs time for every column.
fn partitions(files: &[PathBuf], rows: Option<u64>, threads: usize) -> usize {
    let bytes: u64 = files.iter().filter_map(|f| f.metadata().ok()).map(|m| m.len()).sum();
    let worth_it = rows.map_or(usize::MAX, |rows| files.len().max((rows / PARTITION_ROWS) as usize));
    (4 * threads).max((bytes / PARTITION_BYTES) as usize).min(worth_it)
}
