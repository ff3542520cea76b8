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
        // A shell that sends within the process still holds the blocks.
        let parts = contributions.map(Arc::unwrap_or_clone);
        let candidates = self.replica.update(Block::by_number(parts)?)?;
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
