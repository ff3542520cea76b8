//! `quelea shard`: serves parameters to training runs.

use std::io::Write;

use anyhow::Result;
use clap::{Args, ValueEnum};
use quelea_core::visible::visible;
use quelea_job::Protocol;

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
    /// How messages are carried [transport.protocol]
    #[arg(long, value_name = "PROTOCOL", value_enum, default_value_t = Carried::Rpc)]
    protocol: Carried,
    #[command(flatten)]
    membership: Membership,
}

/// How messages are carried.
#[derive(Clone, Copy, ValueEnum)]
enum Carried {
    /// Frames over TCP or a Unix socket
    Rpc,
    /// A gRPC stream per connection
    Grpc,
    /// HTTP requests
    Rest,
}

impl From<Carried> for Protocol {
    fn from(carried: Carried) -> Self {
        match carried {
            Carried::Rpc => Self::Rpc,
            Carried::Grpc => Self::Grpc,
            Carried::Rest => Self::Rest,
        }
    }
}

/// Serves until it is stopped.
pub fn run(arguments: Arguments, view: &View) -> Result<()> {
    let (transport, control) = arguments.membership.begin(arguments.protocol.into(), view)?;
    let tell = |address: &str| {
        // Whoever started this may not want to know.
        let _ = writeln!(std::io::stdout(), "listening on {}", visible(address));
    };
    Ok(quelea_engine::shard(&arguments.listen, &transport, arguments.membership.threads(), &control, tell)?)
}
