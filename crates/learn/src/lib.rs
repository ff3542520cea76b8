//! Learners, one folder per family, and the metrics that judge them. Each is a state machine over tiles;
//! none knows threads, files or engines. The registry is the one place that names them all.

pub mod boosting;
mod carry_over;
pub mod clustering;
pub mod design;
pub mod importance;
pub mod linear;
pub mod metrics;
pub mod moments;
pub mod registry;
pub mod steps;
pub mod sums;
#[cfg(test)]
mod testing;
