//! Linear models: term after term over a block of rows.

use quelea_core::estimator::{Encoding, Linear};
use quelea_core::tile::{MISSING, UNSEEN};

use super::BLOCK_ROWS;
use super::encode::Rows;

/// A linear model whose weights lie term by term.
#[derive(Debug)]
pub struct LinearKernel {
    intercepts: Vec<f64>,
    terms: Vec<Term>,
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

/// How a number enters the design matrix.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    /// Stands in for a missing value.
    pub fill: f32,
    /// Taken away first.
    pub center: f32,
    /// Multiplied with then.
    pub scale: f32,
}

impl Number {
    /// The design's column.
    #[inline(always)]
    pub fn value(self, raw: f32) -> f64 {
        let filled = if raw.is_nan() { self.fill } else { raw };
        (f64::from(filled) - f64::from(self.center)) * f64::from(self.scale)
    }
}

/// The row of a category's table: its code, and two past the last for missing and unseen ones.
#[inline(always)]
pub fn table_row(code: u32, values: u32) -> usize {
    match code {
        MISSING => values as usize,
        UNSEEN => values as usize + 1,
        code => code as usize,
    }
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
        Self { intercepts: linear.intercepts.clone(), terms }
    }

    /// The scores of `rows`, at most [`BLOCK_ROWS`], output after output.
    pub fn scores(&self, rows: &impl Rows, scores: &mut [f64]) {
        self.scores_apart(rows, scores, BLOCK_ROWS);
    }

    /// The scores of one row.
    pub fn row_scores(&self, row: &impl Rows, scores: &mut [f64]) {
        self.scores_apart(row, scores, 1);
    }

    /// The scores of `rows`, those of an output `stride` after those of the one before.
    fn scores_apart(&self, rows: &impl Rows, scores: &mut [f64], stride: usize) {
        let mut values = [0.0; BLOCK_ROWS];
        scores.chunks_exact_mut(stride).zip(&self.intercepts).for_each(|(output, &intercept)| output.fill(intercept));
        for (feature, term) in self.terms.iter().enumerate() {
            match term {
                Term::Number { number, weights, indicator } => {
                    let raw = rows.numbers(feature);
                    let values = &mut values[..raw.len()];
                    values.iter_mut().zip(raw).for_each(|(v, &r)| *v = number.value(r));
                    pulp::Arch::new().dispatch(Product { values, weights, scores, stride });
                    if let Some(weights) = indicator {
                        values.iter_mut().zip(raw).for_each(|(v, r)| *v = f64::from(u8::from(r.is_nan())));
                        pulp::Arch::new().dispatch(Product { values, weights, scores, stride });
                    }
                }
                Term::Category { values, table } => {
                    for (row, &code) in rows.codes(feature).iter().enumerate() {
                        let weights = table.chunks_exact(self.intercepts.len()).nth(table_row(code, *values));
                        let outputs = scores[row..].iter_mut().step_by(stride);
                        outputs.zip(weights.unwrap_or_default()).for_each(|(score, weight)| *score += weight);
                    }
                }
                Term::Sparse { table } => {
                    for row in 0..rows.rows() {
                        add_entries(rows.entries(feature, row), table, self.intercepts.len(), &mut scores[row..], stride);
                    }
                }
            }
        }
    }
}

/// Adds the weights of a row's entries, times their values, to its outputs, which are `stride` apart.
fn add_entries((indices, values): (&[u32], Option<&[f32]>), table: &[f32], outputs: usize, scores: &mut [f64], stride: usize) {
    for (at, &index) in indices.iter().enumerate() {
        let value = values.map_or(1.0, |values| f64::from(values[at]));
        let first = index as usize * outputs;
        let Some(weights) = table.get(first..first + outputs).filter(|_| !value.is_nan()) else { continue };
        for (score, &weight) in scores.iter_mut().step_by(stride).zip(weights) {
            *score += f64::from(weight) * value;
        }
    }
}

/// Adds a column's values times its weight to each output.
struct Product<'a> {
    values: &'a [f64],
    weights: &'a [f64],
    scores: &'a mut [f64],
    stride: usize,
}

impl pulp::WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        for (output, weight) in self.scores.chunks_exact_mut(self.stride).zip(self.weights) {
            for (score, value) in output.iter_mut().zip(self.values) {
                *score += weight * value;
            }
        }
    }
}
