//! Losses: their value, their first and second derivatives by score, and how fast these may change.

use quelea_core::estimator::Link;
use quelea_core::math;
use quelea_core::schema::Target;
use quelea_core::tile::Tile;

use super::lanes::{RowValues, Sizes, derive, sum};
use super::parameters::{Objective, Parameters};
use super::scale::Bounds;

/// What is minimised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Loss {
    /// (s − y)², with the derivatives of its half.
    Squared,
    /// The pinball loss of this quantile, twice for the median so that it is the absolute error.
    Quantile {
        /// The quantile.
        alpha: f64,
        /// What the pinball loss is multiplied with.
        factor: f64,
    },
    /// −ln of the probability of the true one of two classes.
    Logistic,
    /// −ln of the probability of the true one of several classes.
    Softmax {
        /// How many classes there are.
        classes: usize,
    },
}

impl Loss {
    /// The loss that these parameters name for the target.
    pub(super) fn new(parameters: &Parameters, target: &Target) -> Self {
        match (target, parameters.objective) {
            (Target::Classes { labels, .. }, _) if labels.len() <= 2 => Self::Logistic,
            (Target::Classes { labels, .. }, _) => Self::Softmax { classes: labels.len() },
            (_, Objective::AbsoluteError) => Self::Quantile { alpha: 0.5, factor: 2.0 },
            (_, Objective::Quantile) => Self::Quantile { alpha: parameters.alpha, factor: 1.0 },
            (_, Objective::Auto | Objective::SquaredError) => Self::Squared,
        }
    }

    /// Scores of a row.
    pub(super) fn outputs(&self) -> usize {
        if let Self::Softmax { classes } = self { *classes } else { 1 }
    }

    /// How scores become predictions.
    pub(super) fn link(&self) -> Link {
        match self {
            Self::Squared | Self::Quantile { .. } => Link::Identity,
            Self::Logistic => Link::Logistic,
            Self::Softmax { .. } => Link::Softmax,
        }
    }

    /// Bounds of gradients whose sizes were `last` before every score moved by at most `drift`.
    pub(super) fn bounds(&self, last: Bounds, drift: f64, largest_weight: f64) -> Bounds {
        let moved = |bound: f64, slope: f64, most: f64| (bound + slope * drift * largest_weight).min(most);
        let (gradient, hessian) = match self {
            Self::Squared => (moved(last.gradient, 1.0, f64::INFINITY), last.hessian),
            Self::Quantile { alpha, factor } => (factor * alpha.max(1.0 - alpha) * largest_weight, last.hessian),
            // The third derivative of the log loss is at most √3/18.
            Self::Logistic => (moved(last.gradient, 0.25, largest_weight), moved(last.hessian, 0.1, 0.25 * largest_weight)),
            Self::Softmax { .. } => {
                let factor = self.hessian_factor();
                (moved(last.gradient, 0.5, largest_weight), moved(last.hessian, 0.5 * factor, 0.25 * factor * largest_weight))
            }
        };
        Bounds { gradient, hessian, mean: last.mean }
    }

    /// Softmax scores are one too many; the hessian is larger by this to make up for it (Friedman 2001).
    fn hessian_factor(&self) -> f64 {
        let classes = self.outputs() as f64;
        classes / (classes - 1.0)
    }

    /// Gradients and hessians of `output` by row. `values` are the scores, without `offset` if the target is a number, and for softmax
    /// the probabilities.
    pub(super) fn derive(
        &self,
        (output, offset): (usize, f32),
        values: &[f32],
        tile: &Tile,
        gradients: &mut [f32],
        hessians: &mut [f32],
    ) -> Sizes {
        let rows = RowValues { values, target: &tile.target, weight: tile.weight.as_deref() };
        let offset = f64::from(offset);
        match *self {
            Self::Squared => derive(rows, gradients, hessians, |s, y, w| squared(s, y - offset, w)),
            Self::Quantile { alpha, factor } => {
                let (below, above) = (-alpha * factor, (1.0 - alpha) * factor);
                derive(rows, gradients, hessians, |s, y, w| (w * if s < y - offset { below } else { above }, w))
            }
            Self::Logistic => derive(rows, gradients, hessians, logistic),
            Self::Softmax { .. } => {
                let (class, factor) = (output as f64, self.hessian_factor());
                derive(rows, gradients, hessians, |p, y, w| {
                    let hit = if y == class { 1.0 } else { 0.0 };
                    (w * (p - hit), w * factor * p * (1.0 - p))
                })
            }
        }
    }

    /// The weighted sum of losses, and the sum of weights. Scores lie output after output; those of a number lack `offset`.
    pub(super) fn sum(&self, scores: &[f32], offset: f32, tile: &Tile) -> (f64, f64) {
        let offset = f64::from(offset);
        let weights = tile.weight.as_ref().map_or(tile.rows as f64, |w| w.iter().map(|&w| f64::from(w)).sum());
        let rows = RowValues { values: scores, target: &tile.target, weight: tile.weight.as_deref() };
        let sum = match *self {
            Self::Squared => sum(rows, |s, y| (s - (y - offset)) * (s - (y - offset))),
            Self::Quantile { alpha, factor } => {
                let (below, above) = (alpha * factor, (1.0 - alpha) * factor);
                sum(rows, |s, y| {
                    let residual = (y - offset) - s;
                    if residual > 0.0 { below * residual } else { above * -residual }
                })
            }
            Self::Logistic => sum(rows, logistic_loss),
            Self::Softmax { classes } => softmax_sum(scores, classes, tile),
        };
        (sum, weights)
    }
}

#[inline(always)]
fn squared(score: f64, y: f64, weight: f64) -> (f64, f64) {
    (weight * (score - y), weight)
}

#[inline(always)]
fn logistic(score: f64, y: f64, weight: f64) -> (f64, f64) {
    let p = math::sigmoid(score);
    (weight * (p - y), weight * p * (1.0 - p))
}

#[inline(always)]
fn logistic_loss(score: f64, y: f64) -> f64 {
    math::softplus(if y > 0.5 { -score } else { score })
}

fn softmax_sum(scores: &[f32], classes: usize, tile: &Tile) -> f64 {
    let mut sum = 0.0;
    for row in 0..tile.rows {
        let score = |class: usize| f64::from(scores[class * tile.rows + row]);
        let top = (0..classes).map(score).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = (0..classes).map(|class| math::exp(score(class) - top)).sum();
        sum += f64::from(tile.weight_of(row)) * (math::ln(total) + top - score(tile.target[row] as usize));
    }
    sum
}

/// The softmax of every row's scores; both lie output after output.
pub(super) fn softmax(scores: &[f32], rows: usize, probabilities: &mut Vec<f32>) {
    probabilities.resize(scores.len(), 0.0);
    let classes = scores.len() / rows.max(1);
    let mut of_row = vec![0.0; classes];
    for row in 0..rows {
        of_row.iter_mut().enumerate().for_each(|(class, p)| *p = f64::from(scores[class * rows + row]));
        math::softmax(&mut of_row);
        of_row.iter().enumerate().for_each(|(class, &p)| probabilities[class * rows + row] = p as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use quelea_core::tile::Role;

    fn tile(target: Vec<f32>, weight: Option<Vec<f32>>) -> Tile {
        Tile { number: 0, role: Role::Train, rows: target.len(), features: vec![], target: target.into(), weight: weight.map(Into::into) }
    }

    const LOSSES: [Loss; 4] =
        [Loss::Squared, Loss::Quantile { alpha: 0.5, factor: 2.0 }, Loss::Quantile { alpha: 0.9, factor: 1.0 }, Loss::Logistic];

    proptest! {
        #[test]
        fn gradients_are_slopes_of_the_loss(score in -5.0f32..5.0, class in 0..2, w in 0.1f32..3.0) {
            for loss in LOSSES {
                let tile = tile(vec![class as f32], Some(vec![w]));
                let (mut g, mut h) = ([0.0], [0.0]);
                loss.derive((0, 0.0), &[score], &tile, &mut g, &mut h);
                prop_assume!((score - class as f32).abs() > 0.01);
                let step = 1.0 / 1024.0;
                let slope = (loss.sum(&[score + step], 0.0, &tile).0 - loss.sum(&[score - step], 0.0, &tile).0) / f64::from(2.0 * step);
                let half = if loss == Loss::Squared { 0.5 } else { 1.0 };
                prop_assert!((slope * half - f64::from(g[0])).abs() < 2e-3 * f64::from(w) * 6.0, "{:?} {} {}", loss, slope, g[0]);
            }
        }

        #[test]
        fn softmax_gradients_are_slopes(scores in prop::collection::vec(-4.0f32..4.0, 3), class in 0usize..3, output in 0usize..3) {
            let loss = Loss::Softmax { classes: 3 };
            let tile = tile(vec![class as f32], None);
            let mut p = Vec::new();
            softmax(&scores, 1, &mut p);
            let (mut g, mut h) = ([0.0], [0.0]);
            loss.derive((output, 0.0), &p[output..=output], &tile, &mut g, &mut h);
            let shifted = |by: f32| { let mut s = scores.clone(); s[output] += by; loss.sum(&s, 0.0, &tile).0 };
            let slope = (shifted(1.0 / 1024.0) - shifted(-1.0 / 1024.0)) * 512.0;
            prop_assert!((slope - f64::from(g[0])).abs() < 1e-3);
        }

        #[test]
        fn bounds_hold_after_a_drift(scores in prop::collection::vec(-6.0f32..6.0, 1..40), drift in 0.0f32..2.0, signs in prop::collection::vec(any::<bool>(), 40)) {
            for loss in LOSSES {
                let tile = tile(scores.iter().enumerate().map(|(i, _)| (i % 2) as f32).collect(), None);
                let (mut g, mut h) = (vec![0.0; scores.len()], vec![0.0; scores.len()]);
                let sizes = loss.derive((0, 0.0), &scores, &tile, &mut g, &mut h);
                let last = Bounds { gradient: f64::from(sizes.gradient), hessian: f64::from(sizes.hessian), mean: 0.0 };
                let bounds = loss.bounds(last, f64::from(drift), 1.0);
                let moved: Vec<f32> = scores.iter().zip(&signs).map(|(s, &up)| if up { s + drift } else { s - drift }).collect();
                let sizes = loss.derive((0, 0.0), &moved, &tile, &mut g, &mut h);
                prop_assert!(f64::from(sizes.gradient) <= bounds.gradient * (1.0 + 1e-5) + 1e-5, "{:?}", loss);
                prop_assert!(f64::from(sizes.hessian) <= bounds.hessian * (1.0 + 1e-5) + 1e-5, "{:?}", loss);
            }
        }
    }
}
