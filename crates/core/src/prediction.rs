//! What a model says of rows, and how well that fits the truth: plain data that scoring makes and metrics read.

use std::fmt::Formatter;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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

/// How well predictions fit the truth. As JSON it is one object: `rows`, each metric under its name, and `confusion`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metrics {
    /// The rows they are computed on.
    pub rows: u64,
    /// The metrics that are defined on these rows, in the order in which they are shown.
    pub values: Vec<Metric>,
    /// For classes: per true class, the weighted rows predicted as each class.
    pub confusion: Option<Vec<Vec<f64>>>,
}

/// One metric.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Metric {
    /// Its name in the field: "accuracy", "log_loss", "roc_auc", "average_precision", "f1", "rmse", "mae", "r2", "pinball", "inertia".
    pub name: String,
    /// Its value, finite.
    pub value: f64,
}

impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("rows", &self.rows)?;
        for Metric { name, value } in &self.values {
            object.serialize_entry(name, value)?;
        }
        if let Some(confusion) = &self.confusion {
            object.serialize_entry("confusion", confusion)?;
        }
        object.end()
    }
}

impl<'de> Deserialize<'de> for Metrics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MetricsVisitor)
    }
}

struct MetricsVisitor;

impl<'de> Visitor<'de> for MetricsVisitor {
    type Value = Metrics;

    fn expecting(&self, f: &mut Formatter) -> std::fmt::Result {
        f.write_str("an object with the metrics of some rows")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Metrics, A::Error> {
        let mut metrics = Metrics::default();
        while let Some(name) = object.next_key::<String>()? {
            match name.as_str() {
                "rows" => metrics.rows = object.next_value()?,
                "confusion" => metrics.confusion = object.next_value()?,
                // Older model files have a list of metrics here.
                "values" => metrics.values = object.next_value()?,
                _ => metrics.values.push(Metric { name, value: object.next_value()? }),
            }
        }
        Ok(metrics)
    }
}

/// How much a feature matters to a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// The feature's name.
    pub feature: String,
    /// Its share of what all features matter, from 0 to 1; what is measured depends on the estimator.
    pub value: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> Metrics {
        let metric = |name: &str, value| Metric { name: name.into(), value };
        Metrics {
            rows: 4,
            values: vec![metric("roc_auc", 0.93), metric("accuracy", 0.75)],
            confusion: Some(vec![vec![1.0, 1.0], vec![0.0, 2.0]]),
        }
    }

    #[test]
    fn metrics_are_an_object_in_their_order() {
        let text = serde_json::to_string(&metrics()).unwrap();
        assert_eq!(text, r#"{"rows":4,"roc_auc":0.93,"accuracy":0.75,"confusion":[[1.0,1.0],[0.0,2.0]]}"#);
        assert_eq!(serde_json::from_str::<Metrics>(&text).unwrap(), metrics());
        let number = Metrics { confusion: None, ..metrics() };
        assert_eq!(serde_json::from_str::<Metrics>(&serde_json::to_string(&number).unwrap()).unwrap(), number);
    }

    #[test]
    fn metrics_of_older_model_files_are_read() {
        let older =
            r#"{"rows":4,"values":[{"name":"roc_auc","value":0.93},{"name":"accuracy","value":0.75}],"confusion":[[1.0,1.0],[0.0,2.0]]}"#;
        assert_eq!(serde_json::from_str::<Metrics>(older).unwrap(), metrics());
    }
}
