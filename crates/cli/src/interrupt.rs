//! Ctrl-C: the first asks the command to stop cleanly, the second ends the program at once. So does the first while the command
//! only waits for its files.

use anyhow::{Context, Result};
use quelea_engine::Control;
use std::sync::atomic::{AtomicBool, Ordering};

/// `control`, which from now on is cancelled by Ctrl-C or a request to terminate.
pub fn stoppable(control: Control) -> Result<Control> {
    let to_cancel = control.clone();
    let asked = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) || !to_cancel.can_be_cancelled() {
            // Nothing is dropped when the program ends here.
            quelea_engine::remove_unfinished_outputs();
            std::process::exit(130);
        }
        to_cancel.cancel();
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(control)
}
