//! The same for every other system: no scheduling policy, no known name, the permissions that the system gives.

use tempfile::Builder;

/// Leaves the scheduling to the system.
pub(crate) struct BatchScheduling;

impl BatchScheduling {
    /// Changes nothing.
    pub fn begin() -> Self {
        Self
    }
}

/// The name of this machine is not known.
pub(crate) fn host_name() -> Option<String> {
    None
}

/// A temporary file has the permissions of its folder.
pub(crate) fn readable_by_all<'b, 'p, 's>(builder: &'b mut Builder<'p, 's>) -> &'b mut Builder<'p, 's> {
    builder
}
