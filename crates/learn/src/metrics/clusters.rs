//! How tight clusters are.

use super::Named;
use super::sum::Sum;

/// Gathers distances to the nearest centre.
#[derive(Debug, Clone, Default)]
pub(super) struct Clusters {
    squares: Sum,
}

impl Clusters {
    pub fn add(&mut self, distance: f32, weight: f32) {
        self.squares.add(f64::from(weight) * f64::from(distance) * f64::from(distance));
    }

    pub fn merge(&mut self, other: &Self) {
        self.squares.merge(&other.squares);
    }

    pub fn finish(self) -> Vec<Named> {
        vec![("inertia", self.squares.value())]
    }
}
