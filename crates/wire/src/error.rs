//! The errors of connections.

use std::io;

/// Why a connection could not be made or had to end.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The address cannot be used.
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
    /// The other side is of another version.
    #[error("{address} speaks version {theirs} of the protocol, and this program version {ours}; use the same quelea on both sides")]
    Version {
        /// The address.
        address: String,
        /// Its version.
        theirs: u32,
        /// Ours.
        ours: u32,
    },
    /// The two sides do not share a token.
    #[error("{address} does not know this token; give both sides the same token file")]
    Token {
        /// The address.
        address: String,
    },
    /// It is a run where a shard was expected, or the other way round, or no quelea at all.
    #[error("{address} is not the address of {expected}; look at the address, and give both sides the same transport.protocol")]
    NotThat {
        /// The address.
        address: String,
        /// What was expected.
        expected: &'static str,
    },
    /// A frame that breaks the rules.
    #[error("a message from {address} is malformed: {problem}")]
    Malformed {
        /// Whose.
        address: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A message that no frame holds.
    #[error("{what} of {bytes} bytes is too large to be sent; the most is {most}")]
    TooLarge {
        /// What the message is.
        what: String,
        /// The size of what is too large: of the message itself, or of the numbers beside it.
        bytes: u64,
        /// What it may have.
        most: u64,
    },
    /// The other side has an answer, and cannot send it.
    #[error("{address} cannot answer: {problem}")]
    Unanswered {
        /// The address.
        address: String,
        /// Why not.
        problem: String,
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
    TlsFile {
        /// The file.
        path: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The two sides do not trust each other.
    #[error("no encrypted connection to {address}: {problem}; {advice}")]
    Tls {
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

impl WireError {
    /// Why `address` was not found: it is none, or what `otherwise` says.
    pub(crate) fn unknown_address(address: &str, error: io::Error, otherwise: impl Fn(io::Error) -> Self) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidInput => Self::Address { address: address.into(), rule: "write HOST:PORT" },
            _ => otherwise(error),
        }
    }

    /// Whether trying again can help.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Io(_))
    }
}
