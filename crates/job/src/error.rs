//! The errors of job files: each names the file or the key, and what to do.

use std::path::PathBuf;

/// What can be wrong with a job.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The job file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path}: {problem}")]
    Syntax {
        /// The job file.
        path: PathBuf,
        /// What is wrong, with the line where it is known.
        problem: String,
    },
    /// A key is unknown, missing, or has a value that is not possible.
    #[error("{key}: {problem}")]
    Key {
        /// The key, with its tables before it.
        key: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The learner is unknown or refuses a hyper-parameter.
    #[error(transparent)]
    Learner(#[from] quelea_core::Error),
}

/// A result whose error is [`JobError`].
pub type Result<T, E = JobError> = std::result::Result<T, E>;

impl JobError {
    /// The error of one key.
    pub fn key(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Key { key: key.into(), problem: problem.into() }
    }
}
