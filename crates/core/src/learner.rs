//! The learner's trait: a state machine over tiles that one round loop drives in every mode.
//!
//! A round is: every worker folds its tiles into accumulators; their sums are merged block by block;
//! each block is updated where it is kept; the small results are combined into the next round.
//! A learner knows no thread, socket, file, clock or engine, and what it gives does not depend on which
//! worker folded which tile, nor in which order.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Result;
use crate::block::Block;
use crate::estimator::Estimator;
use crate::tile::Tile;

/// A training algorithm.
pub trait Learner: Send + Sync {
    /// The parameters that workers pull for a round, and what the round is to do.
    type Round: Clone + Send + Sync;
    /// What a worker holds for a tile beside its columns: bins, scores, assignments.
    type Rows: Send;
    /// What a thread adds tiles into.
    type Accumulator: Send;
    /// What is kept of a block between its updates. At a boundary nothing of it is needed.
    type Kept: Send + Default;
    /// The small result of a block's update. It travels, so what is read must be exactly what was written.
    type Candidate: Serialize + DeserializeOwned + Send;

    /// The first round.
    fn begin(&self) -> Result<Self::Round>;

    /// The row state of `tile` as it is before it is folded in `round`, made from tile and parameters alone.
    /// It is asked for at the boundaries where tiles may change hands: see [`Learner::is_boundary`].
    fn rows(&self, round: &Self::Round, tile: &Arc<Tile>) -> Result<Self::Rows>;

    /// Whether row state can be made anew before `round`.
    fn is_boundary(&self, round: &Self::Round) -> bool;

    /// An empty accumulator for `round`.
    fn accumulator(&self, round: &Self::Round) -> Self::Accumulator;

    /// Adds `tile` into `accumulator`. Every tile of the run is folded once a round, validation tiles too.
    fn fold(&self, round: &Self::Round, tile: &Tile, rows: &mut Self::Rows, accumulator: &mut Self::Accumulator) -> Result<()>;

    /// The accumulator as blocks; every accumulator of a round gives as many, of the same shapes.
    fn blocks(&self, round: &Self::Round, accumulator: Self::Accumulator) -> Result<Vec<Block>>;

    /// Turns the merged and settled sum of block `index` into a candidate.
    fn update(&self, round: &Self::Round, index: usize, sum: Block, kept: &mut Self::Kept) -> Result<Self::Candidate>;

    /// Takes the candidates, in the order of their blocks, to the next round or to the end.
    fn combine(&self, round: Self::Round, candidates: Vec<Self::Candidate>) -> Result<Step<Self::Round>>;

    /// How far `round` has come.
    fn progress(&self, round: &Self::Round) -> Progress;
}

/// What follows a round.
pub enum Step<R> {
    /// Another round.
    Next(R),
    /// The end.
    Done(Fitted),
}

/// What a training run gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The fitted estimator.
    pub estimator: Estimator,
    /// How the training went, one entry per iteration.
    pub history: Vec<Iteration>,
    /// Something that the user should know, such as that it has not converged.
    pub warning: Option<String>,
}

impl Fitted {
    /// How far the run has come at its end; `unit` is what an iteration is called.
    pub fn progress(&self, unit: &'static str) -> Progress {
        let done = self.history.len() as u64;
        Progress { done, of: done, unit, last: self.history.last().copied().unwrap_or_default() }
    }
}

/// One iteration of training: a tree, a Newton step, a pass.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Iteration {
    /// The training loss before the iteration, if the learner has it.
    pub loss: Option<f64>,
    /// The loss on validation rows, if there are any.
    pub validation_loss: Option<f64>,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Finished iterations.
    pub done: u64,
    /// Iterations at the most.
    pub of: u64,
    /// What one iteration is called: "tree", "step", "epoch", "iteration".
    pub unit: &'static str,
    /// The losses of the last finished iteration.
    pub last: Iteration,
}
