//! Finds the file that a failed scan stumbled over. Errors of our own readers name it; for a Parquet file, the files are read one
//! by one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use quelea_core::schema::InputKind;

use super::files::Format;
use super::pieces::FileError;
use super::{Table, guard};
use crate::Error;
use crate::prepare::columns::natural_kind;
use crate::prepare::values::{BadValue, Reading};

/// What is needed to read a table's Parquet files one by one.
pub(super) struct Blame {
    table: String,
    files: Vec<PathBuf>,
    is_query: bool,
}

impl Blame {
    pub fn new(table: &Table) -> Self {
        let files = table.files.iter().filter(|file| super::files::format_of(file) == Some(Format::Parquet));
        Self { table: table.name.clone(), files: files.cloned().collect(), is_query: table.is_query }
    }

    /// The error for the user: it names the file where one of them fails alone.
    pub async fn find(&self, error: DataFusionError) -> Error {
        if let DataFusionError::External(external) = error.find_root()
            && let Some(of_file) = external.downcast_ref::<FileError>()
        {
            return of_file.clone().into();
        }
        for file in &self.files {
            if let Err(broken) = Box::pin(read_alone(file)).await {
                return broken;
            }
        }
        if self.is_query {
            return Error::Query { problem: cause(&error) };
        }
        Error::Table { table: self.table.clone(), problem: format!("{}; mend or replace the file", cause(&error)) }
    }
}

/// Reads a file in its own types, and its times as a table reads them whose files have times of different units.
async fn read_alone(file: &Path) -> Result<(), Error> {
    let damaged = |e: &DataFusionError| FileError::new(file, format!("{}; mend or replace the file", cause(e)));
    let table = Table::of_files(&file.display().to_string(), vec![file.into()], Format::Parquet, &[], 1)?;
    let mut rows = 0;
    let plan: Arc<dyn ExecutionPlan> = table.frame.clone().create_physical_plan().await.map_err(|e| damaged(&e))?;
    for partition in 0..plan.output_partitioning().partition_count() {
        let mut stream = plan.execute(partition, table.context.task_ctx()).map_err(|e| damaged(&e))?;
        while let Some(batch) = guard::next_batch(&mut stream).await {
            let batch = batch.map_err(|e| damaged(&e))?;
            refuse_far_time(&table.name, &batch, rows)?;
            rows += batch.num_rows() as u64;
        }
    }
    Ok(())
}

fn refuse_far_time(file: &str, batch: &RecordBatch, rows_before: u64) -> Result<(), Error> {
    let reading = Reading { null_values: &[], is_csv: false };
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        if natural_kind(array.data_type()) != Some(InputKind::Timestamp) {
            continue;
        }
        if let Err(BadValue { row, problem }) = reading.timestamps(array) {
            return Err(Error::Value { table: file.into(), row: rows_before + row as u64 + 1, column: field.name().clone(), problem });
        }
    }
    Ok(())
}

/// What went wrong, without the layers it came through.
fn cause(error: &DataFusionError) -> String {
    let text = error.find_root().strip_backtrace();
    let text = ["Arrow error: ", "Parquet error: ", "External: ", "Csv error: ", "Parser error: ", "Execution error: "]
        .iter()
        .fold(text, |text, layer| text.replace(layer, ""));
    text.trim_end_matches(['.', '\n']).into()
}

impl Table {
    /// The file that holds row `row` of the table, and the row's place in it; both from 0.
    pub async fn locate(&self, row: u64) -> (String, u64) {
        let mut left = row;
        if let (true, Some(format)) = (self.files.len() > 1, self.format) {
            for file in &self.files {
                let name = file.display().to_string();
                match rows_of(&name, file, format).await {
                    Some(rows) if left >= rows => left -= rows,
                    Some(_) => return (name, left),
                    None => break,
                }
            }
        }
        (self.name.clone(), row)
    }
}

async fn rows_of(name: &str, file: &Path, format: Format) -> Option<u64> {
    let table = Table::of_files(name, vec![file.into()], format, &[], 1).ok()?;
    match table.rows {
        Some(rows) => Some(rows),
        None => table.frame.clone().count().await.ok().map(|rows| rows as u64),
    }
}
