//! `quelea shard`: serves parameters to training runs.

use std::io::Write;

use anyhow::Result;
use clap::Args;

use crate::child::Membership;
use crate::view::View;

/// Serve parameters to training runs, one at a time
#[derive(Args)]
#[command(
    after_help = "Example:\n  quelea shard --listen 127.0.0.1:7101\n  quelea train job.toml --set 'cluster.shards=[\"127.0.0.1:7101\"]'"
)]
pub struct Arguments {
    /// The HOST:PORT to listen on; port 0 takes a free one, which is printed
    #[arg(long, value_name = "HOST:PORT")]
    listen: String,
    #[command(flatten)]
    membership: Membership,
}

/// Serves until it is stopped.
pub fn run(arguments: Arguments, view: &View) -> Result<()> {
    let (transport, control) = arguments.membership.begin(view)?;
    let tell = |address: &str| {
        // Whoever started this may not want to know.
        let _ = writeln!(std::io::stdout(), "listening on {address}");
    };
    Ok(quelea_engine::shard(&arguments.listen, &transport, arguments.membership.threads(), &control, tell)?)
}
