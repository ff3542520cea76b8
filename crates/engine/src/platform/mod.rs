//! What depends on the operating system; everything else in this crate is portable.
//!
//! Each system has a file with the same items. `portable` has them for all other systems; tests compile it everywhere, so that it does
//! not rot.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(test, not(target_os = "linux")))]
#[cfg_attr(target_os = "linux", allow(dead_code))]
mod portable;
#[cfg(unix)]
mod unix;

#[cfg(target_os = "linux")]
pub(crate) use linux::{BatchScheduling, host_name};
#[cfg(not(target_os = "linux"))]
pub(crate) use portable::{BatchScheduling, host_name};
#[cfg(not(unix))]
pub(crate) use portable::{read_exact_at, readable_by_all};
#[cfg(unix)]
pub(crate) use unix::{read_exact_at, readable_by_all};
