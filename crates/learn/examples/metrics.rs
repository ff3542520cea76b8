//! Computes the metrics of cases given as JSON lines on standard input, one answer per line: the other side of
//! `tests/metrics/compare.py`.

use std::io::BufRead;

use quelea_core::prediction::Predictions;
use quelea_core::schema::{Labels, Target};
use quelea_learn::metrics::Evaluation;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    /// 0 for numbers, -1 for clusters, whose predictions are distances.
    classes: i64,
    predictions: Vec<f32>,
    best: Vec<u32>,
    truth: Vec<f64>,
    weight: Option<Vec<f32>>,
    quantile: Option<f64>,
    /// Rows of the first batch.
    cut: usize,
}

impl Case {
    fn target(&self) -> Target {
        match self.classes {
            -1 => Target::None,
            0 => Target::Number { name: "y".into() },
            n => Target::Classes { name: "y".into(), labels: Labels::Integers((0..n).collect()), weights: vec![1.0; n as usize] },
        }
    }

    fn predictions(&self, rows: std::ops::Range<usize>) -> Predictions {
        match self.classes {
            -1 => Predictions::Clusters { nearest: self.best[rows.clone()].to_vec(), distances: self.predictions[rows].to_vec() },
            0 => Predictions::Numbers(self.predictions[rows].to_vec()),
            n => Predictions::Classes {
                classes: n as usize,
                best: self.best[rows.clone()].to_vec(),
                probabilities: self.predictions[rows.start * n as usize..rows.end * n as usize].to_vec(),
            },
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for line in std::io::stdin().lock().lines() {
        let case: Case = serde_json::from_str(&line?)?;
        let mut evaluation = Evaluation::new(&case.target(), case.quantile);
        for rows in [0..case.cut, case.cut..case.truth.len()] {
            let weight = case.weight.as_ref().map(|w| &w[rows.clone()]);
            evaluation.add(&case.predictions(rows.clone()), &case.truth[rows], weight);
        }
        println!("{}", serde_json::to_string(&evaluation.finish())?);
    }
    Ok(())
}
