//! The engine's errors: each names the file, row, column or key, and what to do.

use std::path::PathBuf;

/// What can go wrong between a job file and a model or predictions.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The job file is wrong.
    #[error(transparent)]
    Job(#[from] quelea_job::JobError),
    /// A source that cannot be read.
    #[error(transparent)]
    Source(#[from] quelea_data::Error),
    /// There is no such table.
    #[error("{table}: no such file or folder{hint}")]
    NoTable {
        /// As the user wrote it.
        table: String,
        /// A suggestion, or nothing.
        hint: String,
    },
    /// A table that is not one.
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
    /// A query that cannot be planned or run.
    #[error("data.query: {problem}")]
    Query {
        /// What DataFusion says.
        problem: String,
    },
    /// The learner refuses its parameters or its table.
    #[error(transparent)]
    Learner(#[from] quelea_core::Error),
    /// A model file that cannot be used.
    #[error("{path}: {source}")]
    Model {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: quelea_model::Error,
    },
    /// A table that does not fit a model.
    #[error("{table} does not fit {model}: {problem}")]
    Mismatch {
        /// The table.
        table: String,
        /// The model file.
        model: String,
        /// The difference and what to do.
        problem: String,
    },
    /// A file that cannot be read or written.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// "read" or "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A process of the cluster cannot be reached or does not belong to it.
    #[error(transparent)]
    Wire(#[from] quelea_wire::WireError),
    /// A cluster that cannot go on.
    #[error("{problem}")]
    Cluster {
        /// What is wrong and what to do.
        problem: String,
    },
    /// A process that cannot be started.
    #[error("{who} cannot be started: {problem}")]
    Process {
        /// Which.
        who: String,
        /// What the system says.
        problem: String,
    },
    /// The system gives no more threads.
    #[error("cannot start {count} threads: {problem}; ask for fewer with run.threads or --threads")]
    Threads {
        /// How many were asked for.
        count: usize,
        /// What the system says.
        problem: String,
    },
    /// A checkpoint that cannot be written, read or gone on from.
    #[error("{what}: {problem}")]
    Checkpoint {
        /// The checkpoint, or a file of it.
        what: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The caller asked to stop.
    #[error("stopped")]
    Cancelled,
    /// A mistake of ours.
    #[error("{what}; this is a defect of quelea, please report it")]
    Internal {
        /// What happened.
        what: String,
    },
}

/// A result whose error is [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<quelea_tls::Error> for Error {
    fn from(error: quelea_tls::Error) -> Self {
        Self::Wire(error.into())
    }
}

impl Error {
    /// Whether the user can mend it: everything but our own mistakes.
    pub fn is_users(&self) -> bool {
        !matches!(self, Self::Internal { .. } | Self::Learner(quelea_core::Error::Internal { .. }))
    }

    /// Whether it only says that the reader of the standard output has gone.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::File { source, .. } if source.kind() == std::io::ErrorKind::BrokenPipe)
    }

    pub(crate) fn internal(what: impl ToString) -> Self {
        Self::Internal { what: what.to_string() }
    }
}
