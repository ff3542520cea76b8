//! The hyper-parameters of linear models by stochastic steps, and what they may be.

use quelea_core::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::steps::optimizer::{Optimization, Optimizer, check_course};

/// Hyper-parameters of linear models by stochastic steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// How coefficients follow gradients: "ftrl", "adagrad", "sgd" or "adam".
    pub optimizer: Optimizer,
    /// How large steps are. If it is not set: 0.1 with "ftrl", "adagrad" and "sgd", 0.01 with "adam".
    pub learning_rate: Option<f64>,
    /// With "ftrl": makes the first steps of a coefficient smaller; 0 or more.
    pub beta: f64,
    /// With "ftrl": penalty on the sizes of coefficients, against the losses of all rows summed; coefficients that
    /// would be small are exactly 0. 0 or more.
    pub l1: f64,
    /// Penalty on half the squares of coefficients, 0 or more: with "ftrl" against the losses of all rows summed, with
    /// the others against the mean loss of a mini-batch, on the coefficients that it touches.
    pub l2: f64,
    /// With "sgd": how much of a coefficient's last step is repeated, from 0 to below 1.
    pub momentum: f64,
    /// With "sgd": step t of the training has the rate learning_rate / √(1 + decay · t); 0 or more.
    pub decay: f64,
    /// Epochs: passes over the table at the most, from 1 to 100000.
    #[schemars(range(min = 1, max = 100_000))]
    pub epochs: u32,
    /// Rows of a mini-batch, about; at least 1. Every tile of the table gives some of them. If it is not set, it is a
    /// 256th of the training rows, within 64 and 65536.
    #[schemars(range(min = 1))]
    pub batch_rows: Option<u32>,
    /// Training ends when `patience` epochs in a row have not made the mean loss smaller by more than this share of it:
    /// that of validation rows, or that of training rows if there are none. 0 or more.
    pub tol: f64,
    /// How many epochs that is; 0 always makes all epochs.
    pub patience: u32,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            optimizer: Optimizer::Ftrl,
            learning_rate: None,
            beta: 1.0,
            l1: 0.0,
            l2: 0.0,
            momentum: 0.0,
            decay: 0.01,
            epochs: 5,
            batch_rows: None,
            tol: 1e-3,
            patience: 1,
        }
    }
}

impl Parameters {
    /// Refuses values out of range.
    pub fn check(&self) -> Result<()> {
        check_course(self.epochs, self.batch_rows, self.tol)?;
        self.optimization().check()
    }

    /// The optimiser.
    pub(super) fn optimization(&self) -> Optimization {
        let Self { optimizer, learning_rate, beta, l1, l2, momentum, decay, .. } = *self;
        Optimization { optimizer, learning_rate, beta, l1, l2, momentum, decay }
    }
}
