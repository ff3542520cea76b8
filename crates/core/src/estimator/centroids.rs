//! Cluster centres.

use super::{Design, Estimator, EstimatorKind};

/// Cluster centres; a row belongs to the nearest by Euclidean distance over the design matrix, the first of equals.
#[derive(Debug, Clone, PartialEq)]
pub struct Centroids {
    /// How features become columns.
    pub design: Design,
    /// A row of `design.width()` per cluster.
    pub centers: Vec<Vec<f32>>,
}

impl EstimatorKind for Centroids {
    fn equals(&self, other: &Estimator) -> bool {
        other.get() == Some(self)
    }
}
