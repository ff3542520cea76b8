//! A learner by stochastic steps without its types: what the run and the shards hold of it.

use quelea_core::steps::{Course, Fetched, Parameters};

use crate::Problem;

/// A learner by steps. Shards ask for its tables, the run for all else.
pub trait Stepper: Send {
    /// The tables of parameters, and what they begin with.
    fn tables(&self) -> &[Parameters];

    /// How much there is to do.
    fn course(&self) -> Course;

    /// A pass is finished; these are the totals of its mini-batches. What it gives is whether another is to follow.
    fn pass(&mut self, totals: Vec<i128>) -> Result<bool, Problem>;

    /// The last pass is finished, and these are the tables.
    fn finish(&mut self, tables: Vec<Fetched>) -> Result<(), Problem>;
}
