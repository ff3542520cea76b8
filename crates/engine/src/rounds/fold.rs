//! Folding tiles on several threads at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use quelea_core::block::Block;
use quelea_core::learner::Learner;
use rayon::prelude::*;

/// Folds the tiles of `owned`, one list per worker, on `threads` threads for each; every thread gives the blocks of its own
/// accumulator, by their numbers. What `fold_tile` is given is a tile of the lists.
pub(crate) fn fold<L: Learner, E: From<quelea_core::Error> + Send>(
    learner: &L,
    round: &L::Round,
    owned: &[Vec<usize>],
    threads: usize,
    fold_tile: impl Fn(usize, &mut L::Accumulator) -> Result<(), E> + Sync,
) -> Result<Vec<Vec<(u32, Block)>>, E> {
    let next: Vec<AtomicUsize> = owned.iter().map(|_| AtomicUsize::new(0)).collect();
    (0..owned.len() * threads)
        .into_par_iter()
        .with_max_len(1)
        .map(|thread| {
            let worker = thread / threads;
            let mut accumulator = learner.accumulator(round);
            while let Some(&tile) = owned[worker].get(next[worker].fetch_add(1, Ordering::Relaxed)) {
                fold_tile(tile, &mut accumulator)?;
            }
            Ok((0..).zip(learner.blocks(round, accumulator)?).collect())
        })
        .collect()
}
