//! What a shard keeps of a learner by rounds: its replica, and whether it has come to the clock.

use std::sync::Arc;

use quelea_core::block::Block;

use crate::message::Candidates;
use crate::{Packet, Problem, Replica};

/// A learner by rounds.
pub(super) struct Rounds {
    replica: Box<dyn Replica>,
    /// Whether the replica has come to the shard's clock; it waits for the candidates of the other shards.
    pub advanced: bool,
}

impl Rounds {
    pub fn new(replica: Box<dyn Replica>) -> Self {
        Self { replica, advanced: true }
    }

    /// Commits these contributions.
    pub fn commit(&mut self, contributions: impl Iterator<Item = Arc<Vec<(u32, Block)>>>) -> Result<Candidates, Problem> {
        let candidates = self.replica.update(by_block(contributions)?)?;
        self.advanced = false;
        Ok(candidates)
    }

    /// Takes the candidates of all blocks to the next clock.
    pub fn advance(&mut self, candidates: Candidates) -> Result<(), Problem> {
        self.replica.advance(&in_order(candidates)?)?;
        self.advanced = true;
        Ok(())
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

/// What was contributed to each block.
fn by_block(contributions: impl Iterator<Item = Arc<Vec<(u32, Block)>>>) -> Result<Vec<(u32, Vec<Block>)>, Problem> {
    let mut parts: Vec<(u32, Vec<Block>)> = Vec::new();
    for (at, blocks) in contributions.enumerate() {
        // A shell that sends within the process still holds the blocks.
        let blocks = Arc::try_unwrap(blocks).unwrap_or_else(|shared| shared.as_ref().clone());
        if at == 0 {
            parts = blocks.iter().map(|(number, _)| (*number, Vec::new())).collect();
        }
        if parts.len() != blocks.len() || parts.iter().zip(&blocks).any(|(a, b)| a.0 != b.0) {
            return Err(Problem::internal("workers pushed different blocks"));
        }
        parts.iter_mut().zip(blocks).for_each(|((_, parts), (_, block))| parts.push(block));
    }
    Ok(parts)
}
