//! When learners by steps have done enough epochs, and whether they had enough of them.

use quelea_core::learner::Iteration;

/// A last epoch that lessens the loss by more than this share of it leaves the optimum far away.
const STILL_FALLING: f64 = 0.01;

/// Whether the loss, that of validation rows if there are any, got no smaller by more than the share
/// `tol` of what it was before in any of the last `patience` epochs. A patience of 0 never stops.
pub fn is_done(history: &[Iteration], epochs: u64, tol: f64, patience: u32) -> bool {
    if history.len() as u64 >= epochs {
        return true;
    }
    let losses = losses(history);
    let Some(late) = losses.len().checked_sub(patience as usize).filter(|&late| patience > 0 && late > 0) else { return false };
    let least = |losses: &[f64]| losses.iter().copied().fold(f64::INFINITY, f64::min);
    least(&losses[late..]) >= least(&losses[..late]) * (1.0 - tol)
}

/// The warning for a training that made all its `epochs` while the loss was still falling.
pub fn unfinished(history: &[Iteration], epochs: u32) -> Option<String> {
    let losses = losses(history);
    let &[.., before, last] = &*losses else { return None };
    let fall = (before - last) / before;
    (losses.len() as u64 >= u64::from(epochs) && fall > STILL_FALLING).then(|| {
        let percent = 100.0 * fall;
        format!("training ended after {epochs} epochs while the loss was still falling by {percent:.1} % per epoch; raise model.epochs")
    })
}

/// The losses that tell when to stop: those of validation rows, or those of training rows if there are none.
fn losses(history: &[Iteration]) -> Vec<f64> {
    history.iter().filter_map(|epoch| epoch.validation_loss.or(epoch.loss)).collect()
}
