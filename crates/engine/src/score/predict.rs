//! Prediction: every row of a table gets its prediction, in the table's order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field, Schema};
use arrow::record_batch::RecordBatch;
use futures::TryStreamExt;
use quelea_model::{Model, Scorer};

use super::sink::{Destination, Sink};
use super::{columns, part_of, reader, scorer};
use crate::prepare::columns::Columns;
use crate::prepare::part::Part;
use crate::prepare::read::{Reader, refuse_bad_value};
use crate::prepare::unknown::Unknown;
use crate::prepare::values::Reading;
use crate::table::Table;
use crate::threads::Threads;
use crate::{Control, Error, Event, Result};

/// Writes the predictions of `model` for every row of `table`, behind copies of the columns in `keep`.
/// The answer is the number of rows.
pub fn predict(
    model: Model,
    table: &str,
    keep: &[String],
    destination: &Destination,
    threads: Option<usize>,
    control: &Control,
) -> Result<u64> {
    let threads = Threads::new(threads)?;
    let model = Arc::new(model);
    let scorer = Arc::new(scorer(&model)?);
    let table = Table::open(table, &model.schema.null_values, threads.count)?;
    let columns = Columns::of_model(&model.schema, false, None);
    let reader = reader(&model, &table, columns)?;
    warn_of_extra_columns(&model, &table, keep, control);
    threads.wait(write(&Job { model, scorer, reader }, &table, keep, destination, threads.count, control))
}

#[derive(Clone)]
struct Job {
    model: Arc<Model>,
    scorer: Arc<Scorer>,
    reader: Reader,
}

/// A scored batch with what is unknown in it, or a part with a value that cannot be used.
enum Scored {
    Rows(RecordBatch, Unknown),
    Bad(Box<Part>),
}

async fn write(job: &Job, table: &Table, keep: &[String], destination: &Destination, threads: usize, control: &Control) -> Result<u64> {
    let names = job.reader.columns.names();
    let mut read = names.clone();
    let mut places: HashMap<&str, usize> = names.iter().enumerate().map(|(place, &name)| (name, place)).collect();
    for name in keep {
        table.field(name)?;
        places.entry(name).or_insert_with(|| {
            read.push(name);
            read.len() - 1
        });
    }
    let scan = table.scan(&read).await?;
    let kept: Vec<usize> = keep.iter().map(|name| places[name.as_str()]).collect();
    let typed = table.is_csv && matches!(destination, Destination::Parquet(_));
    let of_scan = scan.schema();
    let kept_field = |&i: &usize| if typed { table.field(read[i]).cloned() } else { Ok(of_scan.field(i).clone()) };
    let mut fields = kept.iter().map(kept_field).collect::<Result<Vec<Field>>>()?;
    fields.extend(columns::fields(&job.model.schema.target));
    let schema = Arc::new(Schema::new(fields));
    refuse_names_twice(table, &schema)?;
    table.refuse_to_replace(destination.path())?;
    let mut sink = Sink::create(destination, schema.clone())?;
    let (job, model, for_batches, inputs) = (job.clone(), job.model.clone(), control.clone(), names.len());
    let score = move |batch: RecordBatch| {
        for_batches.check()?;
        job.score(&batch, inputs, &kept, &schema)
    };
    let mut batches = std::pin::pin!(scan.map(threads, score));
    let (mut rows, mut unknown) = (0, Unknown::default());
    while let Some(scored) = batches.try_next().await? {
        match scored {
            Scored::Rows(batch, of_batch) => {
                sink.write(&batch)?;
                unknown.merge(of_batch);
                rows += batch.num_rows() as u64;
                control.tell(Event::Scoring { rows, of: table.rows });
            }
            Scored::Bad(part) => refuse_bad_value(table, &part, rows).await?,
        }
    }
    sink.finish()?;
    unknown.warn(&table.name, &model.schema, control);
    Ok(rows)
}

impl Job {
    fn score(&self, batch: &RecordBatch, inputs: usize, kept: &[usize], schema: &Arc<Schema>) -> Result<Scored> {
        let only_inputs = batch.project(&(0..inputs).collect::<Vec<_>>()).map_err(Error::internal)?;
        let part = part_of(&self.reader, &only_inputs);
        if part.bad.is_some() {
            return Ok(Scored::Bad(Box::new(part)));
        }
        let mut unknown = Unknown::default();
        unknown.see(&part, |input, text| self.scorer.knows(input, text));
        let predictions = columns::score(&self.scorer, &part, 0..part.rows)?;
        let copies = kept.iter().zip(schema.fields()).map(|(&i, field)| self.copy(batch.column(i), field));
        let mut arrays = copies.collect::<Result<Vec<ArrayRef>>>()?;
        arrays.extend(columns::arrays(&self.model.schema.target, predictions));
        Ok(Scored::Rows(RecordBatch::try_new(schema.clone(), arrays).map_err(Error::internal)?, unknown))
    }
}

impl Job {
    /// A kept column as it is written: text of a CSV file has the column's type in a Parquet file.
    fn copy(&self, array: &ArrayRef, field: &Field) -> Result<ArrayRef> {
        if array.data_type() == field.data_type() {
            return Ok(array.clone());
        }
        let wrong = |problem: String| Error::Column { table: "--keep".into(), column: field.name().clone(), problem };
        let reading = Reading { null_values: &self.reader.columns.nulls.texts, is_csv: true };
        let texts = reading.texts(array).map_err(|bad| wrong(bad.problem))?;
        let options = CastOptions { safe: false, ..CastOptions::default() };
        cast_with_options(&texts, field.data_type(), &options).map_err(|e| {
            wrong(format!("the first rows are {}, but a later one is not ({e}); write a CSV file to keep text", field.data_type()))
        })
    }
}

fn refuse_names_twice(table: &Table, schema: &Schema) -> Result<()> {
    let mut seen = HashSet::new();
    match schema.fields().iter().find(|field| !seen.insert(field.name())) {
        None => Ok(()),
        Some(twice) => Err(Error::Column {
            table: table.name.clone(),
            column: twice.name().clone(),
            problem: "the predictions have a column of this name too, or it is kept twice; keep another column".into(),
        }),
    }
}

fn warn_of_extra_columns(model: &Model, table: &Table, keep: &[String], control: &Control) {
    let schema = &model.schema;
    let inputs: HashSet<&str> = schema.inputs.iter().map(|input| input.name.as_str()).collect();
    let is_known = |name: &String| {
        inputs.contains(name.as_str()) || schema.target.name() == Some(name) || schema.weight.as_ref() == Some(name) || keep.contains(name)
    };
    let extra: Vec<&str> = table.schema.fields().iter().map(|f| f.name()).filter(|name| !is_known(name)).map(String::as_str).collect();
    if !extra.is_empty() {
        control.warn(format!("{}: columns that the model does not read are left aside: {}", table.name, extra.join(", ")));
    }
}
