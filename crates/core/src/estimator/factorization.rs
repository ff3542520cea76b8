//! A factorisation machine.

use super::{Design, Estimator, EstimatorKind, Link};

/// A factorisation machine (Rendle 2010): the score of a row `x` of the design matrix is
/// `intercept + Σ w·x + ½ Σ_f ((Σ v_f·x)² − Σ v_f²·x²)`. Each entry of a sparse feature is a term of its own, even if two have
/// the same index.
#[derive(Debug, Clone, PartialEq)]
pub struct Factorization {
    /// How features become columns.
    pub design: Design,
    /// The score of a row of zeros.
    pub intercept: f64,
    /// One per column.
    pub weights: Vec<f32>,
    /// A row of `rank` numbers per column.
    pub factors: Vec<f32>,
    /// How many factors a column has, at least 1.
    pub rank: usize,
    /// How scores become predictions; there is one output.
    pub link: Link,
}

impl EstimatorKind for Factorization {
    /// The largest absolute weight of a feature's columns; factors do not count.
    fn importances(&self, _: usize) -> Option<Vec<f64>> {
        Some(self.design.largest_by_feature(|column| f64::from(self.weights[column].abs())))
    }

    fn equals(&self, other: &Estimator) -> bool {
        other.get() == Some(self)
    }
}
