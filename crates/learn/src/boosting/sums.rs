//! Sums of doubles that do not depend on the order of their terms, as a block.

use quelea_core::block::Block;
use quelea_core::exact::{ExactSum, LIMBS};
use quelea_core::{Error, Result};

/// Several exact sums.
#[derive(Debug, Clone)]
pub(super) struct ExactSums {
    sums: Vec<ExactSum>,
}

impl ExactSums {
    /// As many sums, all 0.
    pub(super) fn new(count: usize) -> Self {
        Self { sums: vec![ExactSum::default(); count] }
    }

    /// Adds `x` to sum `index`; `what` and `tile` name it if it is not finite.
    pub(super) fn add(&mut self, index: usize, x: f64, what: &str, tile: u32) -> Result<()> {
        if self.sums[index].add(x) {
            return Ok(());
        }
        Err(Error::NotFinite { what: what.into(), place: format!(" in tile {tile}") })
    }

    /// The sums as a block.
    pub(super) fn into_block(self) -> Block {
        Block::Integers(self.sums.iter().flat_map(|sum| sum.limbs()).copied().collect())
    }
}

/// The values of the sums in a block.
pub(super) fn values(integers: &[i64]) -> Vec<f64> {
    integers.chunks_exact(LIMBS).filter_map(ExactSum::from_limbs).map(|sum| sum.value()).collect()
}
