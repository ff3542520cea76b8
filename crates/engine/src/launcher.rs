//! How a training starts its workers and shards: the engine says what is to run, a [`Launcher`] starts it.

use std::io;
use std::time::Duration;

use quelea_job::Transport;

/// Starts the workers and shards of a training: as processes of this machine, tasks of a cluster manager, or threads of a test.
///
/// The engine restarts what ends too early, and ends what is left when the training is over. An implementation only starts one process
/// at a time; it keeps no list and makes no decisions.
pub trait Launcher: Send + Sync {
    /// Starts a process in `role` that talks by `transport`. It must end when the returned [`Process`] is dropped or this program dies,
    /// so that none stays behind.
    fn start(&self, role: &Role, transport: &Transport) -> io::Result<Box<dyn Process>>;
}

/// What a process of a training is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Work for a run until it ends: [`crate::worker`].
    Worker {
        /// The URL of the run, such as `rpc://127.0.0.1:7100`.
        run: String,
        /// Threads to compute with.
        threads: usize,
    },
    /// Serve parameters until told to end: [`crate::shard`].
    Shard {
        /// The HOST:PORT to listen on; port 0 takes a free one.
        listen: String,
        /// Threads to compute with; all cores when not given.
        threads: Option<usize>,
    },
}

/// A process that a [`Launcher`] has started.
pub trait Process: Send {
    /// The number that this machine knows it by, if it runs here.
    fn id(&self) -> Option<u32>;

    /// Waits until a shard listens, and gives its HOST:PORT. It fails if the shard ends first or takes longer than `timeout`.
    fn address(&mut self, timeout: Duration) -> io::Result<String>;

    /// How it has ended; `None` while it runs.
    fn try_wait(&mut self) -> io::Result<Option<End>>;

    /// Asks it to end; it may take a moment.
    fn stop(&mut self);

    /// Ends it at once. It is over when this returns.
    fn kill(&mut self);
}

/// How a process has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It did what it had to do.
    Done,
    /// It gave up, and has said why.
    Failed,
    /// It was killed.
    Killed,
}
