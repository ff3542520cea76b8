//! What only Linux has: a scheduling policy for batch jobs, and the name of the machine in a file.

use preempt_rt::sched::{Pid, Scheduler, SchedulerParams, get_scheduler, set_scheduler};

/// While it lives, this thread and all threads and processes that it starts run under `SCHED_BATCH`: a thread that a message wakes
/// does not preempt one that computes. Where as many threads compute as there are cores, preemption costs up to a tenth of the
/// training time, while another core is idle.
pub(crate) struct BatchScheduling {
    has_changed: bool,
}

impl BatchScheduling {
    /// Starts it. A process for which another policy was chosen keeps that one; where none may be chosen, training only takes longer.
    pub fn begin() -> Self {
        let is_usual = matches!(get_scheduler(Pid::current_thread()), Ok(Scheduler::SCHED_NORMAL));
        Self { has_changed: is_usual && set(Scheduler::SCHED_BATCH) }
    }
}

impl Drop for BatchScheduling {
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

/// The name of this machine, if it has one.
pub(crate) fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_string()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_are_started_meanwhile_are_batch_jobs_and_this_one_is_none_afterwards() {
        let policy = || get_scheduler(Pid::current_thread()).unwrap();
        let before = policy();
        let batch = BatchScheduling::begin();
        let of_thread = std::thread::spawn(policy).join().unwrap();
        drop(batch);
        if before == Scheduler::SCHED_NORMAL {
            assert_eq!((of_thread, policy()), (Scheduler::SCHED_BATCH, Scheduler::SCHED_NORMAL));
        } else {
            assert_eq!((of_thread, policy()), (before, before));
        }
    }
}
