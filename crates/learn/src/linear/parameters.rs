//! The hyper-parameters of logistic regression, under scikit-learn's names, and what they may be.

use quelea_core::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Hyper-parameters of logistic regression.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// The inverse of the L2 penalty, above 0: training makes C · Σ weight · loss + ½ · Σ coefficient² smallest.
    /// Coefficients are those of the encoded columns (standardised numbers, one column per category); the
    /// intercept is not penalised.
    #[serde(rename = "C")]
    pub c: f64,
    /// Steps at the most, from 1 to 100000.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_iter: u32,
    /// Training ends when no component of the gradient of the mean loss is larger than this and, where Newton's
    /// method is used (up to 1000 coefficients), no step is expected to lessen the loss by more than a hundredth
    /// of it; above 0.
    pub tol: f64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { c: 1.0, max_iter: 1_000, tol: 1e-4 }
    }
}

impl Parameters {
    /// Refuses values out of range.
    pub fn check(&self) -> Result<()> {
        if !(self.c > 0.0 && self.c <= 1e30) {
            return Err(refusal("C", self.c, "it is a number above 0 and at most 1e30"));
        }
        if !(1..=100_000).contains(&self.max_iter) {
            return Err(refusal("max_iter", self.max_iter, "it is a whole number from 1 to 100000"));
        }
        if !(self.tol > 0.0 && self.tol.is_finite()) {
            return Err(refusal("tol", self.tol, "it is a number above 0"));
        }
        Ok(())
    }
}

fn refusal(key: &str, value: impl ToString, rule: &str) -> Error {
    Error::Parameter { key: key.into(), value: value.to_string(), rule: rule.into() }
}
