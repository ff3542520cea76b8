//! `quelea schema`: the JSON Schema of job files.

use std::io::Write;

use anyhow::Result;
use clap::Args;

/// Print the JSON Schema of job files, for editors that complete and check them
#[derive(Args)]
#[command(after_help = "Example:\n  quelea schema > job.schema.json")]
pub struct Arguments {}

/// Prints the schema.
pub fn run() -> Result<()> {
    writeln!(std::io::stdout(), "{:#}", quelea_job::json_schema())?;
    Ok(())
}
