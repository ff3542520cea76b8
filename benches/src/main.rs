//! Our side of the benchmarks: times the library in this process, on tables of numbers in memory, on pushes to shards or on
//! their tables, and prints one line of JSON. The drivers beside this crate run it next to the peers.

mod empty;
mod memory;
mod push;
mod score;
mod shards;
mod sparse;
mod table;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use quelea_data::Batches;
use quelea_engine::{Control, evaluate, read_model, train_source};
use quelea_job::Draft;
use serde_json::{Value, json};

/// Gives memory back to the system, and shares it among threads, better than the system's allocator: a training of a
/// million rows adds a third as much and takes a sixth less time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: quelea-benches fit JOB.toml TABLE TEST MODEL
       quelea-benches predict MODEL TABLE THREADS REPEATS
       quelea-benches one-row MODEL TABLE ROWS
       quelea-benches push rpc|grpc|rest|plain WORKERS SHARDS ROUNDS NUMBER
       quelea-benches empty numbered|spread WORKERS SHARDS ROWS WIDTH KEYS STEPS
       quelea-benches sparse read|add FILE ROWS KEYS WIDTH CALLS";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let answer = match arguments[..] {
        ["fit", job, table, test, model] => fit(job, table, test, model)?,
        ["predict", model, table, threads, repeats] => {
            score::batches(&read_model(Path::new(model))?, table, threads.parse()?, repeats.parse()?)?
        }
        ["push", "plain", workers, shards, rounds, _] => push::plain(workers.parse()?, shards.parse()?, rounds.parse()?)?,
        ["push", over, workers, shards, rounds, number] => {
            push::messages(push::protocol(over)?, (workers.parse()?, shards.parse()?), rounds.parse()?, number.parse()?)?
        }
        ["empty", keys @ ("numbered" | "spread"), workers, shards, rows, width, of_step, steps] => empty::steps(empty::Size {
            keys: if keys == "spread" { empty::Keys::Spread } else { empty::Keys::Numbered },
            workers: workers.parse()?,
            shards: shards.parse()?,
            rows: rows.parse()?,
            width: width.parse()?,
            of_step: of_step.parse()?,
            steps: steps.parse()?,
        })?,
        ["sparse", what, file, rows, keys, width, calls] => {
            let size = sparse::Size { rows: rows.parse()?, keys: keys.parse()?, width: width.parse()?, calls: calls.parse()? };
            sparse::run(what, file, size)?
        }
        ["one-row", model, table, rows] => score::rows(&read_model(Path::new(model))?, table, rows.parse()?)?,
        _ => bail!(USAGE),
    };
    println!("{answer}");
    Ok(())
}

/// Fits on the rows of `table` in memory; the metrics are those on `test`, and the model is written to `model`.
fn fit(job: &str, table: &str, test: &str, model: &str) -> Result<Value> {
    let job = Draft::read(Path::new(job))?.finish()?;
    let batches = Batches::new(&[table::whole(table)?])?;
    let before = memory::start()?;
    let start = Instant::now();
    let trained = train_source(&job, &batches, &Control::silent())?;
    let seconds = start.elapsed().as_secs_f64();
    let added = memory::peak()?.saturating_sub(before);
    drop(batches);
    std::fs::write(model, trained.to_bytes()?).with_context(|| format!("cannot write {model}"))?;
    let iterations = trained.about.history.len();
    let metrics = evaluate(trained, test, None, &Control::silent())?;
    Ok(json!({"seconds": seconds, "added_bytes": added, "iterations": iterations, "metrics": metrics}))
}
