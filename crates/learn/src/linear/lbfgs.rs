//! Directions from gradients alone: L-BFGS (Nocedal 1980) with a diagonal to begin from.

use crate::sums::lane_dot;

/// How many steps it remembers.
const MEMORY: usize = 10;

/// The last steps and what they did to the gradient.
#[derive(Debug, Clone)]
pub struct Lbfgs {
    /// An estimate of the Hessian's diagonal.
    diagonal: Vec<f64>,
    /// (step, change of the gradient, 1 / their product), oldest first.
    pairs: Vec<(Vec<f64>, Vec<f64>, f64)>,
}

impl Lbfgs {
    /// Begins from an estimate of the Hessian's diagonal, all above 0.
    pub fn new(diagonal: Vec<f64>) -> Self {
        Self { diagonal, pairs: Vec::new() }
    }

    /// Learns from a step that changed the gradient so. A step along which the objective did not curve teaches nothing.
    pub fn learn(&mut self, step: Vec<f64>, change: Vec<f64>) {
        let product = lane_dot(&step, &change);
        if product > 1e-300 {
            if self.pairs.len() == MEMORY {
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
        let scale = self.pairs.last().map_or(1.0, |(_, change, inverse)| {
            let scaled: Vec<f64> = change.iter().zip(&self.diagonal).map(|(c, d)| c / d).collect();
            1.0 / (inverse * lane_dot(change, &scaled))
        });
        direction.iter_mut().zip(&self.diagonal).for_each(|(x, d)| *x *= scale / d);
        for ((step, change, inverse), part) in self.pairs.iter().zip(parts.into_iter().rev()) {
            let back = inverse * lane_dot(change, &direction);
            direction.iter_mut().zip(step).for_each(|(d, s)| *d += (part - back) * s);
        }
        direction
    }
}
