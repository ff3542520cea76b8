//! Scoring in process: batches on several threads, and one row at a time.

use std::time::Instant;

use anyhow::Result;
use arrow::array::{Float32Array, RecordBatch};
use quelea_core::prediction::Predictions;
use quelea_model::{Column, Model, RowPrediction, Scorer, Value};
use rayon::prelude::*;
use serde_json::{Value as Json, json};

use crate::table;

const CHUNK_ROWS: usize = 16_384;

fn inputs(model: &Model, batch: &RecordBatch) -> Result<Vec<Float32Array>> {
    model.schema.inputs.iter().map(|input| table::floats(batch, &input.name)).collect()
}

fn chunk(scorer: &Scorer, inputs: &[Float32Array], start: usize) -> Result<Predictions> {
    let of = |column: &'_ Float32Array| start..(start + CHUNK_ROWS).min(column.len());
    let columns: Vec<Column> = inputs.iter().map(|column| Column::Number(&column.values()[of(column)])).collect();
    Ok(scorer.score(&columns)?)
}

/// Seconds to predict all rows of a table in memory, per repetition.
pub fn batches(model: &Model, path: &str, threads: usize, repeats: usize) -> Result<Json> {
    let batch = table::whole(path)?;
    let inputs = inputs(model, &batch)?;
    let scorer = Scorer::new(model)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let starts: Vec<usize> = (0..batch.num_rows()).step_by(CHUNK_ROWS).collect();
    let mut seconds = Vec::with_capacity(repeats);
    for _ in 0..repeats {
        let start = Instant::now();
        let predictions: Vec<Predictions> =
            pool.install(|| starts.par_iter().map(|&start| chunk(&scorer, &inputs, start)).collect::<Result<_>>())?;
        seconds.push(start.elapsed().as_secs_f64());
        std::hint::black_box(predictions);
    }
    Ok(json!({"seconds": seconds}))
}

/// Seconds to predict one row, for each of the first `rows` of a table, after as many to warm up.
pub fn rows(model: &Model, path: &str, rows: usize) -> Result<Json> {
    let batch = table::whole(path)?.slice(0, rows);
    let inputs = inputs(model, &batch)?;
    let scorer = Scorer::new(model)?;
    let mut scratch = scorer.scratch();
    let mut seconds = Vec::with_capacity(2 * rows);
    let mut sum = 0.0;
    for row in (0..rows).chain(0..rows) {
        let values: Vec<Value> = inputs.iter().map(|column| Value::Number(column.value(row))).collect();
        let start = Instant::now();
        let prediction = scorer.score_row(&values, &mut scratch)?;
        seconds.push(start.elapsed().as_secs_f64());
        sum += match prediction {
            RowPrediction::Number(value) => f64::from(value),
            RowPrediction::Class { probabilities, .. } => f64::from(probabilities[0]),
            RowPrediction::Cluster { distance, .. } => f64::from(distance),
        };
    }
    Ok(json!({"seconds": seconds.split_off(rows), "sum": sum}))
}
