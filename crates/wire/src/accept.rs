//! New connections of a listener: they greet, and are then served. Whoever does not greet holds nothing for long.

use std::collections::VecDeque;
use std::io;
#[cfg(feature = "rest")]
use std::sync::Arc;
use std::time::Duration;

use quelea_params::Caller;
use quelea_tls::{Acceptor, Stream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

#[cfg(feature = "grpc")]
use crate::grpc;
use crate::link::{self, Reading, Writing};
use crate::message::{Message, Service};
#[cfg(feature = "rest")]
use crate::rest;
use crate::server::{Heard, Open, Waiting};
use crate::{Protocol, Terms, WireError, rpc};

/// Connections at once that have greeted; further ones are closed.
const MOST_CONNECTIONS: usize = 4_096;
/// Connections at once that have not greeted yet; a further one takes the place of the oldest.
const MOST_STRANGERS: usize = 256;
/// A new connection must have greeted within this time.
const GREETING: Duration = Duration::from_secs(5);
/// How long to wait when no connection can be taken: too many open files, most likely.
const PAUSE: Duration = Duration::from_millis(50);
/// Answers that may wait for a slow reader; beyond, its connection is closed.
pub(crate) const MOST_ANSWERS: usize = 256;

/// A connection that has greeted.
enum Greeted {
    /// It carries calls and answers, and its end is the end of its caller.
    Linked(Reading, Writing, String),
    /// It carries requests of any session.
    #[cfg(feature = "rest")]
    Requests(rest::Requests),
}

/// Takes connections until nobody listens to `tell` any more, and serves those that are left to their end.
pub(crate) async fn accept_all<S: Service>(acceptor: Acceptor, terms: Terms, tell: mpsc::Sender<Heard<S>>) {
    let mut strangers = JoinSet::new();
    let mut waiting: VecDeque<AbortHandle> = VecDeque::new();
    let mut connections = JoinSet::new();
    let mut peer = 0;
    #[cfg(feature = "rest")]
    let sessions = Arc::new(rest::Sessions::<S>::new(&terms, tell.clone()));
    loop {
        tokio::select! {
            accepted = acceptor.accept() => match accepted {
                Ok((stream, address)) => {
                    waiting.retain(|stranger| !stranger.is_finished());
                    if waiting.len() == MOST_STRANGERS && let Some(oldest) = waiting.pop_front() {
                        oldest.abort();
                    }
                    waiting.push_back(strangers.spawn(greet::<S>(
                        stream,
                        address,
                        terms.clone(),
                        #[cfg(feature = "rest")]
                        sessions.clone(),
                    )));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            Some(greeted) = strangers.join_next() => match greeted {
                Ok(Ok(greeted)) if connections.len() < MOST_CONNECTIONS => {
                    peer += 1;
                    connections.spawn(serve::<S>(greeted, peer, terms.timing.lease, tell.clone()));
                }
                #[cfg(feature = "grpc")]
                Ok(Ok(Greeted::Linked(_, Writing::Grpc(writer), _))) => {
                    strangers.spawn(async { Err(writer.refuse_as_one_too_many().await) });
                }
                // What goes wrong with one connection concerns its other side alone.
                _ => {}
            },
            Some(_) = connections.join_next() => {}
            () = tell.closed() => break,
        }
    }
    drop(strangers);
    drop(acceptor);
    while connections.join_next().await.is_some() {}
}

async fn greet<S: Service>(
    stream: Stream,
    address: String,
    terms: Terms,
    #[cfg(feature = "rest")] sessions: Arc<rest::Sessions<S>>,
) -> Result<Greeted, WireError> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no greeting");
    let greeting = async {
        let mut stream = terms.secure(stream).await?;
        let (read, write) = match terms.protocol {
            Protocol::Rpc => {
                let binding = stream.binding();
                let greeted = rpc::accept::<S>(&mut stream, &terms.token, &address, &binding).await;
                let (mut read, write) = link::rpc(stream);
                if let Err(error) = greeted {
                    if write.finish().await {
                        // What it was told is to be heard.
                        read.drain().await;
                    }
                    return Err(error);
                }
                (read, write)
            }
            #[cfg(feature = "grpc")]
            Protocol::Grpc => link::grpc(grpc::accept::<S>(stream, &terms, &address).await?),
            #[cfg(feature = "rest")]
            Protocol::Rest => return sessions.accept(stream).await.map(Greeted::Requests),
        };
        Ok(Greeted::Linked(read, write, address))
    };
    timeout(GREETING, greeting).await.map_err(late)?
}

async fn serve<S: Service>(greeted: Greeted, peer: u64, patience: Duration, tell: mpsc::Sender<Heard<S>>) {
    let (mut read, mut write, address) = match greeted {
        Greeted::Linked(read, write, address) => (read, write, address),
        #[cfg(feature = "rest")]
        Greeted::Requests(requests) => return requests.serve().await,
    };
    let (answers, to_send) = mpsc::channel(MOST_ANSWERS);
    let (waiting, (cut, is_cut)) = (Waiting::default(), oneshot::channel());
    if tell.send(Heard::Opened(peer, Open { answers, waiting: waiting.clone(), cut })).await.is_err() {
        return;
    }
    let is_over = tokio::select! {
        _ = take_calls(&mut read, &address, peer, &tell) => false,
        sent = send_answers(&mut write, to_send, &waiting, patience) => sent.is_ok(),
        Ok(()) = is_cut => false,
    };
    if is_over && write.finish().await {
        read.drain().await;
    }
    let _ = tell.send(Heard::Closed(peer)).await;
}

/// Ends with the connection.
async fn take_calls<S: Service>(read: &mut Reading, address: &str, peer: u64, tell: &mpsc::Sender<Heard<S>>) -> Result<(), WireError> {
    loop {
        let (call, ask, _) = read.read(address).await?;
        if tell.send(Heard::Asked(Caller { peer, call }, ask)).await.is_err() {
            // Nothing is taken any more, but answers may still be on their way.
            std::future::pending::<()>().await;
        }
    }
}

/// Ends when there are no more answers.
async fn send_answers<A: Message>(
    write: &mut Writing,
    mut to_send: mpsc::Receiver<(u64, A)>,
    waiting: &Waiting,
    patience: Duration,
) -> Result<(), WireError> {
    while let Some((call, answer)) = to_send.recv().await {
        match write.write(call, &answer, patience).await {
            Err(error @ WireError::TooLarge { .. }) => write.refuse(call, &error.to_string(), patience).await?,
            sent => {
                sent?;
            }
        }
        waiting.end(call);
    }
    Ok(())
}
