//! Tables as the user names them: files or a query, opened once and scanned in row order.

mod blame;
mod csv;
pub(crate) mod files;
mod libsvm;
pub(crate) mod lists;
mod merge;
mod scan;
mod schema;
mod stray;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::datasource::{MemTable, TableProvider};
use datafusion::error::DataFusionError;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use quelea_core::suggest;
use quelea_core::tile::rows_per_tile;

use crate::{Error, Result};
pub(crate) use files::Format;
pub use libsvm::label_column;
pub(crate) use scan::Scan;
use schema::Described;
pub(crate) use schema::{is_text, value_type};
pub(crate) use stray::Stray;

/// Rows per batch; large, so that work per batch outweighs its overhead.
const BATCH_ROWS: usize = 32_768;
/// About as much of a table's files as one partition reads.
const PARTITION_BYTES: u64 = 64 << 20;

/// An opened table.
pub(crate) struct Table {
    /// As the user names it.
    pub name: String,
    /// Its files by path; for a query those of all its tables.
    pub files: Vec<PathBuf>,
    /// Whether it is the result of a query.
    is_query: bool,
    /// What its columns are. Batches of a CSV file hold text all the same: see [`Table::is_csv`].
    pub schema: SchemaRef,
    /// Its rows, where the files say so.
    pub rows: Option<u64>,
    /// Whether batches hold the text of a CSV file, to be parsed by the reader of the batch, who can name its row.
    pub is_csv: bool,
    /// Whether its columns are those of LibSVM files.
    pub is_libsvm: bool,
    /// Columns that are text because numbers stand among other text in a CSV file.
    pub stray: Vec<Stray>,
    frame: DataFrame,
    context: SessionContext,
}

impl Table {
    /// Opens the table at a path, folder or glob. Texts in `null_values` do not count when types are told from a CSV file.
    pub fn open(name: &str, null_values: &[String], threads: usize) -> Result<Self> {
        let (files, format) = files::find(name)?;
        let Described { schema, rows, stray } = schema::of_files(&files, format, null_values)?;
        let context = session(threads, partitions(&files, threads), BATCH_ROWS);
        let is_csv = matches!(format, Format::Csv(_));
        let read_as = if is_csv { all_text(&schema) } else { schema.clone() };
        let provider = provider(&files, format, read_as, &[])?;
        let frame = context.read_table(provider).map_err(|e| Error::Table { table: name.into(), problem: e.strip_backtrace() })?;
        let is_libsvm = matches!(format, Format::LibSvm(_));
        Ok(Self { name: name.into(), files, is_query: false, schema, rows, is_csv, is_libsvm, stray, frame, context })
    }

    /// Opens the result of a query over named tables. It runs in one partition, so that neither the order of rows nor
    /// a sum of floats in it depends on threads.
    pub async fn query(query: &str, tables: &BTreeMap<String, String>, null_values: &[String], threads: usize) -> Result<Self> {
        let context = session(threads, 1, BATCH_ROWS);
        let (mut all_files, mut all_stray) = (Vec::new(), Vec::new());
        for (name, path) in tables {
            let (files, format) = files::find(path)?;
            let Described { schema, stray, .. } = schema::of_files(&files, format, null_values)?;
            all_stray.extend(stray);
            let provider = provider(&files, format, schema, null_values)?;
            all_files.extend(files);
            let reference = datafusion::common::TableReference::bare(name.as_str());
            context.register_table(reference, provider).map_err(|e| Error::Query { problem: e.strip_backtrace() })?;
        }
        let options =
            datafusion::execution::context::SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let frame = context.sql_with_options(query, options).await.map_err(|e| wrong_query(&e, tables))?;
        let schema: SchemaRef = Arc::new(frame.schema().as_arrow().clone());
        // A column of the result that is called as one of a file is that one, more likely than not.
        all_stray.retain(|stray| schema.field_with_name(&stray.column).is_ok_and(|field| is_text(field.data_type())));
        Ok(Self {
            name: "data.query".into(),
            files: all_files,
            is_query: true,
            schema,
            rows: None,
            is_csv: false,
            is_libsvm: false,
            stray: all_stray,
            frame,
            context,
        })
    }

    /// A table of rows in memory.
    pub fn batches(batches: &[RecordBatch], threads: usize) -> Result<Self> {
        let name = "the table in memory";
        let wrong = |problem: &str| Error::Table { table: name.into(), problem: problem.into() };
        let schema = batches.first().ok_or_else(|| wrong("there are no rows"))?.schema();
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        // Whole tiles in every partition, so that cutting them copies nothing.
        let per_tile = rows_per_tile(rows as u64);
        let per_partition = rows.div_ceil(4 * threads).next_multiple_of(per_tile).max(per_tile);
        let slices = |batch: &RecordBatch| {
            let (batch, rows) = (batch.clone(), batch.num_rows());
            (0..rows).step_by(per_partition).map(move |from| vec![batch.slice(from, per_partition.min(rows - from))])
        };
        // Batches that are not cut again need not be joined again.
        let context = session(threads, threads, per_partition);
        let in_memory = MemTable::try_new(schema.clone(), batches.iter().flat_map(slices).collect()).map_err(Error::internal)?;
        let frame = context.read_table(Arc::new(in_memory)).map_err(Error::internal)?;
        Ok(Self {
            name: name.into(),
            files: Vec::new(),
            is_query: false,
            schema,
            rows: Some(rows as u64),
            is_csv: false,
            is_libsvm: false,
            stray: Vec::new(),
            frame,
            context,
        })
    }

    /// The column called `name`, or an error that suggests one.
    pub fn field(&self, name: &str) -> Result<&Field> {
        self.schema.field_with_name(name).map_err(|_| {
            let names = self.schema.fields().iter().map(|f| f.name().as_str());
            let hint = suggest::nearest(name, names).map_or_else(String::new, |n| format!("; did you mean {n:?}?"));
            Error::Column { table: self.name.clone(), column: name.into(), problem: format!("there is no such column{hint}") }
        })
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

fn partitions(files: &[PathBuf], threads: usize) -> usize {
    let bytes: u64 = files.iter().filter_map(|f| f.metadata().ok()).map(|m| m.len()).sum();
    (4 * threads).max((bytes / PARTITION_BYTES) as usize)
}

fn all_text(schema: &Schema) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().iter().map(|f| Field::new(f.name(), DataType::Utf8View, true)).collect::<Vec<_>>()))
}

/// What reads the files.
fn provider(files: &[PathBuf], format: Format, schema: SchemaRef, null_values: &[String]) -> Result<Arc<dyn TableProvider>> {
    let format: Arc<dyn FileFormat> = match format {
        Format::LibSvm(compression) => return Ok(Arc::new(libsvm::table(files, compression)?)),
        Format::Parquet => Arc::new(ParquetFormat::default()),
        Format::Csv(compression) => Arc::new(
            // Files are not cut, so that a quoted line break is not taken for the end of a row.
            CsvFormat::default()
                .with_has_header(true)
                .with_null_regex(Some(schema::null_pattern(null_values)))
                .with_newlines_in_values(true)
                .with_file_compression_type(schema::compression_type(compression)),
        ),
    };
    let urls = files
        .iter()
        .map(|file| {
            let url = url::Url::from_file_path(file).map_err(|()| Error::internal(format!("{} is not absolute", file.display())))?;
            ListingTableUrl::try_new(url, None).map_err(Error::internal)
        })
        .collect::<Result<Vec<_>>>()?;
    let config = ListingTableConfig::new_with_multi_paths(urls)
        .with_listing_options(ListingOptions::new(format).with_file_extension(""))
        .with_schema(schema);
    Ok(Arc::new(ListingTable::try_new(config).map_err(Error::internal)?))
}
