//! From the sums of many to the candidates of each block.

use std::collections::BTreeMap;

use quelea_core::Result;
use quelea_core::block::Block;
use quelea_core::learner::Learner;
use rayon::prelude::*;

/// A block's number, its update's result, and what is kept of it.
type Updated<L> = (u32, <L as Learner>::Candidate, <L as Learner>::Kept);

/// What is kept of blocks, by their numbers.
pub(crate) type AllKept<L> = BTreeMap<u32, <L as Learner>::Kept>;

/// The settled sum of a block's parts.
pub(crate) fn sum(parts: Vec<Block>) -> Result<Block> {
    let mut sum = Block::sum(parts)?;
    sum.settle();
    Ok(sum)
}

/// Updates blocks with the sums of their parts, in parallel; candidates come in the order of `blocks`.
pub(crate) fn update<L: Learner>(
    learner: &L,
    round: &L::Round,
    blocks: Vec<(u32, Vec<Block>)>,
    kept: &mut AllKept<L>,
) -> Result<Vec<(u32, L::Candidate)>> {
    if learner.is_boundary(round) {
        kept.clear();
    }
    let work: Vec<(u32, Vec<Block>, L::Kept)> =
        blocks.into_iter().map(|(number, parts)| (number, parts, kept.remove(&number).unwrap_or_default())).collect();
    let update = |(number, parts, mut kept): (u32, Vec<Block>, L::Kept)| {
        let candidate = learner.update(round, number as usize, sum(parts)?, &mut kept)?;
        Ok((number, candidate, kept))
    };
    let updated: Vec<Updated<L>> = work.into_par_iter().with_max_len(1).map(update).collect::<Result<_>>()?;
    let mut candidates = Vec::with_capacity(updated.len());
    for (number, candidate, of_block) in updated {
        kept.insert(number, of_block);
        candidates.push((number, candidate));
    }
    Ok(candidates)
}
