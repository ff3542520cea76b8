//! How well predicted classes fit: accuracy, log loss, F1, confusion matrix.

use std::collections::BTreeMap;

use quelea_core::math::ln;

use super::ranking::Ranking;
use super::sum::{Sum, ratio};
use super::{MOST_CLASSES_IN_FULL, Named};

/// Gathers predicted classes with their probabilities.
#[derive(Debug, Clone)]
pub(super) struct Classes {
    classes: usize,
    total: Sum,
    losses: Sum,
    /// Classes that occur, in the truth or in predictions.
    seen: BTreeMap<u32, Tally>,
    /// Weight by true and predicted class, for a moderate number of classes.
    cells: Option<BTreeMap<(u32, u32), Sum>>,
    ranking: Option<Ranking>,
}

/// The weight of a class.
#[derive(Debug, Clone, Default)]
struct Tally {
    actual: Sum,
    predicted: Sum,
    both: Sum,
}

impl Classes {
    pub fn new(classes: usize) -> Self {
        let in_full = classes <= MOST_CLASSES_IN_FULL;
        Self {
            classes,
            total: Sum::default(),
            losses: Sum::default(),
            seen: BTreeMap::new(),
            cells: in_full.then(BTreeMap::new),
            ranking: in_full.then(|| Ranking::new(classes)),
        }
    }

    pub fn add(&mut self, best: u32, probabilities: &[f32], truth: u32, weight: f32) {
        let w = f64::from(weight);
        self.total.add(w);
        self.losses.add(w * loss(probabilities[truth as usize]));
        let tally = self.seen.entry(truth).or_default();
        tally.actual.add(w);
        if best == truth {
            tally.both.add(w);
        }
        self.seen.entry(best).or_default().predicted.add(w);
        if let Some(cells) = &mut self.cells {
            cells.entry((truth, best)).or_default().add(w);
        }
        if let Some(ranking) = &mut self.ranking {
            ranking.add(probabilities, truth, weight);
        }
    }

    pub fn merge(&mut self, other: Self) {
        self.total.merge(&other.total);
        self.losses.merge(&other.losses);
        for (class, tally) in other.seen {
            let mine = self.seen.entry(class).or_default();
            mine.actual.merge(&tally.actual);
            mine.predicted.merge(&tally.predicted);
            mine.both.merge(&tally.both);
        }
        if let (Some(mine), Some(others)) = (&mut self.cells, other.cells) {
            others.into_iter().for_each(|(at, sum)| mine.entry(at).or_default().merge(&sum));
        }
        if let (Some(mine), Some(others)) = (&mut self.ranking, other.ranking) {
            mine.append(others);
        }
    }

    /// The metrics, and the weight per true and predicted class.
    pub fn finish(self) -> (Vec<Named>, Option<Vec<Vec<f64>>>) {
        let mut right = Sum::default();
        self.seen.values().for_each(|tally| right.merge(&tally.both));
        let confusion = self.confusion();
        let (roc_auc, average_precision) = self.ranking.as_ref().map_or((None, None), Ranking::finish);
        let named = vec![
            ("accuracy", right.over(&self.total)),
            ("log_loss", self.losses.over(&self.total)),
            ("roc_auc", roc_auc),
            ("average_precision", average_precision),
            ("f1", self.f1()),
        ];
        (named, confusion)
    }

    /// Of the second of two classes, or else the mean over the classes that occur.
    fn f1(&self) -> Option<f64> {
        if self.classes == 2 {
            return self.seen.get(&1)?.f1();
        }
        let of_classes: Vec<f64> = self.seen.values().filter_map(Tally::f1).collect();
        ratio(of_classes.iter().sum(), of_classes.len() as f64)
    }

    fn confusion(&self) -> Option<Vec<Vec<f64>>> {
        let mut matrix = vec![vec![0.0; self.classes]; self.classes];
        for (&(truth, predicted), sum) in self.cells.as_ref()? {
            matrix[truth as usize][predicted as usize] = sum.value()?;
        }
        Some(matrix)
    }
}

impl Tally {
    /// The harmonic mean of precision and recall; unknown for a class without weight.
    fn f1(&self) -> Option<f64> {
        ratio(2.0 * self.both.value()?, self.actual.value()? + self.predicted.value()?)
    }
}

/// -ln of the true class's probability, kept a 64-bit float's step away from 0 and 1: what scikit-learn's `log_loss`
/// gives for 32-bit probabilities cast to 64 bits. (Without the cast it computes in 32 bits and keeps their step away.)
fn loss(probability: f32) -> f64 {
    -ln(f64::from(probability).clamp(f64::EPSILON, 1.0 - f64::EPSILON))
}
