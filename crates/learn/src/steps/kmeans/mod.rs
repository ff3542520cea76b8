//! k-means by mini-batches (Sculley 2010): every centre is the mean of all rows that were ever nearest to it.

mod nearest;
mod parameters;
mod start;

use std::sync::Arc;

use quelea_core::estimator::{Centroids, Estimator};
use quelea_core::exact::exponent_above;
use quelea_core::learner::{Fitted, Iteration};
use quelea_core::schema::{Feature, FeatureKind, Schema};
use quelea_core::steps::{self, Course, Fetched, Part, Rule, Start, StepLearner, Sums};
use quelea_core::tile::Tile;
use quelea_core::{Error, Result};

use super::batch::Batch;
use super::columns::{Columns, LARGEST_NUMBER, table_of};
use super::optimizer::slices;
use super::stop::{is_done, unfinished};
use super::totals::Totals;
use super::units::{Units, add, diverged, largest_weight, most_rows};
use crate::registry::{Family, Targets};
use nearest::{Centers, Point};
pub use parameters::Parameters;
use start::{NOWHERE, Sample};

/// Rows to start from are sought among at least so many times as many.
const SAMPLE_PER_CLUSTER: u64 = 10;
/// The most numbers that all centres may have: every mini-batch pulls them all.
const MOST_NUMBERS: u64 = 1 << 24;
/// Numbers that are not standardised may differ by 2 to this power.
const LARGEST_RANGE: i32 = 60;
/// Some of them must differ by 2 to this power, so that their sums have digits enough.
const SMALLEST_RANGE: i32 = -30;

/// The family of k-means clusterings by mini-batches.
pub struct MiniBatchKMeans;

impl Family for MiniBatchKMeans {
    const NAME: &'static str = "mini-batch-k-means";
    const ABOUT: &'static str = "clusters by their centres, by stochastic steps, for many rows";
    const TARGETS: Targets = Targets::None;
    type Parameters = Parameters;
    type Learner = MiniBatchLearner;

    fn check(parameters: &Parameters) -> Result<()> {
        parameters.check()
    }

    fn learner(parameters: Parameters, schema: Arc<Schema>, seed: u64, start_from: Option<Estimator>) -> Result<MiniBatchLearner> {
        if start_from.is_some() {
            let problem = "mini-batch-k-means does not go on from an earlier model; remove model.start_from, or train k-means".into();
            return Err(Error::Table { problem });
        }
        MiniBatchLearner::new(parameters, schema, seed)
    }
}

/// k-means by mini-batches on one table. Its tables of parameters are: what numbers are standardised by; the centres, each
/// followed by the weight of the rows that it is the mean of.
pub struct MiniBatchLearner {
    parameters: Parameters,
    schema: Arc<Schema>,
    seed: u64,
    columns: Columns,
    slices: u64,
    /// Of what is summed in centres.
    units: Units,
    /// Of weights.
    weights: Units,
    totals: Totals,
}

/// A mini-batch.
pub struct Points {
    batch: Batch,
    /// The columns that the batch's places stand for.
    columns: Vec<u64>,
}

impl MiniBatchLearner {
    fn new(parameters: Parameters, schema: Arc<Schema>, seed: u64) -> Result<Self> {
        let columns = Columns::new(&schema)?;
        let numbers = (columns.width + 1) * u64::from(parameters.n_clusters);
        if numbers > MOST_NUMBERS {
            let rule = format!("times the {} columns of the table it is at most {MOST_NUMBERS}", columns.width);
            return Err(Error::Parameter { key: "n_clusters".into(), value: parameters.n_clusters.to_string(), rule });
        }
        let largest = if parameters.standardize { LARGEST_NUMBER } else { widest(&schema)? };
        let slices = slices(&schema, parameters.batch_rows);
        let (rows, weight) = (most_rows(&schema, slices), largest_weight(&schema));
        let square = 2 * largest + 3 + exponent_above(columns.width as f64);
        let (units, weights) = (Units::new(rows, weight + largest), Units::new(rows, weight));
        Ok(Self { parameters, seed, columns, slices, units, weights, totals: Totals::new(&schema, square), schema })
    }

    fn width(&self) -> usize {
        self.columns.width as usize
    }
}

/// All numbers lie within 2 to this power from their means; what is no number is 0 or 1.
fn widest(schema: &Schema) -> Result<i32> {
    let mut widest: Option<(f64, &Feature)> = None;
    for feature in &schema.features {
        let FeatureKind::Number { min, max, .. } = feature.kind else { continue };
        let range = f64::from(max) - f64::from(min);
        if widest.is_none_or(|(before, _)| range > before) {
            widest = Some((range, feature));
        }
    }
    let Some((range, feature)) = widest else { return Ok(0) };
    let has_others = schema.features.iter().any(|feature| !matches!(feature.kind, FeatureKind::Number { .. }));
    let exponent = exponent_above(range);
    let is_tiny = range > 0.0 && exponent < SMALLEST_RANGE && !has_others;
    if exponent > LARGEST_RANGE || is_tiny {
        let problem = format!("its values lie {range:.1e} apart; rescale it, or set standardize = true");
        return Err(Error::Column { column: feature.name.clone(), problem });
    }
    Ok(exponent.max(0))
}

impl StepLearner for MiniBatchLearner {
    type Batch = Points;

    fn course(&self) -> Course {
        Course { passes: self.parameters.epochs.into(), slices: self.slices }
    }

    fn begin(&self, tiles: &[Arc<Tile>]) -> Result<Vec<steps::Parameters>> {
        let standards = self.columns.standards(&self.schema, tiles, self.parameters.standardize)?;
        let clusters = self.parameters.n_clusters as usize;
        let rows = u64::from(self.parameters.init_rows).max(SAMPLE_PER_CLUSTER * clusters as u64);
        let sample = Sample::draw(&self.columns, tiles, &standards, rows, self.seed)?;
        let centers = sample.centers(self.width(), clusters, self.seed);
        let centers = steps::Parameters {
            name: "centers".into(),
            width: self.width() + 1,
            start: Start::Rows(Arc::new(centers)),
            rule: Rule::Average,
            unit: self.units.one(),
        };
        Ok(vec![table_of(standards), centers])
    }

    fn batch(&self, parts: &[Part<'_>]) -> Result<Points> {
        let mut batch = Batch::new(&self.columns, parts, self.slices, vec![(0..u64::from(self.parameters.n_clusters)).collect()])?;
        let columns = std::mem::replace(&mut batch.keys[0], (0..self.columns.numbers.len() as u64).collect());
        Ok(Points { batch, columns })
    }

    fn keys<'a>(&self, points: &'a Points) -> &'a [Vec<u64>] {
        &points.batch.keys
    }

    /// The mean of what was added is the same with nothing more.
    fn trained<'a>(&self, _: &'a Points) -> Option<&'a [Vec<u32>]> {
        None
    }

    fn sums(&self, points: &Points) -> Sums {
        points.batch.sums(&[2, self.width() + 1])
    }

    fn fold(&self, points: &Points, part: usize, pulled: &[Vec<f32>], sums: &mut Sums) -> Result<()> {
        let [standards, centers] = pulled else { return Err(mixed_up()) };
        let (rows, width) = (&points.batch.parts[part], self.width());
        let centers = Centers::new(centers, width);
        let mut point = Point::default();
        let (mut loss, mut weight) = (0.0, 0.0);
        for row in 0..rows.len() {
            point.load(&points.batch, &points.columns, rows, row, standards);
            let (nearest, square) = centers.nearest(&mut point);
            let of_row = rows.weight_of(row);
            loss += of_row * square;
            weight += of_row;
            if rows.training {
                sums.weight += self.weights.of(of_row);
                let sums = &mut sums.tables[1][nearest * (width + 1)..][..=width];
                add(&mut sums[width], self.units.of(of_row));
                for &(column, x) in &point.entries {
                    if !self.units.fits(of_row * x) {
                        return Err(diverged("a number", rows.tile, rows.range.start + row));
                    }
                    add(&mut sums[column as usize], self.units.of(of_row * x));
                }
            }
        }
        self.totals.add(&mut sums.totals, rows.training, loss, weight)
    }

    fn iteration(&self, totals: &[i128]) -> Result<Iteration> {
        self.totals.iteration(totals)
    }

    fn is_done(&self, history: &[Iteration]) -> bool {
        is_done(history, self.parameters.epochs.into(), self.parameters.tol, self.parameters.patience)
    }

    fn finish(&self, tables: Vec<Fetched>, history: Vec<Iteration>) -> Result<Fitted> {
        let [standards, centers] = &*tables else { return Err(mixed_up()) };
        let width = self.width();
        let rows = centers.values.chunks_exact(width + 1);
        let kept: Vec<Vec<f32>> = rows.filter(|center| center[0] != NOWHERE).map(|center| center[..width].to_vec()).collect();
        let asked = self.parameters.n_clusters;
        let warning = match kept.len() {
            few if few < asked as usize => Some(format!("there are {few} clusters instead of {asked}: no more rows differ")),
            _ => unfinished(&history, self.parameters.epochs),
        };
        let model = Centroids { design: self.columns.design(&standards.values), centers: kept };
        Ok(Fitted { estimator: Estimator::new(model), history, warning })
    }
}

fn mixed_up() -> Error {
    Error::Internal { what: "the tables of different learners were mixed up".into() }
}
