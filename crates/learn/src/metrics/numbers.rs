//! Errors of predicted numbers: RMSE, MAE, R², pinball loss.

use super::Named;
use super::sum::{Sum, Weights, ratio};

/// Gathers predicted numbers. The truth is kept, because R² needs its mean first.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    quantile: Option<f64>,
    total: Sum,
    weighted_truth: Sum,
    squares: Sum,
    absolutes: Sum,
    pinballs: Sum,
    truth: Vec<f32>,
    weights: Weights,
}

impl Numbers {
    pub fn new(quantile: Option<f64>) -> Self {
        Self {
            quantile,
            total: Sum::default(),
            weighted_truth: Sum::default(),
            squares: Sum::default(),
            absolutes: Sum::default(),
            pinballs: Sum::default(),
            truth: Vec::new(),
            weights: Weights::default(),
        }
    }

    pub fn add(&mut self, prediction: f32, truth: f32, weight: f32) {
        let (w, y) = (f64::from(weight), f64::from(truth));
        let error = y - f64::from(prediction);
        self.total.add(w);
        self.weighted_truth.add(w * y);
        self.squares.add(w * (error * error));
        self.absolutes.add(w * error.abs());
        if let Some(quantile) = self.quantile {
            self.pinballs.add(w * if error >= 0.0 { quantile * error } else { (quantile - 1.0) * error });
        }
        self.truth.push(truth);
        self.weights.push(weight);
    }

    pub fn merge(&mut self, mut other: Self) {
        self.total.merge(&other.total);
        self.weighted_truth.merge(&other.weighted_truth);
        self.squares.merge(&other.squares);
        self.absolutes.merge(&other.absolutes);
        self.pinballs.merge(&other.pinballs);
        self.truth.append(&mut other.truth);
        self.weights.append(other.weights);
    }

    pub fn finish(self) -> Vec<Named> {
        let mut named =
            vec![("rmse", self.squares.over(&self.total).map(f64::sqrt)), ("mae", self.absolutes.over(&self.total)), ("r2", self.r2())];
        if self.quantile.is_some() {
            named.push(("pinball", self.pinballs.over(&self.total)));
        }
        named
    }

    /// The share of the truth's variance that predictions explain; unknown where it has none.
    fn r2(&self) -> Option<f64> {
        let first = *self.truth.first()?;
        if self.truth.iter().all(|&y| y == first) {
            return None;
        }
        let mean = self.weighted_truth.over(&self.total)?;
        let mut spread = Sum::default();
        for (row, &y) in self.truth.iter().enumerate() {
            let away = f64::from(y) - mean;
            spread.add(f64::from(self.weights.of(row)) * (away * away));
        }
        Some(1.0 - ratio(self.squares.value()?, spread.value()?)?)
    }
}
