//! The calling side: keeps a connection to one server, and makes it anew when it breaks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::message::Service;
use crate::server::loopback;
use crate::token::Token;
use crate::{Terms, WireError, frame, rpc};

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
    /// Begins to connect to HOST:PORT; `tell` hears of everything, in its order.
    pub(crate) fn start<E: Send + 'static>(
        address: String,
        terms: &Terms,
        tell: mpsc::Sender<E>,
        wrap: impl Fn(Event<S>) -> E + Send + Sync + 'static,
    ) -> Self {
        let (token, connect_timeout) = (terms.token.clone(), terms.connect_timeout);
        let (calls, mut to_send) = mpsc::unbounded_channel();
        let (renew, mut renewed) = watch::channel(());
        let moved = Arc::new(AtomicU64::new(0));
        let count = moved.clone();
        let task = tokio::spawn(async move {
            let mut pause = FIRST_PAUSE;
            loop {
                let event = match connect::<S>(&address, &token, connect_timeout).await {
                    Err(error) if error.is_passing() => Event::Failing(error),
                    Err(error) => {
                        let _ = tell.send(wrap(Event::Refused(error))).await;
                        return;
                    }
                    Ok(stream) => {
                        pause = FIRST_PAUSE;
                        // What was said of an earlier connection does not concern this one.
                        renewed.mark_unchanged();
                        // Calls to the connection before are made again by whoever made them.
                        while to_send.try_recv().is_ok() {}
                        if tell.send(wrap(Event::Up)).await.is_err() {
                            return;
                        }
                        let over = tokio::select! {
                            over = pump::<S, E>(stream, &address, &mut to_send, &tell, &count, &wrap) => over,
                            _ = renewed.changed() => false,
                        };
                        if over {
                            return;
                        }
                        Event::Down
                    }
                };
                if tell.send(wrap(event)).await.is_err() || to_send.is_closed() {
                    return;
                }
                sleep(pause).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
        });
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

    /// Sends what is still to be sent.
    pub(crate) async fn finish(self) {
        drop(self.calls);
        let mut task = self.task;
        if timeout(FAREWELL, &mut task).await.is_err() {
            task.abort();
        }
    }
}

async fn connect<S: Service>(address: &str, token: &Token, limit: Duration) -> Result<TcpStream, WireError> {
    let connect = |source| WireError::Connect { address: address.into(), source };
    let late = || connect(io::ErrorKind::TimedOut.into());
    let places = loopback(address)?;
    let mut stream = timeout(limit, TcpStream::connect(&places[..])).await.map_err(|_| late())?.map_err(connect)?;
    stream.set_nodelay(true)?;
    timeout(limit, rpc::greet::<S>(&mut stream, token, address)).await.map_err(|_| late())??;
    Ok(stream)
}

/// Sends calls and reads answers; whether the caller has gone, and not the connection.
async fn pump<S: Service, E>(
    stream: TcpStream,
    address: &str,
    to_send: &mut mpsc::UnboundedReceiver<(u64, S::Ask)>,
    tell: &mpsc::Sender<E>,
    moved: &AtomicU64,
    wrap: &impl Fn(Event<S>) -> E,
) -> bool {
    let (read, mut write) = stream.into_split();
    let reading = async {
        let mut read = BufReader::with_capacity(frame::BUFFER_BYTES, read);
        while let Ok((call, answer, bytes)) = frame::read(&mut read, address).await {
            moved.fetch_add(bytes, Ordering::Relaxed);
            if tell.send(wrap(Event::Answered(call, answer))).await.is_err() {
                return true;
            }
        }
        false
    };
    let writing = async {
        while let Some((call, ask)) = to_send.recv().await {
            match frame::write(&mut write, call, &ask).await {
                Ok(bytes) => moved.fetch_add(bytes, Ordering::Relaxed),
                Err(_) => return false,
            };
        }
        true
    };
    tokio::select! {
        over = reading => over,
        over = writing => over,
    }
}
