//! The design matrix that linear models, factorisation machines and centroids share: in a graph, from a graph, in kernels.

mod check;
mod layout;
pub mod read;
pub mod score;
pub mod sparse;
mod write;

pub use check::check;
pub use layout::{Layout, Sparse, Table};
pub use write::write;
