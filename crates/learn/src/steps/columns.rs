//! Numbers the columns of a table's design, and standardises its numbers. A column's number is the key of its parameters.
//!
//! What numbers are standardised by is found where all tiles are, and reaches those who fold mini-batches as the rows of a
//! table of parameters that never change.

use std::sync::Arc;

use quelea_core::block::Block;
use quelea_core::estimator::{Design, Encoding};
use quelea_core::exact::{ExactSum, exponent_above};
use quelea_core::schema::{FeatureKind, Schema};
use quelea_core::steps::{Parameters, Rule, Start};
use quelea_core::tile::{Role, Tile};
use quelea_core::{Error, Result};

use super::units::check_weight;
use crate::moments::{Moments, MomentsFit};

/// Standardised numbers are no larger than 2 to this power: where a column has an outlier so many deviations away, its scale
/// is made smaller.
pub const LARGEST_NUMBER: i32 = 10;
/// The most weights of a model, so that its file stays below 2 GiB.
const MOST_WEIGHTS: u64 = 1 << 28;

/// The columns of a table.
#[derive(Debug, Clone)]
pub struct Columns {
    /// Per feature.
    pub features: Vec<Column>,
    /// Features that are numbers.
    pub numbers: Vec<usize>,
    /// How many columns there are.
    pub width: u64,
}

/// The columns of one feature.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The first of them.
    pub first: u64,
    /// What they hold.
    pub kind: Kind,
}

/// What the columns of a feature hold.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A number, and then, if there is an indicator, 1 where it is missing.
    Number {
        /// Whether there is an indicator.
        indicator: bool,
    },
    /// 1 in the column of the row's value; the last column, if there is an indicator, is that of missing ones.
    Category {
        /// How many values it has.
        values: u32,
        /// Whether there is an indicator.
        indicator: bool,
    },
    /// Numbers by index.
    Sparse {
        /// How many columns there are.
        width: u32,
    },
}

impl Columns {
    /// The columns of tables of this schema.
    pub fn new(schema: &Schema) -> Result<Self> {
        let (mut features, mut numbers, mut width) = (Vec::with_capacity(schema.features.len()), Vec::new(), 0);
        for (index, feature) in schema.features.iter().enumerate() {
            let (kind, columns) = match &feature.kind {
                FeatureKind::Number { missing, .. } => {
                    let indicator = *missing > 0 && *missing < schema.rows;
                    numbers.push(index);
                    (Kind::Number { indicator }, 1 + u64::from(indicator))
                }
                FeatureKind::Category { values, missing, .. } => {
                    let indicator = *missing > 0;
                    (Kind::Category { values: values.len() as u32, indicator }, values.len() as u64 + u64::from(indicator))
                }
                FeatureKind::Sparse { width, .. } => (Kind::Sparse { width: *width }, u64::from(*width)),
            };
            features.push(Column { first: width, kind });
            width += columns;
        }
        Ok(Self { features, numbers, width })
    }

    /// Refuses a table that would give a model too many weights, `per_column` for each column.
    pub fn check_size(&self, per_column: u64) -> Result<()> {
        let weights = self.width.saturating_mul(per_column);
        let problem = || format!("the model would have {weights} weights, and {MOST_WEIGHTS} are possible; hash the columns to fewer");
        (weights <= MOST_WEIGHTS).then_some(()).ok_or_else(|| Error::Table { problem: problem() })
    }

    /// No value of training rows is larger than 2 to this power, once numbers are standardised.
    pub fn largest_value(&self, schema: &Schema) -> i32 {
        let of = |kind: &FeatureKind| match kind {
            FeatureKind::Number { .. } => LARGEST_NUMBER,
            FeatureKind::Category { .. } => 0,
            FeatureKind::Sparse { largest, .. } => exponent_above(f64::from(*largest)),
        };
        schema.features.iter().map(|feature| of(&feature.kind)).fold(0, i32::max)
    }

    /// What numbers are standardised by, center and scale of each, by the moments of the training rows. Where they are not to
    /// be `scaled`, their center is their mean still, which is what missing ones are taken for.
    pub fn standards(&self, schema: &Schema, tiles: &[Arc<Tile>], scaled: bool) -> Result<Vec<f32>> {
        let numbers = Schema { features: self.numbers.iter().map(|&feature| schema.features[feature].clone()).collect(), ..schema.clone() };
        let mut fit = MomentsFit::new(&numbers);
        let moments = loop {
            let mut sums = fit.empty();
            for tile in tiles.iter().filter(|tile| tile.role == Role::Train && !self.numbers.is_empty()) {
                let features = self.numbers.iter().map(|&feature| tile.features[feature].clone()).collect();
                fit.fold(&Tile { features, ..Tile::clone(tile) }, &mut sums)?;
            }
            let (_, moments) = fit.finish(Block::Fixed(sums))?;
            match fit.narrowed(&moments) {
                Some(narrower) => fit = narrower,
                None => break moments,
            }
        };
        let rows = numbers.features.iter().zip(&moments).flat_map(|(feature, moments)| match (&feature.kind, moments) {
            (FeatureKind::Number { .. }, &Moments::Number { mean, .. }) if !scaled => [mean as f32, 1.0],
            (FeatureKind::Number { min, max, .. }, &Moments::Number { mean, variance, .. }) => standard(*min, *max, mean, variance),
            _ => [0.0, 1.0],
        });
        Ok(rows.collect())
    }

    /// The design, by the rows of that table.
    pub fn design(&self, standards: &[f32]) -> Design {
        let mut standards = standards.chunks_exact(2);
        let encodings = self.features.iter().map(|column| match column.kind {
            Kind::Number { indicator } => {
                let &[center, scale] = standards.next().unwrap_or_default() else {
                    return Encoding::Number { fill: 0.0, center: 0.0, scale: 1.0, indicator };
                };
                Encoding::Number { fill: center, center, scale: f64::from(scale), indicator }
            }
            Kind::Category { values, indicator } => Encoding::Category { values, indicator },
            Kind::Sparse { width } => Encoding::Sparse { width },
        });
        Design { encodings: encodings.collect() }
    }
}

/// A table of parameters that never changes: two numbers in a row.
pub fn table_of(standards: Vec<f32>) -> Parameters {
    Parameters { name: "standards".into(), width: 2, start: Start::Rows(Arc::new(standards)), rule: Rule::Sum, unit: 1.0 }
}

/// Center and scale of the target, a number, by its moments over the training rows.
pub fn target_standard(tiles: &[Arc<Tile>]) -> Result<[f32; 2]> {
    let rows = || {
        let tiles = tiles.iter().filter(|tile| tile.role == Role::Train);
        tiles.flat_map(|tile| (0..tile.rows).map(|row| (f64::from(tile.target[row]), f64::from(tile.weight_of(row)))))
    };
    let sum = |of: &dyn Fn(f64, f64) -> f64| {
        let mut sum = ExactSum::default();
        let added = rows().all(|(y, weight)| sum.add(of(y, weight)));
        added.then(|| sum.value()).ok_or_else(|| Error::NotFinite { what: "a sum over the target".into(), place: String::new() })
    };
    let weight = sum(&|_, weight| weight)?;
    check_weight(weight)?;
    let mean = sum(&|y, weight| weight * y)? / weight;
    let variance = sum(&|y, weight| weight * (y - mean) * (y - mean))? / weight;
    let (min, max) = rows().fold((mean as f32, mean as f32), |(min, max), (y, _)| (min.min(y as f32), max.max(y as f32)));
    Ok(standard(min, max, mean, variance))
}

/// Center and scale of a number.
fn standard(min: f32, max: f32, mean: f64, variance: f64) -> [f32; 2] {
    let center = mean as f32;
    let reach = (f64::from(max) - f64::from(center)).abs().max((f64::from(min) - f64::from(center)).abs());
    let most = f64::from(1u32 << LARGEST_NUMBER) / reach;
    if variance == 0.0 {
        return [center, 1.0];
    }
    // Subnormal where values reach 1e38; beyond the largest float where they are subnormal.
    let scale = (1.0 / variance.sqrt()).min(most * (1.0 - 1e-6)) as f32;
    [center, if scale > 0.0 { scale.min(f32::MAX) } else { 1.0 }]
}
