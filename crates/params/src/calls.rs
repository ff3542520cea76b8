//! Calls that wait for their answers, and are made again when none comes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Who called, and which of its calls it was; an answer goes back under both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    /// The connection, or whatever else the shell tells callers by.
    pub peer: u64,
    /// The caller's number for the call.
    pub call: u64,
}

/// How long everybody waits. The run tells its own to shards and workers, so that all wait alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Nobody is silent for longer than this on purpose.
    pub keepalive: Duration,
    /// Who has been silent for so long is given up.
    pub lease: Duration,
    /// A call without an answer is made again after this.
    pub request_timeout: Duration,
    /// How often a call is made again before its receiver is given up.
    pub retries: u32,
}

impl Timing {
    /// How long a call waits in all.
    pub fn patience(&self) -> Duration {
        self.request_timeout * (self.retries + 1)
    }
}

struct Waiting<To, Body> {
    to: To,
    body: Body,
    first: Duration,
    last: Duration,
}

/// The open calls of one caller.
pub(crate) struct Calls<To, Body> {
    next: u64,
    waiting: BTreeMap<u64, Waiting<To, Body>>,
}

impl<To: Copy + PartialEq, Body: Clone> Calls<To, Body> {
    pub(crate) fn new() -> Self {
        Self { next: 0, waiting: BTreeMap::new() }
    }

    /// A new call; the answer is its number.
    pub(crate) fn open(&mut self, now: Duration, to: To, body: Body) -> u64 {
        self.next += 1;
        self.waiting.insert(self.next, Waiting { to, body, first: now, last: now });
        self.next
    }

    /// A call that is open.
    pub(crate) fn get(&self, call: u64) -> Option<&Body> {
        self.waiting.get(&call).map(|waiting| &waiting.body)
    }

    /// Takes the call that is answered; none if it was answered before.
    pub(crate) fn close(&mut self, call: u64) -> Option<Body> {
        self.waiting.remove(&call).map(|waiting| waiting.body)
    }

    /// Takes back the calls to some receivers.
    pub(crate) fn take(&mut self, is_taken: impl Fn(To) -> bool) -> Vec<(To, Body)> {
        let taken = self.waiting.extract_if(.., |_, waiting| is_taken(waiting.to));
        taken.map(|(_, waiting)| (waiting.to, waiting.body)).collect()
    }

    /// Forgets the calls that are not to be kept.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(To, &Body) -> bool) {
        self.waiting.retain(|_, waiting| keep(waiting.to, &waiting.body));
    }

    /// Calls that are to be made again.
    pub(crate) fn due(&mut self, now: Duration, timeout: Duration) -> Vec<(u64, To, Body)> {
        let mut due = Vec::new();
        for (&call, waiting) in self.waiting.iter_mut().filter(|(_, waiting)| waiting.last + timeout <= now) {
            waiting.last = now;
            due.push((call, waiting.to, waiting.body.clone()));
        }
        due
    }

    /// The calls to a receiver whose connection is new; all of them are to be made again.
    pub(crate) fn again(&mut self, now: Duration, to: To) -> Vec<(u64, Body)> {
        let mut again = Vec::new();
        for (&call, waiting) in self.waiting.iter_mut().filter(|(_, waiting)| waiting.to == to) {
            waiting.last = now;
            again.push((call, waiting.body.clone()));
        }
        again
    }

    /// A receiver that has left a call unanswered for `patience`.
    pub(crate) fn given_up(&self, now: Duration, patience: Duration) -> Option<To> {
        self.waiting.values().find(|waiting| waiting.first + patience <= now).map(|waiting| waiting.to)
    }

    /// Begins all waits anew.
    pub(crate) fn forgive(&mut self, now: Duration) {
        self.waiting.values_mut().for_each(|waiting| (waiting.first, waiting.last) = (now, now));
    }

    /// When [`Calls::due`] has something to give.
    pub(crate) fn deadline(&self, timeout: Duration) -> Option<Duration> {
        self.waiting.values().map(|waiting| waiting.last + timeout).min()
    }
}
