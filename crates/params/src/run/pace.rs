//! How fast a member is beside the others, as far as that tells who should own how many tiles.

/// Differences up to this ratio are taken for noise.
const NOISE: f64 = 1.25;
/// Seconds of work that must have been seen before a member is called fast or slow.
const LEAST_SECONDS: f64 = 1.0;

/// What has been seen of a member's work.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    /// Seconds that it took.
    took: f64,
    /// Seconds that it would have taken at the mean pace of all, in the same rounds.
    usual: f64,
}

impl Pace {
    /// Notes a round: long rounds count more than short ones, which are mostly waiting.
    pub fn note(&mut self, took: f64, usual: f64) {
        self.took += took;
        self.usual += usual;
    }

    /// Tiles it can fold in the time in which a usual member folds one.
    pub fn speed(&self) -> f64 {
        if self.usual < LEAST_SECONDS || self.took <= 0.0 {
            return 1.0;
        }
        let speed = self.usual / self.took;
        if (1.0 / NOISE..=NOISE).contains(&speed) { 1.0 } else { speed }
    }
}
