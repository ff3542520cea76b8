//! The words that every other crate speaks: tables as tiles, their schema, exact sums, counters,
//! the learner's trait and fitted estimators. No thread, socket, file or clock lives here.

pub mod block;
pub mod counter;
pub mod error;
pub mod estimator;
pub mod exact;
pub mod hash;
pub mod learner;
pub mod math;
pub mod prediction;
pub mod prefetch;
pub mod schema;
pub mod steps;
pub mod suggest;
pub mod tile;
pub mod time;
pub mod visible;

pub use error::{Error, Result};
