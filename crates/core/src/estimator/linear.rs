//! A linear model.

use super::{Design, Estimator, EstimatorKind, Link};

/// A linear model: score `o` of a row is `intercepts[o] + weights[o] · design(row)`. Scoring rounds the weights of sparse features
/// to 32-bit floats.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// How features become columns.
    pub design: Design,
    /// One per output.
    pub intercepts: Vec<f64>,
    /// A row of `design.width()` per output.
    pub weights: Vec<Vec<f64>>,
    /// How scores become predictions.
    pub link: Link,
}

impl EstimatorKind for Linear {
    /// The largest absolute weight of a feature's columns, over all outputs.
    fn importances(&self, _: usize) -> Option<Vec<f64>> {
        Some(self.design.largest_by_feature(|column| self.weights.iter().map(|row| row[column].abs()).fold(0.0, f64::max)))
    }

    fn equals(&self, other: &Estimator) -> bool {
        other.get() == Some(self)
    }
}
