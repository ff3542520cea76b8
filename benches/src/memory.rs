//! The memory of this process, as Linux tells it.

use anyhow::{Context, Result};

/// Forgets the peak so far; the answer is the memory in use now, in bytes.
pub fn start() -> Result<u64> {
    std::fs::write("/proc/self/clear_refs", "5").context("the peak of memory cannot be reset")?;
    status("VmRSS:")
}

/// The most memory in use since [`start`], in bytes.
pub fn peak() -> Result<u64> {
    status("VmHWM:")
}

fn status(key: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(key)).with_context(|| format!("no {key} in /proc/self/status"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1).context("no number behind it")?.parse()?;
    Ok(kilobytes * 1024)
}
