//! The listening side: takes connections, reads calls, and sends answers to whom they belong.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use quelea_params::Caller;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::accept::accept_all;
use crate::link::FAREWELL;
use crate::message::Service;
use crate::{Terms, WireError};

/// Calls that wait to be taken; beyond, nothing is read.
const MOST_CALLS: usize = 1_024;

/// A bound address.
pub struct Listener(quelea_tls::Listener);

impl Listener {
    /// Listens on `address`: a HOST:PORT, where port 0 takes a free one, or `unix:` and the path of a socket that is made.
    /// Without TLS it must be of this machine.
    pub fn bind(address: &str, terms: &Terms) -> Result<Self, WireError> {
        Ok(Self(quelea_tls::Listener::bind(address, terms.tls.as_ref())?))
    }

    /// HOST:PORT, or `unix:` and the path.
    pub fn address(&self) -> String {
        self.0.address()
    }
}

/// What a connection tells of itself.
pub(crate) enum Heard<S: Service> {
    Opened(u64, Open<S>),
    Asked(Caller, S::Ask),
    Closed(u64),
}

/// The way back of a connection. Without it the connection ends when all answers are sent; when it is cut, at once.
pub(crate) struct Open<S: Service> {
    pub answers: mpsc::Sender<(u64, S::Answer)>,
    pub waiting: Waiting,
    pub cut: oneshot::Sender<()>,
}

/// The calls of a connection whose answers wait to be sent.
#[derive(Clone, Default)]
pub(crate) struct Waiting(Arc<Mutex<HashSet<u64>>>);

impl Waiting {
    /// Whether it waits only from now on.
    fn begin(&self, call: u64) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(call)
    }

    fn has(&self, call: u64) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&call)
    }

    /// It is sent.
    pub(crate) fn end(&self, call: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&call);
    }
}

/// What a server tells its state machine.
pub(crate) enum Event<S: Service> {
    Asked(Caller, S::Ask),
    Closed(u64),
}

/// All connections of a listener.
pub(crate) struct Server<S: Service> {
    heard: mpsc::Receiver<Heard<S>>,
    connections: HashMap<u64, Open<S>>,
    accepting: JoinSet<()>,
}

impl<S: Service> Server<S> {
    /// Begins to take connections; must be called within a runtime.
    pub(crate) fn start(listener: Listener, terms: &Terms) -> Result<Self, WireError> {
        let (tell, heard) = mpsc::channel(MOST_CALLS);
        let acceptor = listener.0.open()?;
        let mut accepting = JoinSet::new();
        accepting.spawn(accept_all::<S>(acceptor, terms.clone(), tell));
        Ok(Self { heard, connections: HashMap::new(), accepting })
    }

    /// The next call, or the end of a connection.
    pub(crate) async fn next(&mut self) -> Event<S> {
        loop {
            match self.heard.recv().await {
                Some(Heard::Opened(peer, open)) => {
                    self.connections.insert(peer, open);
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

    /// Whether an answer to this call waits to be sent.
    pub(crate) fn is_answering(&self, to: Caller) -> bool {
        self.connections.get(&to.peer).is_some_and(|open| open.waiting.has(to.call))
    }

    /// Sends an answer; whoever does not read them in time loses the connection. A call that is made again while its answer
    /// waits, as slow links make it, is answered once: the first answer leads on as well as the last.
    pub(crate) fn answer(&mut self, to: Caller, answer: S::Answer) {
        if let Some(open) = self.connections.get(&to.peer)
            && open.waiting.begin(to.call)
            && open.answers.try_send((to.call, answer)).is_err()
            && let Some(open) = self.connections.remove(&to.peer)
        {
            // If it cannot be told, it has ended.
            let _ = open.cut.send(());
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
