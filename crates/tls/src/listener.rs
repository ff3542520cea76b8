//! Where processes listen and how they connect: a HOST:PORT, or `unix:` and the path of a socket of this machine.

use std::io;
use std::time::Duration;

use tokio::time::timeout;

use crate::stream::Stream;
use crate::{Error, Result, Tls, tcp, unix};

/// What an address of a Unix socket begins with.
const UNIX: &str = "unix:";

/// A bound address, before there is a runtime.
pub struct Listener(Bound);

enum Bound {
    Tcp(tcp::Bound),
    Unix(unix::Bound),
}

/// What takes connections.
pub struct Acceptor(Accepting);

enum Accepting {
    Tcp(tokio::net::TcpListener),
    Unix(unix::Acceptor),
}

impl Listener {
    /// Listens on `address`: a HOST:PORT, where port 0 takes a free one, or `unix:` and the path of a socket that is made.
    /// Without `tls` it must be of this machine.
    pub fn bind(address: &str, tls: Option<&Tls>) -> Result<Self> {
        let bound = match address.strip_prefix(UNIX) {
            Some(path) => {
                let failed = |source| Error::Listen { address: address.into(), source };
                Bound::Unix(unix::Bound::bind(path.as_ref()).map_err(failed)?)
            }
            None => Bound::Tcp(tcp::Bound::bind(address, tls.is_some())?),
        };
        Ok(Self(bound))
    }

    /// HOST:PORT, or `unix:` and the path.
    pub fn address(&self) -> String {
        match &self.0 {
            Bound::Tcp(bound) => bound.address.to_string(),
            Bound::Unix(bound) => format!("{UNIX}{}", bound.path().display()),
        }
    }

    /// Begins to take connections; must be called within a runtime.
    pub fn open(self) -> Result<Acceptor> {
        let address = self.address();
        let opened = match self.0 {
            Bound::Tcp(bound) => tokio::net::TcpListener::from_std(bound.socket).map(Accepting::Tcp),
            Bound::Unix(bound) => bound.open().map(Accepting::Unix),
        };
        opened.map(Acceptor).map_err(|source| Error::Listen { address, source })
    }
}

impl Acceptor {
    /// The next connection, and the address of its other side. [`secure`] makes it ready.
    pub async fn accept(&self) -> io::Result<(Stream, String)> {
        match &self.0 {
            Accepting::Tcp(socket) => socket.accept().await.map(|(stream, address)| (Stream::Tcp(stream), address.to_string())),
            Accepting::Unix(socket) => {
                socket.accept().await.map(|stream| (Stream::Unix(stream), format!("{UNIX}{}", socket.path().display())))
            }
        }
    }
}

/// Makes an accepted connection ready: it sends at once, is noticed when it dies, and is encrypted with `tls` if it came over TCP.
/// `alpn` is the protocol's name in TLS (RFC 7301).
pub async fn secure(stream: Stream, tls: Option<&Tls>, alpn: &[u8]) -> Result<Stream> {
    let Stream::Tcp(stream) = stream else { return Ok(stream) };
    tcp::prepare(&stream)?;
    match tls {
        Some(tls) => tls.accept(stream, alpn).await,
        None => Ok(Stream::Tcp(stream)),
    }
}

/// Connects to an address of [`Listener::bind`]. Each of looking it up, connecting and the handshake may take `limit`.
pub async fn connect(address: &str, tls: Option<&Tls>, alpn: &[u8], limit: Duration) -> Result<Stream> {
    let failed = |source| Error::Connect { address: address.into(), source };
    let late = |_| failed(io::ErrorKind::TimedOut.into());
    if let Some(path) = address.strip_prefix(UNIX) {
        let connected = timeout(limit, unix::connect(path.as_ref())).await.map_err(late)?;
        return connected.map(Stream::Unix).map_err(failed);
    }
    let stream = tcp::connect(address, tls.is_some(), limit).await?;
    tcp::prepare(&stream)?;
    match tls {
        Some(tls) => timeout(limit, tls.connect(stream, alpn, address)).await.map_err(late)?,
        None => Ok(Stream::Tcp(stream)),
    }
}
