//! How tight clusters are.

use super::Named;
use super::sum::Sum;

/// Gathers distances to the nearest centre.
#[derive(Debug, Clone, Default)]
pub(super) struct Clusters {
    squares: Sum,
    total: Sum,
}

impl Clusters {
    pub fn add(&mut self, distance: f32, weight: f32) {
        self.total.add(f64::from(weight));
        self.squares.add(f64::from(weight) * f64::from(distance) * f64::from(distance));
    }

    pub fn merge(&mut self, other: &Self) {
        self.squares.merge(&other.squares);
        self.total.merge(&other.total);
    }

    pub fn finish(self) -> Vec<Named> {
        // Rows that all weigh nothing are as good as none.
        let is_defined = self.total.value().is_some_and(|total| total > 0.0);
        vec![("inertia", self.squares.value().filter(|_| is_defined))]
    }
}
