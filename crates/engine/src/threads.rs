//! The threads of one call: a pool that computes and a runtime that reads. Nothing is global.

use std::future::Future;
use std::sync::Arc;

use crate::{Error, Result};

/// Threads that compute and threads that read, as many of each.
pub(crate) struct Threads {
    /// How many.
    pub count: usize,
    pool: Arc<rayon::ThreadPool>,
    runtime: tokio::runtime::Runtime,
}

impl Threads {
    /// `count` threads; as many as the machine has cores when it is not given.
    pub fn new(count: Option<usize>) -> Result<Self> {
        let count = count.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        let too_many = |problem: &dyn std::fmt::Display| Error::Threads { count, problem: problem.to_string() };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build().map_err(|e| too_many(&e))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(count).build().map_err(|e| too_many(&e))?;
        Ok(Self { count, pool: Arc::new(pool), runtime })
    }

    /// The pool that computes.
    pub fn pool(&self) -> Arc<rayon::ThreadPool> {
        self.pool.clone()
    }

    /// Runs `work` to its end; its parallel iterators use the pool.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.pool.install(work)
    }

    /// Runs `future` to its end; its parallel iterators use the pool, its tasks the runtime.
    pub fn wait<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        self.pool.install(|| self.runtime.block_on(future))
    }
}
