//! From scores to predictions.

use quelea_core::estimator::Link;
use quelea_core::math;
use quelea_core::prediction::Predictions;

use crate::score::encode::Features;
use crate::score::kernel::{BLOCK_ROWS, Buffers};
use crate::score::row::RowPrediction;

/// Turns an estimator's scores into predictions: its link, and the number of scores of a row.
#[derive(Debug, Clone, Copy)]
pub struct Outputs {
    link: Link,
    count: usize,
}

impl Outputs {
    /// Outputs that have been checked.
    pub fn new(link: Link, count: usize) -> Self {
        Self { link, count }
    }

    /// How many probabilities a row has.
    fn classes(self) -> usize {
        match self.link {
            Link::Identity => 0,
            Link::Logistic => 2,
            Link::Softmax => self.count,
        }
    }

    /// The predictions for a batch. `scores` is called for each of its blocks, and puts score `o` of row `r` at
    /// `o · BLOCK_ROWS + r`.
    pub fn batch(self, batch: &Features<'_>, mut scores: impl FnMut(&Features<'_>, &mut [f64])) -> Predictions {
        let mut block_scores = vec![0.0; self.count * BLOCK_ROWS];
        let mut predictions = self.empty(batch.rows);
        for block in batch.blocks() {
            scores(&block, &mut block_scores);
            match &mut predictions {
                Predictions::Classes { classes, best, probabilities } => {
                    let before = probabilities.len();
                    probabilities.resize(before + block.rows * *classes, 0.0);
                    self.push_classes(&block_scores, block.rows, best, &mut probabilities[before..]);
                }
                Predictions::Numbers(values) => values.extend(block_scores[..block.rows].iter().map(|&s| s as f32)),
                Predictions::Clusters { .. } => unreachable!("no link makes clusters of scores"),
            }
        }
        predictions
    }

    fn empty(self, rows: usize) -> Predictions {
        match self.classes() {
            0 => Predictions::Numbers(Vec::with_capacity(rows)),
            classes => Predictions::Classes { classes, best: Vec::with_capacity(rows), probabilities: Vec::with_capacity(rows * classes) },
        }
    }

    fn push_classes(self, scores: &[f64], rows: usize, best: &mut Vec<u32>, probabilities: &mut [f32]) {
        if self.link == Link::Logistic {
            best.extend(scores[..rows].iter().map(|&s| u32::from(s > 0.0)));
            pulp::Arch::new().dispatch(Logistic { scores: &scores[..rows], probabilities });
            return;
        }
        let mut row_scores = vec![0.0; self.count];
        for (row, probabilities) in probabilities.chunks_exact_mut(self.count).enumerate() {
            row_scores.iter_mut().enumerate().for_each(|(class, s)| *s = scores[class * BLOCK_ROWS + row]);
            best.push(softmax(&mut row_scores, probabilities));
        }
    }

    /// Buffers for [`Outputs::row`].
    pub fn buffers(self) -> Buffers {
        Buffers { words: Vec::new(), scores: vec![0.0; self.count], probabilities: vec![0.0; self.classes()] }
    }

    /// The prediction for one row from its scores in the buffers, which are used up.
    pub fn row(self, buffers: &mut Buffers) -> RowPrediction<'_> {
        let Buffers { scores, probabilities, .. } = buffers;
        match self.link {
            Link::Identity => RowPrediction::Number(scores[0] as f32),
            Link::Logistic => {
                logistic(scores, probabilities);
                RowPrediction::Class { best: u32::from(scores[0] > 0.0), probabilities }
            }
            Link::Softmax => {
                let best = softmax(scores, probabilities);
                RowPrediction::Class { best, probabilities }
            }
        }
    }
}

/// The probabilities of both classes from the score of the second.
#[inline(always)]
fn logistic(scores: &[f64], probabilities: &mut [f32]) {
    for (&score, pair) in scores.iter().zip(probabilities.as_chunks_mut::<2>().0) {
        *pair = [math::sigmoid(-score) as f32, math::sigmoid(score) as f32];
    }
}

/// [`logistic`] over a block.
struct Logistic<'a> {
    scores: &'a [f64],
    probabilities: &'a mut [f32],
}

impl pulp::WithSimd for Logistic<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        logistic(self.scores, self.probabilities);
    }
}

/// The class of the largest score, the first of equals, and the probabilities of all; the scores are used up.
fn softmax(scores: &mut [f64], probabilities: &mut [f32]) -> u32 {
    let best = first_largest(scores);
    math::softmax(scores);
    probabilities.iter_mut().zip(scores).for_each(|(p, s)| *p = *s as f32);
    best
}

fn first_largest(scores: &[f64]) -> u32 {
    let mut best = 0;
    for (index, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = index;
        }
    }
    best as u32
}
