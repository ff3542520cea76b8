//! The errors of sources.

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
    /// What the source itself says.
    #[error(transparent)]
    Source(#[from] Box<dyn std::error::Error + Send + Sync>),
}

/// A result whose error is [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
