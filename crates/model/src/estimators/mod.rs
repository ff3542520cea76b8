//! The registry of estimators: a folder and a line each. Code outside an estimator's folder does not know its kind.
//!
//! To add one, define its data in `quelea_core::estimator`, implement [`OnnxEstimator`] in a folder here, and add a line to the
//! registry. The contract test (`tests/contract.rs`) then fails until `tests/random` has a generator of random models for it.

mod centroids;
mod factorization;
mod linear;
mod onnx;
mod trees;

use quelea_core::estimator::{Centroids, Estimator, Factorization, Linear, Trees};
use quelea_core::schema::Schema;

use crate::read::parts::Parts;
use crate::{Error, Result};

pub use onnx::OnnxEstimator;

/// Every kind of estimator that a model file can hold.
const REGISTRY: &[Entry] = &[
    Entry::of::<Centroids>("centroids"),
    Entry::of::<Factorization>("factorization"),
    Entry::of::<Linear>("linear"),
    Entry::of::<Trees>("trees"),
];

/// A kind of estimator without its type.
struct Entry {
    name: &'static str,
    cast: fn(&Estimator) -> Option<&dyn OnnxEstimator>,
    is_in: fn(&Parts) -> bool,
    read: fn(&Parts, &Schema) -> Result<Estimator>,
}

impl Entry {
    const fn of<K: OnnxEstimator>(name: &'static str) -> Self {
        Self {
            name,
            cast: |estimator| estimator.get::<K>().map(|estimator| estimator as &dyn OnnxEstimator),
            is_in: K::is_in,
            read: |parts, schema| K::read(parts, schema).map(Estimator::new),
        }
    }
}

/// The names of the kinds of estimators that a model file can hold, in alphabetical order.
pub fn estimator_names() -> impl Iterator<Item = &'static str> {
    REGISTRY.iter().map(|entry| entry.name)
}

/// `estimator` as one that a model file can hold; an error if its kind is not in the registry.
pub fn find(estimator: &Estimator) -> Result<&dyn OnnxEstimator> {
    REGISTRY.iter().find_map(|entry| (entry.cast)(estimator)).ok_or_else(|| unknown(&[]))
}

/// The estimator whose nodes a graph has; the caller still has to check it.
pub fn read(parts: &Parts, schema: &Schema) -> Result<Estimator> {
    let found: Vec<&Entry> = REGISTRY.iter().filter(|entry| (entry.is_in)(parts)).collect();
    let [entry] = found[..] else { return Err(unknown(&found)) };
    (entry.read)(parts, schema)
}

fn unknown(found: &[&Entry]) -> Error {
    let found: Vec<&str> = found.iter().map(|entry| entry.name).collect();
    let known: Vec<&str> = estimator_names().collect();
    let found = if found.is_empty() { "no known estimator".into() } else { found.join(" and ") };
    Error::UnknownEstimator { found, known: known.join(", ") }
}
