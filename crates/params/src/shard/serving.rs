//! One epoch of a run on a shard: what is staged, what was committed, and who waits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use quelea_core::block::Block;

use super::Answers;
use super::lists::Keys;
use super::rounds::Rounds;
use super::steps::Steps;
use crate::message::{After, Apply, Candidates, Contribution, FromShard, Member, PushId, Pushed};
use crate::tables::Keeps;
use crate::{Bits, Caller, ListName, Made, Problem};

/// Clocks whose contributions and candidates are remembered after their commit.
const REMEMBERED: usize = 4;

/// The run that is served, in one of its epochs.
pub(super) struct Serving {
    pub run: u64,
    pub epoch: u32,
    pub life: u32,
    pub keeps: Keeps,
    kept: Kept,
    /// The first clock that is not committed.
    clock: u64,
    staged: BTreeMap<Contribution, Staged>,
    /// The last clocks that were committed, the newest last.
    committed: VecDeque<Committed>,
    /// Each worker's last contribution that was committed.
    latest: BTreeMap<u32, Contribution>,
    /// The lowest incarnation of each worker that is not shut out.
    pub fenced: BTreeMap<u32, u32>,
    /// The connection that the run opened the epoch on, while it lasts.
    pub opener: Option<u64>,
    pub parked: Vec<Parked>,
}

/// What there is of the learner.
enum Kept {
    Rounds(Rounds),
    Steps(Box<Steps>),
}

impl Kept {
    fn rows(&self, keys: &[Vec<u64>], bits: Bits) -> Result<Vec<(u32, Block)>, String> {
        match self {
            Self::Rounds(_) => Ok(Vec::new()),
            Self::Steps(steps) => steps.rows(keys, bits),
        }
    }
}

/// What was pushed and is not committed.
pub(super) struct Staged {
    pub clock: u64,
    pub weight: i64,
    /// By steps.
    pub keys: Keys,
    /// By steps: the sums of each table.
    pub blocks: Arc<Vec<(u32, Block)>>,
}

struct Committed {
    clock: u64,
    contributions: BTreeSet<Contribution>,
    candidates: Candidates,
}

/// A call that is answered when enough is committed.
pub(super) struct Parked {
    pub from: Caller,
    /// Since when it waits.
    pub since: Duration,
    want: Want,
}

/// What it is for.
pub(super) enum Want {
    /// The candidates of a clock.
    Candidates { clock: u64 },
    /// Rows of tables with at least so many commits.
    Rows { least: u64, bits: Bits, keys: Keys },
}

impl Want {
    fn is_rows(&self) -> bool {
        matches!(self, Self::Rows { .. })
    }
}

impl Serving {
    pub fn new(
        (run, epoch, life): (u64, u32, u32),
        keeps: Keeps,
        made: Made,
        (after, window): (After, Vec<Contribution>),
        fenced: BTreeMap<u32, u32>,
    ) -> Result<Self, Problem> {
        let (kept, clock) = match made {
            Made::Rounds(replica) => (Kept::Rounds(Rounds::new(replica)), 0),
            Made::Steps(stepper) => (Kept::Steps(Box::new(Steps::new(stepper.as_ref(), keeps, after)?)), after.commits),
        };
        Ok(Self {
            run,
            epoch,
            life,
            keeps,
            kept,
            clock,
            staged: BTreeMap::new(),
            committed: VecDeque::new(),
            latest: window.into_iter().map(|last| (last.member.worker, last)).collect(),
            fenced,
            opener: None,
            parked: Vec::new(),
        })
    }

    /// Stages a push.
    pub fn push(&mut self, id: PushId, weight: i64, list: Option<ListName>, blocks: Arc<Vec<(u32, Block)>>) -> FromShard {
        let pushed = self.fate(id);
        if pushed == Pushed::Applied {
            let (keys, blocks) = match &mut self.kept {
                Kept::Rounds(_) => (Keys::default(), blocks),
                Kept::Steps(steps) => match steps.keys_and_sums(list, weight, blocks) {
                    Ok(found) => found,
                    Err(answer) => return answer,
                },
            };
            // A member has one order at a time, but earlier ones may still count.
            self.staged.insert(id.contribution, Staged { clock: id.clock, weight, keys, blocks });
        }
        FromShard::Pushed { id, pushed }
    }

    /// The keys that a worker wants to read, or why it cannot.
    pub fn keys_to_read(&mut self, list: Option<ListName>, blocks: Arc<Vec<(u32, Block)>>) -> Result<Keys, FromShard> {
        match &mut self.kept {
            Kept::Rounds(_) => Err(FromShard::Refused { what: "rows of a learner that has none".into() }),
            Kept::Steps(steps) => steps.keys_to_read(list, blocks),
        }
    }

    /// What is to become of a push.
    fn fate(&self, id: PushId) -> Pushed {
        let Contribution { member, sequence } = id.contribution;
        let is_committed = |c: &Committed| c.clock == id.clock && c.contributions.contains(&id.contribution);
        // By steps, a member's contributions are committed in their order.
        let is_old = |last: &Contribution| last.member == member && last.sequence >= sequence;
        let (is_late, was_committed) = match &self.kept {
            Kept::Rounds(_) => (id.clock != self.clock, self.committed.iter().any(is_committed)),
            Kept::Steps(steps) if id.clock < steps.closed => (true, self.committed.iter().any(is_committed)),
            Kept::Steps(_) => (false, self.latest.get(&member.worker).is_some_and(is_old)),
        };
        if id.epoch == self.epoch && was_committed {
            Pushed::Duplicate
        } else if id.epoch < self.epoch || self.fenced.get(&member.worker).is_some_and(|&least| member.incarnation < least) {
            Pushed::Fenced
        } else if is_late {
            Pushed::Dropped
        } else if self.staged.contains_key(&id.contribution) {
            Pushed::Duplicate
        } else {
            Pushed::Applied
        }
    }

    /// Answers at once, or when enough is committed.
    pub fn want(&mut self, now: Duration, from: Caller, want: Want, answers: &mut Answers) -> Option<FromShard> {
        let answer = self.answer(&want);
        // It may come again before it is answered.
        if answer.is_none() && self.parked.iter().all(|parked| parked.from != from) {
            if want.is_rows() {
                // A worker wants rows for one mini-batch at a time.
                let old = self.parked.extract_if(.., |parked| parked.want.is_rows() && parked.from.peer == from.peer);
                answers.extend(old.map(|parked| (parked.from, FromShard::Wait)));
            }
            self.parked.push(Parked { from, since: now, want });
        }
        answer
    }

    fn answer(&self, want: &Want) -> Option<FromShard> {
        match (want, &self.kept) {
            (Want::Candidates { clock }, _) if *clock >= self.clock => None,
            (Want::Candidates { clock }, _) => Some(self.committed_at(*clock).unwrap_or(FromShard::Gone)),
            (Want::Rows { least, .. }, _) if *least > self.clock => None,
            (Want::Rows { bits, keys, .. }, kept) => Some(match kept.rows(keys, *bits) {
                Ok(rows) => FromShard::Rows { epoch: self.epoch, clock: self.clock, blocks: Arc::new(rows) },
                Err(what) => FromShard::Refused { what },
            }),
        }
    }

    fn committed_at(&self, clock: u64) -> Option<FromShard> {
        let committed = self.committed.iter().find(|c| c.clock == clock)?;
        Some(FromShard::Committed { epoch: self.epoch, clock, candidates: committed.candidates.clone() })
    }

    /// Commits exactly these contributions, once, and keeps a copy of the tables as they are then if one is asked for.
    pub fn commit(
        &mut self,
        clock: u64,
        named: Vec<Contribution>,
        (apply, copy): (Apply, bool),
        answers: &mut Answers,
    ) -> Result<FromShard, Problem> {
        if clock < self.clock {
            return Ok(self.committed_at(clock).unwrap_or(FromShard::Unknown));
        }
        let is_staged = named.iter().all(|c| self.staged.contains_key(c));
        let is_behind = matches!(&self.kept, Kept::Rounds(rounds) if !rounds.advanced);
        if clock > self.clock || is_behind || !is_staged {
            return Ok(FromShard::Unknown);
        }
        let contributions: Vec<Staged> = named.iter().filter_map(|c| self.staged.remove(c)).collect();
        let candidates = match &mut self.kept {
            Kept::Rounds(rounds) => {
                self.staged.clear();
                rounds.commit(contributions.into_iter().map(|staged| staged.blocks))?
            }
            Kept::Steps(steps) => {
                steps.commit(&contributions, apply)?;
                if apply == Apply::Together {
                    steps.closed = clock + 1;
                    self.staged.retain(|_, staged| staged.clock > clock);
                }
                self.latest.extend(named.iter().map(|c| (c.member.worker, *c)));
                if copy {
                    steps.keep_copy(clock + 1);
                }
                Candidates::new()
            }
        };
        self.clock += 1;
        if self.committed.len() == REMEMBERED {
            self.committed.pop_front();
        }
        self.committed.push_back(Committed { clock, contributions: named.into_iter().collect(), candidates: candidates.clone() });
        self.answer_parked(answers);
        Ok(FromShard::Committed { epoch: self.epoch, clock, candidates })
    }

    fn answer_parked(&mut self, answers: &mut Answers) {
        for parked in std::mem::take(&mut self.parked) {
            match self.answer(&parked.want) {
                Some(answer) => answers.push((parked.from, answer)),
                None => self.parked.push(parked),
            }
        }
    }

    /// Takes the candidates that the other shards found.
    pub fn advance(&mut self, clock: u64, others: Candidates) -> Result<FromShard, Problem> {
        let newest = self.committed.back().filter(|c| c.clock == clock);
        if let (Kept::Rounds(rounds), true, Some(own)) = (&mut self.kept, clock + 1 == self.clock, newest)
            && !rounds.advanced
        {
            let mut all = own.candidates.clone();
            all.extend(others);
            rounds.advance(all)?;
        }
        Ok(self.at())
    }

    /// Takes what was committed in an earlier epoch.
    pub fn replay(&mut self, from: u64, clocks: Vec<Candidates>) -> Result<FromShard, Problem> {
        if let Kept::Rounds(rounds) = &mut self.kept {
            for (clock, candidates) in (from..).zip(clocks) {
                if clock == self.clock && rounds.advanced {
                    rounds.advance(candidates)?;
                    self.clock += 1;
                }
            }
        }
        Ok(self.at())
    }

    pub fn at(&self) -> FromShard {
        FromShard::At { epoch: self.epoch, clock: self.clock }
    }

    /// Refuses what a member and its earlier incarnations push, and discards what does not count any more.
    pub fn fence(&mut self, member: Member, done: u32) -> FromShard {
        let least = self.fenced.entry(member.worker).or_default();
        *least = (*least).max(member.incarnation.saturating_add(1));
        self.staged.retain(|contribution, _| contribution.member != member || contribution.sequence <= done);
        FromShard::Noted
    }

    /// Takes a part of the cut that the epoch begins at.
    pub fn load(&mut self, part: u64, table: u32, blocks: &[(u32, Block)]) -> Result<FromShard, Problem> {
        let has_it = self.steps()?.load(part, table, blocks)?;
        Ok(if has_it { self.at() } else { FromShard::Unknown })
    }

    /// Keeps a copy of the tables.
    pub fn copy(&mut self) -> Result<FromShard, Problem> {
        let clock = self.clock;
        self.steps()?.keep_copy(clock);
        Ok(self.at())
    }

    /// Rows of a table of the copy, from a key on, with all that is known of them.
    pub fn save(&mut self, commits: u64, table: u32, from: u64) -> Result<FromShard, Problem> {
        let epoch = self.epoch;
        self.steps()?.save(epoch, commits, table, from)
    }

    /// Drops the copy.
    pub fn forget(&mut self, commits: u64) -> Result<FromShard, Problem> {
        self.steps()?.forget(commits);
        Ok(FromShard::Noted)
    }

    /// Rows of a table from a key on.
    pub fn collect(&mut self, table: u32, from: u64) -> Result<FromShard, Problem> {
        let (epoch, clock) = (self.epoch, self.clock);
        self.steps()?.collect(epoch, clock, table, from)
    }

    fn steps(&mut self) -> Result<&mut Steps, Problem> {
        match &mut self.kept {
            Kept::Steps(steps) => Ok(steps),
            Kept::Rounds(_) => Err(Problem::internal("a learner by rounds has no tables")),
        }
    }
}
