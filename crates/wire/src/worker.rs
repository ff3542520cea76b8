//! A worker that joins a run over the network.

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use quelea_core::block::Block;
use quelea_core::steps::Sums;
use quelea_params::Problem;
use quelea_params::worker::{Action, Ask, Task, To, Worker};
use tokio::sync::mpsc;

use crate::driver::Clock;
use crate::message::{OfRun, OfShard};
use crate::peer::{self, Event, Peer};
use crate::{Terms, WireError};

/// Events of connections that wait to be taken.
const MOST_EVENTS: usize = 1_024;

/// What the computing side says.
pub enum Computed {
    /// The sums of a [`Task::Fold`], block by block.
    Folded {
        /// Which fold it was.
        sequence: u32,
        /// The sums.
        blocks: Vec<Block>,
    },
    /// The keys that the mini-batch of a [`Task::Batch`] pulls, table by table.
    Wanted {
        /// Which mini-batch it was.
        sequence: u32,
        /// Of each table, in ascending order.
        keys: Vec<Vec<u64>>,
    },
    /// The sums of a [`Task::Step`].
    Stepped {
        /// Which step it was.
        sequence: u32,
        /// The sums.
        sums: Sums,
    },
    /// A task cannot be done.
    Failed(Problem),
}

enum Heard {
    OfRun(Event<OfRun>),
    OfShard(u32, Event<OfShard>),
}

struct Shell {
    worker: Worker,
    terms: Terms,
    tell: mpsc::Sender<Heard>,
    run: Peer<OfRun>,
    shards: Vec<Peer<OfShard>>,
    tasks: std_mpsc::Sender<Task>,
    /// Why the run cannot be reached just now.
    failing: Option<WireError>,
}

/// Joins the run at HOST:PORT as `name` and works for it until it ends or `stop` is over. Tasks go to the computing side; what it says
/// comes through `computed`.
pub async fn join_run(
    address: &str,
    name: String,
    terms: Terms,
    tasks: std_mpsc::Sender<Task>,
    mut computed: mpsc::UnboundedReceiver<Computed>,
    stop: impl Future<Output = ()>,
) -> Result<Result<(), Problem>, WireError> {
    let clock = Clock::start();
    let (tell, mut heard) = mpsc::channel(MOST_EVENTS);
    let run = Peer::start(address.into(), &terms, tell.clone(), Heard::OfRun);
    let worker = Worker::new(clock.now(), terms.timing, name);
    let mut shell = Shell { worker, terms, tell, run, shards: Vec::new(), tasks, failing: None };
    let mut stop = pin!(stop);
    let mut stopped = false;
    let result = loop {
        if let Some(result) = shell.act() {
            break result;
        }
        let deadline = shell.worker.deadline();
        tokio::select! {
            Some(event) = heard.recv() => shell.hear(clock.now(), event)?,
            computed = computed.recv() => match computed {
                Some(Computed::Folded { sequence, blocks }) => shell.worker.folded(clock.now(), sequence, blocks),
                Some(Computed::Wanted { sequence, keys }) => shell.worker.wanted(clock.now(), sequence, keys),
                Some(Computed::Stepped { sequence, sums }) => shell.worker.stepped(clock.now(), sequence, sums),
                Some(Computed::Failed(problem)) => shell.worker.failed(clock.now(), problem),
                None => break Err(computing_side_has_ended()),
            },
            () = clock.until(deadline) => {}
            () = &mut stop, if !stopped => {
                stopped = true;
                shell.worker.leave(clock.now());
            }
        }
        shell.worker.tick(clock.now());
    };
    peer::finish_all(vec![shell.run]).await;
    match (result, shell.failing) {
        (Err(Problem::Silent { .. }), Some(error)) => Err(error),
        (result, _) => Ok(result),
    }
}

impl Shell {
    fn hear(&mut self, now: Duration, heard: Heard) -> Result<(), WireError> {
        self.worker.has_moved(self.shards.iter().map(Peer::moved).sum());
        match heard {
            Heard::OfRun(Event::Up) => {
                self.failing = None;
                self.worker.reconnected(now, To::Run);
            }
            Heard::OfRun(Event::Failing(error)) => self.failing = Some(error),
            Heard::OfRun(Event::Answered(call, answer)) => self.worker.from_run(now, call, answer),
            Heard::OfShard(shard, Event::Up) => self.worker.reconnected(now, To::Shard(shard)),
            Heard::OfShard(shard, Event::Answered(call, answer)) => self.worker.from_shard(now, shard, call, answer),
            Heard::OfRun(Event::Refused(error)) | Heard::OfShard(_, Event::Refused(error)) => return Err(error),
            // What is not answered is sent again, or given up in the end.
            Heard::OfRun(Event::Down) | Heard::OfShard(_, Event::Down | Event::Failing(_)) => {}
        }
        Ok(())
    }

    /// Does what the worker wants done; what it gives is the worker's end.
    fn act(&mut self) -> Option<Result<(), Problem>> {
        for action in self.worker.actions() {
            match action {
                Action::Connect(shards) => self.connect(shards),
                Action::Call { to: To::Run, call, ask: Ask::Run(ask) } => self.run.call(call, ask),
                Action::Call { to: To::Shard(shard), call, ask: Ask::Shard(ask) } => {
                    if let Some(shard) = self.shards.get(shard as usize) {
                        shard.call(call, ask);
                    }
                }
                Action::Call { .. } => {}
                Action::Compute(task) => {
                    if self.tasks.send(task).is_err() {
                        return Some(Err(computing_side_has_ended()));
                    }
                }
                Action::End(result) => return Some(result),
            }
        }
        None
    }

    fn connect(&mut self, shards: Vec<String>) {
        let start = |(shard, address)| {
            let wrap = move |event| Heard::OfShard(shard, event);
            Peer::start(address, &self.terms, self.tell.clone(), wrap)
        };
        self.shards = (0..).zip(shards).map(start).collect();
    }
}

fn computing_side_has_ended() -> Problem {
    Problem::internal("the computing side of the worker has ended")
}
