//! What a table holds, column by column, as training would see it.

use quelea_core::schema::{FeatureKind, InputKind};
use quelea_job::Data;
use serde::Serialize;

use crate::prepare::columns::{Columns, natural_kind};
use crate::prepare::read::{Reader, read};
use crate::prepare::{features, warn};
use crate::table::Table;
use crate::threads::Threads;
use crate::{Control, Result};

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
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnSummary {
    /// Its name.
    pub name: String,
    /// Its type in the table.
    pub data_type: String,
    /// What it is taken for; nothing when it cannot be learned from.
    pub kind: Option<InputKind>,
    /// Rows without a value; nothing for timestamps and for columns that cannot be learned from.
    pub missing: Option<u64>,
    /// The smallest and the largest number.
    pub range: Option<(f32, f32)>,
    /// How many different texts there are, or one more than the largest index.
    pub values: Option<usize>,
    /// The most frequent texts with their rows.
    pub most_frequent: Vec<(String, u64)>,
}

/// Frequent texts that a summary shows.
const SHOWN_TEXTS: usize = 5;

/// Reads the table at a path, folder or glob. Texts in `null_values` stand for a missing value.
pub fn table(name: &str, null_values: &[String], threads: Option<usize>, control: &Control) -> Result<TableSummary> {
    let threads = Threads::new(threads)?;
    let table = Table::open(name, null_values, threads.count)?;
    let unusable = table.schema.fields().iter().filter(|f| natural_kind(f.data_type()).is_none());
    let data = Data { ignore: unusable.map(|f| f.name().clone()).collect(), null_values: null_values.to_vec(), ..Data::default() };
    let columns = Columns::choose(&table, &data, None)?;
    warn::of_stray_text(&table, &columns, &data, control);
    warn::of_leading_zeros(&table, &columns, control);
    let reader = Reader::new(&table, &columns, &data, None)?;
    let parts = threads.wait(read(&table, &reader, threads.count, control))?;
    let features = threads.run(|| features::fit(&columns, &parts, None));
    let summary = |field: &arrow::datatypes::Field| {
        let input = columns.inputs.iter().position(|input| input.name == *field.name());
        let feature = features.iter().find(|feature| Some(feature.input) == input && feature.name == *field.name());
        let mut column = ColumnSummary {
            name: field.name().clone(),
            data_type: field.data_type().to_string(),
            kind: input.map(|input| columns.inputs[input].kind),
            missing: None,
            range: None,
            values: None,
            most_frequent: Vec::new(),
        };
        if let Some(feature) = feature {
            describe(&mut column, &feature.kind);
        }
        column
    };
    Ok(TableSummary {
        table: name.into(),
        rows: parts.iter().map(|part| part.rows as u64).sum(),
        files: table.files.len(),
        columns: table.schema.fields().iter().map(|field| summary(field)).collect(),
    })
}

fn describe(column: &mut ColumnSummary, kind: &FeatureKind) {
    match kind {
        FeatureKind::Number { min, max, missing, .. } => {
            column.missing = Some(*missing);
            column.range = Some((*min, *max));
        }
        FeatureKind::Category { values, counts, missing } => {
            column.missing = Some(*missing);
            column.values = Some(values.len());
            let mut frequent: Vec<(String, u64)> = values.iter().cloned().zip(counts.iter().copied()).collect();
            frequent.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            frequent.truncate(SHOWN_TEXTS);
            column.most_frequent = frequent;
        }
        FeatureKind::Sparse { width, .. } => column.values = Some(*width as usize),
    }
}
