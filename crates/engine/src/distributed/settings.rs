//! What a job says of waiting and secrets, as the parameter server takes it.

use std::path::Path;
use std::time::Duration;

use quelea_core::spec::Transport;
use quelea_params::Timing;
use quelea_wire::{Token, WireError};

/// How long everybody waits.
pub(crate) fn timing(transport: &Transport) -> Timing {
    Timing {
        keepalive: Duration::from_secs_f64(transport.keepalive),
        lease: Duration::from_secs_f64(transport.lease),
        request_timeout: Duration::from_secs_f64(transport.request_timeout),
        retries: transport.retries,
    }
}

/// How long a connection may take to be made.
pub(crate) fn connect_timeout(transport: &Transport) -> Duration {
    Duration::from_secs_f64(transport.connect_timeout)
}

/// The token of a file; without one, that of this user on this machine.
pub(crate) fn token(file: Option<&Path>) -> Result<Token, WireError> {
    match file {
        Some(file) => Token::read(file),
        None => Token::of_user(),
    }
}
