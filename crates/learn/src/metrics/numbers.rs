//! Errors of predicted numbers: RMSE, MAE, R², pinball loss.

use super::Named;
use super::sum::{Sum, product, ratio};

/// Gathers predicted numbers.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    quantile: Option<f64>,
    total: Sum,
    weighted_truth: Sum,
    weighted_truth_squares: Sum,
    /// The smallest and the largest truth of a row that counts.
    extent: (f64, f64),
    squares: Sum,
    absolutes: Sum,
    pinballs: Sum,
}

impl Numbers {
    pub fn new(quantile: Option<f64>) -> Self {
        Self {
            quantile,
            total: Sum::default(),
            weighted_truth: Sum::default(),
            weighted_truth_squares: Sum::default(),
            extent: (f64::INFINITY, f64::NEG_INFINITY),
            squares: Sum::default(),
            absolutes: Sum::default(),
            pinballs: Sum::default(),
        }
    }

    pub fn add(&mut self, prediction: f32, truth: f64, weight: f32) {
        let (w, y) = (f64::from(weight), truth);
        let error = y - f64::from(prediction);
        self.total.add(w);
        product(w, y).into_iter().for_each(|term| self.weighted_truth.add(term));
        let squares = product(y, y).into_iter().flat_map(|square| product(w, square));
        squares.for_each(|term| self.weighted_truth_squares.add(term));
        if w > 0.0 {
            self.extent = (self.extent.0.min(y), self.extent.1.max(y));
        }
        self.squares.add(w * (error * error));
        self.absolutes.add(w * error.abs());
        if let Some(quantile) = self.quantile {
            self.pinballs.add(w * if error >= 0.0 { quantile * error } else { (quantile - 1.0) * error });
        }
    }

    pub fn merge(&mut self, other: Self) {
        self.total.merge(&other.total);
        self.weighted_truth.merge(&other.weighted_truth);
        self.weighted_truth_squares.merge(&other.weighted_truth_squares);
        self.extent = (self.extent.0.min(other.extent.0), self.extent.1.max(other.extent.1));
        self.squares.merge(&other.squares);
        self.absolutes.merge(&other.absolutes);
        self.pinballs.merge(&other.pinballs);
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
        let (least, most) = self.extent;
        if least >= most {
            return None;
        }
        Some(1.0 - ratio(self.squares.value()?, self.spread()?)?)
    }

    /// `Σ w (y − m)²` for the mean `m`, as `Σ w y² − 2m Σ w y + m² Σ w`. The terms cancel where the mean is far larger than the spread, so
    /// all are summed exactly, products too.
    fn spread(&self) -> Option<f64> {
        let mean = self.weighted_truth.over(&self.total)?;
        let mut spread = self.weighted_truth_squares.clone();
        for part in self.weighted_truth.parts()? {
            product(-2.0 * mean, part).into_iter().for_each(|term| spread.add(term));
        }
        for part in self.total.parts()? {
            let squares = product(mean, mean).into_iter().flat_map(|square| product(square, part));
            squares.for_each(|term| spread.add(term));
        }
        spread.value()
    }
}
