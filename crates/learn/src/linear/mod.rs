//! Logistic regression: the exact maximum of the penalised likelihood, by Newton's method where the model is small
//! and by L-BFGS where it is wide.

mod kernel;
mod lbfgs;
mod newton;
mod objective;
mod parameters;
mod pass;
mod search;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use quelea_core::block::Block;
use quelea_core::estimator::{Estimator, Linear};
use quelea_core::learner::{Fitted, Iteration, Learner, Progress, Step};
use quelea_core::schema::Schema;
use quelea_core::tile::Tile;
use quelea_core::{Error, Result};

use crate::carry_over::start_as;
use crate::design::design;
use crate::moments::{Moments, MomentsFit};
use crate::registry::{Family, Targets};
use objective::Objective;
pub use parameters::Parameters;
use pass::{Products, Sums};
use search::{Next, Search};

/// The family of logistic regressions.
pub struct LogisticRegression;

impl Family for LogisticRegression {
    const NAME: &'static str = "logistic-regression";
    const ABOUT: &'static str = "linear classification, binary and multinomial, with an L2 penalty";
    const TARGETS: Targets = Targets::Classes;
    type Parameters = Parameters;
    type Learner = LogisticLearner;

    fn check(parameters: &Parameters) -> Result<()> {
        parameters.check()
    }

    fn learner(parameters: Parameters, schema: Arc<Schema>, _seed: u64, start_from: Option<Estimator>) -> Result<LogisticLearner> {
        let start_from = start_as(start_from, "linear")?;
        Ok(LogisticLearner { parameters, schema, start_from })
    }
}

/// Logistic regression on one table.
pub struct LogisticLearner {
    parameters: Parameters,
    schema: Arc<Schema>,
    start_from: Option<Arc<Linear>>,
}

/// What a round asks of the tiles.
#[derive(Clone)]
pub enum Round {
    /// The moments of every column.
    Moments(Box<MomentsFit>),
    /// The objective at a point.
    Pass(Box<Pass>),
}

/// An evaluation of the objective.
#[derive(Clone)]
pub struct Pass {
    objective: Objective,
    point: Vec<f64>,
    products: Products,
    search: Search,
}

/// What a thread adds tiles into.
pub enum Accumulator {
    /// Sums of moments.
    Moments(Vec<i128>),
    /// Sums of an evaluation.
    Pass(Box<Sums>),
}

/// What a merged block comes to.
#[derive(serde::Serialize, serde::Deserialize)]
pub enum Candidate {
    /// The weight of all rows and the moments of every column.
    Moments(f64, Vec<Moments>),
    /// Numbers out of sums: see `pass::values`.
    Values(Vec<f64>),
}

impl Learner for LogisticLearner {
    type Round = Round;
    type Rows = ();
    type Accumulator = Accumulator;
    type Kept = ();
    type Candidate = Candidate;

    fn begin(&self) -> Result<Round> {
        Ok(Round::Moments(Box::new(MomentsFit::new(&self.schema))))
    }

    fn rows(&self, _: &Round, _: &Arc<Tile>) -> Result<()> {
        Ok(())
    }

    fn is_boundary(&self, _: &Round) -> bool {
        true
    }

    fn accumulator(&self, round: &Round) -> Accumulator {
        match round {
            Round::Moments(fit) => Accumulator::Moments(fit.empty()),
            Round::Pass(pass) => Accumulator::Pass(Box::new(Sums::new(&pass.objective, pass.products))),
        }
    }

    fn fold(&self, round: &Round, tile: &Tile, _: &mut (), accumulator: &mut Accumulator) -> Result<()> {
        match (round, accumulator) {
            (Round::Moments(fit), Accumulator::Moments(sums)) => fit.fold(tile, sums),
            (Round::Pass(pass), Accumulator::Pass(sums)) => sums.fold(&pass.objective, &pass.point, tile),
            _ => Err(mixed_up()),
        }
    }

    fn blocks(&self, _: &Round, accumulator: Accumulator) -> Result<Vec<Block>> {
        Ok(match accumulator {
            Accumulator::Moments(sums) => vec![Block::Fixed(sums)],
            Accumulator::Pass(sums) => sums.blocks(),
        })
    }

    fn update(&self, round: &Round, index: usize, sum: Block, _: &mut ()) -> Result<Candidate> {
        match round {
            Round::Moments(fit) => fit.finish(sum).map(|(weight, moments)| Candidate::Moments(weight, moments)),
            Round::Pass(pass) => pass::values(&pass.objective, pass.products, index, sum).map(Candidate::Values),
        }
    }

    fn combine(&self, round: Round, candidates: Vec<Candidate>) -> Result<Step<Round>> {
        let mut candidates = candidates.into_iter();
        match (round, candidates.next(), candidates.next(), candidates.next()) {
            (Round::Moments(fit), Some(Candidate::Moments(weight, moments)), None, None) => match fit.narrowed(&moments) {
                Some(narrower) => Ok(Step::Next(Round::Moments(Box::new(narrower)))),
                None => self.first_pass(weight, &moments),
            },
            (Round::Pass(pass), Some(Candidate::Values(gradient)), Some(Candidate::Values(products)), Some(Candidate::Values(losses))) => {
                advance(*pass, gradient, products, &losses)
            }
            _ => Err(mixed_up()),
        }
    }

    fn progress(&self, round: &Round) -> Progress {
        let history: &[Iteration] = match round {
            Round::Moments(_) => &[],
            Round::Pass(pass) => &pass.search.history,
        };
        let last = history.last().copied().unwrap_or_default();
        // The last entry is of the step that is being tried.
        Progress { done: history.len().saturating_sub(1) as u64, of: u64::from(self.parameters.max_iter), unit: "step", last }
    }
}

impl LogisticLearner {
    fn first_pass(&self, weight: f64, moments: &[Moments]) -> Result<Step<Round>> {
        let design = design(&self.schema, moments, true);
        let objective = Objective::new(&self.schema, design, weight, moments, self.parameters.c)?;
        let point = match &self.start_from {
            Some(model) => objective.start_from(&self.schema, model)?,
            None => objective.start(),
        };
        let (search, products) = Search::new(&objective, self.parameters);
        Ok(Step::Next(Round::Pass(Box::new(Pass { objective, point, products, search }))))
    }
}

fn advance(mut pass: Pass, gradient: Vec<f64>, products: Vec<f64>, losses: &[f64]) -> Result<Step<Round>> {
    let &[loss, validation_loss, validation_weight] = losses else { return Err(mixed_up()) };
    let mut evaluation = pass.objective.evaluate(&pass.point, loss, gradient, products, pass.products);
    evaluation.validation_loss = (validation_weight > 0.0).then(|| validation_loss / validation_weight);
    Ok(match pass.search.advance(&pass.objective, std::mem::take(&mut pass.point), evaluation)? {
        Next::Evaluate { point, products } => Step::Next(Round::Pass(Box::new(Pass { point, products, ..pass }))),
        Next::Done { point, warning } => {
            let estimator = Estimator::new(pass.objective.model(&point));
            Step::Done(Fitted { estimator, history: pass.search.history, warning })
        }
    })
}

fn mixed_up() -> Error {
    Error::Internal { what: "the parts of different rounds were mixed up".into() }
}
