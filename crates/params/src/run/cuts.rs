//! Cuts of a training by steps: where it stands after a commit, and the rows of all shards as they were then. Checkpoints hold
//! them, and a run goes back to the last that is saved when a shard is lost.
//!
//! Shards keep a copy with a commit, and training goes on while the copies are collected and saved.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use quelea_core::block::Block;
use serde::{Deserialize, Serialize};

use super::{Action, Note, Phase, Run, State, Why};
use crate::Problem;
use crate::message::{After, ToShard};
use crate::tables::{Chunk, shard_of};

/// Where a training by steps stands after some commits. The rows of its tables, which are apart from it, complete it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Cut {
    /// No two cuts of a training have the same; 0 is the beginning.
    pub number: u64,
    /// Commits that are in it.
    pub commits: u64,
    /// How often rules were applied in them.
    pub applied: u64,
    /// How many slices of each tile are in it.
    pub tiles: Vec<u64>,
    /// Passes that are finished.
    pub passed: u64,
    /// The totals of these and of all passes that have begun.
    pub totals: BTreeMap<u64, Vec<i128>>,
}

impl Cut {
    /// What shards begin with after it.
    pub(super) fn after(&self, closed: u64) -> After {
        After { commits: self.commits, applied: self.applied, closed }
    }
}

/// A cut that can be gone back to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Saved {
    /// The cut.
    pub cut: Cut,
    /// In how many parts its rows were given.
    pub parts: u64,
}

/// How a cut is given to whoever saves it; there is one at a time.
#[derive(Debug, Clone, PartialEq)]
pub enum Saving {
    /// It begins.
    Begin(Cut),
    /// Its next part.
    Part(Chunk),
    /// That was all; what becomes of it is told with [`Run::cut_is_saved`].
    End,
    /// It will never be complete.
    Abandon,
}

/// The cuts of a run.
pub(super) struct Cuts {
    /// None if nobody saves them.
    every: Option<Duration>,
    /// When the next one is due.
    due: Duration,
    /// The number of the last one.
    number: u64,
    /// The newest that is saved, or the beginning.
    saved: Saved,
    /// The one that the epoch began at.
    origin: Saved,
    open: Open,
    restoring: Option<Restoring>,
}

/// The cut that is being made.
enum Open {
    Nothing,
    Collecting(Collecting),
    Writing(Saved),
}

/// A cut whose rows are on their way.
struct Collecting {
    saved: Saved,
    /// The shards whose copies are not whole yet.
    left: BTreeSet<u32>,
    /// The pages to ask for next: of a shard, from a table and a key on.
    next: Vec<(u32, u32, u64)>,
}

/// The part of the origin that shards are loading, and those that have not.
struct Restoring {
    part: u64,
    left: BTreeSet<u32>,
}

impl Cuts {
    pub fn new(now: Duration, every: Option<Duration>, saved: Saved) -> Self {
        let due = now + every.unwrap_or_default();
        Self { every, due, number: saved.cut.number, origin: saved.clone(), saved, open: Open::Nothing, restoring: None }
    }

    /// The cut that the epoch began at.
    pub fn origin(&self) -> &Cut {
        &self.origin.cut
    }

    /// A new epoch begins, at the newest cut that is saved.
    pub fn go_back(&mut self, actions: &mut Vec<Action>) {
        self.origin = self.saved.clone();
        self.restoring = None;
        if let Open::Collecting(..) = self.open {
            self.open = Open::Nothing;
            actions.push(Action::Save(Saving::Abandon));
        }
    }

    /// Makes the next cut due; whether there will be any.
    pub fn hurry(&mut self, now: Duration) -> bool {
        self.due = now;
        self.every.is_some()
    }

    /// Whether shards are to keep a copy of what comes out of the next commit.
    pub fn are_due(&self, now: Duration) -> bool {
        self.every.is_some() && self.due <= now && matches!(self.open, Open::Nothing)
    }
}

impl Run {
    /// What became of a cut: whether it can be gone back to.
    pub fn cut_is_saved(&mut self, now: Duration, number: u64, is_saved: bool) {
        match std::mem::replace(&mut self.cuts.open, Open::Nothing) {
            Open::Writing(saved) | Open::Collecting(Collecting { saved, .. }) if saved.cut.number == number => {
                self.cuts.due = now + self.cuts.every.unwrap_or_default();
                match is_saved {
                    true => self.cuts.saved = saved,
                    false => self.drop_copies(now, saved.cut.commits),
                }
                if self.stop_at.is_some() {
                    self.stop(now);
                }
            }
            open => self.cuts.open = open,
        }
    }

    /// All shards have kept a copy.
    pub(super) fn begin_cut(&mut self) {
        let number = self.cuts.number + 1;
        let Some(cut) = self.work.cut(number) else { return };
        self.cuts.number = number;
        self.actions.push(Action::Save(Saving::Begin(cut.clone())));
        let shards: BTreeSet<u32> = self.shards.holders().into_iter().collect();
        let next = shards.iter().map(|&shard| (shard, 0, 0)).collect();
        self.cuts.open = Open::Collecting(Collecting { saved: Saved { cut, parts: 0 }, left: shards, next });
    }

    /// Whoever saves a cut has room for more of it: the next pages are asked for.
    pub fn save_more(&mut self, now: Duration) {
        if let Open::Collecting(collecting) = &mut self.cuts.open {
            for (shard, table, from) in std::mem::take(&mut collecting.next) {
                self.save(now, shard, table, from);
            }
        }
    }

    fn save(&mut self, now: Duration, shard: u32, table: u32, from: u64) {
        let Open::Collecting(Collecting { saved, left, .. }) = &mut self.cuts.open else { return };
        if (table as usize) < self.work.tables() {
            let ask = ToShard::Save { run: self.settings.run, epoch: self.epoch, commits: saved.cut.commits, table, from };
            return self.shards.call(now, shard, ask);
        }
        let commits = saved.cut.commits;
        left.remove(&shard);
        if left.is_empty() {
            self.cuts.open = Open::Writing(std::mem::take(saved));
            self.actions.push(Action::Save(Saving::End));
        }
        self.forget_copies(now, commits, Some(self.shards.part_of(shard)));
    }

    /// Takes rows of the copy after so many commits.
    pub(super) fn copied(&mut self, now: Duration, shard: u32, (commits, table): (u64, u32), blocks: &[(u32, Block)]) {
        let Open::Collecting(Collecting { saved, next, .. }) = &mut self.cuts.open else { return };
        if saved.cut.commits != commits {
            // It was asked for a cut that was given up.
            return;
        }
        let [(0, Block::Keys(keys)), (1, Block::Values(rows))] = blocks else {
            return self.end(now, Err(Problem::internal("a shard gives a copy without keys or rows")));
        };
        if !keys.is_empty() {
            saved.parts += 1;
            self.actions.push(Action::Save(Saving::Part(Chunk { table, keys: keys.clone(), rows: rows.clone() })));
        }
        let (table, from) = next_page(table, blocks);
        next.push((shard, table, from));
    }

    /// A shard has begun the epoch; once all have, they load the rows that it begins with.
    pub(super) fn restore(&mut self, now: Duration, shard: u32) {
        if !matches!(self.phase, Phase::Opening) {
            // Whether it still has what was committed since is not known.
            return self.lose_shard(now, shard, Why::Restarted);
        }
        self.shards.states[shard as usize] = State::Replaying;
        self.shards.away[shard as usize] = None;
        if self.shards.states.iter().all(|state| matches!(state, State::Replaying | State::Ready)) {
            self.restore_part(now, 0);
        }
    }

    fn restore_part(&mut self, now: Duration, part: u64) {
        if part < self.cuts.origin.parts {
            self.cuts.restoring = Some(Restoring { part, left: BTreeSet::new() });
            return self.actions.push(Action::Restore { cut: self.cuts.origin.cut.number, part });
        }
        self.cuts.restoring = None;
        for shard in self.shards.present() {
            self.shard_is_ready(now, shard);
        }
    }

    /// Takes the part of a cut that was asked for with [`Action::Restore`], or why it cannot be had.
    pub fn restored(&mut self, now: Duration, cut: u64, part: u64, chunk: Result<Chunk, Problem>) {
        let (count, parts) = (self.shards.states.len() as u32, self.shards.parts);
        let is_wanted = matches!(self.phase, Phase::Opening) && self.cuts.origin.cut.number == cut;
        let Some(restoring) = self.cuts.restoring.as_mut().filter(|restoring| is_wanted && restoring.part == part) else { return };
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(problem) => return self.end(now, Err(problem)),
        };
        restoring.left = (0..count).collect();
        for shard in 0..count {
            let blocks = Arc::new(rows_of(&chunk, self.shards.part_of(shard), parts));
            let ask = ToShard::Load { run: self.settings.run, epoch: self.epoch, part, table: chunk.table, blocks };
            self.shards.call(now, shard, ask);
        }
    }

    /// A shard has loaded a part.
    pub(super) fn loaded(&mut self, now: Duration, shard: u32, part: u64) {
        let Some(restoring) = self.cuts.restoring.as_mut().filter(|restoring| restoring.part == part) else { return };
        if restoring.left.remove(&shard) && restoring.left.is_empty() {
            self.restore_part(now, part + 1);
        }
    }

    /// A shard is lost, or is to keep another copy: a cut that is not whole without it never will be.
    pub(super) fn abandon_cut_of(&mut self, shard: u32) {
        if matches!(&self.cuts.open, Open::Collecting(collecting) if collecting.left.contains(&shard)) {
            self.cuts.open = Open::Nothing;
            self.drop_pages();
            self.actions.push(Action::Save(Saving::Abandon));
        }
    }

    /// A cut could not be saved: nothing more is asked for it, and nobody keeps a copy for it.
    fn drop_copies(&mut self, now: Duration, commits: u64) {
        self.drop_pages();
        self.forget_copies(now, commits, None);
    }

    /// Tells the shards of a part, or all, that their copy is not needed any more.
    fn forget_copies(&mut self, now: Duration, commits: u64, part: Option<u32>) {
        let is_of_part = |shard: u32| part.is_none_or(|part| self.shards.part_of(shard) == part);
        let these: Vec<u32> = self.shards.live().filter(|&shard| is_of_part(shard) && !self.is_source(shard)).collect();
        for shard in these {
            self.shards.call(now, shard, ToShard::Forget { run: self.settings.run, epoch: self.epoch, commits });
        }
    }

    /// Asks for no more pages of a cut. What a shard gives to one that joins has nothing to do with it.
    fn drop_pages(&mut self) {
        let source = self.source();
        self.shards.calls.retain(|to, ask| Some(to) == source || !matches!(ask, ToShard::Save { .. }));
    }

    /// A shard has no room for a copy: training goes on without the cut, or without the shard that was to join.
    pub(super) fn copy_failed(&mut self, now: Duration, shard: u32, commits: u64, problem: Problem) {
        if let Some(joining) = self.joining_from(shard, commits) {
            return self.lose_shard(now, joining, Why::Failed(problem));
        }
        if matches!(&self.cuts.open, Open::Collecting(collecting) if collecting.saved.cut.commits == commits) {
            self.abandon_cut_of(shard);
            self.drop_copies(now, commits);
            self.cuts.due = now + self.cuts.every.unwrap_or_default();
            self.actions.push(Action::Tell(Note::NoCut { shard, problem }));
            if self.stop_at.is_some() {
                self.stop(now);
            }
        }
    }

    /// A shard does not have the copy that it was to keep.
    pub(super) fn copy_is_gone(&mut self, now: Duration, shard: u32, commits: u64) {
        if self.is_source(shard) {
            return self.join_again(now);
        }
        if let Open::Collecting(collecting) = &self.cuts.open
            && collecting.saved.cut.commits == commits
        {
            self.lose_shard(now, shard, Why::Restarted);
        }
    }
}

/// Where the page after this one of a table begins: at a table and a key.
pub(super) fn next_page(table: u32, blocks: &[(u32, Block)]) -> (u32, u64) {
    match blocks.first() {
        Some((_, Block::Keys(keys))) => keys.last().and_then(|last| last.checked_add(1)).map_or((table + 1, 0), |from| (table, from)),
        _ => (table + 1, 0),
    }
}

/// The keys and rows of a chunk that a shard keeps.
fn rows_of(chunk: &Chunk, part: u32, parts: u32) -> Vec<(u32, Block)> {
    let length = chunk.rows.len().checked_div(chunk.keys.len()).unwrap_or(0);
    let (mut keys, mut rows) = (Vec::new(), Vec::new());
    for (key, row) in chunk.keys.iter().zip(chunk.rows.chunks_exact(length.max(1))) {
        if shard_of(*key, parts) == part {
            keys.push(*key);
            rows.extend_from_slice(row);
        }
    }
    vec![(0, Block::Keys(keys)), (1, Block::Values(rows))]
}
