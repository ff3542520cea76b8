//! `quelea evaluate`: how well a model does on a table that has the truth.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::view::View;
use crate::{interrupt, text};

/// Compute a model's metrics on a table
#[derive(Args)]
#[command(after_help = "Example:\n  quelea evaluate adult.onnx adult_test.parquet")]
pub struct Arguments {
    /// The ONNX file
    model: PathBuf,
    /// A Parquet, CSV or LibSVM file, a folder or a glob, with the target's column
    table: String,
    /// Threads to compute with; all cores when not given
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print JSON lines for programs
    #[arg(long)]
    pub json: bool,
}

/// Evaluates.
pub fn run(arguments: Arguments, view: &View) -> Result<()> {
    let control = interrupt::stoppable(view.control())?;
    let model = quelea_engine::read_model(&arguments.model)?;
    let target = model.schema.target.clone();
    let metrics = quelea_engine::evaluate(model, &arguments.table, arguments.threads.map(usize::from), &control)?;
    view.clear();
    view.result(json!({"event": "evaluated", "metrics": metrics}), || {
        let metrics = BTreeMap::from([(arguments.table.clone(), metrics.clone())]);
        text::metrics(&metrics) + &text::confusion(&metrics, &target)
    })
}
