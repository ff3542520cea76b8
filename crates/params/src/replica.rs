//! A learner's rounds without its types: what the run and the shards hold of it.
//!
//! Rounds are never sent. Everybody begins with the same plan and takes the same candidates, clock by clock, and so comes
//! to the same round (state machine replication, Schneider 1990). The candidates of all clocks are the run's log.

use quelea_core::block::Block;

use crate::{Packet, Problem, Stepper};

/// A learner between two rounds.
pub trait Replica: Send {
    /// Turns the parts of some blocks' sums, in any order, into candidates, each under the number of its block.
    fn update(&mut self, parts: Vec<(u32, Vec<Block>)>) -> Result<Vec<(u32, Packet)>, Problem>;

    /// Takes the candidates of all blocks, in their order, to the next round.
    fn advance(&mut self, candidates: &[Packet]) -> Result<(), Problem>;

    /// Where the learner stands.
    fn course(&self) -> Course;
}

/// Where a learner stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    /// Whether tiles can change hands before the coming round, and nothing is kept of blocks.
    pub boundary: bool,
    /// Whether no round is to come.
    pub done: bool,
}

/// A learner of one of the two kinds, at its beginning.
pub enum Made {
    /// By rounds, which all replicate.
    Rounds(Box<dyn Replica>),
    /// By stochastic steps over tables of parameters.
    Steps(Box<dyn Stepper>),
}

/// Makes a learner from a plan.
pub type Maker = Box<dyn Fn(&Packet) -> Result<Made, Problem> + Send>;
