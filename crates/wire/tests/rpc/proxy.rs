//! A proxy between whoever connects and a server: it passes bytes on, well or badly.

use std::io;
use std::sync::Arc;
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::cluster::{ANY_PORT, runtime};

/// Bytes that are passed on at once.
const PIECE: usize = 16 << 10;

/// How a connection fares.
#[derive(Debug, Clone, Copy)]
pub struct Fate {
    /// Every piece comes so much later.
    pub delay: Duration,
    /// Bytes a second, in each direction.
    pub rate: u64,
    /// When so many bytes have gone in one direction, wherever that is in a message, nothing is passed on any more.
    pub last_byte: u64,
    /// For so long; then the connection is cut.
    pub stall: Duration,
}

impl Fate {
    pub const FINE: Self = Self { delay: Duration::ZERO, rate: u64::MAX, last_byte: u64::MAX, stall: Duration::ZERO };
}

/// A running proxy; it ends with this value.
pub struct Proxy {
    pub address: String,
    /// How often all connections were cut; none is left when it is over.
    cuts: watch::Sender<Option<u64>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Passes on to `to`. The fate of each connection is told by its number.
    pub fn start(to: String, fate: impl Fn(u64) -> Fate + Send + 'static) -> Self {
        let socket = std::net::TcpListener::bind(ANY_PORT).expect("a free port");
        socket.set_nonblocking(true).expect("a socket");
        let address = socket.local_addr().expect("a bound socket").to_string();
        let (cuts, told) = watch::channel(Some(0));
        let thread = spawn(move || runtime().block_on(pass_on(socket, to.into(), told, fate)));
        Self { address, cuts, thread: Some(thread) }
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts = cuts.map(|cuts| cuts + 1));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cuts.send_replace(None);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn pass_on(socket: std::net::TcpListener, to: Arc<str>, mut told: watch::Receiver<Option<u64>>, fate: impl Fn(u64) -> Fate) {
    let socket = TcpListener::from_std(socket).expect("within a runtime");
    let mut over = told.clone();
    for number in 0.. {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            _ = over.wait_for(Option::is_none) => return,
        };
        let (Ok((from, _)), to, fate) = (accepted, to.clone(), fate(number)) else { continue };
        told.mark_unchanged();
        let mut cut = told.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = carry(from, &to, fate) => {}
                _ = cut.changed() => {}
            }
        });
    }
}

async fn carry(mut from: TcpStream, to: &str, fate: Fate) -> io::Result<()> {
    let mut to = TcpStream::connect(to).await?;
    from.set_nodelay(true)?;
    to.set_nodelay(true)?;
    let ((read_here, write_here), (read_there, write_there)) = (from.split(), to.split());
    if tokio::try_join!(pass(read_here, write_there, fate), pass(read_there, write_here, fate)).is_err() {
        sleep(fate.stall).await;
    }
    Ok(())
}

/// One direction. It fails when fate strikes.
async fn pass(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, fate: Fate) -> io::Result<()> {
    let mut left = fate.last_byte;
    let mut piece = vec![0; PIECE];
    loop {
        let len = from.read(&mut piece).await?;
        if len == 0 {
            return to.shutdown().await;
        }
        let late = fate.delay + Duration::from_secs(1).mul_f64(len as f64 / fate.rate as f64);
        if !late.is_zero() {
            sleep(late).await;
        }
        let goes_on = left.min(len as u64);
        to.write_all(&piece[..goes_on as usize]).await?;
        left -= goes_on;
        if left == 0 {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
    }
}
