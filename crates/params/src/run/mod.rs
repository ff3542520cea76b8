//! A run: who takes part, which tiles they own, and which contributions a clock is committed with.
//!
//! Its course: the shards open an epoch; members fold all tiles and stage their sums on every shard; when no tile is
//! missing, the clock is committed by naming the contributions; their candidates lead to the next clock. A member that is
//! lost leaves nothing behind: others fold its tiles. A shard that is lost takes all back to the last boundary, or cut, unless
//! another holds the same (`replicas`). What differs between trainings by rounds and by steps is in `rounds` and `steps`,
//! behind `work`.

mod action;
mod collect;
mod commits;
mod cuts;
mod loss;
mod members;
mod opening;
mod pace;
mod replicas;
mod rounds;
mod shards;
mod steps;
mod work;

use std::time::Duration;

use crate::message::{Candidates, FromRun, FromShard, Joined, Member, ToRun, ToShard};
use crate::{Caller, Maker, Problem};
pub use action::{Action, Note, Settings, Status, Sync, Why};
use collect::Collecting;
use commits::Committing;
use cuts::Cuts;
pub use cuts::{Cut, Saved, Saving};
use members::{Carried, Members};
use opening::LOG_BYTES;
use replicas::Joining;
use shards::{Shards, State, page};
use work::Work;

/// Who takes so many times as long as the slowest other is shut out.
const FAR_LONGER: u32 = 20;

enum Phase {
    /// Shards begin the epoch, or the first workers are waited for.
    Opening,
    /// Members fold, and shards commit.
    Going,
    /// By steps: all is committed, and the tables are collected.
    Collecting(Collecting),
    /// It is over.
    Ended,
}

/// A run without its shell.
pub struct Run {
    settings: Settings,
    maker: Maker,
    work: Box<dyn Work>,
    cuts: Cuts,
    epoch: u32,
    phase: Phase,
    committing: Option<Committing>,
    started: bool,
    members: Members,
    shards: Shards,
    /// A shard that takes in what the others of its part have.
    joining: Option<Joining>,
    /// Grows when what members are to know of the shards changes.
    view: u32,
    /// Tiles without owner.
    orphans: Vec<u32>,
    /// Since when there has been no worker, and when the first joined.
    deserted: Option<Duration>,
    first_join: Option<Duration>,
    /// Since when members have failed because somebody was silent and no order was carried out, and how often.
    complaints: Option<(Duration, u32)>,
    /// The farthest clock so far, and how often the run has gone back since it was reached.
    farthest: u64,
    setbacks: u32,
    last_tick: Duration,
    /// Somebody wants the run to end, which waits for a last cut until then.
    stop_at: Option<Duration>,
    actions: Vec<Action>,
}

impl Run {
    /// A run at the end of its history, or at its cut. It begins when its shards are up.
    pub fn new(now: Duration, mut settings: Settings, maker: Maker) -> Result<Self, Problem> {
        let work = work::begin(&mut settings, &maker)?;
        Ok(Self {
            farthest: work.clock(),
            work,
            cuts: Cuts::new(now, settings.cut_every, std::mem::take(&mut settings.cut)),
            maker,
            epoch: 1,
            phase: Phase::Opening,
            committing: None,
            started: false,
            members: Members::new(settings.run),
            shards: Shards::new(now, settings.shards.len(), (settings.shards.len() / settings.copies.max(1)) as u32),
            joining: None,
            view: 0,
            orphans: (0..settings.tiles).collect(),
            deserted: Some(now),
            first_join: None,
            complaints: None,
            setbacks: 0,
            last_tick: now,
            stop_at: None,
            actions: Vec::new(),
            settings,
        })
    }

    /// What is to be done now, in this order.
    pub fn actions(&mut self) -> Vec<Action> {
        self.answer_polls();
        self.actions.extend(self.shards.outbox.drain(..).map(|(shard, call, ask)| Action::Call { shard, call, ask }));
        std::mem::take(&mut self.actions)
    }

    /// The first clock that is not committed.
    pub fn clock(&self) -> u64 {
        self.work.clock()
    }

    /// The candidates of clocks that no loss takes back: what a checkpoint holds of a training by rounds.
    pub fn settled(&self) -> &[Candidates] {
        self.work.settled()
    }

    /// What is known of the workers.
    pub fn status(&self) -> Vec<Status> {
        self.members.iter().map(|entry| self.work.status(entry, &self.members)).collect()
    }

    /// A shard was started or connected to, and knows nothing of this run.
    pub fn shard_is_up(&mut self, now: Duration, shard: u32) {
        self.shards.heard[shard as usize] = now;
        if matches!(self.phase, Phase::Going | Phase::Collecting(_)) && self.shards.has_other(shard) {
            return self.replica_is_up(now, shard);
        }
        self.open(now, shard);
    }

    /// A shard's connection was closed.
    pub fn shard_closed(&mut self, now: Duration, shard: u32) {
        self.lose_shard(now, shard, Why::Closed);
    }

    /// A connection of workers was closed.
    pub fn closed(&mut self, now: Duration, peer: u64) {
        if matches!(self.phase, Phase::Ended) {
            return self.forget(peer);
        }
        for member in self.members.of_peer(peer) {
            self.lose(now, member, Why::Closed);
        }
    }

    /// Members that have not heard that the run is over.
    pub fn untold(&self) -> usize {
        self.members.len()
    }

    /// Ends the run.
    pub fn stop(&mut self, now: Duration) {
        self.end(now, Err(Problem::Stopped));
    }

    /// Ends the run once what it has come to is saved, if anybody saves it.
    pub fn wind_down(&mut self, now: Duration) {
        if self.work.log().is_some() || !matches!(self.phase, Phase::Going) || !self.cuts.hurry(now) {
            return self.stop(now);
        }
        self.stop_at = Some(now + self.settings.patience);
    }

    /// Takes a worker's call.
    pub fn from_worker(&mut self, now: Duration, from: Caller, ask: ToRun) {
        if matches!(self.phase, Phase::Ended) {
            self.forget(from.peer);
        }
        let answer = match ask {
            _ if matches!(self.phase, Phase::Ended) => Some(FromRun::Ended),
            ToRun::Join { name } => Some(self.join(now, from, name)),
            ToRun::Poll { member, known, done, view, bytes, totals } => {
                self.members.get_mut(member).into_iter().for_each(|entry| (entry.view, entry.bytes) = (view, bytes));
                self.poll(now, from, member, (known, done), totals)
            }
            ToRun::Tile { member, tile } => self.of_member(now, member, |run| {
                let is_there = tile < run.settings.tiles;
                run.actions.extend(is_there.then_some(Action::GiveTile { to: from, tile }));
                None
            }),
            ToRun::Log { member, epoch, from } => self.of_member(now, member, |run| {
                let log = run.work.log().filter(|_| epoch == run.epoch).unwrap_or_default();
                let clocks = page(log, from, LOG_BYTES);
                Some(FromRun::Log { from, clocks })
            }),
            ToRun::Fail { member, problem } => self.of_member(now, member, |run| {
                run.fail(now, member, problem);
                Some(FromRun::Fenced)
            }),
            ToRun::Leave { member } => {
                self.lose(now, member, Why::Left);
                Some(FromRun::Ended)
            }
        };
        self.actions.extend(answer.map(|answer| Action::Answer { to: from, answer }));
    }

    /// Takes the answer of shard number `shard`.
    pub fn from_shard(&mut self, now: Duration, shard: u32, call: u64, answer: FromShard) {
        self.shards.heard[shard as usize] = now;
        let Some(asked) = self.shards.calls.close(call) else { return };
        match (answer, asked) {
            (FromShard::Opened { .. }, ToShard::Open { .. }) => {
                // What was sent before may be answered by a shard that had not begun yet.
                self.shards.calls.retain(|to, _| to != shard);
                match self.work.log() {
                    _ if self.is_joining(shard) => self.replica_opened(now, shard),
                    Some(_) => self.replay(now, shard, 0),
                    None => self.restore(now, shard),
                }
            }
            (FromShard::At { epoch, .. }, ToShard::Load { part, table, blocks, .. }) if epoch == self.epoch => {
                match self.is_joining(shard) {
                    true => self.replica_loaded(now, part, table, &blocks),
                    false => self.loaded(now, shard, part),
                }
            }
            (FromShard::At { epoch, .. }, ToShard::Copy { .. }) if epoch == self.epoch && self.is_source(shard) => {
                self.replica_can_copy(now)
            }
            (FromShard::Rows { epoch, blocks, .. }, ToShard::Save { commits, table, .. }) if epoch == self.epoch => {
                match self.joining_from(shard, commits) {
                    Some(_) => self.page_for_replica(now, table, blocks),
                    None => self.copied(now, shard, (commits, table), &blocks),
                }
            }
            (FromShard::Gone, ToShard::Save { commits, .. }) => self.copy_is_gone(now, shard, commits),
            (FromShard::At { clock, .. }, ToShard::Replay { .. }) if self.is_joining(shard) => self.replica_at(now, shard, clock),
            (FromShard::At { clock, .. }, ToShard::Replay { .. }) => self.replay(now, shard, clock),
            (FromShard::At { .. }, ToShard::Advance { .. }) => self.shard_is_ready(now, shard),
            (FromShard::Committed { clock, candidates, .. }, ToShard::Commit { .. }) => self.committed(now, shard, clock, candidates),
            (FromShard::Rows { epoch, blocks, .. }, ToShard::Collect { table, .. }) if epoch == self.epoch => {
                self.collected(now, shard, table, &blocks);
            }
            (FromShard::Unknown | FromShard::At { .. }, ToShard::Ping { .. }) if self.shards.states[shard as usize] == State::Called => {
                self.replica_answers(now, shard);
            }
            // A shard that is behind the run was started anew.
            (FromShard::At { epoch, clock }, ToShard::Ping { clock: least, .. }) => {
                let is_ready = self.shards.states[shard as usize] == State::Ready;
                if is_ready && epoch == self.epoch && clock < least {
                    self.lose_shard(now, shard, Why::Restarted);
                }
            }
            // A shard that is told to begin has every right not to know what comes before.
            (FromShard::Unknown, _) if matches!(self.shards.states[shard as usize], State::Opening | State::Behind) => {}
            (FromShard::Unknown, ToShard::Ping { .. } | ToShard::Fence { .. }) if self.shards.states[shard as usize] == State::Joining => {}
            (FromShard::Unknown, _) => self.lose_shard(now, shard, Why::Restarted),
            (FromShard::Failed(problem), ToShard::Save { commits, .. }) => self.copy_failed(now, shard, commits, problem),
            (FromShard::Failed(problem), _) if self.is_joining(shard) => self.lose_shard(now, shard, Why::Failed(problem)),
            (FromShard::Failed(problem), _) => self.end(now, Err(problem)),
            _ => {}
        }
    }

    /// Notices who is silent, late or missing, and makes calls again that are not answered.
    pub fn tick(&mut self, now: Duration) {
        if matches!(self.phase, Phase::Ended) {
            return;
        }
        self.forgive(now);
        let timing = self.settings.timing;
        let silent: Vec<Member> = self.members.iter().filter(|entry| entry.heard + timing.lease <= now).map(|entry| entry.member).collect();
        silent.into_iter().for_each(|member| self.lose(now, member, Why::Silent));
        // Who cannot reach a shard gets the time to say so.
        let least = timing.lease + timing.patience();
        let is_folding = matches!(self.phase, Phase::Going) && self.committing.is_none();
        if let (true, Some(member)) = (is_folding, self.members.laggard(now, least, FAR_LONGER)) {
            self.lose(now, member, Why::Late);
        }
        if let Some(shard) = self.shards.silent(now, timing.lease) {
            self.lose_shard(now, shard, Why::Silent);
        }
        for shard in self.shards.stillborn(now, timing.lease) {
            self.actions.push(self.shards.revive(now, shard));
        }
        if self.stop_at.is_some_and(|at| at <= now) {
            return self.stop(now);
        }
        self.give_up_waiting(now);
        self.start(now);
        if matches!(self.phase, Phase::Ended) {
            return;
        }
        let at = (self.settings.run, self.clock());
        self.shards.tick(now, timing.keepalive, timing.request_timeout, at);
        for entry in self.members.iter_mut() {
            if let Some((caller, _, _)) = entry.parked.take_if(|(_, since, _)| *since + timing.keepalive <= now) {
                self.actions.push(Action::Answer { to: caller, answer: FromRun::Wait });
            }
        }
    }

    /// When [`Run::tick`] has something to do.
    pub fn deadline(&self) -> Option<Duration> {
        let timing = &self.settings.timing;
        let parked = self.members.iter().filter_map(|entry| entry.parked.map(|(_, since, _)| since + timing.keepalive));
        let leases = self.members.iter().map(|entry| entry.heard + timing.lease);
        let start = self.first_join.filter(|_| !self.started && self.can_start()).map(|first| first + self.settings.grace);
        let shards = self.shards.deadline(timing.keepalive, timing.request_timeout);
        let over = matches!(self.phase, Phase::Ended);
        parked.chain(leases).chain(start).chain(self.stop_at).chain([shards]).min().filter(|_| !over)
    }

    /// Members on this connection need not be told any more that the run is over.
    fn forget(&mut self, peer: u64) {
        for member in self.members.of_peer(peer) {
            self.members.remove(member);
        }
    }

    /// A run that was stopped for a while, with its machine or by itself, has not listened: nobody was silent in that time.
    fn forgive(&mut self, now: Duration) {
        let pause = now.saturating_sub(self.last_tick);
        self.last_tick = now;
        if pause > 2 * self.settings.timing.keepalive {
            self.members.iter_mut().for_each(|entry| entry.heard += pause);
            self.shards.heard.iter_mut().for_each(|heard| *heard += pause);
        }
    }

    fn join(&mut self, now: Duration, from: Caller, name: String) -> FromRun {
        let member = match self.members.joined_by(from) {
            Some(member) => member,
            None => self.admit(now, from, name),
        };
        let Settings { run, plan, shards, timing, traffic, .. } = &self.settings;
        let (plan, shards, parts, traffic) = (plan.clone(), shards.clone(), self.shards.parts, traffic.clone());
        FromRun::Joined(Joined { member, run: *run, plan, shards, parts, timing: *timing, traffic })
    }

    fn admit(&mut self, now: Duration, from: Caller, name: String) -> Member {
        let member = self.members.join(now, from, name.clone());
        self.deserted = None;
        self.first_join.get_or_insert(now);
        self.actions.push(Action::Tell(Note::Joined { member, name }));
        if self.started {
            self.give_orphans();
            self.dispatch(now);
        }
        self.start(now);
        member
    }

    /// Answers a member; who is none is fenced.
    fn of_member(&mut self, now: Duration, member: Member, work: impl FnOnce(&mut Self) -> Option<FromRun>) -> Option<FromRun> {
        let Some(entry) = self.members.get_mut(member) else { return Some(FromRun::Fenced) };
        entry.heard = now;
        work(self)
    }

    fn poll(&mut self, now: Duration, from: Caller, member: Member, (known, done): (u32, u32), totals: Vec<i128>) -> Option<FromRun> {
        let Some(entry) = self.members.get_mut(member) else { return Some(FromRun::Fenced) };
        entry.heard = now;
        let contributed = entry.told(now, known, done);
        // A poll that comes again waits no longer for that.
        let since = entry.parked.filter(|(before, _, _)| *before == from).map_or(now, |(_, since, _)| since);
        if let Some((before, _, _)) = entry.parked.replace((from, since, known))
            && before != from
        {
            self.actions.push(Action::Answer { to: before, answer: FromRun::Wait });
        }
        if let Some(carried) = contributed {
            self.complaints = None;
            self.work.contributed(Carried { totals, ..carried }, &mut self.members);
            self.go_on(now);
        }
        None
    }

    fn answer_polls(&mut self) {
        let news = matches!(self.phase, Phase::Going).then_some(self.view);
        for entry in self.members.iter_mut() {
            if let Some(view) = news.filter(|view| entry.view < *view)
                && let Some((to, _, _)) = entry.parked.take()
            {
                self.actions.push(Action::Answer { to, answer: FromRun::Shards { view, lost: self.shards.lost() } });
            } else if let Some(order) = entry.news()
                && let Some((to, _, _)) = entry.parked.take()
            {
                self.actions.push(Action::Answer { to, answer: FromRun::Order(order) });
            }
        }
    }

    /// Tiles without owner wait for a member.
    fn give_orphans(&mut self) {
        if self.members.len() > 0 {
            self.members.adopt(std::mem::take(&mut self.orphans));
        }
    }

    fn dispatch(&mut self, now: Duration) {
        if matches!(self.phase, Phase::Going) && !self.let_replicas_join(now) {
            let flush = self.cuts.are_due(now);
            self.work.dispatch(now, self.epoch, flush, &mut self.members);
        }
    }
}
