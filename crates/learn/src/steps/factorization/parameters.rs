//! The hyper-parameters of factorisation machines, and what they may be.

use quelea_core::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::steps::optimizer::{Optimization, Optimizer, check_course, within};

/// Hyper-parameters of factorisation machines.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// How many factors a column has, from 1 to 1024: pairs of columns count by the products of their factors.
    #[schemars(range(min = 1, max = 1_024))]
    pub factors: u32,
    /// The standard deviation of factors before training; above 0.
    pub init_deviation: f64,
    /// How weights and factors follow gradients: "ftrl", "adagrad", "sgd" or "adam".
    pub optimizer: Optimizer,
    /// How large steps are. If it is not set: 0.03 with "ftrl", 0.02 with "adagrad", 0.1 with "sgd", 0.01 with "adam".
    pub learning_rate: Option<f64>,
    /// With "ftrl": makes the first steps smaller; 0 or more.
    pub beta: f64,
    /// With "ftrl": penalty on the sizes of weights, but not of factors, against the losses of all rows summed; 0 or more.
    pub l1: f64,
    /// Penalty on half the squares of weights, 0 or more: with "ftrl" against the losses of all rows summed, with the
    /// others against the mean loss of a mini-batch, on the columns that it touches.
    pub l2: f64,
    /// The same penalty on factors.
    pub l2_factors: f64,
    /// With "sgd": how much of the last step is repeated, from 0 to below 1.
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
            factors: 8,
            init_deviation: 0.01,
            optimizer: Optimizer::Ftrl,
            learning_rate: None,
            beta: 1.0,
            l1: 0.0,
            l2: 0.0,
            l2_factors: 0.0,
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
        within("factors", self.factors, (1..=1_024).contains(&self.factors), "it is a whole number from 1 to 1024")?;
        let deviation = self.init_deviation;
        within("init_deviation", deviation, deviation > 0.0 && deviation <= 1e3, "it is a number above 0 and at most 1000")?;
        within("l2_factors", self.l2_factors, (0.0..=1e12).contains(&self.l2_factors), "it is a number from 0 to 1e12")?;
        check_course(self.epochs, self.batch_rows, self.tol)?;
        self.of_weights().check()
    }

    /// The optimiser of weights.
    pub(super) fn of_weights(&self) -> Optimization {
        let Self { optimizer, learning_rate, beta, l1, l2, momentum, decay, .. } = *self;
        // Lower than those of linear models: products of factors fit rare pairs of columns too soon.
        let own = match optimizer {
            Optimizer::Ftrl => Some(0.03),
            Optimizer::Adagrad => Some(0.02),
            Optimizer::Sgd | Optimizer::Adam => None,
        };
        let learning_rate = learning_rate.or(own);
        Optimization { optimizer, learning_rate, beta, l1, l2, momentum, decay }
    }

    /// The optimiser of factors.
    pub(super) fn of_factors(&self) -> Optimization {
        Optimization { l1: 0.0, l2: self.l2_factors, ..self.of_weights() }
    }
}
