//! New connections of a listener: they greet, and are then served. Whoever does not greet holds nothing for long.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use quelea_params::Caller;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use crate::message::Service;
use crate::server::{Heard, Open};
use crate::{Terms, WireError, frame, rpc};

/// Connections at once that have greeted; further ones are closed.
const MOST_CONNECTIONS: usize = 4_096;
/// Connections at once that have not greeted yet; a further one takes the place of the oldest.
const MOST_STRANGERS: usize = 256;
/// A new connection must have greeted within this time.
const GREETING: Duration = Duration::from_secs(5);
/// How long to wait when no connection can be taken: too many open files, most likely.
const PAUSE: Duration = Duration::from_millis(50);
/// Answers that may wait for a slow reader; beyond, its connection is closed.
const MOST_ANSWERS: usize = 256;
/// How long the other side may take to close a connection that has ended.
pub(crate) const FAREWELL: Duration = Duration::from_secs(1);

/// A connection that has greeted, and its address.
type Greeted = (TcpStream, String);

/// Takes connections until nobody listens to `tell` any more, and serves those that are left to their end.
pub(crate) async fn accept_all<S: Service>(socket: TcpListener, terms: Terms, tell: mpsc::Sender<Heard<S>>) {
    let mut strangers = JoinSet::new();
    let mut waiting: VecDeque<AbortHandle> = VecDeque::new();
    let mut connections = JoinSet::new();
    let mut peer = 0;
    loop {
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((stream, address)) => {
                    waiting.retain(|stranger| !stranger.is_finished());
                    if waiting.len() == MOST_STRANGERS && let Some(oldest) = waiting.pop_front() {
                        oldest.abort();
                    }
                    waiting.push_back(strangers.spawn(greet::<S>(stream, address.to_string(), terms.clone())));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            Some(greeted) = strangers.join_next() => {
                // What goes wrong with one connection concerns its other side alone.
                if let Ok(Ok(greeted)) = greeted && connections.len() < MOST_CONNECTIONS {
                    peer += 1;
                    connections.spawn(serve(greeted, peer, terms.timing.lease, tell.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
            () = tell.closed() => break,
        }
    }
    drop(strangers);
    while connections.join_next().await.is_some() {}
}

async fn greet<S: Service>(mut stream: TcpStream, address: String, terms: Terms) -> Result<Greeted, WireError> {
    stream.set_nodelay(true)?;
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no greeting");
    timeout(GREETING, rpc::accept::<S>(&mut stream, &terms.token, &address)).await.map_err(late)??;
    Ok((stream, address))
}

async fn serve<S: Service>((stream, address): Greeted, peer: u64, patience: Duration, tell: mpsc::Sender<Heard<S>>) {
    let (answers, to_send) = mpsc::channel(MOST_ANSWERS);
    let (cut, is_cut) = oneshot::channel();
    if tell.send(Heard::Opened(peer, Open { answers, cut })).await.is_err() {
        return;
    }
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::with_capacity(frame::BUFFER_BYTES, read);
    let is_over = tokio::select! {
        _ = take_calls(&mut read, &address, peer, &tell) => false,
        sent = send_answers(&mut write, to_send, patience) => sent.is_ok(),
        Ok(()) = is_cut => false,
    };
    if is_over && write.shutdown().await.is_ok() {
        drain(&mut read).await;
    }
    let _ = tell.send(Heard::Closed(peer)).await;
}

/// Ends with the connection.
async fn take_calls<S: Service>(
    read: &mut (impl AsyncRead + Unpin),
    address: &str,
    peer: u64,
    tell: &mpsc::Sender<Heard<S>>,
) -> Result<(), WireError> {
    loop {
        let (call, ask, _) = frame::read(read, address).await?;
        if tell.send(Heard::Asked(Caller { peer, call }, ask)).await.is_err() {
            // Nothing is taken any more, but answers may still be on their way.
            std::future::pending::<()>().await;
        }
    }
}

/// Ends when there are no more answers.
async fn send_answers<A: crate::message::Message>(
    write: &mut (impl tokio::io::AsyncWrite + Unpin),
    mut to_send: mpsc::Receiver<(u64, A)>,
    patience: Duration,
) -> Result<(), WireError> {
    while let Some((call, answer)) = to_send.recv().await {
        frame::write(write, call, &answer, patience).await?;
    }
    Ok(())
}

/// Reads until the other side closes. A connection that is closed with something unread is reset, and what was sent last
/// might be lost.
pub(crate) async fn drain(read: &mut (impl AsyncRead + Unpin)) {
    let mut unread = vec![0; frame::BUFFER_BYTES];
    let _ = timeout(FAREWELL, async { while read.read(&mut unread).await.is_ok_and(|bytes| bytes > 0) {} }).await;
}
