//! A shard's tables in process: reads of rows and additions to them, under keys that a file names.

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use quelea_core::steps::{Parameters, Rule, Start};
use quelea_params::tables::{Keeps, Tables};
use serde_json::{Value, json};

/// The file has 64-bit numbers: the keys of `rows` rows, in ascending order, and then those of some calls, `keys` for each.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Rows of the table.
    pub rows: usize,
    /// Keys of a call.
    pub keys: usize,
    /// Numbers of a row.
    pub width: usize,
    /// Calls.
    pub calls: usize,
}

/// Seconds of each call.
pub fn run(what: &str, file: &str, size: Size) -> Result<Value> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {file}"))?;
    let numbers: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|number| u64::from_le_bytes(*number)).collect();
    ensure!(numbers.len() >= size.rows + size.keys, "{file} has no keys of calls");
    let (all, calls) = numbers.split_at(size.rows);
    let table = Parameters { name: "weights".into(), width: size.width, start: Start::Zero, rule: Rule::Sum, unit: 1e-6 };
    let mut tables = Tables::new(&[table], Keeps::ALL)?;
    tables.apply(0, all, &vec![1; size.rows * size.width], 1, 0)?;
    let sums = vec![1; size.keys * size.width];
    let mut into = Vec::new();
    let mut seconds = Vec::with_capacity(size.calls);
    for (call, keys) in calls.chunks_exact(size.keys).cycle().take(size.calls).enumerate() {
        into.clear();
        let start = Instant::now();
        match what {
            "read" => tables.read(0, keys, &mut into)?,
            "add" => tables.apply(0, keys, &sums, 1, call as u64)?,
            _ => bail!("{what} is neither read nor add"),
        }
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(json!({"seconds": seconds}))
}
