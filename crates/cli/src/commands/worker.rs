//! `quelea worker`: works for a training run.

use anyhow::Result;
use clap::Args;
use quelea_job::Protocol;

use crate::child::Membership;
use crate::view::View;

/// Work for a training run until it ends
#[derive(Args)]
#[command(after_help = "Example:\n  quelea worker --run rpc://127.0.0.1:7100\n\n\
    The URL says by which protocol: rpc://, grpc://, http://, or https:// under TLS.")]
pub struct Arguments {
    /// Where the run listens, and by which protocol, as `quelea train` tells it
    #[arg(long, value_name = "URL")]
    run: String,
    #[command(flatten)]
    membership: Membership,
}

/// Works.
pub fn run(arguments: Arguments, view: &View) -> Result<()> {
    let (transport, control) = arguments.membership.begin(Protocol::default(), view)?;
    Ok(quelea_engine::worker(&arguments.run, &transport, arguments.membership.threads(), &control)?)
}
