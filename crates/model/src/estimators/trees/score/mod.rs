//! Sums of trees, by two kernels that give the same: one for blocks of many rows, one for few rows and for trees that are too large
//! for the other.

mod bits;
mod walk;

use quelea_core::estimator::Trees;
use quelea_core::prediction::Predictions;
use quelea_core::schema::Schema;

use self::bits::BitKernel;
use self::walk::WalkKernel;
use crate::link::Outputs;
use crate::score::encode::Features;
use crate::score::kernel::{Buffers, Kernel};
use crate::score::row::{RowFeatures, RowPrediction};

/// A sum of trees that has been checked.
#[derive(Debug)]
pub struct TreesKernel {
    walk: WalkKernel,
    bits: Option<BitKernel>,
    outputs: Outputs,
}

impl TreesKernel {
    /// The kernel of `trees`.
    pub fn new(trees: &Trees, schema: &Schema) -> Self {
        let outputs = Outputs::new(trees.link, trees.base.len());
        Self { walk: WalkKernel::new(trees), bits: BitKernel::new(trees, schema), outputs }
    }
}

impl Kernel for TreesKernel {
    fn score(&self, batch: &Features<'_>) -> Predictions {
        let mut bits = self.bits.as_ref().map(|kernel| (kernel, kernel.scratch()));
        self.outputs.batch(batch, |block, scores| match &mut bits {
            Some((kernel, scratch)) if block.rows >= bits::LEAST_ROWS => kernel.scores(block, scratch, scores),
            _ => self.walk.scores(block, scores),
        })
    }

    fn buffers(&self) -> Buffers {
        Buffers { words: vec![0; self.walk.packed_width()], ..self.outputs.buffers() }
    }

    fn score_row<'b>(&self, row: &RowFeatures, buffers: &'b mut Buffers) -> RowPrediction<'b> {
        let Buffers { words, scores, .. } = buffers;
        self.walk.pack(row, 0, 1, words);
        self.walk.row_scores(words, scores);
        self.outputs.row(buffers)
    }
}
