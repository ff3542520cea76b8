//! Fitted estimators: what a learner returns and a model file holds.
//!
//! Each kind of estimator is plain data in one file of this module. Two registries find the code that works with it, so no other
//! code matches on the kind:
//!
//! ```text
//!  crates/learn   fits it                               registry: src/registry.rs
//!  crates/core    holds its data                        this module
//!  crates/model   writes, reads, checks and scores it   registry: src/estimators/mod.rs
//! ```

mod centroids;
mod design;
mod factorization;
mod linear;
mod trees;

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use centroids::Centroids;
pub use design::{Design, Encoding};
pub use factorization::Factorization;
pub use linear::Linear;
pub use trees::{Child, Node, Rule, Tree, Trees};

/// A fitted estimator of any kind, shared by its clones.
///
/// Code that needs a particular kind asks for it:
///
/// ```
/// use quelea_core::estimator::{Estimator, Linear, Link, Trees};
///
/// let trees = Trees { trees: Vec::new(), base: vec![0.5], link: Link::Identity };
/// let estimator = Estimator::new(trees.clone());
/// assert_eq!(estimator.get::<Trees>(), Some(&trees));
/// assert!(estimator.get::<Linear>().is_none());
/// ```
#[derive(Debug, Clone)]
pub struct Estimator(Arc<dyn EstimatorKind>);

/// A kind of estimator: plain data that a learner fits and a model file holds.
pub trait EstimatorKind: Any + Debug + Send + Sync {
    /// How much each of the schema's `features` features matters: a value of at least 0 per feature, on any scale.
    /// `None`, the default, if this kind of estimator has no such measure.
    fn importances(&self, features: usize) -> Option<Vec<f64>> {
        let _ = features;
        None
    }

    /// Whether `other` is of this kind and has the same values: `other.get() == Some(self)`.
    fn equals(&self, other: &Estimator) -> bool;
}

impl Estimator {
    /// Makes an estimator of its data.
    pub fn new(data: impl EstimatorKind) -> Self {
        Self(Arc::new(data))
    }

    /// The data, if it is of kind `K`.
    pub fn get<K: EstimatorKind>(&self) -> Option<&K> {
        (&*self.0 as &dyn Any).downcast_ref()
    }

    /// As [`Estimator::get`], but the data stays shared instead of borrowed.
    pub fn into_shared<K: EstimatorKind>(self) -> Option<Arc<K>> {
        (self.0 as Arc<dyn Any + Send + Sync>).downcast().ok()
    }

    /// See [`EstimatorKind::importances`].
    pub fn importances(&self, features: usize) -> Option<Vec<f64>> {
        self.0.importances(features)
    }
}

impl PartialEq for Estimator {
    fn eq(&self, other: &Self) -> bool {
        self.0.equals(other)
    }
}

/// How scores become predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// The score is the prediction.
    Identity,
    /// One score; its sigmoid is the probability of the second class.
    Logistic,
    /// A score per class; their softmax is the probabilities.
    Softmax,
}
