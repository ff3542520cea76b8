//! Directions from gradients alone: L-BFGS (Nocedal 1980), beginning from an estimate of the Hessian.

use super::newton::Cholesky;
use crate::sums::lane_dot;

/// How many steps it remembers, and how many numbers of them at the most, unless that were fewer than the least steps.
/// Next to a pass over the rows they cost little time, and pixels take fewer passes with more.
const STEPS: usize = 50;
const NUMBERS: usize = 8_000_000;
const LEAST_STEPS: usize = 10;

/// An estimate of the Hessian.
#[derive(Debug, Clone)]
pub enum Metric {
    /// Its diagonal, all above 0.
    Diagonal(Vec<f64>),
    /// One matrix for every output, times the output's curvature.
    Shared(Cholesky, Vec<f64>),
}

impl Metric {
    /// Its inverse times `vector`.
    fn invert(&self, vector: &[f64]) -> Vec<f64> {
        match self {
            Self::Diagonal(diagonal) => vector.iter().zip(diagonal).map(|(x, d)| x / d).collect(),
            Self::Shared(factor, curvatures) => {
                let outputs = vector.chunks_exact(vector.len() / curvatures.len()).zip(curvatures);
                outputs.flat_map(|(part, curvature)| factor.solve(part).into_iter().map(move |x| x / curvature)).collect()
            }
        }
    }
}

/// The last steps and what they did to the gradient.
#[derive(Debug, Clone)]
pub struct Lbfgs {
    metric: Metric,
    /// (step, change of the gradient, 1 / their product), oldest first.
    pairs: Vec<(Vec<f64>, Vec<f64>, f64)>,
}

impl Lbfgs {
    /// Begins from an estimate of the Hessian.
    pub fn new(metric: Metric) -> Self {
        Self { metric, pairs: Vec::new() }
    }

    /// Learns from a step that changed the gradient so. A step along which the objective did not curve teaches nothing.
    pub fn learn(&mut self, step: Vec<f64>, change: Vec<f64>) {
        let product = lane_dot(&step, &change);
        if product > 1e-300 {
            if self.pairs.len() == (NUMBERS / (2 * step.len())).clamp(LEAST_STEPS, STEPS) {
                self.pairs.remove(0);
            }
            self.pairs.push((step, change, 1.0 / product));
        }
    }

    /// Forgets all steps.
    pub fn forget(&mut self) {
        self.pairs.clear();
    }

    /// The direction of descent at a point of this gradient, by the two-loop recursion.
    pub fn direction(&self, gradient: &[f64]) -> Vec<f64> {
        let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut parts = Vec::with_capacity(self.pairs.len());
        for (step, change, inverse) in self.pairs.iter().rev() {
            let part = inverse * lane_dot(step, &direction);
            direction.iter_mut().zip(change).for_each(|(d, c)| *d -= part * c);
            parts.push(part);
        }
        let scale = self.pairs.last().map_or(1.0, |(_, change, inverse)| 1.0 / (inverse * lane_dot(change, &self.metric.invert(change))));
        let mut direction: Vec<f64> = self.metric.invert(&direction).into_iter().map(|x| x * scale).collect();
        for ((step, change, inverse), part) in self.pairs.iter().zip(parts.into_iter().rev()) {
            let back = inverse * lane_dot(change, &direction);
            direction.iter_mut().zip(step).for_each(|(d, s)| *d += (part - back) * s);
        }
        direction
    }
}
