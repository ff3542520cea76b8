//! Why a connection cannot be made.

use std::io;

/// Why an address, a file or the other side cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// Nobody answers there.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// An address that is none.
    #[error("{address:?} is not an address: {rule}")]
    Address {
        /// What was given.
        address: String,
        /// What it should be.
        rule: &'static str,
    },
    /// Without encryption nothing listens where others could read along.
    #[error(
        "{address} is not a loopback address, and without TLS nothing listens or connects beyond this machine; \
         set transport.tls.certificate, .key and .authority (docs/operating.md shows how to make them)"
    )]
    Exposed {
        /// The address.
        address: String,
    },
    /// The token file cannot be used.
    #[error("token file {path}: {problem}")]
    TokenFile {
        /// The file.
        path: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A certificate, a key or an authority cannot be used.
    #[error("{path}: {problem}")]
    CertificateFile {
        /// The file.
        path: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The two sides do not trust each other.
    #[error("no encrypted connection to {address}: {problem}; {advice}")]
    Handshake {
        /// The address.
        address: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        advice: &'static str,
    },
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A result whose error is [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Why `address` was not found: it is none, or what `otherwise` says.
    pub(crate) fn unknown_address(address: &str, error: io::Error, otherwise: impl Fn(io::Error) -> Self) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidInput => Self::Address { address: address.into(), rule: "write HOST:PORT" },
            _ => otherwise(error),
        }
    }
}
