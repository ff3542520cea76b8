//! What a run is given, what it wants done, and what it tells.

use std::time::Duration;

use super::cuts::{Saved, Saving};
use crate::message::{Candidates, FromRun, Member, ToShard};
use crate::{Caller, Packet, Problem, Timing, Traffic};

/// What a run is given.
pub struct Settings {
    /// No two runs have the same.
    pub run: u64,
    /// How long everybody waits.
    pub timing: Timing,
    /// Workers that the first clock waits for, but no longer than [`Settings::grace`] once there is one.
    pub workers: usize,
    /// See [`Settings::workers`].
    pub grace: Duration,
    /// How long the run waits for its first worker, or for a shard that was lost.
    pub patience: Duration,
    /// How many tiles there are.
    pub tiles: u32,
    /// Where the shards listen.
    pub shards: Vec<String>,
    /// How many shards hold each part of the parameters: shard number s holds part s modulo the number of parts.
    pub copies: usize,
    /// What is trained.
    pub plan: Packet,
    /// By rounds: the candidates of clocks that are over, up to a boundary. The run begins after them.
    pub history: Vec<Candidates>,
    /// By steps: who waits for whom.
    pub sync: Sync,
    /// By steps: where the run begins.
    pub cut: Saved,
    /// By steps: after how long the next cut is made, if somebody saves them.
    pub cut_every: Option<Duration>,
    /// By steps: what workers leave out of what they send.
    pub traffic: Traffic,
}

/// Who waits for whom in a training by steps. By rounds it is always [`Sync::Bsp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// All for all: a clock is one mini-batch over all tiles.
    Bsp,
    /// A clock is committed when so many members have pushed; what comes later is dropped.
    Quorum(usize),
    /// Every member has a clock of its own; they are at most so many apart.
    Ssp(u64),
    /// Nobody for anybody.
    Asp,
}

/// What the shell of a run is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Answer a worker's call.
    Answer {
        /// Whose call.
        to: Caller,
        /// The answer.
        answer: FromRun,
    },
    /// Answer a worker's call with a tile's bytes.
    GiveTile {
        /// Whose call.
        to: Caller,
        /// The tile's place among all tiles.
        tile: u32,
    },
    /// Call a shard.
    Call {
        /// Its place.
        shard: u32,
        /// The call's number, which comes back with the answer.
        call: u64,
        /// What is asked.
        ask: ToShard,
    },
    /// By steps: save a cut.
    Save(Saving),
    /// By steps: give a part of a cut that was saved, with [`super::Run::restored`].
    Restore {
        /// The cut's number.
        cut: u64,
        /// The part, from 0 on.
        part: u64,
    },
    /// Start the shard anew, or connect to it anew, and tell with [`super::Run::shard_is_up`].
    Revive {
        /// Its place.
        shard: u32,
    },
    /// Tell the user.
    Tell(Note),
    /// Stop; nothing follows. The replica or stepper that was made last has the result.
    End(Result<(), Problem>),
}

/// What happens in a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// A worker has joined.
    Joined {
        /// Who.
        member: Member,
        /// What people call its process.
        name: String,
    },
    /// A worker has gone; its tiles are folded by others.
    Gone {
        /// Who.
        member: Member,
        /// What people call its process.
        name: String,
        /// Why.
        why: Why,
        /// How many tiles it owned.
        tiles: usize,
    },
    /// A shard was lost; others hold the same, and the run goes on with these.
    ReplicaLost {
        /// Its place.
        shard: u32,
        /// Why.
        why: Why,
    },
    /// A shard has taken in what it had missed.
    ReplicaBack {
        /// Its place.
        shard: u32,
    },
    /// A shard has no room for the copy that a cut is made of; the run goes on without this cut.
    NoCut {
        /// Its place.
        shard: u32,
        /// Why.
        problem: Problem,
    },
    /// A shard was lost; the run goes back. By steps to the last cut that was saved, or to the beginning: what the shard held is
    /// lost, and without it the rest is of no use.
    ShardLost {
        /// Its place.
        shard: u32,
        /// Why.
        why: Why,
        /// The clock, or the commit, that the run had come to.
        from: u64,
        /// The one that it goes back to.
        to: u64,
    },
}

/// Why somebody is not there any more.
#[derive(Debug, Clone, PartialEq)]
pub enum Why {
    /// Its connection was closed.
    Closed,
    /// It was silent for too long.
    Silent,
    /// It took far longer than all others.
    Late,
    /// It left.
    Left,
    /// It was started anew, or had given the run up.
    Restarted,
    /// It said why.
    Failed(Problem),
}

/// What a run knows of one of its workers.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Who.
    pub member: Member,
    /// What people call its process.
    pub name: String,
    /// Rounds that it is behind the run; where members have clocks of their own, how far its clock is behind the fastest.
    pub staleness: u64,
    /// The round it was told to fold last, or its own clock.
    pub clock: u64,
    /// Contributions of it that were dropped because they came after their clock was committed.
    pub dropped: u64,
    /// Tiles that it owns.
    pub tiles: usize,
    /// Tiles that it has folded in all rounds, or slices of them.
    pub folded: u64,
    /// Bytes that it has sent to shards and received from them.
    pub bytes: u64,
}
