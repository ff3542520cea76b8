//! Factorisation machines of the second order (Rendle 2010): beside its weight every column has a few factors, and a pair of
//! columns counts by the products of theirs.

mod fold;
mod parameters;

use std::sync::Arc;

use quelea_core::estimator::{Estimator, Factorization, Link};
use quelea_core::learner::{Fitted, Iteration};
use quelea_core::schema::{Schema, Target};
use quelea_core::steps::{self, Course, Fetched, Part, Start, StepLearner, Sums};
use quelea_core::tile::Tile;
use quelea_core::{Error, Result};

use super::batch::Batch;
use super::columns::Columns;
use super::loss::scores_of_shares;
use super::optimizer::{Optimization, slices};
use super::stop::{is_done, unfinished};
use super::totals::{LARGEST_LOSS, Totals};
use super::units::{Units, check_weight, largest_weight, most_rows};
use crate::registry::{Family, Targets};
use fold::{Fold, LARGEST_FACTOR, LARGEST_RESIDUAL};
pub use parameters::Parameters;

/// The family of factorisation machines.
pub struct FactorizationMachine;

impl Family for FactorizationMachine {
    const NAME: &'static str = "factorization-machine";
    const ABOUT: &'static str = "linear model with products of pairs of columns, for numbers and two classes";
    const TARGETS: Targets = Targets::Any;
    const TAKES_SPARSE: bool = true;
    type Parameters = Parameters;
    type Learner = FactorizationLearner;

    fn check(parameters: &Parameters) -> Result<()> {
        parameters.check()
    }

    fn learner(parameters: Parameters, schema: Arc<Schema>, seed: u64, start_from: Option<Estimator>) -> Result<FactorizationLearner> {
        if start_from.is_some() {
            let problem = "a factorization-machine does not go on from an earlier model; remove model.start_from".into();
            return Err(Error::Table { problem });
        }
        FactorizationLearner::new(parameters, schema, seed)
    }
}

/// A factorisation machine on one table. Its tables of parameters are: the weights, the intercept, what numbers and at the end
/// the target are standardised by, the factors.
pub struct FactorizationLearner {
    parameters: Parameters,
    schema: Arc<Schema>,
    seed: u64,
    columns: Columns,
    slices: u64,
    fold: Fold,
    totals: Totals,
}

impl FactorizationLearner {
    fn new(parameters: Parameters, schema: Arc<Schema>, seed: u64) -> Result<Self> {
        let columns = Columns::new(&schema)?;
        columns.check_size(1 + u64::from(parameters.factors))?;
        let regression = match &schema.target {
            Target::Classes { name, labels, .. } if labels.len() != 2 => {
                let problem = format!("it has {} classes, and a factorization-machine tells two apart; train a linear-svm", labels.len());
                return Err(Error::Column { column: name.clone(), problem });
            }
            target => matches!(target, Target::Number { .. }),
        };
        let slices = slices(&schema, parameters.batch_rows);
        let (rows, weight) = (most_rows(&schema, slices), largest_weight(&schema));
        let slope = weight + columns.largest_value(&schema) + if regression { LARGEST_RESIDUAL } else { 0 };
        let (weights, factors) = (Units::new(rows, slope), Units::new(rows, slope + LARGEST_FACTOR));
        let fold = Fold { rank: parameters.factors as usize, regression, weights, factors, rows: Units::new(rows, weight) };
        Ok(Self { parameters, seed, columns, slices, fold, totals: Totals::new(&schema, LARGEST_LOSS), schema })
    }

    /// Center and scale of the target.
    fn target(&self, tiles: &[Arc<Tile>]) -> Result<[f32; 2]> {
        if self.fold.regression { super::columns::target_standard(tiles) } else { Ok([0.0, 1.0]) }
    }
}

impl StepLearner for FactorizationLearner {
    type Batch = Batch;

    fn course(&self) -> Course {
        Course { passes: self.parameters.epochs.into(), slices: self.slices }
    }

    fn begin(&self, tiles: &[Arc<Tile>]) -> Result<Vec<steps::Parameters>> {
        if let Target::Classes { weights, .. } = &self.schema.target {
            check_weight(weights.iter().sum())?;
        }
        let mut standards = self.columns.standards(&self.schema, tiles, true)?;
        standards.extend(self.target(tiles)?);
        let rows = self.schema.rows as f64 / self.slices as f64;
        let unit = |optimization: &Optimization, units: Units| optimization.gradient_scale(rows) * units.one() / self.fold.rows.one();
        let (of_weights, of_factors) = (self.parameters.of_weights(), self.parameters.of_factors());
        let Fold { rank, weights, factors, .. } = self.fold;
        let normal = Start::Normal { seed: self.seed, deviation: self.parameters.init_deviation as f32 };
        Ok(vec![
            steps::Parameters {
                name: "weights".into(),
                width: 1,
                start: Start::Zero,
                rule: of_weights.rule(),
                unit: unit(&of_weights, weights),
            },
            steps::Parameters {
                name: "intercept".into(),
                width: 1,
                start: Start::Rows(Arc::new(scores_of_shares(&self.schema.target))),
                rule: of_weights.free(),
                unit: unit(&of_weights, weights),
            },
            super::columns::table_of(standards),
            steps::Parameters {
                name: "factors".into(),
                width: rank,
                start: normal,
                rule: of_factors.rule(),
                unit: unit(&of_factors, factors),
            },
        ])
    }

    fn batch(&self, parts: &[Part<'_>]) -> Result<Batch> {
        let mut batch = Batch::new(&self.columns, parts, self.slices, vec![vec![0], (0..=self.columns.numbers.len() as u64).collect()])?;
        batch.keys.push(batch.keys[0].clone());
        if let Some(trained) = &mut batch.trained {
            trained.push(trained[0].clone());
        }
        Ok(batch)
    }

    fn keys<'a>(&self, batch: &'a Batch) -> &'a [Vec<u64>] {
        &batch.keys
    }

    fn trained<'a>(&self, batch: &'a Batch) -> Option<&'a [Vec<u32>]> {
        batch.trained.as_deref()
    }

    fn sums(&self, batch: &Batch) -> Sums {
        batch.sums(&[1, 1, 2, self.fold.rank])
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
        let [weights, intercept, standards, factors] = &*tables else { return Err(mixed_up()) };
        let (&[.., center, scale], &[intercept]) = (&*standards.values, &*intercept.values) else { return Err(mixed_up()) };
        // Weights and products of factors are of the standardised target.
        let (of_weights, of_factors) = (1.0 / f64::from(scale), (1.0 / f64::from(scale)).sqrt());
        let spread = |table: &Fetched, width: usize, factor: f64| {
            let mut all = vec![0.0; self.columns.width as usize * width];
            for (&key, row) in table.keys.iter().zip(table.values.chunks_exact(width)) {
                let into = all[key as usize * width..][..width].iter_mut();
                into.zip(row).for_each(|(value, &x)| *value = (f64::from(x) * factor) as f32);
            }
            all
        };
        let model = Factorization {
            design: self.columns.design(&standards.values),
            intercept: f64::from(center) + f64::from(intercept) * of_weights,
            weights: spread(weights, 1, of_weights),
            factors: spread(factors, self.fold.rank, of_factors),
            rank: self.fold.rank,
            link: if self.fold.regression { Link::Identity } else { Link::Logistic },
        };
        let finite = model.weights.iter().chain(&model.factors).all(|x| x.is_finite());
        let what = || Error::NotFinite { what: "a weight".into(), place: String::new() };
        let warning = unfinished(&history, self.parameters.epochs);
        finite.then_some(Fitted { estimator: Estimator::new(model), history, warning }).ok_or_else(what)
    }
}

fn mixed_up() -> Error {
    Error::Internal { what: "the tables of different learners were mixed up".into() }
}
