//! The errors of learners and of the data they are given.

use serde::{Deserialize, Serialize};

/// What can go wrong between a tile and an estimator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum Error {
    /// A hyper-parameter is outside its range.
    #[error("model.{key} = {value} is not possible: {rule}")]
    Parameter {
        /// The key in the job file's `[model]` table.
        key: String,
        /// What was given.
        value: String,
        /// What is allowed.
        rule: String,
    },
    /// The learner cannot work on this table.
    #[error("column {column:?}: {problem}")]
    Column {
        /// The column's name.
        column: String,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// The table as a whole does not fit the learner.
    #[error("{problem}")]
    Table {
        /// What is wrong and what to do.
        problem: String,
    },
    /// A sum left the range of numbers.
    #[error("{what} is not a finite number{place}; look for extreme values in the table")]
    NotFinite {
        /// The quantity.
        what: String,
        /// " in tile 3", " of column x", or nothing.
        place: String,
    },
    /// Scores grew step by step until they left the range of numbers.
    #[error("{what} is not a finite number{place}; lower model.learning_rate, or look for extreme values in the table")]
    Diverged {
        /// The quantity.
        what: String,
        /// " of tree 3", or nothing.
        place: String,
    },
    /// A mistake of ours.
    #[error("{what}; this is a defect of quelea, please report it")]
    Internal {
        /// What happened.
        what: String,
    },
}

/// A result whose error is [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
