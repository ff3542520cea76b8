//! How a caller follows a long call and stops it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quelea_core::learner::Progress;

use crate::{Error, Result};

/// The caller's hold on a running call.
#[derive(Clone)]
pub struct Control {
    cancelled: Arc<AtomicBool>,
    has_checked: Arc<AtomicBool>,
    on_event: Arc<dyn Fn(Event) + Send + Sync>,
}

/// What a call tells its caller on the way.
#[derive(Debug, Clone)]
pub enum Event {
    /// Rows of a table have been read.
    Reading {
        /// Rows so far.
        rows: u64,
        /// Rows in all, where the table says so.
        of: Option<u64>,
    },
    /// The table is encoded and cut into tiles.
    Prepared {
        /// Rows to train on.
        train_rows: u64,
        /// Rows to validate on.
        validation_rows: u64,
        /// Rows kept for the test.
        test_rows: u64,
        /// Encoded columns.
        features: usize,
        /// Classes; 0 when the target is not one of classes.
        classes: usize,
    },
    /// A round of training has ended.
    Training {
        /// How far the run has come.
        progress: Progress,
    },
    /// Rows have been scored.
    Scoring {
        /// Rows so far.
        rows: u64,
        /// Rows in all, where the table says so.
        of: Option<u64>,
    },
    /// Something has happened in a cluster that needs no care.
    Cluster {
        /// What it is.
        message: String,
    },
    /// How the workers of a cluster are doing.
    Workers {
        /// The round that the run has come to.
        clock: u64,
        /// Each of them.
        workers: Vec<WorkerStatus>,
    },
    /// Training goes on from a checkpoint.
    Resumed {
        /// How far the run had come.
        progress: Progress,
    },
    /// What became of a checkpoint.
    Checkpoint {
        /// It needs no care, but tells how to go on.
        message: String,
    },
    /// Something that the user should know.
    Warning {
        /// What it is and what to do.
        message: String,
    },
}

/// How a worker is doing.
#[derive(Debug, Clone)]
pub struct WorkerStatus {
    /// Its place among the run's workers.
    pub worker: u32,
    /// What people call its process.
    pub process: String,
    /// The round that it was told to fold last.
    pub clock: u64,
    /// Rounds that it is behind the run.
    pub staleness: u64,
    /// Tiles that it owns.
    pub tiles: usize,
    /// Rows that it has folded, over all rounds.
    pub rows: u64,
    /// Bytes that it has sent to shards and received from them.
    pub bytes: u64,
    /// Orders whose round a quorum has closed without it.
    pub dropped: u64,
}

impl Control {
    /// A control that tells `on_event`, from any thread.
    pub fn new(on_event: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self { cancelled: Arc::default(), has_checked: Arc::default(), on_event: Arc::new(on_event) }
    }

    /// A control that tells nobody.
    pub fn silent() -> Self {
        Self::new(|_| {})
    }

    /// Asks the call to stop; it ends with [`Error::Cancelled`] and leaves nothing half-written.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether the call has come far enough to notice that it is asked to stop. Until then it opens files, any of which may keep
    /// it waiting, and it has done nothing that must be finished: the program can end.
    pub fn can_be_cancelled(&self) -> bool {
        self.has_checked.load(Ordering::Relaxed)
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.has_checked.store(true, Ordering::Relaxed);
        if self.cancelled.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }

    pub(crate) fn tell(&self, event: Event) {
        (self.on_event)(event);
    }

    pub(crate) fn warn(&self, message: impl Into<String>) {
        self.tell(Event::Warning { message: message.into() });
    }
}
