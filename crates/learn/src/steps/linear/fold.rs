//! Scores the rows of a part and adds up their gradients. Inside a row floats are added in a fixed order; a row's gradients
//! become integers before they meet another row's.

use quelea_core::Result;
use quelea_core::steps::Sums;

use crate::steps::batch::{Batch, Rows};
use crate::steps::loss::Loss;
use crate::steps::numbers::Numbers;
use crate::steps::totals::Totals;
use crate::steps::units::{Units, add, diverged};

/// Scores beyond this have diverged.
const LARGEST_SCORE: f64 = (1u64 << 30) as f64;

/// What folding needs to know beside the rows.
#[derive(Debug, Clone, Copy)]
pub struct Fold {
    /// The loss.
    pub loss: Loss,
    /// Scores of a row: 1 for two classes, else one per class.
    pub outputs: usize,
    /// The units of gradients.
    pub gradients: Units,
    /// The units of weights.
    pub weights: Units,
}

impl Fold {
    /// Adds a part; `pulled` are the weights, the intercepts and the standards of numbers.
    pub fn add(&self, batch: &Batch, part: usize, pulled: &[Vec<f32>], totals: &Totals, sums: &mut Sums) -> Result<()> {
        let rows = &batch.parts[part];
        let [weights, intercepts, standards] = pulled else { return Err(super::mixed_up()) };
        let mut numbers = Numbers::new(&batch.numbers, standards, weights, self.outputs);
        let (of_weights, others) = sums.tables.split_at_mut(1);
        let mut into = Into { weights: &mut of_weights[0], intercepts: &mut others[0] };
        let mut scores = vec![0.0; self.outputs];
        let (mut loss, mut weight) = (0.0, 0.0);
        for row in 0..rows.len() {
            numbers.standardize(&rows.numbers, row);
            for (output, score) in scores.iter_mut().enumerate() {
                *score = f64::from(intercepts[output]) + numbers.dot(output) + self.sparse(rows, row, weights, output);
                if score.is_nan() || score.abs() > LARGEST_SCORE {
                    return Err(diverged("a score", rows.tile, rows.range.start + row));
                }
            }
            let of_row = rows.weight_of(row);
            let class = rows.target[row] as usize;
            let row_loss = match &mut *scores {
                [score] => {
                    let (loss, derivative) = self.loss.binary(*score, class == 1);
                    *score = derivative;
                    loss
                }
                scores => self.loss.of_classes(scores, class),
            };
            loss += of_row * row_loss;
            weight += of_row;
            if rows.training {
                sums.weight += self.weights.of(of_row);
                scores.iter_mut().for_each(|derivative| *derivative *= of_row);
                self.spread(rows, row, &scores, &mut numbers, &mut into)?;
            }
        }
        numbers.finish(into.weights);
        totals.add(&mut sums.totals, rows.training, loss, weight)
    }

    /// What the columns other than numbers add to a score.
    #[inline(always)]
    fn sparse(&self, rows: &Rows, row: usize, weights: &[f32], output: usize) -> f64 {
        let span = rows.span(row);
        let at = |place: u32| f64::from(weights[place as usize * self.outputs + output]);
        let mut lanes = [0.0; 4];
        let (heads, rest) = rows.places[span.clone()].as_chunks::<4>();
        if rows.values.is_empty() {
            for head in heads {
                lanes.iter_mut().zip(head).for_each(|(lane, &place)| *lane += at(place));
            }
            lanes.iter_mut().zip(rest).for_each(|(lane, &place)| *lane += at(place));
        } else {
            let (of_heads, of_rest) = rows.values[span].as_chunks::<4>();
            for (head, values) in heads.iter().zip(of_heads) {
                lanes.iter_mut().zip(head).zip(values).for_each(|((lane, &place), &x)| *lane += at(place) * f64::from(x));
            }
            lanes.iter_mut().zip(rest).zip(of_rest).for_each(|((lane, &place), &x)| *lane += at(place) * f64::from(x));
        }
        (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
    }

    /// Adds a row's gradients, whose derivatives by its scores are given.
    #[inline(always)]
    fn spread(&self, rows: &Rows, row: usize, derivatives: &[f64], numbers: &mut Numbers, into: &mut Into<'_>) -> Result<()> {
        let span = rows.span(row);
        for (output, &derivative) in derivatives.iter().enumerate() {
            if !self.gradients.fits(derivative) {
                return Err(diverged("a gradient", rows.tile, rows.range.start + row));
            }
            let units = self.gradients.of(derivative);
            add(&mut into.intercepts[output], units);
            let places = rows.places[span.clone()].iter().map(|&place| place as usize * self.outputs + output);
            if rows.values.is_empty() {
                places.for_each(|place| add(&mut into.weights[place], units));
            } else {
                let mut largest = 0.0f64;
                for (place, &x) in places.zip(&rows.values[span.clone()]) {
                    let gradient = derivative * f64::from(x);
                    largest = largest.max(gradient.abs());
                    add(&mut into.weights[place], self.gradients.of(gradient));
                }
                if !self.gradients.fits(largest) {
                    return Err(diverged("a gradient", rows.tile, rows.range.start + row));
                }
            }
            numbers.spread(output, derivative, self.gradients);
        }
        Ok(())
    }
}

/// Where gradients are added.
struct Into<'a> {
    weights: &'a mut [i64],
    intercepts: &'a mut [i64],
}
