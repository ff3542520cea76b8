//! The loop that drives every learner by stochastic steps in one process: pull, fold, apply, mini-batch after mini-batch, over
//! the same tables that shards keep. What comes out does not depend on threads.

mod tables;

use std::collections::BTreeMap;
use std::sync::Arc;

use quelea_core::learner::{Fitted, Iteration, Progress};
use quelea_core::steps::{Part, StepLearner, Sums};
use quelea_core::tile::Tile;
use quelea_params::run::{Cut, Saved};
use rayon::prelude::*;

use crate::checkpoint::Checkpoints;
use crate::{Control, Error, Event, Result};
use tables::Spread;

/// Runs `learner` over `tiles` to its end, on the current thread pool; from the cut `saved` on, which may be the beginning.
pub(crate) fn run<L: StepLearner>(
    learner: &L,
    tiles: &[Arc<Tile>],
    (saved, checkpoints): (Saved, &mut Checkpoints),
    control: &Control,
) -> Result<Fitted> {
    let tables = Spread::new(&learner.begin(tiles)?)?;
    let batches = Batches { learner, tiles, made: BTreeMap::new() };
    let mut steps = Steps { learner, tables, batches, history: Vec::new(), cut: Cut::default(), control };
    if saved.cut.number > 0 {
        steps.restore(saved, checkpoints)?;
    }
    steps.go_on(checkpoints)?;
    Ok(learner.finish(steps.tables.collect()?, steps.history)?)
}

struct Steps<'a, L: StepLearner> {
    learner: &'a L,
    tables: Spread,
    batches: Batches<'a, L>,
    history: Vec<Iteration>,
    /// Where the training stands; its tiles are all equally far.
    cut: Cut,
    control: &'a Control,
}

impl<L: StepLearner> Steps<'_, L> {
    fn restore(&mut self, saved: Saved, checkpoints: &mut Checkpoints) -> Result<()> {
        let Saved { cut, parts } = saved;
        for pass in 0..cut.passed {
            self.history.push(self.learner.iteration(cut.totals.get(&pass).map_or(&[], Vec::as_slice))?);
        }
        for part in 0..parts {
            self.tables.load(&checkpoints.part(cut.number, part)?)?;
        }
        self.cut = cut;
        self.control.tell(Event::Resumed { progress: progress(self.learner, &self.history) });
        Ok(())
    }

    fn go_on(&mut self, checkpoints: &mut Checkpoints) -> Result<()> {
        let course = self.learner.course();
        let is_over = |history: &[Iteration]| !history.is_empty() && self.learner.is_done(history);
        while self.cut.passed < course.passes && !is_over(&self.history) {
            for slice in self.cut.commits % course.slices.max(1)..course.slices {
                let stopped = self.control.check();
                if stopped.is_err() || checkpoints.is_due() {
                    self.save(checkpoints)?;
                }
                stopped?;
                self.step(slice)?;
            }
            self.history.push(self.learner.iteration(self.cut.totals.get(&self.cut.passed).map_or(&[], Vec::as_slice))?);
            self.cut.passed += 1;
            self.control.tell(Event::Training { progress: progress(self.learner, &self.history) });
        }
        Ok(())
    }

    /// One slice of every tile. The next mini-batch is made meanwhile.
    fn step(&mut self, slice: u64) -> Result<()> {
        self.batches.take(slice, self.batches.make(slice)?);
        let Self { learner, tables, batches, cut, .. } = self;
        let batch = &batches.made[&slice];
        let (stepped, next) = rayon::join(|| step(*learner, batch, batches.tiles.len(), tables, cut), || batches.make(slice + 1));
        stepped?;
        self.batches.take(slice + 1, next?);
        self.batches.release(slice);
        Ok(())
    }

    fn save(&mut self, checkpoints: &mut Checkpoints) -> Result<()> {
        if checkpoints.are_on() && self.cut.commits > 0 {
            self.cut.number += 1;
            let cut = Cut { tiles: vec![self.cut.commits; self.batches.tiles.len()], ..self.cut.clone() };
            checkpoints.cut(cut, self.tables.pieces()?);
        }
        Ok(())
    }
}

/// Pulls, folds and applies one mini-batch.
fn step<L: StepLearner>(learner: &L, batch: &L::Batch, tiles: usize, tables: &mut Spread, cut: &mut Cut) -> Result<()> {
    let pulled = tables.read(learner.keys(batch))?;
    let mut sums = fold(learner, batch, tiles, &pulled)?;
    add(cut.totals.entry(cut.passed).or_default(), &sums.totals)?;
    let trained = sums.keys.take();
    tables.apply(trained.as_deref().unwrap_or(learner.keys(batch)), sums, cut.applied)?;
    cut.commits += 1;
    cut.applied += 1;
    Ok(())
}

/// Mini-batches by their slices. What one is made of never changes, so it can be made while another is worked on.
struct Batches<'a, L: StepLearner> {
    learner: &'a L,
    tiles: &'a [Arc<Tile>],
    made: BTreeMap<u64, L::Batch>,
}

impl<L: StepLearner> Batches<'_, L> {
    /// The mini-batch of a slice, if there is such a slice and it is not made yet.
    fn make(&self, slice: u64) -> Result<Option<L::Batch>> {
        if slice >= self.learner.course().slices || self.made.contains_key(&slice) {
            return Ok(None);
        }
        let parts: Vec<(&Tile, u64)> = self.tiles.iter().map(|tile| (tile.as_ref(), slice)).collect();
        Ok(Some(batch_of(self.learner, &parts)?))
    }

    fn take(&mut self, slice: u64, made: Option<L::Batch>) {
        made.into_iter().for_each(|batch| drop(self.made.insert(slice, batch)));
    }

    /// Forgets the mini-batch of a slice if it does not come again.
    fn release(&mut self, slice: u64) {
        if self.learner.course().passes == 1 {
            self.made.remove(&slice);
        }
    }
}

/// A mini-batch of slices of tiles.
pub(crate) fn batch_of<L: StepLearner>(learner: &L, slices: &[(&Tile, u64)]) -> quelea_core::Result<L::Batch> {
    let parts: Vec<Part<'_>> = slices.iter().map(|&(tile, slice)| Part { tile, slice }).collect();
    learner.batch(&parts)
}

/// The sums of all parts of a mini-batch, on the current thread pool.
pub(crate) fn fold<L: StepLearner>(learner: &L, batch: &L::Batch, parts: usize, pulled: &[Vec<f32>]) -> quelea_core::Result<Sums> {
    let threads = rayon::current_num_threads().clamp(1, parts.max(1));
    let fold_some = |thread: usize| {
        let mut sums = learner.sums(batch);
        (thread * parts / threads..(thread + 1) * parts / threads).try_for_each(|part| learner.fold(batch, part, pulled, &mut sums))?;
        Ok(sums)
    };
    let all: Vec<Sums> = (0..threads).into_par_iter().with_max_len(1).map(fold_some).collect::<quelea_core::Result<_>>()?;
    let mut all = all.into_iter();
    let mut sums = all.next().unwrap_or_else(|| learner.sums(batch));
    all.try_for_each(|other| sums.merge(other))?;
    Ok(match learner.trained(batch) {
        None => sums,
        Some(places) => sums.only(learner.keys(batch), places),
    })
}

/// How far training has come after the passes of `history`.
pub(crate) fn progress<L: StepLearner>(learner: &L, history: &[Iteration]) -> Progress {
    let done = history.len() as u64;
    Progress { done, of: learner.course().passes, unit: "pass", last: history.last().copied().unwrap_or_default() }
}

fn add(totals: &mut Vec<i128>, more: &[i128]) -> Result<()> {
    totals.resize(totals.len().max(more.len()), 0);
    for (total, more) in totals.iter_mut().zip(more) {
        *total = total.checked_add(*more).ok_or_else(|| Error::internal("the totals of a pass are too large"))?;
    }
    Ok(())
}
