//! The threads of one call: a pool that computes and a runtime that reads. Nothing is global.
//!
//! And how the system takes turns among the threads of a cluster's processes.

use std::future::Future;
use std::sync::Arc;

use preempt_rt::sched::{Pid, Scheduler, SchedulerParams, get_scheduler, set_scheduler};

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
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build().map_err(Error::internal)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(count).build().map_err(Error::internal)?;
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

/// As long as it is there, this thread and all threads and processes that it starts meanwhile are batch jobs to the system: one
/// that is woken, because a message has come, does not interrupt one that computes. Where as many threads compute as there
/// are cores, messages cost a tenth of the time of a training otherwise, while another core has nothing to do.
pub(crate) struct Batch {
    has_changed: bool,
}

impl Batch {
    /// Whoever has chosen another policy for this process keeps it, and where none may be chosen all only takes longer.
    pub fn begin() -> Self {
        let is_usual = matches!(get_scheduler(Pid::current_thread()), Ok(Scheduler::SCHED_NORMAL));
        Self { has_changed: is_usual && set(Scheduler::SCHED_BATCH) }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if self.has_changed {
            set(Scheduler::SCHED_NORMAL);
        }
    }
}

/// Whether it was possible.
fn set(scheduler: Scheduler) -> bool {
    set_scheduler(Pid::current_thread(), scheduler, SchedulerParams { priority: 0 }).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_are_started_meanwhile_are_batch_jobs_and_this_one_is_none_afterwards() {
        let policy = || get_scheduler(Pid::current_thread()).unwrap();
        let before = policy();
        let batch = Batch::begin();
        let of_thread = std::thread::spawn(policy).join().unwrap();
        drop(batch);
        if before == Scheduler::SCHED_NORMAL {
            assert_eq!((of_thread, policy()), (Scheduler::SCHED_BATCH, Scheduler::SCHED_NORMAL));
        } else {
            assert_eq!((of_thread, policy()), (before, before));
        }
    }
}
