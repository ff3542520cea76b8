//! What a model says of rows, and how well that fits the truth: plain data that scoring makes and metrics read.

use serde::{Deserialize, Serialize};

/// What a model says of a number of rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Predictions {
    /// A number per row.
    Numbers(Vec<f32>),
    /// Classes by their index among the target's labels.
    Classes {
        /// How many classes there are.
        classes: usize,
        /// The most probable class per row; the first of equals.
        best: Vec<u32>,
        /// Row after row, a probability per class.
        probabilities: Vec<f32>,
    },
    /// Clusters.
    Clusters {
        /// The nearest cluster per row; the first of equals.
        nearest: Vec<u32>,
        /// The Euclidean distance to its centre, over the design matrix.
        distances: Vec<f32>,
    },
}

impl Predictions {
    /// How many rows they are for.
    pub fn rows(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Classes { best, .. } => best.len(),
            Self::Clusters { nearest, .. } => nearest.len(),
        }
    }
}

/// How well predictions fit the truth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// The rows they are computed on.
    pub rows: u64,
    /// The metrics that are defined on these rows, in the order in which they are shown.
    pub values: Vec<Metric>,
    /// For classes: per true class, the weighted rows predicted as each class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confusion: Option<Vec<Vec<f64>>>,
}

/// One metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Its name in the field: "accuracy", "log_loss", "roc_auc", "average_precision", "f1", "rmse", "mae", "r2", "pinball", "inertia".
    pub name: String,
    /// Its value, finite.
    pub value: f64,
}

/// How much a feature matters to a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// The feature's name.
    pub feature: String,
    /// Its share of what all features matter, from 0 to 1; what is measured depends on the estimator.
    pub value: f64,
}
