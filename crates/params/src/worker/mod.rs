//! A worker: joins a run, carries out its orders one after the other, and keeps up with what is committed.
//!
//! It gives tasks to whoever computes, to be done in their order, and takes the sums back. Of the learner it knows only
//! the clock that the computing side has come to, or the keys of a mini-batch.

mod holders;
mod keys;
mod residual;
mod rounds;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use quelea_core::block::Block;

use crate::calls::Calls;
use crate::message::{Candidates, Contribution, FromRun, FromShard, Joined, Member, Order, PushId, Pushed, Slice, ToRun, ToShard, Which};
use crate::{Packet, Problem, Timing};
use keys::Told;
use residual::Residuals;
use steps::Batch;

/// Tiles that are asked for at once.
const FETCHED_AT_ONCE: usize = 4;

/// Whom a worker calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum To {
    /// The run.
    Run,
    /// A shard, by its place.
    Shard(u32),
}

/// What a worker asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// Of the run.
    Run(ToRun),
    /// Of a shard.
    Shard(ToShard),
}

/// What the shell of a worker is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Connect to the shards, which listen here.
    Connect(Vec<String>),
    /// Send a call.
    Call {
        /// To whom.
        to: To,
        /// The call's number, which comes back with the answer.
        call: u64,
        /// What is asked.
        ask: Ask,
    },
    /// Let this be computed, after all tasks before it.
    Compute(Task),
    /// Stop; nothing follows.
    End(Result<(), Problem>),
}

/// What is to be computed.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// Begin at clock 0 with the learner of this plan, and without tiles.
    Open(Packet),
    /// Go back to clock 0 with the same learner. Tiles stay, what is known of their rows does not.
    Restart,
    /// Take the candidates of all blocks to the next clock.
    Advance(Vec<Packet>),
    /// Keep a tile.
    Keep {
        /// Its place among all tiles.
        tile: u32,
        /// Its bytes.
        bytes: Packet,
    },
    /// Forget all tiles but these.
    Own(Vec<u32>),
    /// Fold these tiles; the answer is [`Worker::folded`].
    Fold {
        /// Comes back with the sums.
        sequence: u32,
        /// The tiles.
        tiles: Vec<u32>,
    },
    /// These tiles will be folded next, if nobody joins or dies meanwhile: they may be folded before that is ordered.
    Expect(Vec<u32>),
    /// By steps: make a mini-batch of these slices; the answer is [`Worker::wanted`].
    Batch {
        /// Comes back with the keys.
        sequence: u32,
        /// The slices.
        slices: Vec<Slice>,
    },
    /// By steps: fold the last mini-batch; the answer is [`Worker::stepped`].
    Step {
        /// Comes back with the sums.
        sequence: u32,
        /// The rows of each table that the mini-batch wanted, in the order of their keys.
        pulled: Vec<Vec<f32>>,
    },
}

/// What a worker is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing is ordered.
    Idle,
    /// It catches up with the order's clock, and fetches its tiles.
    Readying,
    /// Its tiles are being folded.
    Folding,
    /// By steps: its mini-batch is being made.
    Batching,
    /// By steps: the rows that the mini-batch wants are on their way.
    Reading,
    /// By steps: the mini-batch is being folded.
    Stepping,
    /// The sums are on their way.
    Pushing,
}

/// A worker without its shell.
pub struct Worker {
    name: String,
    timing: Timing,
    calls: Calls<To, Ask>,
    joined: Option<Joined>,
    epoch: u32,
    /// The clock of the computing side.
    clock: u64,
    order: Option<Order>,
    stage: Stage,
    /// Folds, mini-batches and steps that were asked for, in all lives.
    folds: u32,
    /// By steps: whether the last of them is not done, though its order may be over.
    is_computing: bool,
    batch: Batch,
    /// By steps: the lists that shards were told in this epoch.
    told: Told,
    /// By steps: what is held back.
    residuals: Residuals,
    /// By steps: the totals of the last order that was carried out.
    totals: Vec<i128>,
    /// The last order that came.
    known: u32,
    /// The last order that was carried out.
    done: u32,
    owned: Vec<u32>,
    /// Tiles that the computing side has.
    held: BTreeSet<u32>,
    fetching: BTreeSet<u32>,
    /// Shards that have not staged the sums yet.
    unstaged: BTreeSet<u32>,
    /// Shards whose answers do not count, and how new that news is.
    lost: BTreeSet<u32>,
    view: u32,
    /// The clock that is being pulled, and what has come of it, by part of the parameters.
    pulling: Option<(u64, BTreeMap<u32, Candidates>)>,
    /// Whether the log was asked for.
    reading: bool,
    bytes: u64,
    actions: Vec<Action>,
}

impl Worker {
    /// A worker that asks to join; people call its process `name`.
    pub fn new(now: Duration, timing: Timing, name: String) -> Self {
        let mut worker = Self {
            name,
            timing,
            calls: Calls::new(),
            joined: None,
            epoch: 0,
            clock: 0,
            order: None,
            stage: Stage::Idle,
            folds: 0,
            is_computing: false,
            batch: Batch::default(),
            told: Told::default(),
            residuals: Residuals::default(),
            totals: Vec::new(),
            known: 0,
            done: 0,
            owned: Vec::new(),
            held: BTreeSet::new(),
            fetching: BTreeSet::new(),
            unstaged: BTreeSet::new(),
            lost: BTreeSet::new(),
            view: 0,
            pulling: None,
            reading: false,
            bytes: 0,
            actions: Vec::new(),
        };
        worker.ask_to_join(now);
        worker
    }

    /// What is to be done now, in this order.
    pub fn actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Who it is, once it has joined.
    pub fn member(&self) -> Option<Member> {
        self.joined.as_ref().map(|joined| joined.member)
    }

    /// Makes calls again that are not answered, and gives up who never answers.
    pub fn tick(&mut self, now: Duration) {
        if self.deadline().is_some_and(|deadline| deadline + self.timing.keepalive < now) {
            // This side was stopped and has not listened: nobody else was silent.
            self.calls.forgive(now);
        }
        match self.calls.given_up(now, self.timing.patience()) {
            Some(To::Run) => return self.end(Err(self.silent("the run".into()))),
            Some(To::Shard(shard)) => {
                self.calls.retain(|to, _| to != To::Shard(shard));
                let problem = self.silent(self.name_of(shard));
                self.fail(now, problem);
            }
            None => {}
        }
        for (call, to, ask) in self.calls.due(now, self.timing.request_timeout) {
            self.actions.push(Action::Call { to, call, ask });
        }
    }

    /// When [`Worker::tick`] has something to do.
    pub fn deadline(&self) -> Option<Duration> {
        self.calls.deadline(self.timing.request_timeout)
    }

    /// The computing side cannot do what it was given.
    pub fn failed(&mut self, now: Duration, problem: Problem) {
        self.is_computing = false;
        self.fail(now, problem);
    }

    /// Notes how many bytes have gone to shards and come from them so far, for the run to show.
    pub fn has_moved(&mut self, bytes: u64) {
        self.bytes = bytes;
    }

    /// Leaves the run.
    pub fn leave(&mut self, now: Duration) {
        if let Some(member) = self.member() {
            self.ask_run(now, ToRun::Leave { member });
        }
        self.end(Ok(()));
    }

    /// The connection to a receiver is new: what it has not answered is sent again.
    pub fn reconnected(&mut self, now: Duration, to: To) {
        let again = self.calls.again(now, to);
        self.actions.extend(again.into_iter().map(|(call, ask)| Action::Call { to, call, ask }));
    }

    /// Takes an answer of the run.
    pub fn from_run(&mut self, now: Duration, call: u64, answer: FromRun) {
        if self.calls.close(call).is_none() {
            return;
        }
        match answer {
            FromRun::Joined(joined) => self.join(now, joined),
            FromRun::Order(order) => self.take(now, order),
            FromRun::Shards { view, lost } => self.know_shards(now, view, lost),
            FromRun::Wait => self.poll(now),
            FromRun::Tile { tile, bytes } => {
                self.fetching.remove(&tile);
                if self.owned.contains(&tile) && self.held.insert(tile) {
                    self.actions.push(Action::Compute(Task::Keep { tile, bytes }));
                }
                self.ready(now);
            }
            FromRun::Log { from, clocks } => self.read(now, from, clocks),
            FromRun::Fenced => self.join_again(now),
            FromRun::Ended => self.end(Ok(())),
        }
    }

    /// Takes an answer of shard number `shard`.
    pub fn from_shard(&mut self, now: Duration, shard: u32, call: u64, answer: FromShard) {
        // A shard that has just been started may come to know the run: the call is made again later.
        if matches!(answer, FromShard::Unknown) {
            return;
        }
        // A shard that has given the run up; the run tells who has the same rows, or gives another order.
        if matches!((&answer, self.calls.get(call)), (FromShard::Gone, Some(Ask::Shard(ToShard::Read { .. })))) {
            return;
        }
        let Some(asked) = self.calls.close(call) else { return };
        match answer {
            FromShard::Pushed { id, pushed: Pushed::Applied | Pushed::Duplicate } => {
                if let Ask::Shard(ToShard::Push { list: Some(name), .. }) = asked {
                    self.told.note(shard, name);
                }
                self.staged(now, shard, id);
            }
            FromShard::Committed { epoch, clock, candidates } => self.pulled(now, shard, (epoch, clock), candidates),
            FromShard::Rows { epoch, blocks, .. } => self.rows(now, shard, epoch, blocks),
            FromShard::Wait => match asked {
                Ask::Shard(ask @ ToShard::Read { .. }) => self.ask_part(now, self.part_of(shard), ask),
                _ => self.pull(now, self.part_of(shard)),
            },
            FromShard::Unlisted => self.unlisted(now, shard, asked),
            FromShard::Gone => {
                self.forget_pulls();
                self.ready(now);
            }
            FromShard::Failed(problem) => self.fail(now, problem),
            FromShard::Refused { what } => {
                let (by, who) = (self.name_of(shard), self.own_name());
                let problem = Problem::Refused { by, who, what };
                self.fail(now, problem.clone());
                self.end(Err(problem));
            }
            // What was dropped or fenced is followed by another order.
            _ => {}
        }
    }

    /// Sends every part of the sums to all shards that hold it.
    fn push(&mut self, now: Duration, weight: i64, parts: Vec<Vec<(u32, Block)>>) {
        let (Some(joined), Some(order)) = (&self.joined, &self.order) else { return };
        let contribution = Contribution { member: joined.member, sequence: order.number };
        let id = PushId { run: joined.run, epoch: order.epoch, shard: 0, clock: order.clock, contribution };
        self.stage = Stage::Pushing;
        self.unstaged = (0..joined.shards.len() as u32).filter(|shard| !self.lost.contains(shard)).collect();
        let parts: Vec<_> = parts.into_iter().map(Arc::new).collect();
        for shard in self.unstaged.clone() {
            let part = self.part_of(shard);
            let (list, blocks) = self.with_keys(shard, &parts[part as usize]);
            self.ask_shard(now, shard, ToShard::Push { id: PushId { shard: part, ..id }, weight, list, blocks });
        }
    }

    fn join(&mut self, now: Duration, joined: Joined) {
        self.actions.push(Action::Connect(joined.shards.clone()));
        self.actions.push(Action::Compute(Task::Open(joined.plan.clone())));
        self.timing = joined.timing;
        self.residuals = Residuals::new(joined.traffic.clone());
        self.joined = Some(joined);
        self.is_computing = false;
        self.poll(now);
    }

    /// Forgets the run's past, and asks to be a new member.
    fn join_again(&mut self, now: Duration) {
        let actions = std::mem::take(&mut self.actions);
        let calls = std::mem::replace(&mut self.calls, Calls::new());
        let folds = self.folds;
        *self = Self::new(now, self.timing, std::mem::take(&mut self.name));
        // Numbers of calls and folds go on, so that answers to old ones are known as such.
        self.folds = folds;
        self.actions.clear();
        self.calls = calls;
        self.calls.retain(|_, _| false);
        self.actions.splice(0..0, actions);
        self.ask_to_join(now);
    }

    fn take(&mut self, now: Duration, order: Order) {
        if order.number <= self.known {
            return self.poll(now);
        }
        self.known = order.number;
        self.calls.retain(|_, ask| !matches!(ask, Ask::Shard(ToShard::Push { .. })));
        self.forget_reads();
        if order.epoch != self.epoch {
            self.epoch = order.epoch;
            self.clock = 0;
            self.told = Told::default();
            self.residuals.forget();
            self.forget_pulls();
            self.forget_log();
            self.actions.push(Action::Compute(Task::Restart));
        }
        if let Err(problem) = self.residuals.settle(order.counts) {
            return self.fail(now, problem);
        }
        if let Some(owned) = &order.owned {
            self.owned.clone_from(owned);
            self.held.retain(|tile| owned.contains(tile));
            self.actions.push(Action::Compute(Task::Own(owned.clone())));
        }
        self.order = Some(order);
        self.stage = Stage::Readying;
        self.poll(now);
        self.ready(now);
    }

    /// Goes on with the order as far as it can without an answer.
    fn ready(&mut self, now: Duration) {
        let (Some(order), Stage::Readying) = (&self.order, self.stage) else { return };
        let tiles = match &order.fold {
            Which::Owned => self.owned.clone(),
            Which::These(tiles) => tiles.clone(),
            Which::Slices(slices) => {
                let slices = slices.clone();
                return self.make_batch(now, slices);
            }
        };
        let clock = order.clock;
        self.fetch(now, &tiles);
        if clock > self.clock {
            self.catch_up(now);
        } else if clock == self.clock && tiles.iter().all(|tile| self.held.contains(tile)) {
            self.stage = Stage::Folding;
            self.folds += 1;
            self.actions.push(Action::Compute(Task::Fold { sequence: self.folds, tiles }));
        }
    }

    fn fetch(&mut self, now: Duration, tiles: &[u32]) {
        let Some(member) = self.member() else { return };
        let missing: Vec<u32> = tiles.iter().copied().filter(|tile| !self.held.contains(tile) && !self.fetching.contains(tile)).collect();
        for tile in missing.into_iter().take(FETCHED_AT_ONCE.saturating_sub(self.fetching.len())) {
            self.fetching.insert(tile);
            self.ask_run(now, ToRun::Tile { member, tile });
        }
    }

    fn staged(&mut self, now: Duration, shard: u32, id: PushId) {
        let (Some(order), Stage::Pushing) = (&self.order, self.stage) else { return };
        if id.contribution.sequence != order.number {
            return;
        }
        self.unstaged.remove(&shard);
        self.finish_when_staged(now);
    }

    fn finish_when_staged(&mut self, now: Duration) {
        if let (Some(order), Stage::Pushing, true) = (&self.order, self.stage, self.unstaged.is_empty()) {
            self.stage = Stage::Idle;
            self.done = order.number;
            self.poll(now);
        }
    }

    fn poll(&mut self, now: Duration) {
        self.calls.retain(|_, ask| !matches!(ask, Ask::Run(ToRun::Poll { .. })));
        if let Some(member) = self.member() {
            let totals = if self.done == self.known { self.totals.clone() } else { Vec::new() };
            self.ask_run(now, ToRun::Poll { member, known: self.known, done: self.done, view: self.view, bytes: self.bytes, totals });
        }
    }

    fn fail(&mut self, now: Duration, problem: Problem) {
        match self.member() {
            Some(member) => self.ask_run(now, ToRun::Fail { member, problem }),
            None => self.end(Err(problem)),
        }
    }

    fn end(&mut self, result: Result<(), Problem>) {
        self.calls.retain(|_, _| false);
        self.actions.push(Action::End(result));
    }

    fn silent(&self, who: String) -> Problem {
        Problem::Silent { who, seconds: self.timing.patience().as_secs() }
    }

    fn name_of(&self, shard: u32) -> String {
        let address = self.joined.as_ref().and_then(|joined| joined.shards.get(shard as usize));
        format!("shard {shard} at {}", address.map_or("", |a| a.as_str()))
    }

    fn own_name(&self) -> String {
        self.member().map_or(self.name.clone(), |member| format!("worker {} ({})", member.worker, self.name))
    }

    fn ask_to_join(&mut self, now: Duration) {
        self.ask_run(now, ToRun::Join { name: self.name.clone() });
    }

    fn ask_run(&mut self, now: Duration, ask: ToRun) {
        self.ask(now, To::Run, Ask::Run(ask));
    }

    fn ask_shard(&mut self, now: Duration, shard: u32, ask: ToShard) {
        self.ask(now, To::Shard(shard), Ask::Shard(ask));
    }

    fn ask(&mut self, now: Duration, to: To, ask: Ask) {
        let call = self.calls.open(now, to, ask.clone());
        self.actions.push(Action::Call { to, call, ask });
    }
}
