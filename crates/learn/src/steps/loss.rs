//! Losses of linear scores, and their derivatives.

use quelea_core::math::{ln, sigmoid, softmax, softplus};
use quelea_core::schema::Target;

/// What a row's scores cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Log loss: of two classes with one score, of several with one for each.
    Logistic,
    /// The hinge loss of one score for two classes, or of one score per class against all others, summed.
    Hinge,
}

impl Loss {
    /// The loss of one score for two classes, and its derivative.
    #[inline(always)]
    pub fn binary(self, score: f64, second: bool) -> (f64, f64) {
        match self {
            Self::Logistic => {
                let hit = if second { 1.0 } else { 0.0 };
                (softplus(score) - hit * score, sigmoid(score) - hit)
            }
            Self::Hinge => {
                let side = if second { 1.0 } else { -1.0 };
                let margin = 1.0 - side * score;
                if margin > 0.0 { (margin, -side) } else { (0.0, 0.0) }
            }
        }
    }

    /// The loss of a score per class; the scores become its derivatives.
    pub fn of_classes(self, scores: &mut [f64], class: usize) -> f64 {
        match self {
            Self::Logistic => {
                softmax(scores);
                let loss = -ln(scores[class]);
                scores[class] -= 1.0;
                loss
            }
            Self::Hinge => {
                let mut loss = 0.0;
                for (other, score) in scores.iter_mut().enumerate() {
                    let (hinge, derivative) = self.binary(*score, other == class);
                    loss += hinge;
                    *score = derivative;
                }
                loss
            }
        }
    }
}

/// The scores that give every row the classes' shares of all rows: one for two classes, else one per class.
pub fn scores_of_shares(target: &Target) -> Vec<f32> {
    let Target::Classes { weights, .. } = target else { return vec![0.0] };
    let all: f64 = weights.iter().sum();
    let shares: Vec<f64> = weights.iter().map(|&weight| ln((weight / all).max(1e-6))).collect();
    match *shares {
        [first, second] => vec![(second - first) as f32],
        _ => shares.iter().map(|&share| share as f32).collect(),
    }
}
