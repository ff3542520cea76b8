//! Takes the moments of every column: weight, mean and variance of numbers, the weight of each category. They are exact
//! enough to standardise by, however far a row of little weight lies from the others.

use quelea_core::block::Block;
use quelea_core::schema::{FeatureKind, Schema};
use quelea_core::tile::{MISSING, Role, Tile, Values};
use quelea_core::{Error, Result};

use crate::sums::{Unit, weight_exponent};

/// Rows that are looked at together while moments are taken.
const CHUNK: usize = 256;
/// A variance below this share of a range's square has lost digits to rounding; it is taken again over a narrower range.
const NARROW: f64 = 1e-8;
/// What rounding may add to a variance, as a share of its range's square: no tile has rows enough for more.
const ROUNDING: f64 = 1e-13;
/// Ranges stop getting narrower here, as a share of the mean's size: 32-bit floats tell no more apart.
const NARROWEST: f64 = 1e-8;

/// What is known of a feature's training rows.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Moments {
    /// A number: the weight of the rows that have one, their mean and variance (by weights, of the population).
    Number {
        /// The weight of rows with a value.
        weight: f64,
        /// Their mean; 0 when all are missing.
        mean: f64,
        /// Their variance.
        variance: f64,
    },
    /// A category: the weight of each value.
    Category {
        /// One entry per value.
        weights: Vec<f64>,
        /// The weight of rows without a value.
        missing: f64,
    },
    /// Of a sparse feature nothing is needed.
    Sparse,
}

/// Takes the moments of every feature. Numbers are brought to -1 … 1 by the schema's range first, so that
/// every sum is bounded by the weight of all rows.
#[derive(Debug, Clone)]
pub struct MomentsFit {
    ranges: Vec<Range>,
    unit: Unit,
    width: usize,
}

/// Where a feature's sums begin, and how its numbers are brought to -1 … 1.
#[derive(Debug, Clone, Copy)]
enum Range {
    Number { at: usize, middle: f64, half: f64 },
    Category { at: usize, values: usize },
    Sparse,
}

impl MomentsFit {
    /// For tables of this schema.
    pub fn new(schema: &Schema) -> Self {
        let mut at = 1;
        let ranges = schema.features.iter().map(|feature| {
            let range = match &feature.kind {
                FeatureKind::Number { min, max, .. } => {
                    let (min, max) = (f64::from(*min), f64::from(*max));
                    Range::Number { at, middle: (min + max) / 2.0, half: (max - min) / 2.0 }
                }
                FeatureKind::Category { values, .. } => Range::Category { at, values: values.len() },
                FeatureKind::Sparse { .. } => Range::Sparse,
            };
            at += match range {
                Range::Number { .. } => 3,
                Range::Category { values, .. } => values + 1,
                Range::Sparse => 0,
            };
            range
        });
        let ranges = ranges.collect();
        Self { ranges, unit: Unit::below(weight_exponent(schema.rows, schema.largest_weight) + 1), width: at }
    }

    /// The same, to be taken again over ranges that are narrower where these `moments` have lost their digits, as by an outlier
    /// of next to no weight; `None` where they are good. The narrower range is that of the deviation, so that sums of squares are
    /// bounded by the weight of all rows still.
    pub fn narrowed(&self, moments: &[Moments]) -> Option<Self> {
        let mut is_narrower = false;
        let narrow = |(range, moments): (&Range, &Moments)| match (*range, moments) {
            (Range::Number { at, half, .. }, &Moments::Number { mean, variance, .. }) if variance < NARROW * half * half => {
                let deviation = (variance + ROUNDING * half * half).sqrt();
                if deviation < NARROWEST * mean.abs() {
                    return *range;
                }
                is_narrower = true;
                Range::Number { at, middle: mean, half: deviation }
            }
            _ => *range,
        };
        let ranges = self.ranges.iter().zip(moments).map(narrow).collect();
        is_narrower.then_some(Self { ranges, ..self.clone() })
    }

    /// An empty sum.
    pub fn empty(&self) -> Vec<i128> {
        vec![0; self.width]
    }

    /// Adds a tile of training rows; others are left out.
    pub fn fold(&self, tile: &Tile, sums: &mut [i128]) -> Result<()> {
        if tile.role != Role::Train {
            return Ok(());
        }
        let ones;
        let weights: &[f32] = match &tile.weight {
            Some(weights) => weights,
            None => {
                ones = vec![1.0; tile.rows];
                &ones
            }
        };
        let mut partial = vec![0.0; self.width];
        for &w in weights {
            partial[0] += f64::from(w);
        }
        for (values, &range) in tile.features.iter().zip(&self.ranges) {
            match (values, range) {
                (Values::Number(x), Range::Number { at, middle, half }) => {
                    let sums =
                        pulp::Arch::new().dispatch(NumberSums { x, weights, middle, scale: if half > 0.0 { 1.0 / half } else { 0.0 } });
                    partial[at..at + 3].copy_from_slice(&sums);
                }
                (Values::Category(codes), Range::Category { at, values }) => {
                    for (&code, &w) in codes.iter().zip(weights) {
                        let slot = if code == MISSING { values } else { code as usize };
                        if slot <= values {
                            partial[at + slot] += f64::from(w);
                        }
                    }
                }
                (Values::Sparse { .. }, Range::Sparse) => {}
                _ => return Err(Error::Internal { what: "a tile's columns differ from the schema's".into() }),
            }
        }
        for (sum, value) in sums.iter_mut().zip(partial) {
            *sum += self.unit.units(value, "a sum over a column")?;
        }
        Ok(())
    }

    /// The moments that the merged sum stands for: the weight of all rows, and one entry per feature.
    pub fn finish(&self, sum: Block) -> Result<(f64, Vec<Moments>)> {
        let Block::Fixed(units) = sum else { return Err(Error::Internal { what: "moments are fixed-point numbers".into() }) };
        let value = |at: usize| self.unit.value(units[at]);
        let moments = self.ranges.iter().map(|&range| match range {
            Range::Number { at, middle, half } => {
                let weight = value(at);
                let mean = if weight > 0.0 { value(at + 1) / weight } else { 0.0 };
                let square = if weight > 0.0 { value(at + 2) / weight } else { 0.0 };
                let variance = (square - mean * mean).max(0.0) * half * half;
                Moments::Number { weight, mean: if weight > 0.0 { middle + half * mean } else { 0.0 }, variance }
            }
            Range::Category { at, values } => {
                Moments::Category { weights: (at..at + values).map(value).collect(), missing: value(at + values) }
            }
            Range::Sparse => Moments::Sparse,
        });
        Ok((value(0), moments.collect()))
    }
}

/// `[Σ w, Σ w·t, Σ w·t²]` over rows with a value, where `t = (x − middle) · scale`.
struct NumberSums<'a> {
    x: &'a [f32],
    weights: &'a [f32],
    middle: f64,
    scale: f64,
}

impl pulp::WithSimd for NumberSums<'_> {
    type Output = [f64; 3];

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> [f64; 3] {
        let Self { x, weights, middle, scale } = self;
        let mut lanes = [[0.0; CHUNK]; 3];
        for (x, w) in x.chunks(CHUNK).zip(weights.chunks(CHUNK)) {
            let [zeroth, first, second] = &mut lanes;
            for ((((&x, &w), zeroth), first), second) in x.iter().zip(w).zip(zeroth).zip(first).zip(second) {
                let present = !x.is_nan();
                let w = if present { f64::from(w) } else { 0.0 };
                let t = if present { (f64::from(x) - middle) * scale } else { 0.0 };
                *zeroth += w;
                *first += w * t;
                *second += w * t * t;
            }
        }
        lanes.map(|lanes| crate::sums::lane_sum(&lanes))
    }
}
