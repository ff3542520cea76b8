//! Prepare: a table becomes tiles. One pass over the table reads its columns; rows are divided by what they are
//! for, encoders are fitted on the training rows, and those are cut into tiles in the table's order.

mod categories;
pub(crate) mod columns;
mod cut;
pub(crate) mod features;
mod fingerprint;
pub(crate) mod nulls;
pub(crate) mod part;
pub(crate) mod read;
mod rounding;
mod rows;
mod sample;
pub(crate) mod sparse;
pub(crate) mod spelling;
mod split;
pub(crate) mod target;
pub(crate) mod unknown;
pub(crate) mod values;
pub(crate) mod warn;
mod weigh;
mod zones;

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::DataType;
use quelea_core::schema::{Feature, Schema, Target};
use quelea_core::tile::{Role, Tile, rows_per_tile};
use quelea_job::{Data, Job, JobError, Part as TablePart};

use crate::table::{Table, is_text, value_type};
use crate::{Control, Error, Event, Result};
use columns::Columns;
use part::Part;
use read::{Reader, read};
pub(crate) use rows::Rows;
use split::{Divided, Split};
use target::Kind;

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
    let mut columns = Columns::choose(table, data, before)?;
    let known = before.map(|s| &s.target);
    columns.check(table, known)?;
    check_others(data, &columns, known, threads)?;
    warn::of_stray_text(table, &columns, data, control);
    warn::of_leading_zeros(table, &columns, control);
    let reader = Reader::new(table, &columns, data, known)?;
    let parts = read(table, &reader, threads, control).await?;
    read::note_zones(table, &mut columns, &parts).await?;
    let rows = parts.iter().map(|p| p.rows as u64).sum();
    let rounding = rounding::of_columns(&parts);
    warn::of_rounding(&columns, &rounding, control);
    let divided = split_of(job).divide(parts);
    warn::of_missing_targets(&columns, divided.without_target, control);
    warn::of_faint_rows(&columns, &table.name, divided.left_out, control);
    if divided.train.is_empty() {
        return Err(no_rows(table, &columns, rows, &divided));
    }
    let features = features::fit(&columns, &divided.train, before);
    refuse_features_twice(table, &features)?;
    warn::of_identifiers(&features, control);
    let truth = match &columns.target {
        Some(name) => target::fit(&wanted(table, name, data, before)?, &divided.train)?,
        None => target::Truth { target: Target::None, class_factors: Vec::new(), warning: None },
    };
    if let Some(warning) = &truth.warning {
        control.warn(warning);
    }
    warn::of_rounded_target(&truth.target, rounding.last(), control);
    let validation = match &data.validation {
        Some(TablePart::Table(path)) => other_rows(path, &columns, data, &truth.target, threads, control).await?,
        _ => known_rows(divided.validation, &truth.target, "to validate on", control),
    };
    let test = match &data.test {
        Some(TablePart::Table(path)) => other_rows(path, &columns, data, &truth.target, threads, control).await?,
        _ => known_rows(divided.test, &truth.target, "to test on", control),
    };
    warn::of_no_rows(&data.validation, "data.validation", validation.len(), "validation loss, and no early stopping", control);
    warn::of_no_rows(&data.test, "data.test", test.len(), "metric of rows that training has not seen", control);
    let train = Rows::new(divided.train, &truth.target);

    let per_tile = rows_per_tile(train.len());
    let mut tiles = cut::tiles(&train, &columns.inputs, &features, &truth.class_factors, Role::Train, per_tile);
    let schema = Arc::new(Schema {
        inputs: columns.inputs,
        features,
        target: truth.target,
        weight: columns.weight,
        largest_weight: largest_weight(&tiles)?,
        rows: train.len(),
        null_numbers: columns.nulls.floats(),
        null_times: columns.nulls.times,
        null_values: columns.nulls.texts,
        zoned: columns.zoned,
    });
    for (part, rows) in [(&data.validation, &validation), (&data.test, &test)] {
        if let Some(TablePart::Table(path)) = part {
            unknown::warn_of(path, rows, &schema, control);
        }
    }
    tiles.extend(cut::tiles(&validation, &schema.inputs, &schema.features, &truth.class_factors, Role::Validation, per_tile));
    let fingerprint = fingerprint::of(&schema, &tiles);
    let prepared = Prepared { schema, tiles, train, validation, test, fingerprint };
    prepared.tell(control);
    Ok(prepared)
}

/// Checks the tables of validation and test rows: a mistake in them is better known before the work than after.
fn check_others(data: &Data, columns: &Columns, known: Option<&Target>, threads: usize) -> Result<()> {
    for (key, part) in [("data.validation", &data.validation), ("data.test", &data.test)] {
        if let Some(TablePart::Table(path)) = part {
            let other = Table::open(path, &data.null_values, threads).map_err(|e| of_key(key, e))?;
            columns.check(&other, known)?;
        }
    }
    Ok(())
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

/// The error, with the key of the job that named the table.
fn of_key(key: &str, error: Error) -> Error {
    match error {
        Error::NoTable { .. } => JobError::Key { key: key.into(), problem: error.to_string() }.into(),
        other => other,
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
    let is_empty = parts.iter().all(|part| part.rows == 0);
    let (parts, left_out) = weigh::weighing(parts);
    warn::of_faint_rows(columns, path, left_out, control);
    let (rows, unknown) = Rows::known(parts, target);
    warn::of_unknown_targets(unknown, &format!("of {path}"), control);
    let wrong = |problem: &str| Err(Error::Table { table: path.into(), problem: problem.into() });
    match rows.len() {
        0 if is_empty => wrong("the table has no rows"),
        0 if unknown > 0 => wrong("no row has a target that the training rows know"),
        _ => Ok(rows),
    }
}

fn known_rows(parts: Vec<Part>, target: &Target, what_for: &str, control: &Control) -> Rows {
    let (rows, unknown) = Rows::known(parts, target);
    warn::of_unknown_targets(unknown, what_for, control);
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

/// Why no row of the table's `rows` is left to train on.
fn no_rows(table: &Table, columns: &Columns, rows: u64, divided: &Divided) -> Error {
    let known = rows - divided.without_target;
    let weighing = known - divided.left_out.rows();
    let of_column = |column: &String, problem| Error::Column { table: table.name.clone(), column: column.clone(), problem };
    let problem = match (&columns.target, &columns.weight) {
        _ if rows == 0 => "the table has no rows".into(),
        (Some(target), _) if known == 0 => {
            return of_column(target, format!("none of the {rows} rows has a value in the target; name another column in data.target"));
        }
        (_, Some(weight)) if weighing == 0 => {
            return of_column(weight, "every row to train on weighs 0; give some a weight above 0, or leave data.weight out".into());
        }
        _ => format!("data.validation and data.test take all {weighing} rows that could be trained on; lower them, or name tables there"),
    };
    Error::Table { table: table.name.clone(), problem }
}

fn wanted<'a>(table: &'a Table, name: &'a str, data: &'a Data, before: Option<&'a Schema>) -> Result<target::Wanted<'a>> {
    let kind = match value_type(table.field(name)?.data_type()) {
        DataType::Boolean => Kind::Truth,
        data_type if data_type.is_integer() => Kind::Integer,
        data_type if is_text(data_type) => Kind::Text,
        _ if table.is_libsvm => Kind::Label,
        _ => Kind::Float,
    };
    let (class_weights, before) = (data.class_weights.as_ref(), before.map(|s| &s.target));
    Ok(target::Wanted { table: &table.name, name, task: data.task, kind, class_weights, before })
}

fn largest_weight(tiles: &[Arc<Tile>]) -> Result<f32> {
    let weights = tiles.iter().filter_map(|t| t.weight.as_ref());
    let largest = weights.map(|w| w.iter().copied().fold(0.0, f32::max)).reduce(f32::max).unwrap_or(1.0);
    let problem = match () {
        () if largest.is_infinite() => "with its factor the weight of a row is beyond the 3.4e38 that a 32-bit float can hold; lower it",
        () if largest > 0.0 => return Ok(largest),
        () => "every row to train on weighs 0; give some class a factor above 0",
    };
    Err(JobError::Key { key: "data.class_weights".into(), problem: problem.into() }.into())
}
