//! How well probabilities rank rows: ROC AUC and average precision. With more than two classes, each is ranked
//! against the rest, and the metric is the mean over the classes.

use super::sum::{Weights, ratio};

/// Gathers probabilities with their truth in 4 bytes each.
#[derive(Debug, Clone)]
pub(super) struct Ranking {
    /// The class that each ranking is for: the second of two, or else every one.
    ranked: Vec<u32>,
    /// By ranked class, a key per row.
    keys: Vec<Vec<u32>>,
    weights: Weights,
}

impl Ranking {
    pub fn new(classes: usize) -> Self {
        let ranked: Vec<u32> = if classes == 2 { vec![1] } else { (0..classes as u32).collect() };
        Self { keys: vec![Vec::new(); ranked.len()], ranked, weights: Weights::default() }
    }

    pub fn add(&mut self, probabilities: &[f32], truth: u32, weight: f32) {
        for (&class, keys) in self.ranked.iter().zip(&mut self.keys) {
            keys.push(key(probabilities[class as usize], truth == class));
        }
        self.weights.push(weight);
    }

    pub fn append(&mut self, mut other: Self) {
        for (mine, others) in self.keys.iter_mut().zip(&mut other.keys) {
            mine.append(others);
        }
        self.weights.append(other.weights);
    }

    /// ROC AUC and average precision; unknown unless every class occurs.
    pub fn finish(&self) -> (Option<f64>, Option<f64>) {
        let curves: Vec<Curve> = self.keys.iter().map(|keys| Curve::of(sorted(keys, &self.weights))).collect();
        let mean = |metric: fn(&Curve) -> Option<f64>| {
            let values: Option<Vec<f64>> = curves.iter().map(metric).collect();
            values.and_then(|v| ratio(v.iter().sum(), v.len() as f64))
        };
        (mean(Curve::roc_auc), mean(Curve::average_precision))
    }
}

/// The probability's bits, whose sign is free, and the truth in the last; keys are in the order of probabilities.
fn key(probability: f32, positive: bool) -> u32 {
    (probability.max(0.0).to_bits() << 1) | u32::from(positive)
}

/// Keys with their weights, by falling probability.
fn sorted(keys: &[u32], weights: &Weights) -> Vec<u64> {
    let with_weight = |(row, &key): (usize, &u32)| (u64::from(key) << 32) | u64::from(weights.of(row).to_bits());
    let mut rows: Vec<u64> = keys.iter().enumerate().map(with_weight).collect();
    rows.sort_unstable_by(|a, b| b.cmp(a));
    rows
}

/// What is left of a ranking once its rows were gone through by falling probability.
#[derive(Debug, Default)]
struct Curve {
    positive: f64,
    negative: f64,
    /// The weight of pairs in which the positive row comes first; half of it in a tie.
    ordered: f64,
    /// The sum over positive rows of the precision down to their probability.
    precision: f64,
}

impl Curve {
    fn of(rows: Vec<u64>) -> Self {
        let mut curve = Self::default();
        for tied in rows.chunk_by(|a, b| a >> 33 == b >> 33) {
            let (mut positive, mut negative) = (0.0, 0.0);
            for &row in tied {
                let weight = f64::from(f32::from_bits(row as u32));
                *(if (row >> 32) & 1 == 1 { &mut positive } else { &mut negative }) += weight;
            }
            curve.ordered += negative * (curve.positive + positive / 2.0);
            curve.positive += positive;
            curve.negative += negative;
            if positive > 0.0 {
                curve.precision += positive * (curve.positive / (curve.positive + curve.negative));
            }
        }
        curve
    }

    fn roc_auc(&self) -> Option<f64> {
        ratio(self.ordered, self.positive * self.negative)
    }

    fn average_precision(&self) -> Option<f64> {
        ratio(self.precision, self.positive)
    }
}
