//! Sessions: what takes the place of a connection for the state machines.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quelea_params::Caller;
use quelea_tls::{Token, random_bytes};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

use super::sign::{Nonces, hex};
use crate::Terms;
use crate::accept::MOST_ANSWERS;
use crate::message::Service;
use crate::server::{Heard, Open, Waiting};

/// Sessions at once.
const MOST_SESSIONS: usize = 4_096;
/// Calls of a session that may have come before one that was made earlier.
const MOST_EARLY: usize = 64;

/// All sessions of a listener.
pub(crate) struct Sessions<S: Service> {
    pub(super) token: Token,
    pub(super) nonces: Mutex<Nonces>,
    pub(super) lease: Duration,
    tell: mpsc::Sender<Heard<S>>,
    peers: AtomicU64,
    open: Mutex<HashMap<String, Arc<Session<S>>>>,
}

/// Why a call is not taken.
pub(super) enum Refusal {
    /// It was taken before.
    Again,
    /// Too much waits.
    TooMany,
    /// The session, or this process, ends.
    Over,
}

impl<S: Service> Sessions<S> {
    pub(crate) fn new(terms: &Terms, tell: mpsc::Sender<Heard<S>>) -> Self {
        Self {
            token: terms.token.clone(),
            nonces: Mutex::default(),
            lease: terms.timing.lease,
            tell,
            peers: AtomicU64::new(0),
            open: Mutex::default(),
        }
    }

    pub(super) fn find(&self, id: &str) -> Option<Arc<Session<S>>> {
        lock(&self.open).get(id).cloned()
    }

    /// Opens a session, and gives its name, which nobody can guess.
    pub(super) async fn open(self: &Arc<Self>) -> Result<(String, Arc<Session<S>>), Refusal> {
        let id = hex(random_bytes::<16>().map_err(|_| Refusal::TooMany)?);
        let peer = self.peers.fetch_add(1, Ordering::Relaxed) + 1;
        let (over, is_over) = watch::channel(false);
        let session = Arc::new(Session {
            peer,
            order: tokio::sync::Mutex::new(Order { next: 1, early: BTreeMap::new() }),
            waiting: Mutex::default(),
            busy: AtomicUsize::new(0),
            over,
        });
        {
            let mut open = lock(&self.open);
            if open.len() >= MOST_SESSIONS {
                return Err(Refusal::TooMany);
            }
            open.insert(id.clone(), session.clone());
        }
        let (answers, to_send) = mpsc::channel(MOST_ANSWERS);
        let (calls, (cut, is_cut)) = (Waiting::default(), oneshot::channel());
        if self.tell.send(Heard::Opened(peer, Open { answers, waiting: calls.clone(), cut })).await.is_err() {
            lock(&self.open).remove(&id);
            return Err(Refusal::Over);
        }
        tokio::spawn(keep(self.clone(), id.clone(), session.clone(), (to_send, calls), is_cut, is_over));
        Ok((id, session))
    }

    /// Gives a call to the state machine, after all that were made before it in its session.
    pub(super) async fn ask(&self, session: &Session<S>, number: u64, ask: S::Ask) -> Result<oneshot::Receiver<S::Answer>, Refusal> {
        let (tell, told) = oneshot::channel();
        let mut order = session.order.lock().await;
        if *session.over.borrow() {
            return Err(Refusal::Over);
        }
        if number < order.next || order.early.contains_key(&number) {
            return Err(Refusal::Again);
        }
        if order.early.len() >= MOST_EARLY || lock(&session.waiting).len() >= MOST_ANSWERS {
            return Err(Refusal::TooMany);
        }
        lock(&session.waiting).insert(number, tell);
        order.early.insert(number, ask);
        while let Some(ask) = {
            let next = order.next;
            order.early.remove(&next)
        } {
            let caller = Caller { peer: session.peer, call: order.next };
            order.next += 1;
            self.tell.send(Heard::Asked(caller, ask)).await.map_err(|_| Refusal::Over)?;
        }
        Ok(told)
    }
}

/// Passes answers on to whoever waits for them, until the session ends.
async fn keep<S: Service>(
    sessions: Arc<Sessions<S>>,
    id: String,
    session: Arc<Session<S>>,
    (mut to_send, calls): (mpsc::Receiver<(u64, S::Answer)>, Waiting),
    mut is_cut: oneshot::Receiver<()>,
    mut is_over: watch::Receiver<bool>,
) {
    loop {
        let busy = session.busy.load(Ordering::Relaxed);
        tokio::select! {
            answer = to_send.recv() => match answer {
                Some((number, answer)) => {
                    calls.end(number);
                    let waiting = lock(&session.waiting).remove(&number);
                    // Whoever no longer waits for it has ended the session.
                    let _ = waiting.map(|waiting| waiting.send(answer));
                }
                None => break,
            },
            Ok(()) = &mut is_cut => break,
            _ = is_over.wait_for(|over| *over) => break,
            () = sleep(sessions.lease) => if busy == 0 && session.busy.load(Ordering::Relaxed) == 0 {
                break;
            },
        }
    }
    session.end();
    lock(&sessions.open).remove(&id);
    lock(&session.waiting).clear();
    let _ = sessions.tell.send(Heard::Closed(session.peer)).await;
}

/// One caller.
pub(super) struct Session<S: Service> {
    peer: u64,
    order: tokio::sync::Mutex<Order<S>>,
    waiting: Mutex<HashMap<u64, oneshot::Sender<S::Answer>>>,
    /// Requests that are under way.
    busy: AtomicUsize,
    over: watch::Sender<bool>,
}

struct Order<S: Service> {
    next: u64,
    early: BTreeMap<u64, S::Ask>,
}

impl<S: Service> Session<S> {
    /// Ends the session.
    pub(super) fn end(&self) {
        self.over.send_replace(true);
    }

    pub(super) async fn ended(&self) {
        // The sender lives as long as the session.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }

    /// The number of a call whose sender does not number its calls.
    pub(super) async fn next(&self) -> u64 {
        let order = self.order.lock().await;
        order.next + order.early.len() as u64
    }
}

/// A request of a session under way. If it is dropped before it is answered, its sender has gone, and so has the session.
pub(super) struct Busy<S: Service> {
    session: Arc<Session<S>>,
    answered: bool,
}

impl<S: Service> Busy<S> {
    pub(super) fn new(session: Arc<Session<S>>) -> Self {
        session.busy.fetch_add(1, Ordering::Relaxed);
        Self { session, answered: false }
    }

    pub(super) fn answered(&mut self) {
        self.answered = true;
    }
}

impl<S: Service> Drop for Busy<S> {
    fn drop(&mut self) {
        self.session.busy.fetch_sub(1, Ordering::Relaxed);
        if !self.answered {
            self.session.end();
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
