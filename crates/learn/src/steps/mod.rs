//! Learners by stochastic steps: parameters are rows of tables under the numbers of their columns, and each mini-batch
//! touches few of them. What all of them share is here in parts: how columns are numbered, what a mini-batch holds, the
//! units that gradients are summed in, and the optimisers.

mod batch;
mod columns;
mod factorization;
mod kmeans;
mod linear;
mod loss;
mod numbers;
mod optimizer;
mod places;
mod stop;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod totals;
mod units;

pub use factorization::{FactorizationLearner, FactorizationMachine, Parameters as FactorizationParameters};
pub use kmeans::{MiniBatchKMeans, MiniBatchLearner, Parameters as KMeansParameters};
pub use linear::{LinearLearner, LinearSvm, Parameters as LinearParameters, SparseLogisticRegression};
pub use optimizer::Optimizer;
