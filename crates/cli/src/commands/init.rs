//! `quelea init`: a commented job file for a table.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use quelea_core::visible::visible;

use crate::view::print;

/// Write a commented job file for a table
#[derive(Args)]
#[command(
    after_help = "Examples:\n  quelea init adult.parquet --target salary\n  quelea init points.csv --model k-means --output points.toml"
)]
pub struct Arguments {
    /// A Parquet, CSV or LibSVM file, a folder or a glob
    table: String,
    /// The column to predict
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// The learner, such as gradient-boosting, logistic-regression or k-means; `quelea schema` has all of them
    #[arg(long, value_name = "NAME", default_value = "gradient-boosting")]
    model: String,
    /// The job file to write
    #[arg(long, short, value_name = "FILE", default_value = "job.toml")]
    output: PathBuf,
    /// Replace a job file that is there already
    #[arg(long)]
    force: bool,
}

/// Writes the job file.
pub fn run(arguments: Arguments) -> Result<()> {
    quelea_engine::init(&arguments.table, arguments.target.as_deref(), &arguments.model, &arguments.output, arguments.force)?;
    let path = arguments.output.display().to_string();
    print(&format!("wrote {0}; look it through, then: quelea train {0}\n", visible(&path)))
}
