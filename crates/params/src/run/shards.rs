//! The shards as the run sees them: whether they are there, and how far they have come.

use std::time::Duration;

use super::Action;
use crate::calls::Calls;
use crate::message::{Candidates, ToShard};

/// How often the time doubles after which a shard may try again to join.
const MOST_DOUBLINGS: u32 = 6;

/// One shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It is not there.
    Lost,
    /// It has been told to begin the epoch.
    Opening,
    /// It takes in what was committed.
    Replaying,
    /// It stands at the run's clock.
    Ready,
    /// It has a connection and has not said a word yet, and others of its part have gone on without it.
    Called,
    /// It has, and could take in what they have.
    Behind,
    /// It takes in what they have.
    Joining,
}

/// All shards, and the calls to them.
pub(super) struct Shards {
    /// In how many parts they hold the parameters.
    pub parts: u32,
    /// How often each has joined while others of its part went on.
    pub lives: Vec<u32>,
    pub states: Vec<State>,
    /// Since when each that is not there has not been ready; one that comes and goes does not begin anew.
    pub away: Vec<Option<Duration>>,
    /// When each was last heard of.
    pub heard: Vec<Duration>,
    /// When each was last started, as far as it was this run that did.
    revived: Vec<Duration>,
    /// How often each has failed to take the place of a replica since it last did, and from when on it may try again.
    failed: Vec<(u32, Duration)>,
    pub calls: Calls<u32, ToShard>,
    /// Calls to be sent.
    pub outbox: Vec<(u32, u64, ToShard)>,
    last_ping: Duration,
}

impl Shards {
    pub fn new(now: Duration, count: usize, parts: u32) -> Self {
        let (states, lives) = (vec![State::Lost; count], vec![0; count]);
        Self {
            parts,
            lives,
            states,
            away: vec![Some(now); count],
            heard: vec![now; count],
            revived: vec![now; count],
            failed: vec![(0, now); count],
            calls: Calls::new(),
            outbox: Vec::new(),
            last_ping: now,
        }
    }

    pub fn call(&mut self, now: Duration, shard: u32, ask: ToShard) {
        let call = self.calls.open(now, shard, ask.clone());
        self.outbox.push((shard, call, ask));
    }

    /// The part of the parameters that a shard holds.
    pub fn part_of(&self, shard: u32) -> u32 {
        shard % self.parts.max(1)
    }

    /// Whether what a shard holds counts, once a run goes.
    pub fn is_live(&self, shard: u32) -> bool {
        matches!(self.states[shard as usize], State::Ready | State::Replaying)
    }

    /// Those that are live.
    pub fn live(&self) -> impl Iterator<Item = u32> {
        (0..self.states.len() as u32).filter(|&shard| self.is_live(shard))
    }

    /// Those that are not live.
    pub fn lost(&self) -> Vec<u32> {
        (0..self.states.len() as u32).filter(|&shard| !self.is_live(shard)).collect()
    }

    /// A live shard that holds each part.
    pub fn holders(&self) -> Vec<u32> {
        (0..self.parts).filter_map(|part| self.holder(part)).collect()
    }

    /// A live shard that holds a part.
    pub fn holder(&self, part: u32) -> Option<u32> {
        self.live().find(|&shard| self.part_of(shard) == part)
    }

    /// Whether another live shard holds the part of this one.
    pub fn has_other(&self, shard: u32) -> bool {
        self.live().any(|other| other != shard && self.part_of(other) == self.part_of(shard))
    }

    /// A shard that could join.
    pub fn behind(&self, now: Duration) -> Option<u32> {
        let may_join = |shard: usize| self.states[shard] == State::Behind && self.failed[shard].1 <= now;
        (0..self.states.len()).find(|&shard| may_join(shard)).map(|shard| shard as u32)
    }

    /// A shard was lost while it joined, for which all others had to wait: each time it waits twice as long before it may join again.
    pub fn hold_off(&mut self, now: Duration, shard: u32, lease: Duration) {
        let (times, until) = &mut self.failed[shard as usize];
        *until = now + lease * (1 << (*times).min(MOST_DOUBLINGS));
        *times += 1;
    }

    /// A shard has joined.
    pub fn has_joined(&mut self, shard: u32) {
        self.failed[shard as usize] = Default::default();
    }

    pub fn are_ready(&self) -> bool {
        self.states.iter().all(|state| *state == State::Ready)
    }

    /// The places of shards that are there.
    pub fn present(&self) -> Vec<u32> {
        (0..).zip(&self.states).filter(|(_, state)| **state != State::Lost).map(|(shard, _)| shard).collect()
    }

    /// Asks for signs of life, and makes calls again that are not answered.
    pub fn tick(&mut self, now: Duration, keepalive: Duration, request_timeout: Duration, (run, clock): (u64, u64)) {
        if self.last_ping + keepalive <= now {
            self.last_ping = now;
            self.calls.retain(|_, ask| !matches!(ask, ToShard::Ping { .. }));
            for shard in self.present() {
                // One that still takes in the log may be behind; its answer may come when it is not any more.
                let clock = if self.states[shard as usize] == State::Ready { clock } else { 0 };
                self.call(now, shard, ToShard::Ping { run, clock });
            }
        }
        self.outbox.extend(self.calls.due(now, request_timeout).into_iter().map(|(call, shard, ask)| (shard, call, ask)));
    }

    pub fn deadline(&self, keepalive: Duration, request_timeout: Duration) -> Duration {
        let ping = self.last_ping + keepalive;
        self.calls.deadline(request_timeout).map_or(ping, |due| due.min(ping))
    }

    /// Lets a shard that is not there be started, where this machine can.
    pub fn revive(&mut self, now: Duration, shard: u32) -> Action {
        self.revived[shard as usize] = now;
        Action::Revive { shard }
    }

    /// Those that were started, and have not come for too long.
    pub fn stillborn(&self, now: Duration, lease: Duration) -> Vec<u32> {
        let is_late = |shard: usize| self.states[shard] == State::Lost && self.revived[shard] + lease <= now;
        (0..self.states.len()).filter(|&shard| is_late(shard)).map(|shard| shard as u32).collect()
    }

    /// A shard that is there and has been silent for too long.
    pub fn silent(&self, now: Duration, lease: Duration) -> Option<u32> {
        self.present().into_iter().find(|&shard| self.heard[shard as usize] + lease <= now)
    }

    /// The shard that has been missing for the longest, and since when. While a run goes, those that others stand in for are not.
    pub fn missing(&self, is_going: bool) -> Option<(u32, Duration)> {
        let away = (0..).zip(self.states.iter().zip(&self.away)).filter_map(|(shard, (state, away))| match state {
            State::Lost | State::Opening => away.map(|since| (shard, since)).filter(|_| !is_going || !self.has_other(shard)),
            State::Replaying | State::Ready | State::Called | State::Behind | State::Joining => None,
        });
        away.min_by_key(|(_, since)| *since)
    }
}

/// As many clocks of the log from `from` on as fit a message of about `bytes`; at least one if there is one.
pub(super) fn page(log: &[Candidates], from: u64, bytes: usize) -> Vec<Candidates> {
    let mut left = bytes;
    let mut page = Vec::new();
    for candidates in log.iter().skip(from as usize) {
        let size: usize = candidates.iter().map(|(_, candidate)| candidate.len() + 8).sum();
        if !page.is_empty() && size > left {
            break;
        }
        left = left.saturating_sub(size);
        page.push(candidates.clone());
    }
    page
}
