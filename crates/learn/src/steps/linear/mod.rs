//! Linear classification by stochastic steps: logistic regression and support vector machines, for tables of any number of
//! rows and columns.

mod fold;
mod parameters;

use std::sync::Arc;

use quelea_core::estimator::{Estimator, Linear, Link};
use quelea_core::learner::{Fitted, Iteration};
use quelea_core::schema::{Schema, Target};
use quelea_core::steps::{self, Course, Fetched, Part, Start, StepLearner, Sums};
use quelea_core::tile::Tile;
use quelea_core::{Error, Result};

use super::batch::Batch;
use super::columns::{Columns, table_of};
use super::loss::{Loss, scores_of_shares};
use super::optimizer::slices;
use super::stop::{is_done, unfinished};
use super::totals::{LARGEST_LOSS, Totals};
use super::units::{Units, check_weight, largest_weight, most_rows};
use crate::carry_over::{carried, start_as};
use crate::registry::{Family, Targets};
use fold::Fold;
pub use parameters::Parameters;

/// The family of logistic regressions by stochastic steps.
pub struct SparseLogisticRegression;

impl Family for SparseLogisticRegression {
    const NAME: &'static str = "sparse-logistic-regression";
    const ABOUT: &'static str = "linear classification by stochastic steps, for wide tables and many rows";
    const TARGETS: Targets = Targets::Classes;
    const TAKES_SPARSE: bool = true;
    type Parameters = Parameters;
    type Learner = LinearLearner;

    fn check(parameters: &Parameters) -> Result<()> {
        parameters.check()
    }

    fn learner(parameters: Parameters, schema: Arc<Schema>, _seed: u64, start_from: Option<Estimator>) -> Result<LinearLearner> {
        LinearLearner::new(parameters, schema, Loss::Logistic, start_from)
    }
}

/// The family of linear support vector machines.
pub struct LinearSvm;

impl Family for LinearSvm {
    const NAME: &'static str = "linear-svm";
    const ABOUT: &'static str = "linear support vector machine by stochastic steps; what it gives as probabilities only ranks rows";
    const TARGETS: Targets = Targets::Classes;
    const TAKES_SPARSE: bool = true;
    type Parameters = Parameters;
    type Learner = LinearLearner;

    fn check(parameters: &Parameters) -> Result<()> {
        parameters.check()
    }

    fn learner(parameters: Parameters, schema: Arc<Schema>, _seed: u64, start_from: Option<Estimator>) -> Result<LinearLearner> {
        LinearLearner::new(parameters, schema, Loss::Hinge, start_from)
    }
}

/// A linear classification of one table. Its tables of parameters are: the weights, a row with one per score for each column;
/// the intercepts, one row; what numbers are standardised by, which never changes.
pub struct LinearLearner {
    parameters: Parameters,
    schema: Arc<Schema>,
    columns: Columns,
    slices: u64,
    fold: Fold,
    totals: Totals,
    start_from: Option<Arc<Linear>>,
}

impl LinearLearner {
    fn new(parameters: Parameters, schema: Arc<Schema>, loss: Loss, start_from: Option<Estimator>) -> Result<Self> {
        let columns = Columns::new(&schema)?;
        let outputs = outputs(&schema)?;
        columns.check_size(outputs as u64)?;
        let slices = slices(&schema, parameters.batch_rows);
        let (rows, weight) = (most_rows(&schema, slices), largest_weight(&schema));
        let gradients = Units::new(rows, weight + columns.largest_value(&schema));
        let fold = Fold { loss, outputs, gradients, weights: Units::new(rows, weight) };
        let start_from = start_as::<Linear>(start_from, "linear")?;
        if start_from.as_ref().is_some_and(|model| model.weights.len() != outputs) {
            return Err(Error::Table { problem: "the model in model.start_from knows other classes; train without it".into() });
        }
        Ok(Self { parameters, columns, slices, fold, totals: Totals::new(&schema, LARGEST_LOSS), schema, start_from })
    }

    /// Weights and intercepts to begin with. Without a model to start from, the intercepts of logistic regression are those
    /// that give every row the classes' shares of all rows.
    fn start(&self, standards: &[f32]) -> Result<(Start, Vec<f32>)> {
        let Some(model) = &self.start_from else { return Ok((Start::Zero, self.first_intercepts())) };
        let outputs = self.fold.outputs;
        let mut intercepts = model.intercepts.clone();
        let mut weights = vec![0.0; self.columns.width as usize * outputs];
        let features = carried(&self.schema, &model.design, &self.columns.design(standards))?;
        for (output, (old, intercept)) in model.weights.iter().zip(&mut intercepts).enumerate() {
            for feature in &features {
                if let Some(number) = feature.number {
                    let weight = old[number.columns.0] * number.scales.0;
                    *intercept += weight * (number.centers.1 - number.centers.0);
                    weights[number.columns.1 * outputs + output] = (weight / number.scales.1) as f32;
                }
                feature.flags.iter().for_each(|&(before, now)| weights[now * outputs + output] = old[before] as f32);
            }
        }
        Ok((Start::Rows(Arc::new(weights)), intercepts.iter().map(|&x| x as f32).collect()))
    }

    fn first_intercepts(&self) -> Vec<f32> {
        if self.fold.loss == Loss::Hinge { vec![0.0; self.fold.outputs] } else { scores_of_shares(&self.schema.target) }
    }
}

/// How many scores a row has.
fn outputs(schema: &Schema) -> Result<usize> {
    match &schema.target {
        Target::Classes { name, labels, .. } if labels.len() < 2 => {
            Err(Error::Column { column: name.clone(), problem: "all its training rows are of one class; give rows of at least two".into() })
        }
        Target::Classes { labels, .. } => Ok(if labels.len() == 2 { 1 } else { labels.len() }),
        _ => Err(Error::Internal { what: "a classification without classes".into() }),
    }
}

impl StepLearner for LinearLearner {
    type Batch = Batch;

    fn course(&self) -> Course {
        Course { passes: self.parameters.epochs.into(), slices: self.slices }
    }

    fn begin(&self, tiles: &[Arc<Tile>]) -> Result<Vec<steps::Parameters>> {
        if let Target::Classes { weights, .. } = &self.schema.target {
            check_weight(weights.iter().sum())?;
        }
        let standards = self.columns.standards(&self.schema, tiles, true)?;
        let (weights, intercepts) = self.start(&standards)?;
        let optimization = self.parameters.optimization();
        let scale = optimization.gradient_scale(self.schema.rows as f64 / self.slices as f64);
        let table = |name: &'static str, start, rule| steps::Parameters {
            name: name.into(),
            width: self.fold.outputs,
            start,
            rule,
            unit: scale * self.fold.gradients.one() / self.fold.weights.one(),
        };
        let weights = table("weights", weights, optimization.rule());
        let intercepts = table("intercepts", Start::Rows(Arc::new(intercepts)), optimization.free());
        Ok(vec![weights, intercepts, table_of(standards)])
    }

    fn batch(&self, parts: &[Part<'_>]) -> Result<Batch> {
        Batch::new(&self.columns, parts, self.slices, vec![vec![0], (0..self.columns.numbers.len() as u64).collect()])
    }

    fn keys<'a>(&self, batch: &'a Batch) -> &'a [Vec<u64>] {
        &batch.keys
    }

    fn trained<'a>(&self, batch: &'a Batch) -> Option<&'a [Vec<u32>]> {
        batch.trained.as_deref()
    }

    fn sums(&self, batch: &Batch) -> Sums {
        batch.sums(&[self.fold.outputs, self.fold.outputs, 2])
    }

    fn fold(&self, batch: &Batch, part: usize, pulled: &[Vec<f32>], sums: &mut Sums) -> Result<()> {
        self.fold.add(batch, part, pulled, &self.totals, sums)
    }

    fn iteration(&self, totals: &[i128]) -> Result<Iteration> {
        self.totals.iteration(totals)
    }

    fn is_done(&self, history: &[Iteration]) -> bool {
        is_done(history, self.parameters.epochs.into(), self.parameters.tol, self.parameters.patience)
    }

    fn finish(&self, tables: Vec<Fetched>, history: Vec<Iteration>) -> Result<Fitted> {
        let [weights, intercepts, standards] = &*tables else { return Err(mixed_up()) };
        let outputs = self.fold.outputs;
        let mut all = vec![vec![0.0; self.columns.width as usize]; outputs];
        for (&key, row) in weights.keys.iter().zip(weights.values.chunks_exact(outputs)) {
            all.iter_mut().zip(row).for_each(|(weights, &weight)| weights[key as usize] = f64::from(weight));
        }
        let model = Linear {
            design: self.columns.design(&standards.values),
            intercepts: intercepts.values.iter().map(|&x| f64::from(x)).collect(),
            weights: all,
            link: if outputs == 1 { Link::Logistic } else { Link::Softmax },
        };
        let warning = unfinished(&history, self.parameters.epochs);
        Ok(Fitted { estimator: Estimator::new(model), history, warning })
    }
}

fn mixed_up() -> Error {
    Error::Internal { what: "the tables of different learners were mixed up".into() }
}
