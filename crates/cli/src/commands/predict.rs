//! `quelea predict`: a prediction for every row of a table.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use quelea_core::visible::visible;
use quelea_engine::Destination;
use serde_json::json;

use crate::view::View;
use crate::{interrupt, text};

/// Predict every row of a table, in the table's order
#[derive(Args)]
#[command(after_help = "Examples:
  quelea predict adult.onnx adult.parquet --output predictions.parquet
  quelea predict adult.onnx adult.csv --keep id --output - | head")]
pub struct Arguments {
    /// The ONNX file
    model: PathBuf,
    /// A Parquet, CSV or LibSVM file, a folder or a glob
    table: String,
    /// A file to write that ends in .parquet or .csv, or - for CSV on the standard output
    #[arg(long, short, value_name = "FILE", value_parser = Destination::parse)]
    output: Destination,
    /// A column of the table to copy before the predictions; may be given several times
    #[arg(long, value_name = "COLUMN")]
    keep: Vec<String>,
    /// Threads to compute with; all cores when not given
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print JSON lines for programs
    #[arg(long)]
    pub json: bool,
}

/// Predicts.
pub fn run(arguments: Arguments, view: &View) -> Result<()> {
    if arguments.json && arguments.output == Destination::Stdout {
        bail!("--json and --output - both write to the standard output; name a file for one of them");
    }
    let control = interrupt::stoppable(view.control())?;
    let model = quelea_engine::read_model(&arguments.model)?;
    let threads = arguments.threads.map(usize::from);
    let rows = quelea_engine::predict(model, &arguments.table, &arguments.keep, &arguments.output, threads, &control)?;
    view.clear();
    match &arguments.output {
        Destination::Stdout => Ok(()),
        Destination::Parquet(path) | Destination::Csv(path) => view
            .result(json!({"event": "predicted", "rows": rows, "output": path}), || {
                format!("wrote {} predictions to {}\n", text::count(rows), visible(&path.to_string_lossy()))
            }),
    }
}
