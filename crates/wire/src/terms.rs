//! What every process of a run is given.

use std::time::Duration;

use quelea_params::Timing;

use crate::Token;

/// The terms on which processes talk; the same on all sides.
#[derive(Clone)]
pub struct Terms {
    /// The secret that they share.
    pub token: Token,
    /// How long they wait for each other; of a shard or worker, until its run tells its own.
    pub timing: Timing,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
}
