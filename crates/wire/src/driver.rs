//! Time for state machines that know none.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The time since a shell began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(&self) -> Duration {
        self.0.elapsed()
    }

    /// Waits for a deadline; for ever without one.
    pub(crate) async fn until(&self, deadline: Option<Duration>) {
        match deadline {
            Some(deadline) => sleep_until(self.0 + deadline).await,
            None => std::future::pending().await,
        }
    }
}
