//! `quelea schema`: the JSON Schema of job files.

use anyhow::Result;
use clap::Args;

use crate::view::print;

/// Print the JSON Schema of job files, for editors that complete and check them
#[derive(Args)]
#[command(after_help = "Example:\n  quelea schema > job.schema.json")]
pub struct Arguments {}

/// Prints the schema.
pub fn run() -> Result<()> {
    print(&format!("{:#}\n", quelea_job::json_schema()))
}
