//! When learners by steps have done enough epochs.

use quelea_core::learner::Iteration;

/// Whether the loss, that of validation rows if there are any, got no smaller by more than the share
/// `tol` of what it was before in any of the last `patience` epochs. A patience of 0 never stops.
pub fn is_done(history: &[Iteration], epochs: u64, tol: f64, patience: u32) -> bool {
    if history.len() as u64 >= epochs {
        return true;
    }
    let losses: Vec<f64> = history.iter().filter_map(|epoch| epoch.validation_loss.or(epoch.loss)).collect();
    let Some(late) = losses.len().checked_sub(patience as usize).filter(|&late| patience > 0 && late > 0) else { return false };
    let least = |losses: &[f64]| losses.iter().copied().fold(f64::INFINITY, f64::min);
    least(&losses[late..]) >= least(&losses[..late]) * (1.0 - tol)
}
