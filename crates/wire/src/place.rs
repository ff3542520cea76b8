//! Where processes listen: a HOST:PORT, or `unix:` and the path of a socket of this machine.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::stream::Stream;
use crate::{Terms, WireError};

/// What an address of a Unix socket begins with.
const UNIX: &str = "unix:";

/// A bound address, before there is a runtime.
pub(crate) enum Bound {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, Socket),
}

/// The file of a Unix socket, which goes with it.
pub(crate) struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        // Somebody else may have cleared it away.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What takes connections.
pub(crate) enum Door {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener, Socket),
}

impl Bound {
    /// Listens on `address`; beyond this machine only if it `may`.
    pub(crate) fn bind(address: &str, may: bool) -> Result<Self, WireError> {
        let listen = |source| WireError::Listen { address: address.into(), source };
        if let Some(path) = address.strip_prefix(UNIX) {
            return bind_unix(Path::new(path)).map_err(listen);
        }
        let found = address.to_socket_addrs().map_err(|error| WireError::unknown_address(address, error, listen))?;
        let found = allowed(address, found, may)?;
        let bind = || {
            let socket = TcpListener::bind(&found[..])?;
            socket.set_nonblocking(true)?;
            let address = socket.local_addr()?;
            Ok(Self::Tcp(socket, address))
        };
        bind().map_err(listen)
    }

    /// HOST:PORT, or `unix:` and the path.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Tcp(_, address) => address.to_string(),
            Self::Unix(_, socket) => format!("{UNIX}{}", socket.0.display()),
        }
    }

    /// Must be called within a runtime.
    pub(crate) fn open(self) -> io::Result<Door> {
        Ok(match self {
            Self::Tcp(socket, _) => Door::Tcp(tokio::net::TcpListener::from_std(socket)?),
            Self::Unix(socket, path) => Door::Unix(tokio::net::UnixListener::from_std(socket)?, path),
        })
    }
}

/// A socket that only its owner may use. The file of one that nobody listens on any more is taken over.
fn bind_unix(path: &Path) -> io::Result<Bound> {
    if UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
        std::fs::remove_file(path)?;
    }
    let socket = UnixListener::bind(path)?;
    let file = Socket(path.into());
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
    socket.set_nonblocking(true)?;
    Ok(Bound::Unix(socket, file))
}

/// The places that an address was found to stand for, if they are on this machine or `may` be anywhere.
fn allowed(address: &str, found: impl Iterator<Item = SocketAddr>, may: bool) -> Result<Vec<SocketAddr>, WireError> {
    let found: Vec<SocketAddr> = found.collect();
    if found.is_empty() || !may && found.iter().any(|place| !place.ip().is_loopback()) {
        return Err(WireError::Exposed { address: address.into() });
    }
    Ok(found)
}

impl Door {
    /// The next connection, and the address of its other side.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, String)> {
        match self {
            Self::Tcp(socket) => socket.accept().await.map(|(stream, address)| (Stream::Tcp(stream), address.to_string())),
            Self::Unix(socket, path) => {
                socket.accept().await.map(|(stream, _)| (Stream::Unix(stream), format!("{UNIX}{}", path.0.display())))
            }
        }
    }
}

/// Makes a new connection as it must be: at once, noticed when it dies, and encrypted if it leaves this machine.
pub(crate) async fn accepted(stream: Stream, terms: &Terms) -> Result<Stream, WireError> {
    match (stream, &terms.tls) {
        (Stream::Tcp(stream), Some(tls)) => {
            prepare(&stream)?;
            tls.accept(stream, terms.protocol).await
        }
        (Stream::Tcp(stream), None) => {
            prepare(&stream)?;
            Ok(Stream::Tcp(stream))
        }
        (stream, _) => Ok(stream),
    }
}

/// Connects to an address.
pub(crate) async fn connect(address: &str, terms: &Terms) -> Result<Stream, WireError> {
    let limit = terms.connect_timeout;
    let failed = |source| WireError::Connect { address: address.into(), source };
    let late = |_| failed(io::ErrorKind::TimedOut.into());
    if let Some(path) = address.strip_prefix(UNIX) {
        let connected = timeout(limit, tokio::net::UnixStream::connect(path)).await.map_err(late)?;
        return connected.map(Stream::Unix).map_err(failed);
    }
    let found = timeout(limit, lookup_host(address)).await.map_err(late)?;
    let found = found.map_err(|error| WireError::unknown_address(address, error, failed))?;
    let places = allowed(address, found, terms.tls.is_some())?;
    let stream = timeout(limit, TcpStream::connect(&places[..])).await.map_err(late)?.map_err(failed)?;
    prepare(&stream)?;
    match &terms.tls {
        Some(tls) => timeout(limit, tls.connect(stream, terms.protocol, address)).await.map_err(late)?,
        None => Ok(Stream::Tcp(stream)),
    }
}

/// After so long without a word the other machine is asked whether it is there, so often, until it counts as gone.
const SILENCE: Duration = Duration::from_secs(15);

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(SILENCE).with_interval(SILENCE);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)
}
