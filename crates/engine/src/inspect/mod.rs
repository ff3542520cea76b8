//! What a table holds, column by column, as it is in the table, and what keeps it from being trained on.

mod column;
mod range;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::Field;
use arrow::record_batch::RecordBatch;
use futures::TryStreamExt;
use quelea_core::schema::InputKind;
use quelea_job::Data;
use serde::Serialize;
use serde_json::Value;

use crate::prepare::columns::{Columns, natural_kind};
use crate::prepare::values::BadValue;
use crate::prepare::warn;
use crate::table::Table;
use crate::table::lists::{self, Lists};
use crate::threads::Threads;
use crate::{Control, Error, Event, Result};
use column::Gathered;

/// What a table holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableSummary {
    /// As the user names it.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// How many files it has.
    pub files: usize,
    /// Its columns, in order.
    pub columns: Vec<ColumnSummary>,
    /// What training refuses: for each column the first value that cannot be used, with its row, and what to do.
    pub problems: Vec<String>,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnSummary {
    /// Its name.
    pub name: String,
    /// Its type in the table.
    pub data_type: String,
    /// What it is taken for, lists of texts if they are hashed; none when it cannot be learned from.
    pub kind: Option<InputKind>,
    /// Rows without a value, NaN included; none for columns that are not read.
    pub missing: Option<u64>,
    /// The smallest and the largest value as they are in the table, the times of a zone in UTC: for numbers JSON numbers that
    /// hold the same value, for all else text.
    pub range: Option<[Value; 2]>,
    /// How many different texts there are, or one more than the largest index.
    pub values: Option<usize>,
    /// The most frequent texts with their rows.
    pub most_frequent: Vec<(String, u64)>,
}

/// Reads the table at a path, folder or glob. Texts in `null_values` stand for a missing value. A table that cannot be trained on
/// is described all the same; the error is that of a table that cannot be read, lists with unusable indices included.
pub fn table(name: &str, null_values: &[String], threads: Option<usize>, control: &Control) -> Result<TableSummary> {
    let threads = Threads::new(threads)?;
    let table = Table::open(name, null_values, threads.count)?;
    let mut problems = Vec::from_iter(unusable_columns(&table, null_values, control));
    let all = threads.wait(gather(&table, null_values, threads.count, control))?;
    if all.rows == 0 {
        problems.push(Error::Table { table: name.into(), problem: "the table has no rows".into() }.to_string());
    }
    problems.extend(threads.wait(unusable_values(&table, &all))?);
    let columns = table.schema.fields().iter().map(|field| summary(field, &all)).collect();
    Ok(TableSummary { table: name.into(), rows: all.rows, files: table.files.len(), columns, problems })
}

/// What is wrong with the columns as a whole, beside those of types that cannot be learned from.
fn unusable_columns(table: &Table, null_values: &[String], control: &Control) -> Option<String> {
    let unusable = table.schema.fields().iter().filter(|f| natural_kind(f.data_type()).is_none());
    let ignore: Vec<String> = unusable.map(|f| f.name().clone()).collect();
    if ignore.len() == table.schema.fields().len() {
        return Some(Error::Table { table: table.name.clone(), problem: "no column can be learned from".into() }.to_string());
    }
    let data = Data { ignore, null_values: null_values.to_vec(), ..Data::default() };
    match Columns::choose(table, &data, None) {
        Ok(columns) => {
            warn::of_stray_text(table, &columns, &data, control);
            warn::of_leading_zeros(table, &columns, control);
            None
        }
        Err(e) => Some(e.to_string()),
    }
}

/// What has been seen of some rows.
struct Rows {
    rows: u64,
    columns: Vec<Gathered>,
}

/// Reads all columns of which something can be told.
async fn gather(table: &Table, null_values: &[String], threads: usize, control: &Control) -> Result<Rows> {
    let gathered: Vec<Gathered> = table.schema.fields().iter().filter_map(|field| Gathered::new(field, table.is_csv)).collect();
    let names: Vec<&str> = gathered.iter().map(|column| column.name.as_str()).collect();
    let scan = table.scan(&names).await?;
    let seen = Arc::new(AtomicU64::new(0));
    let (of, for_steps, null_values) = (table.rows, control.clone(), null_values.to_vec());
    let step = move |part: &mut Rows, batch: RecordBatch| {
        for_steps.check()?;
        for (column, array) in part.columns.iter_mut().zip(batch.columns()) {
            column.add(array, part.rows, &null_values);
        }
        part.rows += batch.num_rows() as u64;
        let rows = seen.fetch_add(batch.num_rows() as u64, Ordering::Relaxed) + batch.num_rows() as u64;
        for_steps.tell(Event::Reading { rows, of });
        Ok(())
    };
    let empty = || Rows { rows: 0, columns: gathered.clone() };
    let mut all = empty();
    let mut parts = std::pin::pin!(scan.fold(threads, empty, step));
    while let Some(part) = parts.try_next().await? {
        let before = all.rows;
        all.columns.iter_mut().zip(part.columns).for_each(|(column, later)| column.merge(later, before));
        all.rows += part.rows;
    }
    Ok(all)
}

/// The errors that training would end with, one a column. Lists with an index that cannot be used have no width to show, so that
/// theirs is an error here too.
async fn unusable_values(table: &Table, all: &Rows) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for column in &all.columns {
        let Some(BadValue { row, problem }) = &column.bad else { continue };
        let (file, row) = table.locate(*row as u64).await;
        let error = Error::Value { table: file, row: row + 1, column: column.name.clone(), problem: problem.clone() };
        if column.holds_lists() {
            return Err(error);
        }
        problems.push(error.to_string());
    }
    Ok(problems)
}

fn summary(field: &Field, all: &Rows) -> ColumnSummary {
    let are_texts = lists::of_type(field.data_type()) == Some(Lists::Texts);
    let column = ColumnSummary {
        name: field.name().clone(),
        data_type: field.data_type().to_string(),
        kind: natural_kind(field.data_type()).or(are_texts.then_some(InputKind::Texts)),
        missing: None,
        range: None,
        values: None,
        most_frequent: Vec::new(),
    };
    match all.columns.iter().find(|gathered| gathered.name == *field.name()) {
        Some(gathered) => gathered.describe(column),
        None => column,
    }
}
