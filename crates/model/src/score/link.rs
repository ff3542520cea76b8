//! From scores to predictions.

use quelea_core::estimator::Link;
use quelea_core::math;
use quelea_core::prediction::Predictions;

use super::BLOCK_ROWS;

/// Appends the predictions of a block of `rows` whose scores lie output after output.
pub fn push(link: Link, scores: &[f64], rows: usize, predictions: &mut Predictions) {
    match predictions {
        Predictions::Numbers(values) => values.extend(scores[..rows].iter().map(|&s| s as f32)),
        Predictions::Classes { classes, best, probabilities } => {
            let before = probabilities.len();
            probabilities.resize(before + rows * *classes, 0.0);
            let probabilities = &mut probabilities[before..];
            if link == Link::Logistic {
                best.extend(scores[..rows].iter().map(|&s| u32::from(s > 0.0)));
                pulp::Arch::new().dispatch(Logistic { scores: &scores[..rows], probabilities });
            } else {
                let mut row_scores = vec![0.0; *classes];
                for (row, probabilities) in probabilities.chunks_exact_mut(*classes).enumerate() {
                    row_scores.iter_mut().enumerate().for_each(|(class, s)| *s = scores[class * BLOCK_ROWS + row]);
                    best.push(softmax(&mut row_scores, probabilities));
                }
            }
        }
        Predictions::Clusters { .. } => {}
    }
}

/// The probabilities of both classes from the score of the second.
#[inline(always)]
pub fn logistic(scores: &[f64], probabilities: &mut [f32]) {
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
pub fn softmax(scores: &mut [f64], probabilities: &mut [f32]) -> u32 {
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
