//! The optimisers that learners by steps have in common: their hyper-parameters, and the rules they stand for.

use quelea_core::schema::Schema;
use quelea_core::steps::{Rule, slices_for};
use quelea_core::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How coefficients follow gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Follow the regularised leader, proximal (McMahan et al. 2013).
    Ftrl,
    /// Steps get smaller where gradients were large (Duchi, Hazan, Singer 2011).
    Adagrad,
    /// Stochastic gradient descent.
    Sgd,
    /// Steps by running means of gradients and of their squares (Kingma, Ba 2015).
    Adam,
}

/// An optimiser with its hyper-parameters.
#[derive(Debug, Clone, Copy)]
pub struct Optimization {
    /// Which.
    pub optimizer: Optimizer,
    /// The rate, if it is not the optimiser's own.
    pub learning_rate: Option<f64>,
    /// Of FTRL.
    pub beta: f64,
    /// Of FTRL.
    pub l1: f64,
    /// The penalty on squares.
    pub l2: f64,
    /// Of SGD.
    pub momentum: f64,
    /// Of SGD.
    pub decay: f64,
}

impl Optimization {
    /// Refuses values out of range.
    pub fn check(&self) -> Result<()> {
        if let Some(rate) = self.learning_rate {
            within("learning_rate", rate, rate > 0.0 && rate <= 1e6, "it is a number above 0 and at most 1e6")?;
        }
        for (key, value) in [("beta", self.beta), ("l1", self.l1), ("l2", self.l2), ("decay", self.decay)] {
            within(key, value, (0.0..=1e12).contains(&value), "it is a number from 0 to 1e12")?;
        }
        within("momentum", self.momentum, (0.0..1.0).contains(&self.momentum), "it is a number from 0 to below 1")?;
        let only = |key, value: f64, optimizer| {
            within(
                key,
                value,
                value == 0.0 || self.optimizer == optimizer,
                &format!("only optimizer = {optimizer:?} has it").to_lowercase(),
            )
        };
        only("l1", self.l1, Optimizer::Ftrl)?;
        only("momentum", self.momentum, Optimizer::Sgd)
    }

    /// The rule of penalised parameters.
    pub fn rule(&self) -> Rule {
        let own = match self.optimizer {
            Optimizer::Ftrl | Optimizer::Adagrad | Optimizer::Sgd => 0.1,
            Optimizer::Adam => 0.01,
        };
        let (rate, l2) = (self.learning_rate.unwrap_or(own), self.l2);
        match self.optimizer {
            Optimizer::Ftrl => Rule::Ftrl { alpha: rate, beta: self.beta, l1: self.l1, l2 },
            Optimizer::Adagrad => Rule::Adagrad { rate, l2 },
            Optimizer::Sgd => Rule::Sgd { rate, decay: self.decay, momentum: self.momentum, l2 },
            Optimizer::Adam => Rule::Adam { rate, beta1: 0.9, beta2: 0.999, l2 },
        }
    }

    /// The rule of parameters that are free of penalties.
    pub fn free(&self) -> Rule {
        Self { l1: 0.0, l2: 0.0, ..*self }.rule()
    }

    /// What the mean gradient of a mini-batch of so many rows is multiplied with. FTRL compares sums over all rows with its
    /// penalties, so that they do not depend on how rows are cut into mini-batches; the others take means.
    pub fn gradient_scale(&self, rows: f64) -> f64 {
        if self.optimizer == Optimizer::Ftrl { rows } else { 1.0 }
    }
}

/// Refuses `value` for `key` unless it is `allowed`.
pub fn within(key: &str, value: impl ToString, allowed: bool, rule: &str) -> Result<()> {
    allowed.then_some(()).ok_or_else(|| Error::Parameter { key: key.into(), value: value.to_string(), rule: rule.into() })
}

/// Refuses epochs and mini-batches out of range.
pub fn check_course(epochs: u32, batch_rows: Option<u32>, tol: f64) -> Result<()> {
    within("epochs", epochs, (1..=100_000).contains(&epochs), "it is a whole number from 1 to 100000")?;
    let rows = batch_rows.unwrap_or(1);
    within("batch_rows", rows, rows > 0, "it is a whole number of at least 1")?;
    within("tol", tol, tol >= 0.0 && tol.is_finite(), "it is 0 or a number above")
}

/// How many slices tiles are cut into.
pub fn slices(schema: &Schema, batch_rows: Option<u32>) -> u64 {
    slices_for(schema.rows, batch_rows.map_or((schema.rows / 256).clamp(64, 65_536), u64::from))
}
