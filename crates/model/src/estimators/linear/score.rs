//! Linear models: term after term over a block of rows.

use quelea_core::estimator::{Encoding, Linear};
use quelea_core::prediction::Predictions;

use crate::design::score::{Number, table_row};
use crate::link::Outputs;
use crate::score::encode::{Features, Rows};
use crate::score::kernel::{BLOCK_ROWS, Buffers, Kernel};
use crate::score::row::{RowFeatures, RowPrediction};

/// A linear model whose weights lie term by term.
#[derive(Debug)]
pub struct LinearKernel {
    intercepts: Vec<f64>,
    terms: Vec<Term>,
    outputs: Outputs,
}

#[derive(Debug)]
enum Term {
    /// A number; weights by output.
    Number { number: Number, weights: Vec<f64>, indicator: Option<Vec<f64>> },
    /// A category: a row of weights by output for each value, one for missing values, and one of zeros for the unseen.
    Category { values: u32, table: Vec<f64> },
    /// A sparse feature: a row of weights by output for each index.
    Sparse { table: Vec<f32> },
}

impl LinearKernel {
    /// The kernel of a model that has been checked.
    pub fn new(linear: &Linear) -> Self {
        let mut column = 0;
        let mut terms = Vec::with_capacity(linear.design.encodings.len());
        for encoding in &linear.design.encodings {
            let weights = |c: usize| linear.weights.iter().map(|row| row[c]).collect::<Vec<f64>>();
            terms.push(match *encoding {
                Encoding::Number { fill, center, scale, indicator } => Term::Number {
                    number: Number { fill, center, scale },
                    weights: weights(column),
                    indicator: indicator.then(|| weights(column + 1)),
                },
                Encoding::Category { values, .. } => {
                    let mut table: Vec<f64> = (column..column + encoding.width()).flat_map(weights).collect();
                    table.resize((values as usize + 2) * linear.intercepts.len(), 0.0);
                    Term::Category { values, table }
                }
                Encoding::Sparse { width } => {
                    let columns = column..column + width as usize;
                    Term::Sparse { table: columns.flat_map(|c| linear.weights.iter().map(move |row| row[c] as f32)).collect() }
                }
            });
            column += encoding.width();
        }
        Self { intercepts: linear.intercepts.clone(), terms, outputs: Outputs::new(linear.link, linear.intercepts.len()) }
    }

    /// The scores of `rows`: row `r`'s score `o` is at `o · STRIDE + r`. A constant stride gives each of its two uses a tight loop.
    fn scores<const STRIDE: usize>(&self, rows: &impl Rows, scores: &mut [f64]) {
        let mut values = [0.0; BLOCK_ROWS];
        scores.chunks_exact_mut(STRIDE).zip(&self.intercepts).for_each(|(output, &intercept)| output.fill(intercept));
        for (feature, term) in self.terms.iter().enumerate() {
            match term {
                Term::Number { number, weights, indicator } => {
                    let raw = rows.numbers(feature);
                    let values = &mut values[..raw.len()];
                    values.iter_mut().zip(raw).for_each(|(v, &r)| *v = number.value(r));
                    pulp::Arch::new().dispatch(Product::<STRIDE> { values, weights, scores });
                    if let Some(weights) = indicator {
                        values.iter_mut().zip(raw).for_each(|(v, r)| *v = f64::from(u8::from(r.is_nan())));
                        pulp::Arch::new().dispatch(Product::<STRIDE> { values, weights, scores });
                    }
                }
                Term::Category { values, table } => {
                    for (row, &code) in rows.codes(feature).iter().enumerate() {
                        let weights = table.chunks_exact(self.intercepts.len()).nth(table_row(code, *values));
                        let outputs = scores[row..].iter_mut().step_by(STRIDE);
                        outputs.zip(weights.unwrap_or_default()).for_each(|(score, weight)| *score += weight);
                    }
                }
                Term::Sparse { table } => {
                    for row in 0..rows.rows() {
                        add_entries::<STRIDE>(rows.entries(feature, row), table, self.intercepts.len(), &mut scores[row..]);
                    }
                }
            }
        }
    }
}

impl Kernel for LinearKernel {
    fn score(&self, batch: &Features<'_>) -> Predictions {
        self.outputs.batch(batch, |block, scores| self.scores::<BLOCK_ROWS>(block, scores))
    }

    fn buffers(&self) -> Buffers {
        self.outputs.buffers()
    }

    fn score_row<'b>(&self, row: &RowFeatures, buffers: &'b mut Buffers) -> RowPrediction<'b> {
        self.scores::<1>(row, &mut buffers.scores);
        self.outputs.row(buffers)
    }
}

/// Adds the weights of a row's entries, times their values, to its outputs, which are `STRIDE` apart.
fn add_entries<const STRIDE: usize>((indices, values): (&[u32], Option<&[f32]>), table: &[f32], outputs: usize, scores: &mut [f64]) {
    for (at, &index) in indices.iter().enumerate() {
        let value = values.map_or(1.0, |values| f64::from(values[at]));
        let first = index as usize * outputs;
        let Some(weights) = table.get(first..first + outputs).filter(|_| !value.is_nan()) else { continue };
        for (score, &weight) in scores.iter_mut().step_by(STRIDE).zip(weights) {
            *score += f64::from(weight) * value;
        }
    }
}

/// Adds a column's values times its weight to each output.
struct Product<'a, const STRIDE: usize> {
    values: &'a [f64],
    weights: &'a [f64],
    scores: &'a mut [f64],
}

impl<const STRIDE: usize> pulp::WithSimd for Product<'_, STRIDE> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        for (output, weight) in self.scores.chunks_exact_mut(STRIDE).zip(self.weights) {
            for (score, value) in output.iter_mut().zip(self.values) {
                *score += weight * value;
            }
        }
    }
}
