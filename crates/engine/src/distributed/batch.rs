//! How the system takes turns among the threads of a cluster's processes.

use preempt_rt::sched::{Pid, Scheduler, SchedulerParams, get_scheduler, set_scheduler};

/// As long as it is there, this thread and all threads and processes that it starts meanwhile are batch jobs to the system: one
/// that is woken, because a message has come, does not interrupt one that computes. Where as many threads compute as there
/// are cores, messages cost up to a tenth of the time of a training otherwise, while another core has nothing to do.
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
