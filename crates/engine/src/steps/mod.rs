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
    let cut = Cut { tiles: vec![0; tiles.len()], ..Cut::default() };
    let mut steps = Steps { learner, tables, batches, history: Vec::new(), cut, control };
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
    /// Where the training stands. Its tiles are all equally far, once those have caught up that were behind in a cut of others.
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
            while let Some(at) = self.behind().filter(|at| at / course.slices.max(1) == self.cut.passed) {
                let stopped = self.control.check();
                if stopped.is_err() || checkpoints.is_due() {
                    self.save(checkpoints)?;
                }
                stopped?;
                self.step(at)?;
            }
            self.history.push(self.learner.iteration(self.cut.totals.get(&self.cut.passed).map_or(&[], Vec::as_slice))?);
            self.cut.passed += 1;
            self.control.tell(Event::Training { progress: progress(self.learner, &self.history) });
        }
        Ok(())
    }

    /// How many slices were taken of the tiles of which the fewest were.
    fn behind(&self) -> Option<u64> {
        self.cut.tiles.iter().min().copied()
    }

    /// The next slice of every tile of which `at` were taken.
    fn step(&mut self, at: u64) -> Result<()> {
        let slice = at % self.learner.course().slices.max(1);
        match self.cut.tiles.iter().all(|taken| *taken == at) {
            true => self.step_all(slice)?,
            false => self.step_some(at, slice)?,
        }
        self.cut.tiles.iter_mut().filter(|taken| **taken == at).for_each(|taken| *taken += 1);
        Ok(())
    }

    /// One slice of the tiles that are behind the others.
    fn step_some(&mut self, at: u64, slice: u64) -> Result<()> {
        let behind = self.batches.tiles.iter().zip(&self.cut.tiles).filter(|(_, taken)| **taken == at);
        let parts: Vec<(&Tile, u64)> = behind.map(|(tile, _)| (tile.as_ref(), slice)).collect();
        let batch = batch_of(self.learner, &parts)?;
        step(self.learner, &batch, parts.len(), &mut self.tables, &mut self.cut)
    }

    /// One slice of every tile. The next mini-batch is made meanwhile.
    fn step_all(&mut self, slice: u64) -> Result<()> {
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
            checkpoints.cut(self.cut.clone(), self.tables.pieces()?);
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
    Progress { done, of: learner.course().passes, unit: "epoch", last: history.last().copied().unwrap_or_default() }
}

fn add(totals: &mut Vec<i128>, more: &[i128]) -> Result<()> {
    totals.resize(totals.len().max(more.len()), 0);
    for (total, more) in totals.iter_mut().zip(more) {
        *total = total.checked_add(*more).ok_or_else(|| Error::internal("the totals of a pass are too large"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use quelea_core::counter::mix;
    use quelea_core::steps::{Course, Fetched, Parameters, Rule, Start};
    use quelea_core::tile::Role;

    use super::*;

    const PASSES: u64 = 3;
    const SLICES: u64 = 4;

    /// Counts how often each slice of each tile is taken.
    struct Counting;

    impl StepLearner for Counting {
        /// The key of each part, and all of them in order.
        type Batch = (Vec<u64>, Vec<Vec<u64>>);

        fn course(&self) -> Course {
            Course { passes: PASSES, slices: SLICES }
        }
        fn begin(&self, _: &[Arc<Tile>]) -> quelea_core::Result<Vec<Parameters>> {
            Ok(vec![Parameters { name: Cow::Borrowed("counts"), width: 1, start: Start::Zero, rule: Rule::Sum, unit: 1.0 }])
        }
        fn batch(&self, parts: &[Part<'_>]) -> quelea_core::Result<Self::Batch> {
            let parts: Vec<u64> = parts.iter().map(|part| u64::from(part.tile.number) * SLICES + part.slice).collect();
            let mut keys = parts.clone();
            keys.sort_unstable();
            Ok((parts, vec![keys]))
        }
        fn keys<'a>(&self, batch: &'a Self::Batch) -> &'a [Vec<u64>] {
            &batch.1
        }
        fn trained<'a>(&self, _: &'a Self::Batch) -> Option<&'a [Vec<u32>]> {
            None
        }
        fn sums(&self, batch: &Self::Batch) -> Sums {
            Sums { tables: vec![vec![0; batch.0.len()]], keys: None, weight: 0, totals: vec![0] }
        }
        fn fold(&self, (parts, keys): &Self::Batch, part: usize, _: &[Vec<f32>], sums: &mut Sums) -> quelea_core::Result<()> {
            sums.tables[0][keys[0].binary_search(&parts[part]).expect("the key of a part")] += 1;
            sums.weight += 1;
            sums.totals[0] += 1;
            Ok(())
        }
        fn iteration(&self, totals: &[i128]) -> quelea_core::Result<Iteration> {
            Ok(Iteration { loss: totals.first().map(|total| *total as f64), validation_loss: None })
        }
        fn is_done(&self, _: &[Iteration]) -> bool {
            false
        }
        fn finish(&self, _: Vec<Fetched>, _: Vec<Iteration>) -> quelea_core::Result<Fitted> {
            unreachable!("the tables are looked at instead")
        }
    }

    fn tile(number: u32) -> Arc<Tile> {
        Arc::new(Tile { number, role: Role::Train, rows: 0, features: Vec::new(), target: Vec::new().into(), weight: None })
    }

    /// Modes that wait less leave tiles behind each other, and passes half-done.
    #[test]
    fn from_any_cut_on_every_slice_is_taken_once_in_each_pass() {
        for seed in 0..200 {
            let draw = |place: u64, below: u64| mix(mix(seed) ^ place) % below;
            go_on_from(&(0..1 + draw(0, 5)).map(|tile| draw(1 + tile, PASSES * SLICES + 1)).collect::<Vec<_>>());
        }
    }

    fn go_on_from(taken: &[u64]) {
        let tiles: Vec<Arc<Tile>> = (0..taken.len() as u32).map(tile).collect();
        let passed = taken.iter().min().map_or(0, |least| least / SLICES);
        let before = |pass: u64| taken.iter().map(|taken| taken.saturating_sub(pass * SLICES).min(SLICES)).sum::<u64>();
        let totals = (0..PASSES).map(|pass| (pass, vec![i128::from(before(pass))])).collect();
        let cut = Cut { number: 1, commits: 7, applied: 7, tiles: taken.to_vec(), passed, totals };
        let control = Control::silent();
        let mut steps = Steps {
            learner: &Counting,
            tables: Spread::new(&Counting.begin(&tiles).unwrap()).unwrap(),
            batches: Batches { learner: &Counting, tiles: &tiles, made: BTreeMap::new() },
            history: Vec::new(),
            cut: Cut::default(),
            control: &control,
        };
        let mut checkpoints = Checkpoints::none(&control);
        steps.restore(Saved { cut, parts: 0 }, &mut checkpoints).unwrap();
        steps.go_on(&mut checkpoints).unwrap();
        let losses: Vec<Option<f64>> = steps.history.iter().map(|iteration| iteration.loss).collect();
        assert_eq!(losses, vec![Some((SLICES * tiles.len() as u64) as f64); PASSES as usize], "{taken:?}");
        let found = steps.tables.collect().unwrap().remove(0);
        let counts: BTreeMap<u64, f32> = found.keys.into_iter().zip(found.values).collect();
        for (tile, taken) in (0..).zip(taken) {
            for slice in 0..SLICES {
                let before = taken / SLICES + u64::from(slice < taken % SLICES);
                let after = counts.get(&(tile * SLICES + slice)).copied().unwrap_or(0.0);
                assert_eq!(after, (PASSES - before) as f32, "slice {slice} of tile {tile}");
            }
        }
    }
}
