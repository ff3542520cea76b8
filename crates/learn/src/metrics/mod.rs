//! Metrics of predictions against the truth, equal to scikit-learn's. They do not depend on how rows come in batches.
//!
//! A metric that these rows do not define (ROC AUC with one class, R² of a constant) is left out, never NaN.
//! A row whose truth is NaN has none, and is not counted.

mod classes;
mod clusters;
mod numbers;
mod ranking;
mod sum;

use quelea_core::prediction::{Metric, Metrics, Predictions};
use quelea_core::schema::Target;

use classes::Classes;
use clusters::Clusters;
use numbers::Numbers;

/// Gathers predictions with their truth, batch by batch. It holds at most 4 bytes per row and class (of at most
/// [`MOST_CLASSES_IN_FULL`] classes; one for two), and 4 for its weight; nothing per row of a number. Up to 2^28 rows.
#[derive(Debug, Clone)]
pub struct Evaluation {
    rows: u64,
    task: Task,
}

/// With more classes than this, the confusion matrix, ROC AUC and average precision are left out:
/// they take memory and space in the model file that grow with the square, or rows times classes.
pub const MOST_CLASSES_IN_FULL: usize = 100;

#[derive(Debug, Clone)]
enum Task {
    Numbers(Box<Numbers>),
    Classes(Box<Classes>),
    Clusters(Box<Clusters>),
}

impl Evaluation {
    /// An empty evaluation of predictions of `target`; with a `quantile`, numbers are also judged by its pinball loss.
    pub fn new(target: &Target, quantile: Option<f64>) -> Self {
        let task = match target {
            Target::Number { .. } => Task::Numbers(Box::new(Numbers::new(quantile))),
            Target::Classes { labels, .. } => Task::Classes(Box::new(Classes::new(labels.len()))),
            Target::None => Task::Clusters(Box::default()),
        };
        Self { rows: 0, task }
    }

    /// Adds a batch: `truth` is the number, or the index of the class, per row, and empty for clusters;
    /// without `weight` every row weighs 1.
    ///
    /// # Panics
    /// If predictions are of another kind than the target, or the lengths differ.
    pub fn add(&mut self, predictions: &Predictions, truth: &[f64], weight: Option<&[f32]>) {
        let rows = predictions.rows();
        assert!(weight.is_none_or(|w| w.len() == rows), "a weight per row");
        let weight = |row: usize| weight.map_or(1.0, |w| w[row]);
        let known = |row: &usize| !truth[*row].is_nan();
        match (&mut self.task, predictions) {
            (Task::Clusters(task), Predictions::Clusters { distances, .. }) => {
                self.rows += rows as u64;
                distances.iter().enumerate().for_each(|(row, &distance)| task.add(distance, weight(row)));
            }
            (Task::Numbers(task), Predictions::Numbers(values)) => {
                assert_eq!(truth.len(), rows, "a truth per row");
                for row in (0..rows).filter(known) {
                    self.rows += 1;
                    task.add(values[row], truth[row], weight(row));
                }
            }
            (Task::Classes(task), Predictions::Classes { classes, best, probabilities }) => {
                assert_eq!(truth.len(), rows, "a truth per row");
                for row in (0..rows).filter(known) {
                    self.rows += 1;
                    task.add(best[row], &probabilities[row * classes..(row + 1) * classes], truth[row] as u32, weight(row));
                }
            }
            _ => panic!("predictions are of the target's kind"),
        }
    }

    /// Adds what `other`, made for the same target, has gathered.
    ///
    /// # Panics
    /// If it was made for a target of another kind.
    pub fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        match (&mut self.task, other.task) {
            (Task::Numbers(a), Task::Numbers(b)) => a.merge(*b),
            (Task::Classes(a), Task::Classes(b)) => a.merge(*b),
            (Task::Clusters(a), Task::Clusters(b)) => a.merge(&b),
            _ => panic!("both evaluations are of one target"),
        }
    }

    /// The metrics that are defined on these rows.
    pub fn finish(self) -> Metrics {
        let (values, confusion) = match self.task {
            Task::Numbers(task) => (task.finish(), None),
            Task::Classes(task) => task.finish(),
            Task::Clusters(task) => (task.finish(), None),
        };
        let values = values.into_iter().filter_map(|(name, value)| Some(Metric { name: name.into(), value: value? }));
        Metrics { rows: self.rows, values: values.filter(|m| m.value.is_finite()).collect(), confusion }
    }
}

/// A metric under its name, if these rows define it.
type Named = (&'static str, Option<f64>);

#[cfg(test)]
mod tests;
