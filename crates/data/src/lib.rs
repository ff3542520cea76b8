//! Rows and what is read of them: [`Source`] gives record batches.

mod batches;
mod error;
mod source;

pub use batches::Batches;
pub use error::{Error, Result};
pub use source::{Partition, Position, Source};
