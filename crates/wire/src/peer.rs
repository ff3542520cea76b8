//! The calling side: keeps a connection to one server, and makes it anew when it breaks.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

#[cfg(feature = "grpc")]
use crate::grpc;
use crate::link::{self, Reading, Writing};
use crate::message::Service;
#[cfg(feature = "rest")]
use crate::rest;
use crate::{Protocol, Terms, WireError, rpc};

/// The first pause between two attempts to connect; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// How long the last calls may take to be sent.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a peer tells its state machine.
pub(crate) enum Event<S: Service> {
    /// There is a connection; what was sent before may be lost.
    Up,
    /// The connection broke; another is being made.
    Down,
    /// No connection can be made for now.
    Failing(WireError),
    /// No connection will ever be made.
    Refused(WireError),
    /// An answer.
    Answered(u64, S::Answer),
}

/// A connection to a server.
pub(crate) struct Peer<S: Service> {
    calls: mpsc::UnboundedSender<(u64, S::Ask)>,
    renew: watch::Sender<()>,
    /// Bytes sent and received.
    moved: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl<S: Service> Peer<S> {
    /// Begins to connect to an address; `tell` hears of everything, in its order.
    pub(crate) fn start<E: Send + 'static>(
        address: String,
        terms: &Terms,
        tell: mpsc::Sender<E>,
        wrap: impl Fn(Event<S>) -> E + Send + Sync + 'static,
    ) -> Self {
        let (calls, to_send) = mpsc::unbounded_channel();
        let (renew, renewed) = watch::channel(());
        let moved = Arc::new(AtomicU64::new(0));
        let keeping = Keeping { address, terms: terms.clone(), to_send, renewed, moved: moved.clone(), tell, wrap };
        let task = tokio::spawn(keeping.keep_up());
        Self { calls, renew, moved, task }
    }

    /// Sends a call. Without a connection it is lost.
    pub(crate) fn call(&self, call: u64, ask: S::Ask) {
        // A task that has ended has told why.
        let _ = self.calls.send((call, ask));
    }

    /// Bytes sent and received so far.
    pub(crate) fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Gives up the connection and makes another.
    pub(crate) fn renew(&self) {
        self.renew.send_replace(());
    }
}

/// Sends what is still to be sent, and closes the connections.
pub(crate) async fn finish_all<S: Service>(peers: Vec<Peer<S>>) {
    let mut tasks = JoinSet::new();
    for Peer { calls, task, .. } in peers {
        drop(calls);
        let abort = task.abort_handle();
        tasks.spawn(async move {
            if timeout(FAREWELL, task).await.is_err() {
                abort.abort();
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

/// How a connection ended.
enum End {
    /// It broke, or is to be made anew.
    Broken,
    /// Whoever called through it has gone.
    Over,
    /// Another would not be any better.
    Refused(WireError),
}

/// What keeps up one connection after the other.
struct Keeping<S: Service, E, W> {
    address: String,
    terms: Terms,
    to_send: mpsc::UnboundedReceiver<(u64, S::Ask)>,
    renewed: watch::Receiver<()>,
    moved: Arc<AtomicU64>,
    tell: mpsc::Sender<E>,
    wrap: W,
}

impl<S: Service, E: Send + 'static, W: Fn(Event<S>) -> E + Send + Sync + 'static> Keeping<S, E, W> {
    async fn keep_up(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let event = match connect::<S>(&self.address, &self.terms).await {
                Err(error) if error.is_passing() => Event::Failing(error),
                Err(error) => Event::Refused(error),
                Ok(connection) => {
                    pause = FIRST_PAUSE;
                    // What was said of an earlier connection does not concern this one.
                    self.renewed.mark_unchanged();
                    // Calls to the connection before are made again by whoever made them.
                    while self.to_send.try_recv().is_ok() {}
                    if !self.tell(Event::Up).await {
                        return;
                    }
                    match self.carry(connection).await {
                        End::Over => return,
                        End::Broken => Event::Down,
                        End::Refused(error) => Event::Refused(error),
                    }
                }
            };
            let is_last = matches!(event, Event::Refused(_));
            if !self.tell(event).await || is_last || self.to_send.is_closed() {
                return;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Whether somebody heard it.
    async fn tell(&self, event: Event<S>) -> bool {
        self.tell.send((self.wrap)(event)).await.is_ok()
    }

    /// Sends calls and reads answers.
    async fn carry(&mut self, (mut read, mut write): Connection) -> End {
        let Self { address, terms, to_send, renewed, moved, tell, wrap, .. } = self;
        let reading = async {
            loop {
                let (call, answer, bytes) = match read.read(address).await {
                    Ok(answered) => answered,
                    // The same call would have the same answer.
                    Err(error @ WireError::Unanswered { .. }) => return End::Refused(error),
                    Err(_) => return End::Broken,
                };
                moved.fetch_add(bytes, Ordering::Relaxed);
                if tell.send(wrap(Event::Answered(call, answer))).await.is_err() {
                    // Nobody waits for answers any more, but calls may still be on their way.
                    pending::<()>().await;
                }
            }
        };
        let writing = async {
            while let Some((call, ask)) = to_send.recv().await {
                match write.write(call, &ask, terms.timing.lease).await {
                    Ok(bytes) => moved.fetch_add(bytes, Ordering::Relaxed),
                    Err(error) if error.is_passing() => return End::Broken,
                    Err(error) => return End::Refused(error),
                };
            }
            End::Over
        };
        let end = tokio::select! {
            end = reading => end,
            end = writing => end,
            Ok(()) = renewed.changed() => End::Broken,
        };
        if matches!(end, End::Over) && write.finish().await {
            read.drain().await;
        }
        end
    }
}

/// A connection that has greeted.
pub(crate) type Connection = (Reading, Writing);

/// A new one.
pub(crate) async fn connect<S: Service>(address: &str, terms: &Terms) -> Result<Connection, WireError> {
    let late = |_| WireError::unconnected(address, io::ErrorKind::TimedOut.into());
    let greeting = async {
        let mut stream = terms.connect(address).await?;
        match terms.protocol {
            Protocol::Rpc => {
                let binding = stream.binding();
                rpc::greet::<S>(&mut stream, &terms.token, address, &binding).await?;
                Ok(link::rpc(stream))
            }
            #[cfg(feature = "grpc")]
            Protocol::Grpc => grpc::connect::<S>(stream, terms, address).await.map(link::grpc),
            #[cfg(feature = "rest")]
            Protocol::Rest => rest::connect::<S>(stream, terms, address).await,
        }
    };
    match timeout(terms.connect_timeout * 2, greeting).await.map_err(late)? {
        Err(WireError::Io(error)) => Err(WireError::of_tls(&error, address).unwrap_or_else(|| {
            let problem = format!("it closed the connection before it had greeted ({error}); both sides need the same [transport]");
            WireError::unconnected(address, io::Error::new(io::ErrorKind::ConnectionReset, problem))
        })),
        made => made,
    }
}
