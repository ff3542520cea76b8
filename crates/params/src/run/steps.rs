//! A training by steps, as a run sees it: how far each tile is, which contributions wait for their commit, and what the
//! finished passes add up to. Who waits for whom is told by [`Sync`].
//!
//! A tile has one slice on order at a time, and what was contributed stays, so a tile's slices are committed in their order
//! and each of them once.

use std::collections::BTreeMap;
use std::time::Duration;

use quelea_core::steps::{Course, Fetched};

use super::cuts::Cut;
use super::members::{Carried, Entry, Members};
use super::work::Work;
use super::{Status, Sync};
use crate::message::{Apply, Candidates, Contribution, Slice, Which};
use crate::{Made, Problem, Stepper};

/// Whose contributions are dropped so often in a row, gives tiles to one whose are not.
const DROPPED_IN_A_ROW: u32 = 2;
/// Tiles change hands when they are this part of a pass behind: whoever gets one has to fetch it, and makes all its mini-batches anew.
const PART_BEHIND: u64 = 2;

/// How far a tile is.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    contributed: u64,
    committed: u64,
    /// Whether somebody has the next slice on order.
    ordered: bool,
}

pub(super) struct Steps {
    stepper: Box<dyn Stepper>,
    sync: Sync,
    /// Whether members hold back some of what they push.
    holds_back: bool,
    course: Course,
    commits: u64,
    /// How often rules were applied.
    applied: u64,
    tiles: Vec<Progress>,
    /// What is staged on all shards and in no commit yet.
    waiting: Vec<Carried>,
    /// What is in the commit that is on its way.
    named: Vec<Carried>,
    /// What the contributions to each pass add up to.
    totals: BTreeMap<u64, Vec<i128>>,
    passed: u64,
    is_over: bool,
    /// The clock of the slowest member with work.
    slowest: u64,
}

impl Steps {
    /// At a cut, which may be the beginning.
    pub fn new(mut stepper: Box<dyn Stepper>, sync: Sync, tiles: u32, cut: &Cut, holds_back: bool) -> Result<Self, Problem> {
        let course = stepper.course();
        let mut is_over = tiles == 0 || course.passes == 0 || course.slices == 0;
        for pass in 0..cut.passed {
            is_over |= !stepper.pass(cut.totals.get(&pass).cloned().unwrap_or_default())?;
        }
        let mut progress = vec![Progress::default(); tiles as usize];
        for (tile, &committed) in progress.iter_mut().zip(&cut.tiles) {
            (tile.contributed, tile.committed) = (committed, committed);
        }
        Ok(Self {
            stepper,
            sync,
            holds_back,
            course,
            commits: cut.commits,
            applied: cut.applied,
            tiles: progress,
            waiting: Vec::new(),
            named: Vec::new(),
            totals: cut.totals.clone(),
            passed: cut.passed,
            is_over: is_over || cut.passed == course.passes,
            slowest: 0,
        })
    }

    /// Slices of a tile in all passes.
    fn slices(&self) -> u64 {
        self.course.passes.saturating_mul(self.course.slices)
    }

    /// Whether a slice of the tile was not ordered yet.
    fn remains(&self, tile: u32) -> bool {
        let Progress { contributed, ordered, .. } = self.tiles[tile as usize];
        contributed + u64::from(ordered) < self.slices()
    }

    /// The next slices of a member, all of the same pass.
    fn next_slices(&self, entry: &Entry) -> Vec<Slice> {
        let free = |&tile: &u32| {
            let Progress { contributed, ordered, .. } = self.tiles[tile as usize];
            let is_due = self.sync != Sync::Bsp || contributed == self.commits;
            (!ordered && contributed < self.slices() && is_due).then_some(Slice { tile, number: contributed })
        };
        let mut slices: Vec<Slice> = entry.owned.iter().filter_map(free).collect();
        let pass = |slice: &Slice| slice.number / self.course.slices;
        let first = slices.iter().map(pass).min();
        slices.retain(|slice| Some(pass(slice)) == first);
        slices
    }

    fn is_last_of_pass(&self, slice: &Slice) -> bool {
        (slice.number + 1).is_multiple_of(self.course.slices)
    }

    fn waits_for_commit(&self, entry: &Entry) -> bool {
        self.waiting.iter().any(|carried| carried.contribution.member == entry.member)
    }

    /// Whether a member may get an order now.
    fn may_go(&self, entry: &Entry) -> bool {
        match self.sync {
            Sync::Bsp => self.named.is_empty(),
            Sync::Quorum(_) => self.named.is_empty() && !self.waits_for_commit(entry),
            Sync::Ssp(staleness) => entry.standing.clock <= self.slowest.saturating_add(staleness),
            Sync::Asp => true,
        }
    }

    /// The clock of an order, and how many commits must be in what its member pulls.
    fn terms(&self, entry: &Entry) -> (u64, u64) {
        let all_contributed = self.commits + u64::from(!self.named.is_empty()) + u64::from(!self.waiting.is_empty());
        match self.sync {
            Sync::Bsp | Sync::Quorum(_) => (self.commits, self.commits),
            // The member has just been allowed to go on because of what others have contributed.
            Sync::Ssp(_) => (entry.standing.clock, all_contributed),
            Sync::Asp => (entry.standing.clock, entry.standing.least),
        }
    }

    /// Finds the slowest member with work; who has got work just now begins at its clock.
    fn find_slowest(&mut self, members: &mut Members) {
        let works = |entry: &Entry| !entry.is_idle() || entry.owned.iter().any(|&tile| self.remains(tile));
        let known = members.iter().filter(|entry| entry.standing.works && works(entry)).map(|entry| entry.standing.clock);
        let slowest = known.min().unwrap_or(self.slowest);
        for entry in members.iter_mut() {
            let works = works(entry);
            if works && !entry.standing.works {
                entry.standing.clock = entry.standing.clock.max(slowest);
            }
            entry.standing.works = works;
        }
        let clocks = members.iter().filter(|entry| entry.standing.works).map(|entry| entry.standing.clock);
        self.slowest = clocks.min().unwrap_or(slowest);
    }

    fn is_ready(&self, members: &Members) -> bool {
        let could = |entry: &&Entry| !self.waits_for_commit(entry) && (!entry.is_idle() || !self.next_slices(entry).is_empty());
        match self.sync {
            Sync::Bsp => self.waiting.iter().map(|carried| carried.slices.len()).sum::<usize>() == self.tiles.len(),
            Sync::Quorum(least) => self.waiting.len() >= least || members.iter().filter(could).count() == 0,
            Sync::Ssp(_) | Sync::Asp => true,
        }
    }

    fn release(&mut self, entry: &Entry) {
        let open = entry.order.as_ref().filter(|issued| issued.done.is_none());
        if let Some(Which::Slices(slices)) = open.map(|issued| &issued.order.fold) {
            slices.iter().for_each(|slice| self.tiles[slice.tile as usize].ordered = false);
        }
    }

    /// Ends the orders of those who have not contributed to the clock that is committed: their slices come again.
    fn drop_late(&mut self, members: &mut Members) {
        for entry in members.iter_mut() {
            if !entry.is_idle() {
                self.release(entry);
                entry.order = None;
                entry.standing.dropped += 1;
                entry.standing.dropped_in_a_row += 1;
            } else if self.named.iter().any(|carried| carried.contribution.member == entry.member) {
                entry.standing.dropped_in_a_row = 0;
            }
        }
    }

    /// Who is dropped again and again takes the tiles that are farthest, and gives those that are far behind. Tiles that go on
    /// together stay together, so that the mini-batches that they make come again in every pass.
    fn rotate(&mut self, members: &mut Members) {
        let progress = |tile: &u32| (self.tiles[*tile as usize].contributed, *tile);
        let gap = self.course.slices.div_ceil(PART_BEHIND);
        let sorted = |entry: &Entry| {
            let mut tiles: Vec<u32> = entry.owned.iter().copied().collect();
            tiles.sort_unstable_by_key(progress);
            tiles
        };
        let late: Vec<_> = members.iter().filter(|e| e.standing.dropped_in_a_row >= DROPPED_IN_A_ROW).map(|e| e.member).collect();
        for late in late {
            let in_time = members.iter().filter(|entry| entry.standing.dropped_in_a_row == 0 && !entry.owned.is_empty());
            let farthest = in_time.max_by_key(|entry| entry.owned.iter().map(progress).max()).map(|entry| (entry.member, sorted(entry)));
            let (Some((other, far)), Some(entry)) = (farthest, members.get_mut(late)) else { return };
            let behind = sorted(entry);
            entry.standing.dropped_in_a_row = 0;
            for (behind, far) in behind.into_iter().zip(far.into_iter().rev()) {
                // Who holds something back must not be left without work.
                if progress(&behind).0 + gap <= progress(&far).0 && (!self.holds_back || self.remains(far)) {
                    members.swap((late, behind), (other, far));
                }
            }
        }
    }

    fn add_totals(&mut self, pass: u64, totals: Vec<i128>) -> Result<(), Problem> {
        let sums = self.totals.entry(pass).or_insert_with(|| vec![0; totals.len()]);
        if sums.len() != totals.len() {
            return Err(Problem::internal("workers tell different totals"));
        }
        for (sum, total) in sums.iter_mut().zip(totals) {
            *sum = sum.checked_add(total).ok_or_else(|| Problem::internal("the totals of a pass leave 128 bits"))?;
        }
        Ok(())
    }

    fn end_passes(&mut self) -> Result<(), Problem> {
        while !self.is_over && self.tiles.iter().all(|tile| tile.committed >= (self.passed + 1) * self.course.slices) {
            let totals = self.totals.get(&self.passed).cloned().unwrap_or_default();
            let goes_on = self.stepper.pass(totals)?;
            self.passed += 1;
            self.is_over = !goes_on || self.passed == self.course.passes;
        }
        Ok(())
    }
}

impl Work for Steps {
    fn clock(&self) -> u64 {
        self.commits
    }

    fn restart(&mut self, made: Made, cut: &Cut, members: &mut Members) -> Result<(), Problem> {
        let Made::Steps(stepper) = made else { return Err(Problem::internal("a plan is of steps and then of rounds")) };
        *self = Self::new(stepper, self.sync, self.tiles.len() as u32, cut, self.holds_back)?;
        members.iter_mut().for_each(|entry| entry.standing.begin_anew());
        Ok(())
    }

    fn cut(&self, number: u64) -> Option<Cut> {
        let tiles = self.tiles.iter().map(|tile| tile.committed).collect();
        let Self { commits, applied, passed, .. } = *self;
        Some(Cut { number, commits, applied, tiles, passed, totals: self.totals.clone() })
    }

    fn may_cut(&self, members: &Members) -> bool {
        members.iter().all(|entry| !entry.standing.holds_back)
    }

    fn is_quiet(&self, members: &Members) -> bool {
        self.named.is_empty() && self.waiting.is_empty() && members.iter().all(Entry::is_idle)
    }

    fn drains(&self) -> bool {
        matches!(self.sync, Sync::Ssp(_) | Sync::Asp)
    }

    fn is_done(&self) -> bool {
        self.is_over
    }

    fn even_out(&mut self, now: Duration, members: &mut Members) {
        if let Sync::Quorum(_) = self.sync {
            self.rotate(members);
        }
        let left = |entry: &Entry| entry.owned.iter().filter(|&&tile| self.remains(tile)).count();
        if members.iter().any(|entry| left(entry) == 0) && members.iter().any(|entry| left(entry) > 1) {
            members.unsettle();
        }
        members.even_out(now, |tile| self.remains(tile));
    }

    fn dispatch(&mut self, now: Duration, epoch: u32, flush: bool, members: &mut Members) {
        if self.is_over {
            return;
        }
        self.find_slowest(members);
        for entry in members.iter_mut().filter(|entry| entry.is_idle()) {
            let slices = if self.may_go(entry) { self.next_slices(entry) } else { Vec::new() };
            if !slices.is_empty() {
                slices.iter().for_each(|slice| self.tiles[slice.tile as usize].ordered = true);
                let (clock, least) = self.terms(entry);
                let flush = flush || slices.iter().any(|slice| self.is_last_of_pass(slice));
                entry.standing.holds_back |= self.holds_back && !flush;
                entry.issue_slices(now, (epoch, clock), slices, (least, flush));
            }
        }
    }

    fn contributed(&mut self, carried: Carried, members: &mut Members) {
        for slice in &carried.slices {
            let tile = &mut self.tiles[slice.tile as usize];
            tile.contributed += 1;
            tile.ordered = false;
        }
        members.measure_one(carried.contribution.member);
        if let Some(entry) = members.get_mut(carried.contribution.member) {
            entry.standing.clock += 1;
            entry.standing.holds_back &= !entry.order.as_ref().is_some_and(|issued| issued.order.flush);
            // The next commit takes it; another one may be on its way.
            entry.standing.least = self.commits + 1 + u64::from(!self.named.is_empty());
        }
        self.waiting.push(carried);
    }

    fn lost(&mut self, entry: &Entry) {
        self.release(entry);
    }

    fn commit(&mut self, members: &mut Members) -> Option<(Vec<Contribution>, Apply)> {
        if self.is_over || self.waiting.is_empty() || !self.is_ready(members) {
            return None;
        }
        self.named = std::mem::take(&mut self.waiting);
        let apply = match self.sync {
            Sync::Bsp => Apply::Together,
            Sync::Quorum(_) => {
                self.drop_late(members);
                Apply::Together
            }
            Sync::Ssp(_) | Sync::Asp => Apply::InTurn,
        };
        Some((self.named.iter().map(|carried| carried.contribution).collect(), apply))
    }

    fn committed(&mut self, _: Candidates, members: &mut Members) -> Result<(), Problem> {
        self.commits += 1;
        let is_one = matches!(self.sync, Sync::Bsp | Sync::Quorum(_));
        self.applied += if is_one { 1 } else { self.named.len() as u64 };
        for carried in std::mem::take(&mut self.named) {
            carried.slices.iter().for_each(|slice| self.tiles[slice.tile as usize].committed += 1);
            if let Some(slice) = carried.slices.first() {
                self.add_totals(slice.number / self.course.slices, carried.totals)?;
            }
        }
        self.end_passes()?;
        if self.is_over {
            members.revoke();
        }
        Ok(())
    }

    fn log(&self) -> Option<&[Candidates]> {
        None
    }

    fn settled(&self) -> &[Candidates] {
        &[]
    }

    fn status(&self, entry: &Entry, members: &Members) -> Status {
        match self.sync {
            Sync::Bsp | Sync::Quorum(_) => {
                let clock = entry.order.as_ref().map_or(0, |issued| issued.order.clock);
                entry.status(clock, self.commits.saturating_sub(clock))
            }
            Sync::Ssp(_) | Sync::Asp => {
                let fastest = members.iter().map(|entry| entry.standing.clock).max().unwrap_or_default();
                entry.status(entry.standing.clock, fastest - entry.standing.clock)
            }
        }
    }

    fn tables(&self) -> usize {
        self.stepper.tables().len()
    }

    fn finish(&mut self, tables: Vec<Fetched>) -> Result<(), Problem> {
        self.stepper.finish(tables)
    }
}
