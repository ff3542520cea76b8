//! Scoring: a model file and a table become predictions, or metrics where the truth is known.

mod columns;
mod predict;
mod sink;

use std::path::Path;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use futures::TryStreamExt;
use quelea_core::prediction::Metrics;
use quelea_core::schema::{Labels, Target};
use quelea_learn::metrics::Evaluation;
use quelea_learn::registry;
use quelea_model::{Model, Scorer};
use rayon::prelude::*;

use crate::prepare::columns::Columns;
use crate::prepare::part::{Part, PartReader};
use crate::prepare::read::{Reader, refuse_bad_value};
use crate::prepare::unknown::Unknown;
use crate::prepare::{Rows, target};
use crate::table::Table;
use crate::threads::Threads;
use crate::{Control, Error, Event, Result};

pub use predict::predict;
pub use sink::Destination;

/// Rows that are scored at once.
const CHUNK_ROWS: usize = 16_384;

/// Reads a model file.
pub fn read_model(path: &Path) -> Result<Model> {
    let bytes = std::fs::read(path).map_err(|source| Error::File { action: "read", path: path.into(), source })?;
    if bytes.is_empty() {
        let problem = "the file is empty; train the model again, or name another file".into();
        return Err(Error::Table { table: path.display().to_string(), problem });
    }
    Model::from_bytes(&bytes).map_err(|source| Error::Model { path: path.display().to_string(), source })
}

/// The metrics of `model` on `table`, which must have the target.
pub fn evaluate(model: Model, table: &str, threads: Option<usize>, control: &Control) -> Result<Metrics> {
    let threads = Threads::new(threads)?;
    let model = Arc::new(model);
    let scorer = Arc::new(scorer(&model)?);
    let table = Table::open(table, &model.schema.null_values, threads.count)?;
    let weight = model.schema.weight.clone().filter(|name| table.schema.field_with_name(name).is_ok());
    if let (Some(weight), None) = (&model.schema.weight, &weight) {
        control.warn(format!("{}: there is no column {weight:?}, so every row weighs 1", table.name));
    }
    let columns = Columns::of_model(&model.schema, true, weight);
    let reader = reader(&model, &table, columns)?;
    let evaluation = threads.wait(evaluate_table(&model, scorer, &table, reader, threads.count, control))?;
    let metrics = evaluation.finish();
    if metrics.values.is_empty() {
        control.warn(format!("{}: every row weighs 0, so there are no metrics; give some rows a weight above 0", table.name));
    }
    Ok(metrics)
}

/// What a partition gives: its metrics so far, and its first rows that could not be used.
struct Judged {
    evaluation: Evaluation,
    rows: u64,
    unknown: u64,
    texts: Unknown,
    bad: Option<Part>,
}

async fn evaluate_table(
    model: &Arc<Model>,
    scorer: Arc<Scorer>,
    table: &Table,
    reader: Reader,
    threads: usize,
    control: &Control,
) -> Result<Evaluation> {
    let scan = table.scan(&reader.columns.names()).await?;
    let make = || Judged { evaluation: evaluation(model), rows: 0, unknown: 0, texts: Unknown::default(), bad: None };
    let (for_steps, of_model, for_batches) = (control.clone(), model.clone(), reader.clone());
    let step = move |judged: &mut Judged, batch: RecordBatch| {
        for_steps.check()?;
        if judged.bad.is_some() {
            return Ok(());
        }
        let part = part_of(&for_batches, &batch);
        if part.bad.is_some() {
            judged.bad = Some(part);
            return Ok(());
        }
        judged.rows += part.rows as u64;
        judged.texts.see(&part, |input, text| scorer.knows(input, text));
        judged.unknown += judge(&scorer, &of_model, part, &mut judged.evaluation)?;
        Ok(())
    };
    let mut partitions = std::pin::pin!(scan.fold(threads, make, step));
    let (mut all, mut rows, mut unknown, mut texts) = (evaluation(model), 0, 0, Unknown::default());
    while let Some(judged) = partitions.try_next().await? {
        rows += judged.rows;
        unknown += judged.unknown;
        if let Some(part) = judged.bad {
            refuse_bad_value(table, &part, rows).await?;
        }
        all.merge(judged.evaluation);
        texts.merge(judged.texts);
        control.tell(Event::Scoring { rows, of: table.rows });
    }
    texts.warn(&table.name, &model.schema, control);
    if unknown > 0 {
        control.warn(format!("{unknown} rows have no target, or one that the model does not know, and are left out"));
    }
    if rows == unknown {
        let problem = if rows == 0 { "the table has no rows" } else { "no row has a target that the model knows" };
        return Err(Error::Table { table: table.name.clone(), problem: problem.into() });
    }
    Ok(all)
}

/// Scores a part and adds it to `evaluation`; the rows without a known truth are left out and counted.
fn judge(scorer: &Scorer, model: &Model, mut part: Part, evaluation: &mut Evaluation) -> Result<u64> {
    let mut truth = target::truth(&model.schema.target, part.target.take());
    let known: Vec<u32> = (0..truth.len() as u32).filter(|&row| !truth[row as usize].is_nan()).collect();
    let unknown = truth.len() - known.len();
    if unknown > 0 {
        part = part.pick(&known);
        truth.retain(|truth| !truth.is_nan());
    }
    if part.rows > 0 {
        evaluation.add(&columns::score(scorer, &part, 0..part.rows)?, &truth, part.weight.as_deref());
    }
    Ok(unknown as u64)
}

/// The metrics of a model on rows that are in memory already.
pub(crate) fn measure(scorer: &Scorer, model: &Model, rows: &Rows, control: &Control) -> Result<Metrics> {
    let chunks: Vec<(usize, usize)> =
        rows.parts.iter().enumerate().flat_map(|(part, of)| (0..of.rows).step_by(CHUNK_ROWS).map(move |from| (part, from))).collect();
    let of_chunk = |&(part, from): &(usize, usize)| {
        control.check()?;
        let of = &rows.parts[part];
        let to = of.rows.min(from + CHUNK_ROWS);
        let truth = rows.exact_truth(part, from..to);
        let mut evaluation = evaluation(model);
        evaluation.add(&columns::score(scorer, of, from..to)?, &truth, of.weight.as_deref().map(|weight| &weight[from..to]));
        Ok(evaluation)
    };
    let mut all = evaluation(model);
    for evaluation in chunks.par_iter().map(of_chunk).collect::<Result<Vec<_>>>()? {
        all.merge(evaluation);
    }
    Ok(all.finish())
}

fn evaluation(model: &Model) -> Evaluation {
    let quantile = || {
        let mut parameters = model.about.job["model"].as_object()?.clone();
        parameters.remove("type");
        (registry::find(&model.about.learner).ok()?.quantile)(&parameters)
    };
    Evaluation::new(&model.schema.target, quantile())
}

pub(crate) fn scorer(model: &Model) -> Result<Scorer> {
    Scorer::new(model).map_err(|e| Error::internal(format!("a model that could be read cannot be scored: {e}")))
}

/// A reader of the columns that a model needs; the error says how the table differs from what the model was trained on.
fn reader(model: &Model, table: &Table, columns: Columns) -> Result<Reader> {
    columns.check(table, Some(&model.schema.target))?;
    let text_target = matches!(&model.schema.target, Target::Classes { labels: Labels::Text(_), .. });
    Ok(Reader { columns, text_target, is_csv: table.is_csv })
}

fn part_of(reader: &Reader, batch: &RecordBatch) -> Part {
    let mut part: PartReader = reader.begin();
    part.read(batch);
    part.finish()
}
