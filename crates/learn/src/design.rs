//! Fits the design matrix of linear models and clusterings by exact moments of every column, and lays its
//! columns out for kernels: dense numbers, and categories that stay codes. It never makes one-hot columns.

use quelea_core::block::Block;
use quelea_core::estimator::{Design, Encoding};
use quelea_core::schema::{FeatureKind, Schema};
use quelea_core::tile::{MISSING, Role, Tile, Values};
use quelea_core::{Error, Result};

use crate::sums::{Unit, weight_exponent};

/// Rows that are looked at together while moments are taken.
const CHUNK: usize = 256;

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

/// The design made of these moments: missing numbers become the mean, and a column tells where they were if
/// some but not all training rows lack a value; numbers are standardised if asked for.
pub fn design(schema: &Schema, moments: &[Moments], standardize: bool) -> Design {
    let encodings = schema.features.iter().zip(moments).map(|(feature, moments)| match (&feature.kind, moments) {
        (FeatureKind::Category { values, missing, .. }, _) => Encoding::Category { values: values.len() as u32, indicator: *missing > 0 },
        (FeatureKind::Number { missing, .. }, &Moments::Number { mean, variance, .. }) => {
            let fill = mean as f32;
            let indicator = *missing > 0 && *missing < schema.rows;
            // Subnormal where values reach 1e38; infinite where all are the same.
            let scale = (1.0 / variance.sqrt()) as f32;
            match standardize {
                true => Encoding::Number { fill, center: fill, scale: if scale.is_finite() { scale } else { 1.0 }, indicator },
                false => Encoding::Number { fill, center: 0.0, scale: 1.0, indicator },
            }
        }
        (FeatureKind::Sparse { width, .. }, _) => Encoding::Sparse { width: *width },
        (FeatureKind::Number { .. }, Moments::Category { .. } | Moments::Sparse) => {
            Encoding::Number { fill: 0.0, center: 0.0, scale: 1.0, indicator: false }
        }
    });
    Design { encodings: encodings.collect() }
}

/// A design laid out for kernels. Its own column order is: dense columns, then those of categories.
#[derive(Debug, Clone)]
pub struct Matrix {
    /// Columns that hold a number in every row.
    pub dense: Vec<Dense>,
    /// Categories; each row is 1 in at most one column of each.
    pub categories: Vec<Category>,
    /// The design's column of each column here.
    pub columns: Vec<usize>,
}

/// A column of numbers.
#[derive(Debug, Clone, Copy)]
pub struct Dense {
    /// The feature it is made of.
    pub feature: usize,
    /// What it holds.
    pub content: Content,
}

/// What a dense column holds.
#[derive(Debug, Clone, Copy)]
pub enum Content {
    /// `(x − center) · scale`, and `filled` where `x` is missing.
    Value {
        /// Taken away first.
        center: f64,
        /// Multiplied with then.
        scale: f64,
        /// Stands for a missing value.
        filled: f64,
    },
    /// 1 where the number is missing.
    Missing,
}

/// The columns of a category.
#[derive(Debug, Clone, Copy)]
pub struct Category {
    /// The feature they are made of.
    pub feature: usize,
    /// The first of its columns, counted among those of all categories.
    pub first: usize,
    /// How many values it has.
    pub values: u32,
    /// Whether a column tells where it is missing.
    pub indicator: bool,
}

impl Matrix {
    /// Lays out `design`.
    pub fn new(design: &Design) -> Self {
        let (mut dense, mut categories) = (Vec::new(), Vec::new());
        let (mut dense_columns, mut category_columns) = (Vec::new(), Vec::new());
        let mut column = 0;
        for (feature, encoding) in design.encodings.iter().enumerate() {
            let columns = column..column + encoding.width();
            column = columns.end;
            match *encoding {
                Encoding::Number { fill, center, scale, indicator } => {
                    let (fill, center, scale) = (f64::from(fill), f64::from(center), f64::from(scale));
                    dense.push(Dense { feature, content: Content::Value { center, scale, filled: (fill - center) * scale } });
                    if indicator {
                        dense.push(Dense { feature, content: Content::Missing });
                    }
                    dense_columns.extend(columns);
                }
                Encoding::Category { values, indicator } => {
                    categories.push(Category { feature, first: category_columns.len(), values, indicator });
                    category_columns.extend(columns);
                }
                // Learners that lay out a matrix take no sparse features.
                Encoding::Sparse { .. } => {}
            }
        }
        dense_columns.extend(category_columns);
        Self { dense, categories, columns: dense_columns }
    }

    /// How many columns categories make.
    pub fn category_columns(&self) -> usize {
        self.columns.len() - self.dense.len()
    }

    /// The mean square of every column over training rows of this weight and these moments.
    pub fn mean_squares(&self, weight: f64, moments: &[Moments]) -> Vec<f64> {
        let dense = self.dense.iter().map(|dense| match (dense.content, &moments[dense.feature]) {
            (Content::Value { center, scale, filled }, &Moments::Number { weight: present, mean, variance }) => {
                let square = (variance + (mean - center) * (mean - center)) * scale * scale;
                (present * square + (weight - present) * filled * filled) / weight
            }
            (Content::Missing, &Moments::Number { weight: present, .. }) => (weight - present) / weight,
            (_, Moments::Category { .. } | Moments::Sparse) => 0.0,
        });
        let categories = self.categories.iter().flat_map(|category| {
            let (values, missing): (&[f64], f64) = match &moments[category.feature] {
                Moments::Category { weights, missing } => (weights, *missing),
                Moments::Number { .. } | Moments::Sparse => (&[], 0.0),
            };
            values.iter().copied().chain(category.indicator.then_some(missing)).map(|w| w / weight)
        });
        dense.chain(categories).collect()
    }
}

impl Content {
    /// The column's value for a row with `x`.
    #[inline(always)]
    pub fn of(self, x: f32) -> f64 {
        match self {
            Self::Value { center, scale, filled } => {
                if x.is_nan() {
                    filled
                } else {
                    (f64::from(x) - center) * scale
                }
            }
            Self::Missing => f64::from(u8::from(x.is_nan())),
        }
    }

    /// The largest size that the column's values have, if the numbers lie between `min` and `max`.
    pub fn bound(self, min: f32, max: f32) -> f64 {
        match self {
            Self::Value { filled, .. } => self.of(min).abs().max(self.of(max).abs()).max(filled.abs()),
            Self::Missing => 1.0,
        }
    }
}

impl Category {
    /// How many columns it has.
    pub fn width(&self) -> usize {
        self.values as usize + usize::from(self.indicator)
    }

    /// The column in which a row of this code is 1, counted among those of all categories.
    #[inline(always)]
    pub fn column(&self, code: u32) -> Option<usize> {
        if code < self.values {
            Some(self.first + code as usize)
        } else {
            (code == MISSING && self.indicator).then_some(self.first + self.values as usize)
        }
    }
}

/// The numbers of a dense column's feature.
pub fn numbers(tile: &Tile, feature: usize) -> &[f32] {
    match &tile.features[feature] {
        Values::Number(x) => x,
        Values::Category(_) | Values::Sparse { .. } => &[],
    }
}

/// The codes of a category.
pub fn codes(tile: &Tile, feature: usize) -> &[u32] {
    match &tile.features[feature] {
        Values::Category(codes) => codes,
        Values::Number(_) | Values::Sparse { .. } => &[],
    }
}
