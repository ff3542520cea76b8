//! The errors of reading: each names the table, row and column, and what to do.

/// Why rows cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A table that cannot be used.
    #[error("{table}: {problem}")]
    Table {
        /// The table or file.
        table: String,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// A column that cannot be used.
    #[error("{table}: column {column:?}: {problem}")]
    Column {
        /// The table or file.
        table: String,
        /// The column.
        column: String,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// A single value that cannot be used.
    #[error("{table}: row {row}, column {column:?}: {problem}")]
    Value {
        /// The table or file.
        table: String,
        /// Its row, from 1.
        row: u64,
        /// Its column.
        column: String,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// What the source itself says.
    #[error(transparent)]
    Source(#[from] Box<dyn std::error::Error + Send + Sync>),
}

/// A result whose error is [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
