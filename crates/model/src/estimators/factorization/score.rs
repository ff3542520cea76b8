//! Factorisation machines: row after row, a column that is not 0 at a time.

use quelea_core::estimator::{Encoding, Factorization};
use quelea_core::prediction::Predictions;
use quelea_core::tile::MISSING;

use crate::design::score::Number;
use crate::link::Outputs;
use crate::score::encode::{Features, Rows};
use crate::score::kernel::{Buffers, Kernel};
use crate::score::row::{RowFeatures, RowPrediction};

/// A factorisation machine made ready.
#[derive(Debug)]
pub struct FactorizationKernel {
    intercept: f64,
    terms: Vec<Term>,
    /// A row per column of the design: its weight and its factors.
    rows: Vec<f32>,
    width: usize,
    outputs: Outputs,
}

/// A feature and its first column.
#[derive(Debug)]
enum Term {
    Number { number: Number, indicator: bool, first: usize },
    Category { values: u32, indicator: bool, first: usize },
    Sparse { width: u32, first: usize },
}

/// Sums over the columns of a row: of their rows, and of the squares of those.
struct Sums<'a> {
    rows: &'a [f32],
    plain: &'a mut [f64],
    squares: &'a mut [f64],
}

impl Sums<'_> {
    #[inline(always)]
    fn add(&mut self, column: usize, value: f64) {
        let width = self.plain.len();
        let row = &self.rows[column * width..(column + 1) * width];
        for ((plain, squares), &number) in self.plain.iter_mut().zip(self.squares.iter_mut()).zip(row) {
            let product = f64::from(number) * value;
            *plain += product;
            *squares += product * product;
        }
    }
}

impl FactorizationKernel {
    /// The kernel of a machine that has been checked.
    pub fn new(machine: &Factorization) -> Self {
        let mut first = 0;
        let terms = machine.design.encodings.iter().map(|encoding| {
            let term = match *encoding {
                Encoding::Number { fill, center, scale, indicator } => {
                    Term::Number { number: Number { fill, center, scale }, indicator, first }
                }
                Encoding::Category { values, indicator } => Term::Category { values, indicator, first },
                Encoding::Sparse { width } => Term::Sparse { width, first },
            };
            first += encoding.width();
            term
        });
        let terms = terms.collect();
        let factors = machine.factors.chunks_exact(machine.rank);
        let rows = machine.weights.iter().zip(factors).flat_map(|(&w, v)| std::iter::once(w).chain(v.iter().copied())).collect();
        Self { intercept: machine.intercept, terms, rows, width: 1 + machine.rank, outputs: Outputs::new(machine.link, 1) }
    }

    /// The scores of `rows`.
    fn scores(&self, rows: &impl Rows, scores: &mut [f64]) {
        let (mut plain, mut squares) = (vec![0.0; self.width], vec![0.0; self.width]);
        for (row, score) in scores.iter_mut().enumerate().take(rows.rows()) {
            plain.fill(0.0);
            squares.fill(0.0);
            let mut sums = Sums { rows: &self.rows, plain: &mut plain, squares: &mut squares };
            self.terms.iter().enumerate().for_each(|(feature, term)| term.add(rows, feature, row, &mut sums));
            let pairs: f64 = plain[1..].iter().zip(&squares[1..]).map(|(sum, square)| sum * sum - square).sum();
            *score = plain[0] + 0.5 * pairs + self.intercept;
        }
    }
}

impl Kernel for FactorizationKernel {
    fn score(&self, batch: &Features<'_>) -> Predictions {
        self.outputs.batch(batch, |block, scores| self.scores(block, scores))
    }

    fn buffers(&self) -> Buffers {
        self.outputs.buffers()
    }

    fn score_row<'b>(&self, row: &RowFeatures, buffers: &'b mut Buffers) -> RowPrediction<'b> {
        self.scores(row, &mut buffers.scores);
        self.outputs.row(buffers)
    }
}

impl Term {
    #[inline(always)]
    fn add(&self, rows: &impl Rows, feature: usize, row: usize, sums: &mut Sums) {
        match *self {
            Self::Number { number, indicator, first } => {
                let raw = rows.numbers(feature)[row];
                sums.add(first, number.value(raw));
                if indicator && raw.is_nan() {
                    sums.add(first + 1, 1.0);
                }
            }
            Self::Category { values, indicator, first } => match rows.codes(feature)[row] {
                code if code < values => sums.add(first + code as usize, 1.0),
                MISSING if indicator => sums.add(first + values as usize, 1.0),
                _ => {}
            },
            Self::Sparse { width, first } => {
                let (indices, values) = rows.entries(feature, row);
                for (at, &index) in indices.iter().enumerate() {
                    let value = values.map_or(1.0, |values| f64::from(values[at]));
                    if index < width && !value.is_nan() {
                        sums.add(first + index as usize, value);
                    }
                }
            }
        }
    }
}
