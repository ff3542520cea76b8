//! The hyper-parameters of k-means, under scikit-learn's names, and what they may be.

use quelea_core::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Hyper-parameters of k-means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// How many clusters, from 1 to 65536.
    #[schemars(range(min = 1, max = 65_536))]
    pub n_clusters: u32,
    /// Where the centres start: "k-means||" picks rows that are far apart; or a list of `n_clusters` lists, each with
    /// a number per column of the table, as they are in the table.
    pub init: Init,
    /// Passes at the most, from 1 to 100000.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_iter: u32,
    /// Training ends when the squared shifts of the centres sum to no more than this times the mean variance of the
    /// columns; 0 or more. It also ends when no row changes its cluster.
    pub tol: f64,
    /// Whether numbers are brought to mean 0 and variance 1 first, so that no column counts more for its unit. A
    /// category counts as one column of 0 and 1 per value either way.
    pub standardize: bool,
}

/// Where the centres start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Init {
    /// A method.
    Method(Method),
    /// The centres themselves.
    Centers(Vec<Vec<f32>>),
}

/// A method to find centres to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Method {
    /// Rows that are far apart, picked over a few passes (Bahmani et al. 2012).
    #[serde(rename = "k-means||")]
    Parallel,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { n_clusters: 8, init: Init::Method(Method::Parallel), max_iter: 300, tol: 1e-4, standardize: true }
    }
}

impl Parameters {
    /// Refuses values out of range.
    pub fn check(&self) -> Result<()> {
        if !(1..=65_536).contains(&self.n_clusters) {
            return Err(refusal("n_clusters", self.n_clusters, "it is a whole number from 1 to 65536"));
        }
        if !(1..=100_000).contains(&self.max_iter) {
            return Err(refusal("max_iter", self.max_iter, "it is a whole number from 1 to 100000"));
        }
        if !(self.tol >= 0.0 && self.tol.is_finite()) {
            return Err(refusal("tol", self.tol, "it is 0 or a number above"));
        }
        if let Init::Centers(centers) = &self.init {
            let given = format!("a list of {} centres", centers.len());
            if centers.len() != self.n_clusters as usize {
                return Err(refusal("init", given, &format!("it has as many centres as n_clusters, {}", self.n_clusters)));
            }
            if centers.iter().flatten().any(|x| !x.is_finite()) {
                return Err(refusal("init", given, "its numbers are finite"));
            }
        }
        Ok(())
    }

    /// Refuses what contradicts a model of so many clusters to go on from.
    pub fn check_against(&self, clusters: usize) -> Result<()> {
        if self.n_clusters as usize != clusters {
            let rule = format!("the model in model.start_from has {clusters} clusters; set it to that, or train anew");
            return Err(refusal("n_clusters", self.n_clusters, &rule));
        }
        if let Init::Centers(_) = self.init {
            return Err(refusal("init", "a list of centres", "model.start_from holds the centres to start from; drop one of the two"));
        }
        Ok(())
    }
}

/// The error for a value that is out of range.
pub fn refusal(key: &str, value: impl ToString, rule: &str) -> Error {
    Error::Parameter { key: key.into(), value: value.to_string(), rule: rule.into() }
}
