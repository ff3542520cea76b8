//! The listening side: takes connections, reads calls, and sends answers to whom they belong.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use quelea_params::Caller;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::message::Service;
use crate::token::Token;
use crate::{WireError, frame, rpc};

/// Connections at once; further ones wait.
const MOST_CONNECTIONS: usize = 4_096;
/// A new connection must have greeted within this time.
const GREETING: Duration = Duration::from_secs(5);
/// Answers that may wait for a slow reader; beyond, its connection is closed.
const MOST_ANSWERS: usize = 256;
/// Calls that wait to be taken; beyond, nothing is read.
const MOST_CALLS: usize = 1_024;
/// How long the last answers may take to be sent.
const FAREWELL: Duration = Duration::from_secs(1);

/// A bound address.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Listens on `address`, a HOST:PORT of this machine only; port 0 takes a free one.
    pub fn bind(address: &str) -> Result<Self, WireError> {
        let found = loopback(address)?;
        let bind = || {
            let socket = TcpListener::bind(&found[..])?;
            socket.set_nonblocking(true)?;
            let address = socket.local_addr()?;
            Ok(Self { socket, address })
        };
        bind().map_err(|source| WireError::Listen { address: address.into(), source })
    }

    /// HOST:PORT.
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

/// What `address` stands for, if it is on this machine.
pub(crate) fn loopback(address: &str) -> Result<Vec<SocketAddr>, WireError> {
    let resolved = address.to_socket_addrs().map_err(|_| WireError::Address { address: address.into(), rule: "write HOST:PORT" })?;
    let found: Vec<SocketAddr> = resolved.collect();
    if found.is_empty() || found.iter().any(|address| !address.ip().is_loopback()) {
        return Err(WireError::Exposed { address: address.into() });
    }
    Ok(found)
}

enum Heard<S: Service> {
    Opened(u64, mpsc::Sender<(u64, S::Answer)>),
    Asked(Caller, S::Ask),
    Closed(u64),
}

/// What a server tells its state machine.
pub(crate) enum Event<S: Service> {
    Asked(Caller, S::Ask),
    Closed(u64),
}

/// All connections of a listener.
pub(crate) struct Server<S: Service> {
    heard: mpsc::Receiver<Heard<S>>,
    connections: HashMap<u64, mpsc::Sender<(u64, S::Answer)>>,
    accepting: JoinSet<()>,
}

impl<S: Service> Server<S> {
    /// Begins to take connections; must be called within a runtime.
    pub(crate) fn start(listener: Listener, token: Token) -> Result<Self, WireError> {
        let (tell, heard) = mpsc::channel(MOST_CALLS);
        let listen = |source| WireError::Listen { address: listener.address.to_string(), source };
        let socket = tokio::net::TcpListener::from_std(listener.socket).map_err(listen)?;
        let mut accepting = JoinSet::new();
        accepting.spawn(accept_all::<S>(socket, token, tell));
        Ok(Self { heard, connections: HashMap::new(), accepting })
    }

    /// The next call, or the end of a connection.
    pub(crate) async fn next(&mut self) -> Event<S> {
        loop {
            match self.heard.recv().await {
                Some(Heard::Opened(peer, answers)) => {
                    self.connections.insert(peer, answers);
                }
                Some(Heard::Asked(caller, ask)) => return Event::Asked(caller, ask),
                Some(Heard::Closed(peer)) => {
                    self.connections.remove(&peer);
                    return Event::Closed(peer);
                }
                None => std::future::pending().await,
            }
        }
    }

    /// Sends an answer; whoever does not read them in time loses the connection.
    pub(crate) fn answer(&mut self, to: Caller, answer: S::Answer) {
        if let Some(answers) = self.connections.get(&to.peer)
            && answers.try_send((to.call, answer)).is_err()
        {
            self.connections.remove(&to.peer);
        }
    }

    /// Sends what is still to be sent, and closes all connections.
    pub(crate) async fn finish(mut self) {
        self.connections.clear();
        self.heard.close();
        while self.heard.recv().await.is_some() {}
        let _ = timeout(FAREWELL, async { while self.accepting.join_next().await.is_some() {} }).await;
    }
}

async fn accept_all<S: Service>(socket: tokio::net::TcpListener, token: Token, tell: mpsc::Sender<Heard<S>>) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    for peer in 1.. {
        let Ok(place) = room.clone().acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = tell.closed() => break,
        };
        match accepted {
            Ok((stream, address)) => {
                let (token, tell) = (token.clone(), tell.clone());
                connections.spawn(async move {
                    // What goes wrong with one connection concerns its other side alone.
                    let _ = serve::<S>(stream, &address.to_string(), peer, &token, &tell).await;
                    let _ = tell.send(Heard::Closed(peer)).await;
                    drop(place);
                });
            }
            // Too many open files, most likely; they get fewer.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
        while connections.try_join_next().is_some() {}
    }
    while connections.join_next().await.is_some() {}
}

async fn serve<S: Service>(
    mut stream: TcpStream,
    address: &str,
    peer: u64,
    token: &Token,
    tell: &mpsc::Sender<Heard<S>>,
) -> Result<(), WireError> {
    stream.set_nodelay(true)?;
    let late = || io::Error::new(io::ErrorKind::TimedOut, "no greeting");
    timeout(GREETING, rpc::accept::<S>(&mut stream, token, address)).await.map_err(|_| late())??;
    let (read, mut write) = stream.into_split();
    let (answers, mut to_send) = mpsc::channel::<(u64, S::Answer)>(MOST_ANSWERS);
    let gone = |_| io::Error::from(io::ErrorKind::ConnectionAborted);
    tell.send(Heard::Opened(peer, answers)).await.map_err(gone)?;
    let reading = async {
        let mut read = BufReader::with_capacity(frame::BUFFER_BYTES, read);
        loop {
            let (call, ask, _) = frame::read(&mut read, address).await?;
            tell.send(Heard::Asked(Caller { peer, call }, ask)).await.map_err(gone)?;
        }
    };
    let writing = async {
        while let Some((call, answer)) = to_send.recv().await {
            frame::write(&mut write, call, &answer).await?;
        }
        Ok::<(), WireError>(())
    };
    tokio::select! {
        ended = reading => ended,
        ended = writing => ended,
    }
}
