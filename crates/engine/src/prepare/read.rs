//! Reads the columns of a table into parts, one per partition, and names the first value that cannot be used.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use futures::TryStreamExt;
use quelea_core::schema::{InputKind, Labels, Target};
use quelea_job::{Data, Task};

use super::columns::{Columns, natural_kind};
use super::part::{Part, PartReader};
use super::zones;
use crate::table::{Table, is_text, value_type};
use crate::{Control, Error, Event, Result};

/// How the values of a table's columns are to be read.
#[derive(Clone)]
pub(crate) struct Reader {
    /// The columns.
    pub columns: Columns,
    /// Whether the target is read as text.
    pub text_target: bool,
    /// Whether the table is a CSV file.
    pub is_csv: bool,
}

impl Reader {
    /// A reader of `table` for training; a `known` target is read as its labels are.
    pub fn new(table: &Table, columns: &Columns, data: &Data, known: Option<&Target>) -> Result<Self> {
        let text_target = match (&columns.target, known) {
            (None, _) => false,
            (Some(_), Some(Target::Classes { labels, .. })) => matches!(labels, Labels::Text(_)),
            (Some(_), Some(_)) => false,
            (Some(name), None) => is_text_target(table, name, data)?,
        };
        Ok(Self { columns: columns.clone(), text_target, is_csv: table.is_csv })
    }

    /// An empty part to be filled.
    pub fn begin(&self) -> PartReader {
        PartReader::new(&self.columns, self.text_target, self.is_csv)
    }
}

/// Reads the whole table, in row order.
pub(crate) async fn read(table: &Table, reader: &Reader, threads: usize, control: &Control) -> Result<Vec<Part>> {
    let scan = table.scan(&reader.columns.names()).await?;
    let seen = Arc::new(AtomicU64::new(0));
    let of = table.rows;
    let for_steps = control.clone();
    let step = move |part: &mut PartReader, batch: RecordBatch| {
        for_steps.check()?;
        part.read(&batch);
        let rows = seen.fetch_add(batch.num_rows() as u64, Ordering::Relaxed) + batch.num_rows() as u64;
        for_steps.tell(Event::Reading { rows, of });
        Ok(())
    };
    let parts: Vec<Part> = scan.fold(threads, || reader.begin(), step).map_ok(PartReader::finish).try_collect().await?;
    let mut before = 0;
    for part in &parts {
        refuse_bad_value(table, part, before).await?;
        before += part.rows as u64;
    }
    Ok(parts)
}

/// Notes in `columns` what the rows of a CSV file tell of the zones of times; those of all parts must be alike.
pub(crate) async fn note_zones(table: &Table, columns: &mut Columns, parts: &[Part]) -> Result<()> {
    let Err((column, row)) = columns.note_zones(parts) else { return Ok(()) };
    let has_zone = !columns.zoned[&column];
    let (table, row) = table.locate(row).await;
    Err(Error::Value { table, row: row + 1, column, problem: zones::unlike("this time", has_zone) })
}

/// The error for the first value of `part` that cannot be used, if there is one. `before` counts the table's rows before the part.
pub(crate) async fn refuse_bad_value(table: &Table, part: &Part, before: u64) -> Result<()> {
    let Some((column, bad)) = &part.bad else { return Ok(()) };
    let (table, row) = table.locate(before + bad.row as u64).await;
    Err(Error::Value { table, row: row + 1, column: column.clone(), problem: bad.problem.clone() })
}

fn is_text_target(table: &Table, name: &str, data: &Data) -> Result<bool> {
    let data_type = table.field(name)?.data_type();
    let is_text = is_text(data_type) || *value_type(data_type) == DataType::Boolean;
    if !is_text && natural_kind(data_type) != Some(InputKind::Number) {
        let problem = format!("values of type {data_type} cannot be predicted; the target is text, a truth value or a number");
        return Err(Error::Column { table: table.name.clone(), column: name.into(), problem });
    }
    Ok(is_text && !(table.is_csv && data.task == Some(Task::Regression)))
}
