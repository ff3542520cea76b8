//! The hyper-parameters of k-means by mini-batches, and what they may be.

use quelea_core::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::steps::optimizer::{check_course, within};

/// Hyper-parameters of k-means by mini-batches.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// How many clusters, from 1 to 65536.
    #[schemars(range(min = 1, max = 65_536))]
    pub n_clusters: u32,
    /// Rows among which the centres to start from are sought, those that are far apart; at least 1. Of fewer than ten
    /// times as many as clusters, that many are taken.
    #[schemars(range(min = 1))]
    pub init_rows: u32,
    /// Whether numbers are brought to mean 0 and variance 1 first, so that no column counts more for its unit. A
    /// category counts as one column of 0 and 1 per value either way.
    pub standardize: bool,
    /// Epochs: passes over the table at the most, from 1 to 100000.
    #[schemars(range(min = 1, max = 100_000))]
    pub epochs: u32,
    /// Rows of a mini-batch, about; at least 1. Every tile of the table gives some of them. If it is not set, it is a
    /// 256th of the training rows, within 64 and 65536.
    #[schemars(range(min = 1))]
    pub batch_rows: Option<u32>,
    /// Training ends when `patience` epochs in a row have not made the mean squared distance smaller by more than this
    /// share of it: that of validation rows, or that of training rows if there are none. 0 or more.
    pub tol: f64,
    /// How many epochs that is; 0 always makes all epochs.
    pub patience: u32,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { n_clusters: 8, init_rows: 10_000, standardize: true, epochs: 10, batch_rows: None, tol: 1e-3, patience: 1 }
    }
}

impl Parameters {
    /// Refuses values out of range.
    pub fn check(&self) -> Result<()> {
        within("n_clusters", self.n_clusters, (1..=65_536).contains(&self.n_clusters), "it is a whole number from 1 to 65536")?;
        within("init_rows", self.init_rows, self.init_rows > 0, "it is a whole number of at least 1")?;
        check_course(self.epochs, self.batch_rows, self.tol)
    }
}
