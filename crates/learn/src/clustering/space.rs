//! The space that rows and centres lie in: rows as dense numbers and the columns they are 1 in, centres as tables
//! for the kernel, and the units in which rows are summed.

use std::ops::Range;

use quelea_core::estimator::{Design, Encoding};
use quelea_core::exact::{exponent_above, scale};
use quelea_core::schema::{FeatureKind, Schema};
use quelea_core::tile::Tile;
use quelea_core::{Error, Result};

use super::kernel::{FindNearest, GROUP, LANES, Nearest, Table};
use crate::design::{Matrix, Moments, codes, numbers};
use crate::sums::weight_exponent;

/// The largest sum of a column over all rows stays below 2 to this power, in units.
const SUM_BITS: i32 = 61;
/// Numbers beyond this have squares that 32 bits cannot hold.
const LARGEST: f64 = 1e16;

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
    /// For each column, and at the end for the weight, the exponent of its unit.
    units: Vec<i32>,
}

impl Space {
    /// The space of a design whose columns have these moments.
    pub fn new(schema: &Schema, design: Design, weight: f64, moments: &[Moments]) -> Result<Self> {
        if weight <= 0.0 {
            return Err(Error::Table { problem: "the training rows weigh nothing; give some of them a weight above 0".into() });
        }
        let matrix = Matrix::new(&design);
        let base = weight_exponent(schema.rows, schema.largest_weight) - SUM_BITS;
        let mut units = Vec::with_capacity(matrix.columns.len() + 1);
        for dense in &matrix.dense {
            let feature = &schema.features[dense.feature];
            let FeatureKind::Number { min, max, .. } = feature.kind else { continue };
            let bound = dense.content.bound(min, max);
            if bound > LARGEST {
                let problem =
                    format!("its values reach {bound:.1e}, too large for squares of 32 bits; rescale it or set standardize = true");
                return Err(Error::Column { column: feature.name.clone(), problem });
            }
            units.push(base + exponent_above(bound).max(-100));
        }
        units.resize(matrix.columns.len() + 1, base + 1);
        let (mean, scatter) = mean_and_scatter(&matrix, weight, moments);
        Ok(Self { design, weight, scatter, mean, units, matrix })
    }

    /// How many columns points have.
    pub fn width(&self) -> usize {
        self.matrix.columns.len()
    }

    /// `value` in units of `column`; [`Space::width`] stands for the weight.
    #[inline(always)]
    pub fn units(&self, column: usize, value: f64) -> i64 {
        scale_up(value, self.units[column])
    }

    /// What `units` of `column` stand for.
    pub fn value(&self, column: usize, units: i64) -> f64 {
        scale(units as f64, self.units[column])
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

    /// Centres over another design of the same features as points of this space.
    pub fn carry_over(&self, old: &Design, center: &[f32]) -> Result<Vec<f32>> {
        if old.encodings.len() != self.design.encodings.len() {
            return Err(Error::Table { problem: "start_from holds a model of other columns; train without it".into() });
        }
        let mut carried = vec![0.0; self.width()];
        let (mut from, mut to) = (0, 0);
        for (old, new) in old.encodings.iter().zip(&self.design.encodings) {
            let shared = old.width().min(new.width());
            match (*old, *new) {
                (Encoding::Number { center: c, scale: s, .. }, Encoding::Number { center: c2, scale: s2, .. }) => {
                    let raw = f64::from(center[from]) / f64::from(s) + f64::from(c);
                    carried[to] = ((raw - f64::from(c2)) * f64::from(s2)) as f32;
                    carried[to + 1..to + shared].copy_from_slice(&center[from + 1..from + shared]);
                }
                (Encoding::Category { values: a, .. }, Encoding::Category { values: b, .. }) if a == b => {
                    carried[to..to + shared].copy_from_slice(&center[from..from + shared]);
                }
                _ => return Err(Error::Table { problem: "start_from knows other categories; train without it".into() }),
            }
            from += old.width();
            to += new.width();
        }
        Ok(self.matrix.columns.iter().map(|&column| carried[column]).collect())
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

/// `value / 2^exponent`, rounded half to even; the exponent is far from the ends of a double's range.
#[inline(always)]
fn scale_up(value: f64, exponent: i32) -> i64 {
    let factor = f64::from_bits(((1023 - exponent) as u64) << 52);
    (value * factor).round_ties_even() as i64
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
        Self { points, padded, values, start }
    }

    /// The nearest centres of `rows`, whose number is that of `nearest`.
    pub fn find(&self, rows: &Rows, distances: &mut Vec<f32>, nearest: &mut [Nearest]) {
        distances.resize(GROUP * self.padded, 0.0);
        let table = Table { values: &self.values, padded: self.padded, start: &self.start };
        let Rows { z, dense, slots, categories, .. } = rows;
        pulp::Arch::new().dispatch(FindNearest { table, z, dense: *dense, slots, categories: *categories, distances, nearest });
    }

    /// The squared distance of row `index` of `rows` to `center`, rounded now and then.
    pub fn distance(&self, rows: &Rows, index: usize, center: usize) -> f32 {
        let mut lanes = [0.0f32; 8];
        let (z, point) = (rows.dense_of(index).chunks(8), self.points[center].chunks(8));
        for (z, point) in z.zip(point) {
            for ((lane, z), point) in lanes.iter_mut().zip(z).zip(point) {
                *lane += (z - point) * (z - point);
            }
        }
        let categories = rows.slots_of(index).iter().map(|&slot| self.values[slot as usize * self.padded + center]);
        lanes.iter().sum::<f32>() + categories.sum::<f32>()
    }
}

/// Some rows of a tile, encoded: their dense columns, and for each category a row of the centres' table.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    z: Vec<f32>,
    slots: Vec<u32>,
    dense: usize,
    categories: usize,
}

impl Rows {
    /// Encodes the rows with these places in `tile`.
    pub fn encode(&mut self, space: &Space, tile: &Tile, places: &[u32]) {
        let matrix = &space.matrix;
        (self.dense, self.categories) = (matrix.dense.len(), matrix.categories.len());
        self.z.resize(places.len() * self.dense, 0.0);
        self.slots.resize(places.len() * self.categories, 0);
        for (column, dense) in matrix.dense.iter().enumerate() {
            let x = numbers(tile, dense.feature);
            let content = dense.content;
            for (row, &place) in self.z.chunks_exact_mut(self.dense).zip(places) {
                row[column] = content.of(x[place as usize]) as f32;
            }
        }
        for (index, category) in matrix.categories.iter().enumerate() {
            let codes = codes(tile, category.feature);
            let none = (space.width() + index) as u32;
            for (row, &place) in self.slots.chunks_exact_mut(self.categories).zip(places) {
                row[index] = category.column(codes[place as usize]).map_or(none, |column| (self.dense + column) as u32);
            }
        }
    }

    /// Points that are rows: 1 in at most one column of each category, and 0 in the others.
    pub fn of_points(space: &Space, points: &[Vec<f32>]) -> Self {
        let matrix = &space.matrix;
        let dense = matrix.dense.len();
        let slot = |point: &[f32], index: usize| {
            let category = &matrix.categories[index];
            let columns = dense + category.first..dense + category.first + category.width();
            columns.clone().find(|&column| point[column] > 0.0).unwrap_or(space.width() + index) as u32
        };
        let categories = matrix.categories.len();
        Self {
            z: points.iter().flat_map(|point| &point[..dense]).copied().collect(),
            slots: points.iter().flat_map(|point| (0..categories).map(|index| slot(point, index))).collect(),
            dense,
            categories,
        }
    }

    /// Keeps the rows with these indices, which ascend.
    pub fn keep(&mut self, indices: &[u32]) {
        for (to, &from) in indices.iter().enumerate() {
            let from = from as usize;
            self.z.copy_within(from * self.dense..(from + 1) * self.dense, to * self.dense);
            self.slots.copy_within(from * self.categories..(from + 1) * self.categories, to * self.categories);
        }
    }

    /// The dense columns of a row.
    pub fn dense_of(&self, index: usize) -> &[f32] {
        &self.z[index * self.dense..][..self.dense]
    }

    /// For each category of a row, its row of the centres' table: the column it is 1 in, or one beyond all columns.
    pub fn slots_of(&self, index: usize) -> &[u32] {
        &self.slots[index * self.categories..][..self.categories]
    }

    /// A row as a point.
    pub fn point(&self, index: usize, width: usize) -> Vec<f32> {
        let mut point = vec![0.0; width];
        point[..self.dense].copy_from_slice(self.dense_of(index));
        for &slot in self.slots_of(index) {
            if let Some(value) = point.get_mut(slot as usize) {
                *value = 1.0;
            }
        }
        point
    }
}

/// The places of rows that weigh something.
pub fn weighing(tile: &Tile, rows: Range<usize>) -> impl Iterator<Item = u32> + '_ {
    rows.filter(|&row| tile.weight_of(row) > 0.0).map(|row| row as u32)
}
