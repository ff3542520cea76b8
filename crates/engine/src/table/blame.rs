//! Finds the file that a failed scan stumbled over, by reading the files one by one.

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::StreamExt;

use super::files::Format;
use super::{Table, files, schema};
use crate::Error;

/// What is needed to read a table's files one by one.
pub(super) struct Blame {
    table: String,
    files: Vec<PathBuf>,
    is_query: bool,
}

impl Blame {
    pub fn new(table: &Table) -> Self {
        Self { table: table.name.clone(), files: table.files.clone(), is_query: table.is_query }
    }

    /// The error for the user: it names the file where one of them fails alone.
    pub async fn find(&self, error: DataFusionError) -> Error {
        for file in &self.files {
            if let Ok((_, Format::Csv(compression))) = files::find(&file.to_string_lossy())
                && let Err(broken) = schema::check_csv(file, compression)
            {
                return broken;
            }
            if let Some(problem) = Box::pin(failure(file)).await {
                return Error::Table { table: file.display().to_string(), problem };
            }
        }
        if self.is_query {
            return Error::Query { problem: cause(&error) };
        }
        Error::Table { table: self.table.clone(), problem: message(&error) }
    }
}

async fn failure(file: &std::path::Path) -> Option<String> {
    let table = match Table::open(&file.to_string_lossy(), &[], 1) {
        Ok(table) => table,
        Err(e) => return Some(e.to_string()),
    };
    let plan: Arc<dyn ExecutionPlan> = match table.frame.clone().create_physical_plan().await {
        Ok(plan) => plan,
        Err(e) => return Some(message(&e)),
    };
    for partition in 0..plan.output_partitioning().partition_count() {
        let mut stream = match plan.execute(partition, table.context.task_ctx()) {
            Ok(stream) => stream,
            Err(e) => return Some(message(&e)),
        };
        while let Some(batch) = stream.next().await {
            if let Err(e) = batch {
                return Some(message(&e));
            }
        }
    }
    None
}

fn message(error: &DataFusionError) -> String {
    format!("{}; mend or replace the file", cause(error))
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
        if self.files.len() > 1 && !self.is_query {
            for file in &self.files {
                let name = file.display().to_string();
                match rows_of(&name).await {
                    Some(rows) if left >= rows => left -= rows,
                    Some(_) => return (name, left),
                    None => break,
                }
            }
        }
        (self.name.clone(), row)
    }
}

async fn rows_of(file: &str) -> Option<u64> {
    let table = Table::open(file, &[], 1).ok()?;
    match table.rows {
        Some(rows) => Some(rows),
        None => table.frame.clone().count().await.ok().map(|rows| rows as u64),
    }
}
