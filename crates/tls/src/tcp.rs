//! TCP: addresses are looked up, and refused beyond this machine where they may not be used.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::{Error, Result};

/// A bound socket.
pub(crate) struct Bound {
    pub socket: TcpListener,
    pub address: SocketAddr,
}

impl Bound {
    /// Listens on HOST:PORT; beyond this machine only if `is_encrypted`.
    pub fn bind(address: &str, is_encrypted: bool) -> Result<Self> {
        let listen = |source| Error::Listen { address: address.into(), source };
        let found = address.to_socket_addrs().map_err(|error| Error::unknown_address(address, error, listen))?;
        let found = allowed(address, found, is_encrypted)?;
        let bind = || {
            let socket = TcpListener::bind(&found[..])?;
            socket.set_nonblocking(true)?;
            let address = socket.local_addr()?;
            Ok(Self { socket, address })
        };
        bind().map_err(listen)
    }
}

/// Connects to HOST:PORT; beyond this machine only if the connection `is_encrypted` next.
pub(crate) async fn connect(address: &str, is_encrypted: bool, limit: Duration) -> Result<TcpStream> {
    let failed = |source| Error::Connect { address: address.into(), source };
    let late = |_| failed(io::ErrorKind::TimedOut.into());
    let found = timeout(limit, lookup_host(address)).await.map_err(late)?;
    let found = found.map_err(|error| Error::unknown_address(address, error, failed))?;
    let found = allowed(address, found, is_encrypted)?;
    timeout(limit, TcpStream::connect(&found[..])).await.map_err(late)?.map_err(failed)
}

/// The sockets that an address was found to stand for, if they are on this machine or the connection `is_encrypted`.
fn allowed(address: &str, found: impl Iterator<Item = SocketAddr>, is_encrypted: bool) -> Result<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = found.collect();
    if found.is_empty() || !is_encrypted && found.iter().any(|socket| !socket.ip().is_loopback()) {
        return Err(Error::Exposed { address: address.into() });
    }
    Ok(found)
}

/// After this time without data the other machine is probed, and counts as gone when it answers none of the probes.
const PROBE_INTERVAL: Duration = Duration::from_secs(15);

/// Sends without delay, and notices when the other machine is gone.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(PROBE_INTERVAL).with_interval(PROBE_INTERVAL);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)
}
