//! Makes the design matrix of linear models and clusterings out of the moments of every column, and lays its columns out
//! for kernels: dense numbers, and categories that stay codes. It never makes one-hot columns.

use quelea_core::estimator::{Design, Encoding};
use quelea_core::schema::{FeatureKind, Schema};
use quelea_core::tile::{MISSING, Tile, Values};

use crate::moments::Moments;

/// The design made of these moments: missing numbers become the mean, and a column tells where they were if
/// some but not all training rows lack a value; numbers are standardised if asked for.
pub fn design(schema: &Schema, moments: &[Moments], standardize: bool) -> Design {
    let encodings = schema.features.iter().zip(moments).map(|(feature, moments)| match (&feature.kind, moments) {
        (FeatureKind::Category { values, missing, .. }, _) => Encoding::Category { values: values.len() as u32, indicator: *missing > 0 },
        (FeatureKind::Number { min, max, missing, .. }, &Moments::Number { mean, variance, .. }) => {
            let fill = mean as f32;
            let indicator = *missing > 0 && *missing < schema.rows;
            match standardize {
                true => Encoding::Number { fill, center: fill, scale: scale(variance), indicator },
                false => Encoding::Number { fill, center: if is_far(*min, *max) { fill } else { 0.0 }, scale: 1.0, indicator },
            }
        }
        (FeatureKind::Sparse { width, .. }, _) => Encoding::Sparse { width: *width },
        (FeatureKind::Number { .. }, Moments::Category { .. } | Moments::Sparse) => {
            Encoding::Number { fill: 0.0, center: 0.0, scale: 1.0, indicator: false }
        }
    });
    Design { encodings: encodings.collect() }
}

/// What brings numbers of this variance to a variance of 1, as a 32-bit float where that can hold it; 1 where all are the same.
fn scale(variance: f64) -> f64 {
    let scale = 1.0 / variance.sqrt();
    let single = scale as f32;
    match () {
        () if scale.is_infinite() => 1.0,
        () if single.is_infinite() => scale,
        () => f64::from(single),
    }
}

/// Whether numbers of this range lie farther from 0 than from each other. What is left of them without their mean is exact then
/// (Sterbenz 1974), and so small that the mean of some of them has more digits as a 32-bit float.
fn is_far(min: f32, max: f32) -> bool {
    let (near, far) = if min > 0.0 { (min, max) } else { (-max, -min) };
    near > 0.0 && near >= far / 2.0
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
                    let (fill, center) = (f64::from(fill), f64::from(center));
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
