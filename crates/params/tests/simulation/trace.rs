//! What happens in a history, as the checker gets to see it.

use std::time::Duration;

use quelea_core::block::Block;
use quelea_params::message::{Candidates, FromRun, FromShard, ToRun, ToShard};
use quelea_params::run::{Cut, Note};
use quelea_params::{Packet, Problem};

use crate::random::mix;
use crate::toy::Update;

/// A place where a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    Run,
    Shard(u32),
    Worker(u32),
}

/// One life of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    pub node: Node,
    pub life: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    ToRun(ToRun),
    FromRun(FromRun),
    ToShard(ToShard),
    FromShard(FromShard),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The connection that it goes over.
    pub link: u64,
    pub call: u64,
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Started(Process),
    Died(Process),
    /// A fault, or the fate, was brought about.
    Fault(String),
    /// What a worker's machine asks, or a server answers, whether or not it gets through.
    Sent(Process, Message),
    Received(Process, Message),
    /// A computing side has folded tiles.
    Folded {
        process: Process,
        clock: u64,
        tiles: Vec<u32>,
        blocks: Vec<Block>,
    },
    /// A computing side has left this clock.
    Advanced {
        process: Process,
        epoch: u32,
        clock: u64,
        candidates: Vec<Packet>,
    },
    /// A shard has updated its blocks.
    Applied {
        process: Process,
        epoch: u32,
        clock: u64,
        update: Update,
    },
    Told(Note),
    /// The run gives a cut to be saved.
    CutBegun(Cut),
    /// The cut of this number is on the disk, with the one before.
    CutSaved(u64),
    /// The run goes back to the cut of this number.
    CutRestored(u64),
    RunEnded {
        result: Result<(), Problem>,
        model: u64,
    },
    WorkerEnded(Process, Result<(), Problem>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub at: Duration,
    /// What one process does in one turn follows from one message, or from the time.
    pub turn: u64,
    pub event: Event,
}

/// The candidates of all blocks, without their numbers.
pub fn packets(candidates: &Candidates) -> Vec<Packet> {
    let mut sorted = candidates.clone();
    sorted.sort_by_key(|(block, _)| *block);
    sorted.into_iter().map(|(_, packet)| packet).collect()
}

/// One number for all that happened.
pub fn fingerprint(trace: &[Entry]) -> u64 {
    trace.iter().flat_map(|entry| format!("{entry:?}").into_bytes()).fold(0, |hash, byte| mix(hash, u64::from(byte)))
}
