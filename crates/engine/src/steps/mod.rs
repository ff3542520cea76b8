//! The loop that drives every learner by stochastic steps in one process: pull, fold, apply, mini-batch after mini-batch, over
//! the same tables that shards keep. What comes out does not depend on threads.

mod tables;

use std::sync::Arc;

use quelea_core::learner::{Fitted, Iteration, Progress};
use quelea_core::steps::{Part, StepLearner, Sums};
use quelea_core::tile::Tile;
use rayon::prelude::*;

use crate::{Control, Error, Event, Result};
use tables::Spread;

/// Runs `learner` over `tiles` to its end, on the current thread pool.
pub(crate) fn run<L: StepLearner>(learner: &L, tiles: &[Arc<Tile>], control: &Control) -> Result<Fitted> {
    let course = learner.course();
    let mut tables = Spread::new(&learner.begin(tiles)?)?;
    let mut batches: Vec<Arc<L::Batch>> = Vec::new();
    let mut history = Vec::new();
    let mut step = 0;
    for _ in 0..course.passes {
        let mut totals: Vec<i128> = Vec::new();
        for slice in 0..course.slices {
            control.check()?;
            let batch = match batches.get(slice as usize) {
                Some(batch) => batch.clone(),
                None => {
                    let parts: Vec<(&Tile, u64)> = tiles.iter().map(|tile| (tile.as_ref(), slice)).collect();
                    let batch = Arc::new(batch_of(learner, &parts)?);
                    if course.passes > 1 {
                        batches.push(batch.clone());
                    }
                    batch
                }
            };
            let pulled = tables.read(learner.keys(&batch))?;
            let sums = fold(learner, &batch, tiles.len(), &pulled)?;
            add(&mut totals, &sums.totals)?;
            tables.apply(learner.keys(&batch), sums, step)?;
            step += 1;
        }
        history.push(learner.iteration(&totals)?);
        control.tell(Event::Training { progress: progress(learner, &history) });
        if learner.is_done(&history) {
            break;
        }
    }
    Ok(learner.finish(tables.collect()?, history)?)
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
    Ok(sums)
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
