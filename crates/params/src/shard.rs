//! A shard: stages what workers push, and updates its blocks with exactly the contributions that the run commits.
//!
//! It serves one run at a time. A push is applied at most once: it is staged under its contribution, a second one is
//! answered `duplicate`, and what the commit of its clock does not name is discarded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use quelea_core::block::Block;

use crate::message::{Candidates, Contribution, FromShard, Member, PushId, Pushed, ToShard};
use crate::{Caller, Maker, Packet, Problem, Replica, Timing};

/// Clocks whose contributions and candidates are remembered after their commit.
const REMEMBERED: usize = 4;

/// The answers that a shard gives to a message.
pub type Answers = Vec<(Caller, FromShard)>;

/// A shard without its shell.
pub struct Shard {
    maker: Maker,
    timing: Timing,
    serving: Option<Serving>,
    /// When the run was last heard of.
    heard: Duration,
}

/// The run that is served, in one of its epochs.
struct Serving {
    run: u64,
    epoch: u32,
    shard: u32,
    replica: Box<dyn Replica>,
    /// The first clock that is not committed.
    clock: u64,
    /// Whether the replica has come to `clock`; it waits for the candidates of the other shards.
    advanced: bool,
    staged: BTreeMap<Contribution, Arc<Vec<(u32, Block)>>>,
    /// The last clocks that were committed, the newest last.
    committed: VecDeque<Committed>,
    /// The lowest incarnation of each worker that is not shut out.
    fenced: BTreeMap<u32, u32>,
    /// The connection that the run opened the epoch on, while it lasts.
    opener: Option<u64>,
    /// Pulls of the clock that is not committed yet, and since when they wait.
    parked: Vec<(Caller, Duration)>,
}

struct Committed {
    clock: u64,
    contributions: BTreeSet<Contribution>,
    candidates: Candidates,
}

impl Shard {
    /// A shard that serves nobody yet.
    pub fn new(maker: Maker, timing: Timing) -> Self {
        Self { maker, timing, serving: None, heard: Duration::ZERO }
    }

    /// Takes a message; `from` is answered now or later.
    pub fn handle(&mut self, now: Duration, from: Caller, message: ToShard, answers: &mut Answers) {
        let answer = match message {
            ToShard::Open { run, epoch, shard, plan, timing } => {
                let answer = self.open(now, (run, epoch), shard, &plan, answers);
                if let Some(serving) = self.serving.as_mut().filter(|s| s.run == run) {
                    serving.opener = Some(from.peer);
                    self.timing = timing;
                }
                Some(answer)
            }
            ToShard::Push { id, blocks, .. } => Some(self.push(id, blocks)),
            ToShard::Pull { run, epoch, clock } => self.pull(now, from, (run, epoch), clock),
            ToShard::Replay { run, epoch, from, clocks } => Some(self.of_run(now, run, Some(epoch), |s| s.replay(from, clocks))),
            ToShard::Commit { run, epoch, clock, contributions, .. } => {
                Some(self.of_run(now, run, Some(epoch), |s| s.commit(clock, contributions, answers)))
            }
            ToShard::Advance { run, epoch, clock, others } => Some(self.of_run(now, run, Some(epoch), |s| s.advance(clock, others))),
            ToShard::Read { .. } | ToShard::Collect { .. } => Some(FromShard::Unknown),
            ToShard::Fence { run, member } => Some(self.of_run(now, run, None, |s| s.fence(member))),
            ToShard::Ping { run, .. } => Some(self.of_run(now, run, None, |s| Ok(s.at()))),
            ToShard::Close { run } => {
                if self.serving.as_ref().is_some_and(|s| s.run == run) {
                    self.stop(answers);
                }
                Some(FromShard::Noted)
            }
        };
        answers.extend(answer.map(|answer| (from, answer)));
    }

    /// Forgets what a caller that is gone waits for.
    pub fn closed(&mut self, peer: u64) {
        if let Some(serving) = &mut self.serving {
            serving.parked.retain(|(caller, _)| caller.peer != peer);
            serving.opener.take_if(|opener| *opener == peer);
        }
    }

    /// Answers pulls that have waited long enough.
    pub fn tick(&mut self, now: Duration, answers: &mut Answers) {
        let overdue = now.saturating_sub(self.heard + self.timing.lease);
        if overdue > self.timing.keepalive {
            // This side was stopped and has not listened: the run gets another chance to be heard.
            self.heard += overdue + self.timing.keepalive;
        }
        if self.serving.is_some() && self.is_deserted(now) {
            self.stop(answers);
        }
        let Some(serving) = &mut self.serving else { return };
        let keepalive = self.timing.keepalive;
        serving.parked.retain(|&(caller, since)| {
            let wait = since + keepalive > now;
            if !wait {
                answers.push((caller, FromShard::Wait));
            }
            wait
        });
    }

    /// When [`Shard::tick`] has something to do.
    pub fn deadline(&self) -> Option<Duration> {
        let serving = self.serving.as_ref()?;
        let deserted = self.heard + self.timing.lease;
        Some(serving.parked.iter().map(|(_, since)| *since + self.timing.keepalive).fold(deserted, Duration::min))
    }

    /// Whether a run is served.
    pub fn is_serving(&self) -> bool {
        self.serving.is_some()
    }

    /// Whether the run has been silent for too long.
    fn is_deserted(&self, now: Duration) -> bool {
        self.heard + self.timing.lease <= now
    }

    fn stop(&mut self, answers: &mut Answers) {
        if let Some(serving) = self.serving.take() {
            answers.extend(serving.parked.into_iter().map(|(caller, _)| (caller, FromShard::Gone)));
        }
    }

    fn open(&mut self, now: Duration, (run, epoch): (u64, u32), shard: u32, plan: &Packet, answers: &mut Answers) -> FromShard {
        let mut fenced = BTreeMap::new();
        if self.serving.as_ref().is_some_and(|s| s.run == run) {
            self.heard = now;
        }
        match &self.serving {
            Some(s) if s.run != run && s.opener.is_some() && !self.is_deserted(now) => return FromShard::Failed(Problem::Busy),
            Some(s) if s.run == run && s.shard != shard => return FromShard::Failed(Problem::SameShard { shard: s.shard, other: shard }),
            // A call that came twice, or late, must not throw away what the epoch has brought.
            Some(s) if s.run == run && s.epoch == epoch => return FromShard::Opened { epoch },
            Some(s) if s.run == run && s.epoch > epoch => return FromShard::Unknown,
            Some(s) if s.run == run => fenced.clone_from(&s.fenced),
            _ => {}
        }
        self.heard = now;
        self.stop(answers);
        match (self.maker)(plan) {
            Err(problem) => FromShard::Failed(problem),
            Ok(crate::Made::Steps(_)) => FromShard::Failed(Problem::internal("learners by steps are not there yet")),
            Ok(crate::Made::Rounds(replica)) => {
                self.serving = Some(Serving {
                    run,
                    epoch,
                    shard,
                    replica,
                    clock: 0,
                    advanced: true,
                    staged: BTreeMap::new(),
                    committed: VecDeque::new(),
                    fenced,
                    opener: None,
                    parked: Vec::new(),
                });
                FromShard::Opened { epoch }
            }
        }
    }

    /// Does what the run asks, if it is the run and the epoch that are served.
    fn of_run(
        &mut self,
        now: Duration,
        run: u64,
        epoch: Option<u32>,
        work: impl FnOnce(&mut Serving) -> Result<FromShard, Problem>,
    ) -> FromShard {
        match &mut self.serving {
            Some(serving) if serving.run == run && epoch.is_none_or(|epoch| epoch == serving.epoch) => {
                self.heard = now;
                work(serving).unwrap_or_else(FromShard::Failed)
            }
            _ => FromShard::Unknown,
        }
    }

    fn push(&mut self, id: PushId, blocks: Arc<Vec<(u32, Block)>>) -> FromShard {
        match &mut self.serving {
            Some(serving) if serving.run == id.run && serving.shard == id.shard && serving.epoch >= id.epoch => {
                FromShard::Pushed { id, pushed: serving.stage(id, blocks) }
            }
            _ => FromShard::Unknown,
        }
    }

    fn pull(&mut self, now: Duration, from: Caller, (run, epoch): (u64, u32), clock: u64) -> Option<FromShard> {
        match &mut self.serving {
            Some(serving) if serving.run == run && serving.epoch == epoch => serving.pull(now, from, clock),
            Some(serving) if serving.run == run && serving.epoch > epoch => Some(FromShard::Gone),
            _ => Some(FromShard::Unknown),
        }
    }
}

impl Serving {
    fn stage(&mut self, id: PushId, blocks: Arc<Vec<(u32, Block)>>) -> Pushed {
        let Contribution { member, .. } = id.contribution;
        let is_committed = |c: &Committed| c.clock == id.clock && c.contributions.contains(&id.contribution);
        if id.epoch == self.epoch && self.committed.iter().any(is_committed) {
            return Pushed::Duplicate;
        }
        if id.epoch < self.epoch || self.fenced.get(&member.worker).is_some_and(|&least| member.incarnation < least) {
            return Pushed::Fenced;
        }
        if id.clock != self.clock {
            return Pushed::Dropped;
        }
        if self.staged.contains_key(&id.contribution) {
            return Pushed::Duplicate;
        }
        // A member has one order at a time, but earlier ones of this clock still count.
        self.staged.insert(id.contribution, blocks);
        Pushed::Applied
    }

    fn pull(&mut self, now: Duration, from: Caller, clock: u64) -> Option<FromShard> {
        if clock >= self.clock {
            // It may come again before it is answered.
            if self.parked.iter().all(|(caller, _)| *caller != from) {
                self.parked.push((from, now));
            }
            return None;
        }
        Some(self.committed_at(clock).unwrap_or(FromShard::Gone))
    }

    fn committed_at(&self, clock: u64) -> Option<FromShard> {
        let committed = self.committed.iter().find(|c| c.clock == clock)?;
        Some(FromShard::Committed { epoch: self.epoch, clock, candidates: committed.candidates.clone() })
    }

    fn commit(&mut self, clock: u64, contributions: Vec<Contribution>, answers: &mut Answers) -> Result<FromShard, Problem> {
        if clock < self.clock {
            return Ok(self.committed_at(clock).unwrap_or(FromShard::Unknown));
        }
        let is_staged = contributions.iter().all(|c| self.staged.contains_key(c));
        if clock > self.clock || !self.advanced || !is_staged {
            return Ok(FromShard::Unknown);
        }
        let mut staged = std::mem::take(&mut self.staged);
        let sums = merged(contributions.iter().filter_map(|c| staged.remove(c)))?;
        let candidates = self.replica.update(sums)?;
        if self.committed.len() == REMEMBERED {
            self.committed.pop_front();
        }
        let contributions = contributions.into_iter().collect();
        self.committed.push_back(Committed { clock, contributions, candidates: candidates.clone() });
        self.clock += 1;
        self.advanced = false;
        let committed = FromShard::Committed { epoch: self.epoch, clock, candidates };
        answers.extend(self.parked.drain(..).map(|(caller, _)| (caller, committed.clone())));
        Ok(committed)
    }

    fn advance(&mut self, clock: u64, others: Candidates) -> Result<FromShard, Problem> {
        let newest = self.committed.back().filter(|c| c.clock == clock);
        if let (false, true, Some(own)) = (self.advanced, clock + 1 == self.clock, newest) {
            let mut all = own.candidates.clone();
            all.extend(others);
            self.replica.advance(&in_order(all)?)?;
            self.advanced = true;
        }
        Ok(self.at())
    }

    fn replay(&mut self, from: u64, clocks: Vec<Candidates>) -> Result<FromShard, Problem> {
        for (clock, candidates) in (from..).zip(clocks) {
            if clock == self.clock && self.advanced {
                self.replica.advance(&in_order(candidates)?)?;
                self.clock += 1;
            }
        }
        Ok(self.at())
    }

    fn at(&self) -> FromShard {
        FromShard::At { epoch: self.epoch, clock: self.clock }
    }

    fn fence(&mut self, member: Member) -> Result<FromShard, Problem> {
        let least = self.fenced.entry(member.worker).or_default();
        *least = (*least).max(member.incarnation + 1);
        Ok(FromShard::Noted)
    }
}

/// The candidates of all blocks in the order of their numbers, which must be 0, 1, 2, …
pub(crate) fn in_order(mut candidates: Candidates) -> Result<Vec<Packet>, Problem> {
    candidates.sort_by_key(|(block, _)| *block);
    if candidates.iter().zip(0..).any(|((block, _), at)| *block != at) {
        return Err(Problem::internal("a clock lacks the candidate of a block"));
    }
    Ok(candidates.into_iter().map(|(_, candidate)| candidate).collect())
}

/// The sums of contributions, block by block.
fn merged(contributions: impl Iterator<Item = Arc<Vec<(u32, Block)>>>) -> Result<Vec<(u32, Block)>, Problem> {
    let mut sums: Option<Vec<(u32, Block)>> = None;
    for blocks in contributions {
        // A shell that sends within the process still holds the blocks.
        let blocks = Arc::try_unwrap(blocks).unwrap_or_else(|shared| shared.as_ref().clone());
        let Some(sums) = &mut sums else {
            sums = Some(blocks);
            continue;
        };
        if sums.len() != blocks.len() || sums.iter().zip(&blocks).any(|(a, b)| a.0 != b.0) {
            return Err(Problem::internal("workers pushed different blocks"));
        }
        sums.iter_mut().zip(blocks).try_for_each(|((_, sum), (_, block))| sum.merge(block))?;
    }
    let mut sums = sums.unwrap_or_default();
    sums.iter_mut().for_each(|(_, sum)| sum.settle());
    Ok(sums)
}
