//! What every process of a run is given.

use std::time::Duration;

use quelea_params::Timing;
use quelea_tls::{Stream, Tls, Token};

use crate::WireError;

/// The terms on which processes talk; the same on all sides.
#[derive(Clone)]
pub struct Terms {
    /// How messages are carried.
    pub protocol: Protocol,
    /// Encryption, if there is any; without it nothing listens or connects beyond this machine.
    pub tls: Option<Tls>,
    /// The secret that they share.
    pub token: Token,
    /// How long they wait for each other; of a shard or worker, until its run tells its own.
    pub timing: Timing,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
}

impl Terms {
    /// Connects to an address.
    pub(crate) async fn connect(&self, address: &str) -> Result<Stream, WireError> {
        Ok(quelea_tls::connect(address, self.tls.as_ref(), self.protocol.alpn(), self.connect_timeout).await?)
    }

    /// Makes an accepted connection ready.
    pub(crate) async fn secure(&self, stream: Stream) -> Result<Stream, WireError> {
        Ok(quelea_tls::secure(stream, self.tls.as_ref(), self.protocol.alpn()).await?)
    }
}

/// How messages are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// Frames over TCP or a Unix socket.
    #[default]
    Rpc,
    /// A gRPC stream per connection.
    #[cfg(feature = "grpc")]
    Grpc,
    /// HTTP requests, which people can make too.
    #[cfg(feature = "rest")]
    Rest,
}

impl Protocol {
    /// The protocols of this build.
    const ALL: &[Self] = &[
        Self::Rpc,
        #[cfg(feature = "grpc")]
        Self::Grpc,
        #[cfg(feature = "rest")]
        Self::Rest,
    ];

    /// What it is called in TLS (RFC 7301).
    pub(crate) fn alpn(self) -> &'static [u8] {
        match self {
            Self::Rpc => b"quelea",
            #[cfg(feature = "grpc")]
            Self::Grpc => b"h2",
            #[cfg(feature = "rest")]
            Self::Rest => b"http/1.1",
        }
    }

    /// The protocol of a run's URL, and the address in it; none if its scheme is not one with TLS, or without.
    pub fn of_url(url: &str, tls: bool) -> Option<(Self, &str)> {
        let (scheme, address) = url.split_once("://")?;
        let protocol = Self::ALL.iter().copied().find(|protocol| protocol.scheme(tls) == scheme)?;
        Some((protocol, address))
    }

    /// The scheme of a run's URL.
    pub fn scheme(self, tls: bool) -> &'static str {
        match (self, tls) {
            (Self::Rpc, _) => "rpc",
            #[cfg(feature = "grpc")]
            (Self::Grpc, _) => "grpc",
            #[cfg(feature = "rest")]
            (Self::Rest, false) => "http",
            #[cfg(feature = "rest")]
            (Self::Rest, true) => "https",
        }
    }
}

#[cfg(all(test, feature = "grpc", feature = "rest"))]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_by_which_protocol() {
        let address = "node1.example:7100";
        for (url, clear, tls) in [
            ("rpc://node1.example:7100", Some(Protocol::Rpc), Some(Protocol::Rpc)),
            ("grpc://node1.example:7100", Some(Protocol::Grpc), Some(Protocol::Grpc)),
            ("http://node1.example:7100", Some(Protocol::Rest), None),
            ("https://node1.example:7100", None, Some(Protocol::Rest)),
            ("ftp://node1.example:7100", None, None),
            ("node1.example:7100", None, None),
        ] {
            assert_eq!(Protocol::of_url(url, false), clear.map(|protocol| (protocol, address)), "{url}");
            assert_eq!(Protocol::of_url(url, true), tls.map(|protocol| (protocol, address)), "{url} under TLS");
        }
        assert_eq!(Protocol::of_url("rpc://unix:/a/b://c", false), Some((Protocol::Rpc, "unix:/a/b://c")));
    }
}
