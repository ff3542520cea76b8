//! The errors of connections.

use std::io;

/// Why a connection could not be made or had to end.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The connection cannot be made or listened for.
    #[error(transparent)]
    Connection(quelea_tls::Error),
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
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl WireError {
    /// What went wrong in the TLS below an error, if something did.
    pub(crate) fn of_tls(error: &(dyn std::error::Error + 'static), address: &str) -> Option<Self> {
        quelea_tls::explain(error, address).map(Self::Connection)
    }

    /// Nobody can be talked to at `address`.
    pub(crate) fn unconnected(address: &str, source: io::Error) -> Self {
        Self::Connection(quelea_tls::Error::Connect { address: address.into(), source })
    }

    /// `address` is none.
    #[cfg(any(feature = "grpc", feature = "rest"))]
    pub(crate) fn no_address(address: &str) -> Self {
        Self::Connection(quelea_tls::Error::Address { address: address.into(), rule: "write HOST:PORT" })
    }

    /// Whether trying again can help.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Connection(quelea_tls::Error::Connect { .. }) | Self::Io(_))
    }
}

impl From<quelea_tls::Error> for WireError {
    fn from(error: quelea_tls::Error) -> Self {
        match error {
            quelea_tls::Error::Io(error) => Self::Io(error),
            error => Self::Connection(error),
        }
    }
}
