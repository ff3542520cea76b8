//! The seam between the scorer and the estimators: encoded features in, predictions out.

use std::fmt::Debug;

use quelea_core::prediction::Predictions;

use super::encode::Features;
use super::row::{RowFeatures, RowPrediction};

/// Rows of a block; kernels that go column by column keep a block's scores in the cache.
pub const BLOCK_ROWS: usize = 512;

/// An estimator in a form that scores rows fast.
///
/// A row's prediction must be the same to the last bit in a batch of any size and on its own, whatever the rows around it and
/// whatever the instruction set: sums go in the same order everywhere. An unseen category, an index beyond a sparse feature's width
/// and a missing value are ordinary input. A kernel does not panic, whatever the features hold.
pub trait Kernel: Debug + Send + Sync {
    /// The predictions for a batch of any number of rows.
    fn score(&self, batch: &Features<'_>) -> Predictions;

    /// Buffers for [`Kernel::score_row`], as long as it needs them.
    fn buffers(&self) -> Buffers;

    /// The prediction for one row, without allocations where the kernel can do without. `buffers` are its own.
    fn score_row<'b>(&self, row: &RowFeatures, buffers: &'b mut Buffers) -> RowPrediction<'b>;
}

/// Memory that scoring one row needs, kept from row to row.
#[derive(Debug, Clone, Default)]
pub struct Buffers {
    /// Anything that a kernel needs beside scores and probabilities.
    pub words: Vec<u32>,
    /// The scores of the row.
    pub scores: Vec<f64>,
    /// The probabilities of the row.
    pub probabilities: Vec<f32>,
}

impl Features<'_> {
    /// The same rows in blocks of [`BLOCK_ROWS`]; the last may have fewer.
    pub fn blocks(&self) -> impl Iterator<Item = Features<'_>> {
        let end = self.start + self.rows;
        let block = move |start| Features { columns: self.columns, start, rows: BLOCK_ROWS.min(end - start) };
        (self.start..end).step_by(BLOCK_ROWS).map(block)
    }
}
