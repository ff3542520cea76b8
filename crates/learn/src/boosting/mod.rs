//! Gradient boosting of decision trees over histograms (Friedman 2001; Ke et al. 2017; Chen and Guestrin 2016).
//!
//! Rounds: a sample gives bin edges; then, tree by tree, one round for the root's histogram, a few that expand leaves, and
//! one for exact leaf values. Scores, gradients and the parted rows stay with the tiles.

mod apply;
mod binned;
mod bins;
mod categorical;
mod combine;
mod fold;
mod growth;
mod histogram;
mod kernel;
mod lanes;
mod layout;
mod loss;
mod parameters;
mod quantile;
mod round;
mod rows;
mod scale;
mod split;
mod sums;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use quelea_core::block::Block;
use quelea_core::estimator::{Estimator, Trees};
use quelea_core::learner::{Learner, Progress, Step};
use quelea_core::math;
use quelea_core::schema::{FeatureKind, Schema, Target};
use quelea_core::tile::Tile;
use quelea_core::{Error, Result};

use crate::registry::{Family, Targets};
use combine::{Candidate, Kept};
use fold::Accumulator;
use loss::Loss;
pub use parameters::{Objective, Parameters};
use round::{Course, Phase, Round};
use rows::Rows;
use scale::Bounds;

/// The least probability that a class is given before the first tree.
const LEAST_PROBABILITY: f64 = 1e-15;

/// Gradient boosting, as the registry knows it.
pub struct GradientBoosting;

impl Family for GradientBoosting {
    const NAME: &'static str = "gradient-boosting";
    const ABOUT: &'static str = "boosted decision trees, for classes and numbers";
    const TARGETS: Targets = Targets::Any;
    type Parameters = Parameters;
    type Learner = Boosting;

    fn check(parameters: &Parameters) -> Result<()> {
        parameters.check()
    }

    fn quantile(parameters: &Parameters) -> Option<f64> {
        (parameters.objective == Objective::Quantile).then_some(parameters.alpha)
    }

    fn learner(parameters: Parameters, schema: Arc<Schema>, seed: u64, start_from: Option<Estimator>) -> Result<Boosting> {
        parameters.check_target(&schema.target)?;
        let loss = Loss::new(&parameters, &schema.target);
        let start = start_from.map(|estimator| start(estimator, &loss, &schema)).transpose()?;
        let numbers = (0..schema.features.len()).filter(|&f| matches!(schema.features[f].kind, FeatureKind::Number { .. })).collect();
        Ok(Boosting { parameters, schema, seed, loss, start, numbers })
    }
}

/// The trees to go on from, if they fit.
fn start(estimator: Estimator, loss: &Loss, schema: &Schema) -> Result<Arc<Trees>> {
    let refuse = |problem: &str| Err(Error::Table { problem: format!("model.start_from does not fit: {problem}") });
    let Some(trees) = estimator.into_shared::<Trees>() else { return refuse("it is not a model of trees") };
    if trees.link != loss.link() || trees.base.len() != loss.outputs() || trees.trees.len() % loss.outputs() != 0 {
        return refuse("it was made for another kind of target, or for other classes");
    }
    let features = schema.features.len() as u32;
    if trees.trees.iter().flat_map(|tree| &tree.nodes).any(|node| node.feature >= features) {
        return refuse("it reads columns that the table does not have");
    }
    Ok(trees)
}

/// The state machine of gradient boosting.
pub struct Boosting {
    parameters: Parameters,
    schema: Arc<Schema>,
    seed: u64,
    loss: Loss,
    start: Option<Arc<Trees>>,
    /// Features that are numbers.
    numbers: Vec<usize>,
}

impl Boosting {
    /// What scores begin with, where the schema tells.
    fn base(&self) -> Vec<f32> {
        match (&self.start, &self.schema.target) {
            (Some(start), _) => start.base.clone(),
            (None, Target::Classes { weights, .. }) => {
                let total: f64 = weights.iter().sum();
                let part = |class: usize| {
                    let weight = weights.get(class).copied().unwrap_or(0.0);
                    if total > 0.0 { (weight / total).clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY) } else { 0.5 }
                };
                match self.loss {
                    Loss::Logistic => vec![(math::ln(part(1)) - math::ln(1.0 - part(1))) as f32],
                    _ => (0..weights.len()).map(|class| math::ln(part(class)) as f32).collect(),
                }
            }
            (None, _) => vec![0.0],
        }
    }
}

impl Learner for Boosting {
    type Round = Round;
    type Rows = Rows;
    type Accumulator = Accumulator;
    type Kept = Kept;
    type Candidate = Candidate;

    fn begin(&self) -> Result<Round> {
        Ok(Round {
            phase: Phase::Sample,
            base: self.base(),
            offset: 0.0,
            variance: 0.0,
            cuts: Vec::new(),
            usable: Vec::new(),
            trees: self.start.as_ref().map_or_else(Vec::new, |start| start.trees[..self.measured_trees()].to_vec()),
            last_leaves: Vec::new(),
            sizes: vec![Bounds { gradient: 0.0, hessian: 0.0, mean: 0.0 }; self.loss.outputs()],
            drift: 0.0,
            drift_now: 0.0,
            course: Course::default(),
        })
    }

    fn rows(&self, _: &Round, _: &Arc<Tile>) -> Result<Rows> {
        // It catches up with the round when it is folded.
        Ok(Rows::default())
    }

    fn is_boundary(&self, round: &Round) -> bool {
        match &round.phase {
            Phase::Sample | Phase::Base(_) | Phase::Measure => true,
            Phase::Root(growth) => growth.output == 0,
            Phase::Grow(_) | Phase::Leaves(_) | Phase::Quantiles(..) => false,
        }
    }

    fn accumulator(&self, round: &Round) -> Accumulator {
        self.empty(round)
    }

    fn fold(&self, round: &Round, tile: &Tile, rows: &mut Rows, accumulator: &mut Accumulator) -> Result<()> {
        self.add_tile(round, tile, rows, accumulator)
    }

    fn blocks(&self, round: &Round, accumulator: Accumulator) -> Result<Vec<Block>> {
        Ok(self.blocks_of(round, accumulator))
    }

    fn update(&self, round: &Round, index: usize, sum: Block, kept: &mut Kept) -> Result<Candidate> {
        Ok(self.candidate(round, index, sum, kept))
    }

    fn combine(&self, round: Round, candidates: Vec<Candidate>) -> Result<Step<Round>> {
        self.next(round, candidates)
    }

    fn progress(&self, round: &Round) -> Progress {
        let done = round.course.finished;
        let last = done.checked_sub(1).and_then(|at| round.course.history.get(at)).copied().unwrap_or_default();
        Progress { done: done as u64, of: u64::from(self.parameters.n_estimators), unit: "tree", last }
    }
}
