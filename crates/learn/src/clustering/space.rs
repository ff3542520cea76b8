//! The space that rows and centres lie in: rows as dense numbers and the columns they are 1 in, centres as tables
//! for the kernel, and the units in which rows are summed.

use quelea_core::estimator::Design;
use quelea_core::exact::{exponent_above, scale};
use quelea_core::schema::{FeatureKind, Schema};
use quelea_core::{Error, Result};

use super::kernel::{FindNearest, GROUP, LANES, MeasureOwn, Nearest, Table};
use super::points::Points;
use crate::carry_over::{Carried, Number};
use crate::design::{Dense, Matrix};
use crate::moments::Moments;
use crate::sums::{round, weight_exponent};

/// The largest sum of a column over all rows stays below 2 to this power, in units, and the largest part of a row
/// below 2 to the other, so that rounding it is an addition.
const SUM_BITS: i32 = 61;
const ROW_BITS: i32 = 50;
/// Numbers beyond this have squares that 32 bits cannot hold.
const LARGEST: f64 = 1e16;
/// Where all numbers are smaller than this, 32 bits cannot hold the squares of what is between them.
const SMALLEST: f64 = 1e-15;

/// The columns of a table, how its rows are encoded and summed.
#[derive(Debug, Clone)]
pub struct Space {
    /// The design.
    pub design: Design,
    /// Its columns; points have them in this order.
    pub matrix: Matrix,
    /// The weight of all training rows.
    pub weight: f64,
    /// Their weighted squared distances from their mean, summed.
    pub scatter: f64,
    /// Their mean.
    pub mean: Vec<f64>,
    /// The square of the mean over the columns of categories.
    categories_square: f64,
    /// For each column, and at the end for the weight, the exponent of its unit.
    units: Vec<i32>,
    /// For each of them, how many units make 1.
    factors: Vec<f64>,
}

impl Space {
    /// The space of a design whose columns have these moments.
    pub fn new(schema: &Schema, design: Design, weight: f64, moments: &[Moments]) -> Result<Self> {
        if weight <= 0.0 {
            return Err(Error::Table { problem: "the training rows weigh nothing; give some of them a weight above 0".into() });
        }
        let matrix = Matrix::new(&design);
        let (all, one) = (weight_exponent(schema.rows, schema.largest_weight), weight_exponent(1, schema.largest_weight));
        let base = (all - SUM_BITS).max(one - ROW_BITS);
        let bounds: Vec<f64> = matrix.dense.iter().map(|dense| bound(schema, dense)).collect();
        refuse_sizes(schema, &matrix, &bounds)?;
        let mut units: Vec<i32> = bounds.iter().map(|&bound| base + exponent_above(bound).max(-100)).collect();
        units.resize(matrix.columns.len() + 1, base + 1);
        let (mean, scatter) = mean_and_scatter(&matrix, weight, moments);
        let factors = units.iter().map(|&unit| scale(1.0, -unit)).collect();
        let categories_square = mean[matrix.dense.len()..].iter().map(|mean| mean * mean).sum();
        Ok(Self { design, weight, scatter, mean, categories_square, units, factors, matrix })
    }

    /// How many columns points have.
    pub fn width(&self) -> usize {
        self.matrix.columns.len()
    }

    /// `value` in units of `column`; [`Space::width`] stands for the weight.
    #[inline(always)]
    pub fn units(&self, column: usize, value: f64) -> i64 {
        round(value, self.factors[column])
    }

    /// What `units` of `column` stand for.
    pub fn value(&self, column: usize, units: i64) -> f64 {
        scale(units as f64, self.units[column])
    }

    /// The squared distance of a point from the mean of all rows, in 64 bits.
    pub fn square_from_mean(&self, points: &Points, place: usize) -> f64 {
        let mut lanes = [0.0; 8];
        for (z, mean) in points.dense_of(place).chunks(8).zip(self.mean.chunks(8)) {
            for ((lane, &z), mean) in lanes.iter_mut().zip(z).zip(mean) {
                *lane += (f64::from(z) - mean) * (f64::from(z) - mean);
            }
        }
        let slots = points.slots_of(place).iter().filter_map(|&slot| self.mean.get(slot as usize));
        let own: f64 = slots.map(|mean| 1.0 - 2.0 * mean).sum();
        lanes.iter().sum::<f64>() + self.categories_square + own
    }

    /// A point in the table's own numbers as a point of this space; the table must hold numbers only.
    pub fn encode_point(&self, schema: &Schema, point: &[f32]) -> Result<Vec<f32>> {
        if let Some(feature) = schema.features.iter().find(|f| matches!(f.kind, FeatureKind::Category { .. })) {
            let problem = "centres cannot be given for a table with categories; use init = \"k-means||\"".into();
            return Err(Error::Column { column: feature.name.clone(), problem });
        }
        if point.len() != schema.features.len() {
            let given = format!("a centre of {} numbers", point.len());
            return Err(super::parameters::refusal("init", given, &format!("the table has {} columns", schema.features.len())));
        }
        Ok(self.matrix.dense.iter().map(|dense| dense.content.of(point[dense.feature]) as f32).collect())
    }

    /// A centre over an earlier design of the same features as a point of this space.
    pub fn carry_over(&self, features: &[Carried], center: &[f32]) -> Vec<f32> {
        let mut carried = vec![0.0; self.width()];
        for feature in features {
            if let Some(Number { columns, centers, scales }) = feature.number {
                let raw = f64::from(center[columns.0]) / scales.0 + centers.0;
                carried[columns.1] = ((raw - centers.1) * scales.1) as f32;
            }
            feature.flags.iter().for_each(|&(before, now)| carried[now] = center[before]);
        }
        self.matrix.columns.iter().map(|&column| carried[column]).collect()
    }

    /// A point with its columns in the design's order.
    pub fn decode_point(&self, point: &[f32]) -> Vec<f32> {
        let mut decoded = vec![0.0; self.width()];
        for (&column, &value) in self.matrix.columns.iter().zip(point) {
            decoded[column] = value;
        }
        decoded
    }
}

/// The largest size that values of a column have.
fn bound(schema: &Schema, dense: &Dense) -> f64 {
    match schema.features[dense.feature].kind {
        FeatureKind::Number { min, max, .. } => dense.content.bound(min, max),
        FeatureKind::Category { .. } | FeatureKind::Sparse { .. } => 1.0,
    }
}

/// Refuses columns with numbers so large that 32 bits cannot hold their squares, and tables with none but tiny ones.
fn refuse_sizes(schema: &Schema, matrix: &Matrix, bounds: &[f64]) -> Result<()> {
    let largest = bounds.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
    let Some((place, bound)) = largest else { return Ok(()) };
    let is_tiny = matrix.categories.is_empty() && bound > 0.0 && bound < SMALLEST;
    if bound <= LARGEST && !is_tiny {
        return Ok(());
    }
    let (reach, size) = if is_tiny { ("reach no more than", "small") } else { ("reach", "large") };
    let problem = format!("its values {reach} {bound:.1e}, too {size} for squares of 32 bits; rescale it or set standardize = true");
    Err(Error::Column { column: schema.features[matrix.dense[place].feature].name.clone(), problem })
}

fn mean_and_scatter(matrix: &Matrix, weight: f64, moments: &[Moments]) -> (Vec<f64>, f64) {
    let squares = matrix.mean_squares(weight, moments);
    let mut mean = Vec::with_capacity(squares.len());
    for dense in &matrix.dense {
        let &Moments::Number { weight: present, mean: raw, .. } = &moments[dense.feature] else { continue };
        mean.push(match dense.content {
            crate::design::Content::Value { center, scale, filled } => {
                (present * (raw - center) * scale + (weight - present) * filled) / weight
            }
            crate::design::Content::Missing => (weight - present) / weight,
        });
    }
    // The mean of a column of 0 and 1 is its mean square.
    mean.extend_from_slice(&squares[mean.len()..]);
    let scatter = squares.iter().zip(&mean).map(|(square, mean)| (square - mean * mean).max(0.0)).sum::<f64>() * weight;
    (mean, scatter)
}

/// Centres, laid out for the kernel.
#[derive(Debug, Clone)]
pub struct Centers {
    /// The centres as points.
    pub points: Vec<Vec<f32>>,
    /// Their dense columns, one after the other.
    dense: Vec<f32>,
    padded: usize,
    values: Vec<f32>,
    start: Vec<f32>,
}

impl Centers {
    /// Lays out points of `space`.
    pub fn new(space: &Space, points: Vec<Vec<f32>>) -> Self {
        let padded = points.len().next_multiple_of(LANES);
        let rows = space.width() + space.matrix.categories.len();
        let mut values = vec![0.0; rows * padded];
        let dense = space.matrix.dense.len();
        for (center, point) in points.iter().enumerate() {
            for (column, &value) in point[..dense].iter().enumerate() {
                values[column * padded + center] = value;
            }
            for (index, category) in space.matrix.categories.iter().enumerate() {
                let columns = dense + category.first..dense + category.first + category.width();
                let square: f64 = point[columns.clone()].iter().map(|&c| f64::from(c) * f64::from(c)).sum();
                for column in columns {
                    let distance = square + 1.0 - 2.0 * f64::from(point[column]);
                    values[column * padded + center] = distance.max(0.0) as f32;
                }
                values[(space.width() + index) * padded + center] = square as f32;
            }
        }
        let start = (0..padded).map(|center| if center < points.len() { 0.0 } else { f32::INFINITY }).collect();
        let dense = points.iter().flat_map(|point| &point[..dense]).copied().collect();
        Self { points, dense, padded, values, start }
    }

    /// The nearest centres of the points with these places, one after the other.
    pub fn find(&self, points: &Points, places: &[u32], distances: &mut Vec<f32>, nearest: &mut Vec<Nearest>) {
        distances.resize(GROUP * self.padded, 0.0);
        nearest.clear();
        nearest.resize(places.len(), Nearest { center: 0, square: f32::INFINITY, second: f32::INFINITY });
        pulp::Arch::new().dispatch(FindNearest { table: self.table(), points: points.view(), places, distances, nearest });
    }

    /// The squared distance of each of these points to the centre beside it, by other roundings than [`Centers::find`]'s.
    pub fn measure_own(&self, points: &Points, places: &[(u32, u32)], squares: &mut Vec<f32>) {
        squares.resize(places.len(), 0.0);
        let centers = &self.dense;
        pulp::Arch::new().dispatch(MeasureOwn { table: self.table(), centers, points: points.view(), places, squares });
    }

    fn table(&self) -> Table<'_> {
        Table { values: &self.values, padded: self.padded, start: &self.start }
    }
}
