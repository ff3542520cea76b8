//! Prepare: a table becomes tiles. One pass over the table reads its columns; rows are divided by what they are
//! for, encoders are fitted on the training rows, and those are cut into tiles in the table's order.

pub(crate) mod columns;
mod cut;
pub(crate) mod features;
mod fingerprint;
pub(crate) mod part;
pub(crate) mod read;
mod split;
pub(crate) mod target;
pub(crate) mod values;

use std::collections::HashSet;
use std::sync::Arc;

use arrow::buffer::ScalarBuffer;
use quelea_core::schema::{Feature, Schema, Target};
use quelea_core::spec::{Data, Job, Part as TablePart};
use quelea_core::tile::{Role, Tile, rows_per_tile};

use crate::table::Table;
use crate::{Control, Error, Event, Result};
use columns::Columns;
use part::Part;
use read::{Reader, read};
use split::Split;

/// A table ready to be trained on.
pub(crate) struct Prepared {
    /// What is known of it.
    pub schema: Arc<Schema>,
    /// Training tiles, then validation tiles.
    pub tiles: Vec<Arc<Tile>>,
    /// The rows to train on.
    pub train: Rows,
    /// The rows to validate on.
    pub validation: Rows,
    /// The rows kept for the test.
    pub test: Rows,
    /// A fingerprint of the tiles.
    pub fingerprint: String,
}

/// Rows as they were read, with their truth.
#[derive(Default)]
pub(crate) struct Rows {
    /// The rows, in the table's order.
    pub parts: Vec<Part>,
    /// Per part, what [`target::truth`] gives; empty without a target.
    pub truth: Vec<ScalarBuffer<f32>>,
}

impl Rows {
    /// The target as it was read is not kept beside the truth.
    fn new(mut parts: Vec<Part>, target: &Target) -> Self {
        let truth = match target {
            Target::None => Vec::new(),
            target => parts.iter().map(|part| target::truth(target, part).into()).collect(),
        };
        parts.iter_mut().for_each(|part| part.target = None);
        Self { parts, truth }
    }

    /// As [`Rows::new`], without rows of a class that `target` does not have; how many these are is the second value.
    fn known(parts: Vec<Part>, target: &Target) -> (Self, u64) {
        let mut all = Self::new(parts, target);
        let mut unknown = 0;
        for (part, truth) in all.parts.iter_mut().zip(&mut all.truth) {
            let known: Vec<u32> = (0..part.rows as u32).filter(|&row| !truth[row as usize].is_nan()).collect();
            if known.len() < part.rows {
                unknown += (part.rows - known.len()) as u64;
                *truth = known.iter().map(|&row| truth[row as usize]).collect::<Vec<f32>>().into();
                *part = part.pick(&known);
            }
        }
        (all, unknown)
    }

    /// How many rows there are.
    pub fn len(&self) -> u64 {
        self.parts.iter().map(|part| part.rows as u64).sum()
    }
}

/// Opens the job's table.
pub(crate) async fn open(data: &Data, threads: usize) -> Result<Table> {
    match (&data.table, &data.query) {
        (Some(table), _) => Table::open(table, &data.null_values, threads),
        (None, Some(query)) => Table::query(query, &data.tables, &data.null_values, threads).await,
        (None, None) => Err(Error::internal("a job without a table")),
    }
}

/// Reads `table`, the job's, and its table of validation rows, and cuts them into tiles.
/// `before` is the schema of the model to go on from.
pub(crate) async fn prepare(job: &Job, table: &Table, before: Option<&Schema>, threads: usize, control: &Control) -> Result<Prepared> {
    let data = &job.data;
    let columns = Columns::choose(table, data, before)?;
    let known = before.map(|s| &s.target);
    columns.check(table, known)?;
    // A mistake in another table is better known before the work than after.
    for part in [&data.validation, &data.test] {
        if let Some(TablePart::Table(path)) = part {
            columns.check(&Table::open(path, &data.null_values, threads)?, known)?;
        }
    }
    let reader = Reader::new(table, &columns, data, known)?;
    let parts = read(table, &reader, threads, control).await?;
    let rows = parts.iter().map(|p| p.rows as u64).sum();
    warn_of_rounding(&columns, &parts, control);
    let divided = split_of(job).divide(parts);
    warn_of_missing_targets(&columns, divided.without_target, control);
    if divided.train.is_empty() {
        return Err(no_rows(table, &columns, rows));
    }
    let features = features::fit(&columns, &divided.train, before);
    refuse_features_twice(table, &features)?;
    let truth = match &columns.target {
        Some(name) => target::fit(&wanted(table, name, data, before), &divided.train)?,
        None => target::Truth { target: Target::None, class_factors: Vec::new() },
    };
    let validation = match &data.validation {
        Some(TablePart::Table(path)) => other_rows(path, &columns, data, &truth.target, threads, control).await?,
        _ => known_rows(divided.validation, &truth.target, "to validate on", control),
    };
    let test = match &data.test {
        Some(TablePart::Table(path)) => other_rows(path, &columns, data, &truth.target, threads, control).await?,
        _ => known_rows(divided.test, &truth.target, "to test on", control),
    };
    let train = Rows::new(divided.train, &truth.target);

    let per_tile = rows_per_tile(train.len());
    let mut tiles = cut::tiles(&train, &features, &truth.class_factors, Role::Train, per_tile);
    let schema = Arc::new(Schema {
        inputs: columns.inputs,
        features,
        target: truth.target,
        weight: columns.weight,
        largest_weight: largest_weight(table, &tiles)?,
        rows: train.len(),
        null_values: data.null_values.clone(),
    });
    tiles.extend(cut::tiles(&validation, &schema.features, &truth.class_factors, Role::Validation, per_tile));
    let fingerprint = fingerprint::of(&schema, &tiles);
    let prepared = Prepared { schema, tiles, train, validation, test, fingerprint };
    prepared.tell(control);
    Ok(prepared)
}

impl Prepared {
    fn tell(&self, control: &Control) {
        control.tell(Event::Prepared {
            train_rows: self.train.len(),
            validation_rows: self.validation.len(),
            test_rows: self.test.len(),
            features: self.schema.features.len(),
            classes: match &self.schema.target {
                Target::Classes { labels, .. } => labels.len(),
                _ => 0,
            },
        });
    }
}

/// The rows of a table of their own, such as one of test rows, read as the training table was.
pub(crate) async fn other_rows(
    path: &str,
    columns: &Columns,
    data: &Data,
    target: &Target,
    threads: usize,
    control: &Control,
) -> Result<Rows> {
    let table = Table::open(path, &data.null_values, threads)?;
    columns.check(&table, Some(target))?;
    let reader = Reader::new(&table, columns, data, Some(target))?;
    let parts = read(&table, &reader, threads, control).await?;
    let (rows, unknown) = Rows::known(parts, target);
    warn_of_unknown_targets(unknown, &format!("of {path}"), control);
    if rows.len() == 0 {
        let problem = if unknown == 0 { "the table has no rows" } else { "no row has a target that the training rows know" };
        return Err(Error::Table { table: path.into(), problem: problem.into() });
    }
    Ok(rows)
}

fn known_rows(parts: Vec<Part>, target: &Target, what_for: &str, control: &Control) -> Rows {
    let (rows, unknown) = Rows::known(parts, target);
    warn_of_unknown_targets(unknown, what_for, control);
    rows
}

/// A timestamp's parts take names that a column may have too.
fn refuse_features_twice(table: &Table, features: &[Feature]) -> Result<()> {
    let mut seen = HashSet::new();
    match features.iter().find(|feature| !seen.insert(&feature.name)) {
        None => Ok(()),
        Some(twice) => Err(Error::Column {
            table: table.name.clone(),
            column: twice.name.clone(),
            problem: "a part of a timestamp has this name too; rename one of the columns or name it in data.ignore".into(),
        }),
    }
}

fn split_of(job: &Job) -> Split {
    let fraction = |part: &Option<TablePart>| match part {
        Some(TablePart::Fraction(fraction)) => *fraction,
        _ => 0.0,
    };
    Split::new(job.run.seed, fraction(&job.data.validation), fraction(&job.data.test))
}

fn no_rows(table: &Table, columns: &Columns, rows: u64) -> Error {
    match &columns.target {
        _ if rows == 0 => Error::Table { table: table.name.clone(), problem: "the table has no rows".into() },
        Some(target) => Error::Column {
            table: table.name.clone(),
            column: target.clone(),
            problem: format!(
                "none of the {rows} rows to train on has a value in the target; look at data.target, data.validation and data.test"
            ),
        },
        None => {
            Error::Table { table: table.name.clone(), problem: "no row is left to train on; lower data.validation and data.test".into() }
        }
    }
}

fn warn_of_rounding(columns: &Columns, parts: &[Part], control: &Control) {
    let is_rounded = |input: usize| parts.iter().any(|part| part.rounded[input]);
    let rounded: Vec<&str> =
        columns.inputs.iter().enumerate().filter(|&(i, _)| is_rounded(i)).map(|(_, input)| input.name.as_str()).collect();
    if !rounded.is_empty() {
        let names = rounded.join(", ");
        control.warn(format!(
            "whole numbers beyond 16,777,216 are rounded to 32-bit floats in {names}; name them in data.categories if they are codes"
        ));
    }
}

fn warn_of_missing_targets(columns: &Columns, rows: u64, control: &Control) {
    if rows > 0 {
        let target = columns.target.as_deref().unwrap_or_default();
        control.warn(format!("{rows} rows have no value in the target {target:?} and are left out"));
    }
}

fn warn_of_unknown_targets(rows: u64, which: &str, control: &Control) {
    if rows > 0 {
        control.warn(format!("{rows} rows {which} have no target, or one that no training row has, and are left out"));
    }
}

fn wanted<'a>(table: &'a Table, name: &'a str, data: &'a Data, before: Option<&'a Schema>) -> target::Wanted<'a> {
    target::Wanted {
        table: &table.name,
        name,
        task: data.task,
        // How a number is written in a CSV file tells nothing; that the first rows are whole, little.
        is_whole: table.is_csv || table.schema.field_with_name(name).is_ok_and(|f| f.data_type().is_integer()),
        class_weights: data.class_weights.as_ref(),
        before: before.map(|s| &s.target),
    }
}

fn largest_weight(table: &Table, tiles: &[Arc<Tile>]) -> Result<f32> {
    let weights = tiles.iter().filter_map(|t| t.weight.as_ref());
    match weights.map(|w| w.iter().copied().fold(0.0, f32::max)).reduce(f32::max) {
        None => Ok(1.0),
        Some(largest) if largest > 0.0 && largest.is_finite() => Ok(largest),
        Some(largest) => {
            let problem = format!("the largest weight of a training row is {largest}; look at data.weight and data.class_weights");
            Err(Error::Table { table: table.name.clone(), problem })
        }
    }
}
