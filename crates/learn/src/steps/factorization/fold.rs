//! Scores the rows of a part by a factorisation machine and adds up their gradients.

use quelea_core::Result;
use quelea_core::steps::Sums;

use crate::steps::batch::{Batch, Rows};
use crate::steps::loss::Loss;
use crate::steps::totals::Totals;
use crate::steps::units::{Units, add, diverged};

/// Residuals of a standardised target beyond this have diverged.
pub const LARGEST_RESIDUAL: i32 = 12;
/// The sums of a row's factors beyond this have diverged.
pub const LARGEST_FACTOR: i32 = 10;
const LARGEST_SCORE: f64 = (1u64 << 30) as f64;

/// What folding needs to know beside the rows.
#[derive(Debug, Clone, Copy)]
pub struct Fold {
    /// How many factors a column has.
    pub rank: usize,
    /// Whether the target is a number, and the loss its squared error.
    pub regression: bool,
    /// The units of gradients of weights.
    pub weights: Units,
    /// The units of gradients of factors.
    pub factors: Units,
    /// The units of the weights of rows.
    pub rows: Units,
}

/// What is pulled, and the sums that go with it, by table.
pub struct Model<'a> {
    weights: &'a [f32],
    intercept: f64,
    factors: &'a [f32],
    /// Center and scale of each number, and of the target at the end.
    standards: &'a [f32],
}

/// A row: its columns that are not 0, and what comes of them.
struct Row {
    entries: Vec<(u32, f64)>,
    /// Per factor `Σ v·x`.
    sums: Vec<f64>,
    /// Per factor `Σ v²·x²`.
    squares: Vec<f64>,
}

impl Fold {
    /// Adds a part; `pulled` are the weights, the intercept, the standards and the factors.
    pub fn add(&self, batch: &Batch, part: usize, pulled: &[Vec<f32>], totals: &Totals, sums: &mut Sums) -> Result<()> {
        let [weights, intercept, standards, factors] = pulled else { return Err(super::mixed_up()) };
        let model = Model { weights, intercept: f64::from(intercept[0]), factors, standards };
        pulp::Arch::new().dispatch(Work { fold: self, batch, rows: &batch.parts[part], model, totals, sums })
    }

    #[inline(always)]
    fn rows(&self, batch: &Batch, rows: &Rows, model: &Model<'_>, totals: &Totals, sums: &mut Sums) -> Result<()> {
        let mut work = Row { entries: Vec::new(), sums: vec![0.0; self.rank], squares: vec![0.0; self.rank] };
        let (mut loss, mut weight) = (0.0, 0.0);
        for row in 0..rows.len() {
            work.load(batch, rows, row, model.standards);
            let score = self.score(model, &mut work);
            let (of_row, (row_loss, derivative)) = (rows.weight_of(row), self.loss(model, rows.target[row], score));
            let limit = if self.regression { f64::from(1 << LARGEST_RESIDUAL) } else { 1.0 };
            if !(score.abs() <= LARGEST_SCORE && derivative.abs() <= limit) {
                return Err(diverged("a score", rows.tile, rows.range.start + row));
            }
            loss += of_row * row_loss;
            weight += of_row;
            if rows.training {
                sums.weight += self.rows.of(of_row);
                if !self.spread(model, &work, of_row * derivative, &mut sums.tables) {
                    return Err(diverged("a gradient", rows.tile, rows.range.start + row));
                }
            }
        }
        totals.add(&mut sums.totals, rows.training, loss, weight)
    }

    #[inline(always)]
    fn score(&self, model: &Model<'_>, row: &mut Row) -> f64 {
        row.sums.fill(0.0);
        row.squares.fill(0.0);
        let mut score = model.intercept;
        for &(place, x) in &row.entries {
            score += f64::from(model.weights[place as usize]) * x;
            let factors = &model.factors[place as usize * self.rank..][..self.rank];
            for ((sum, square), &v) in row.sums.iter_mut().zip(&mut row.squares).zip(factors) {
                let term = f64::from(v) * x;
                *sum += term;
                *square += term * term;
            }
        }
        let pairs: f64 = row.sums.iter().zip(&row.squares).map(|(sum, square)| sum * sum - square).sum();
        score + 0.5 * pairs
    }

    /// The loss and its derivative by the score.
    #[inline(always)]
    fn loss(&self, model: &Model<'_>, target: f32, score: f64) -> (f64, f64) {
        if !self.regression {
            return Loss::Logistic.binary(score, target == 1.0);
        }
        let &[.., center, scale] = model.standards else { return (0.0, 0.0) };
        let residual = score - (f64::from(target) - f64::from(center)) * f64::from(scale);
        (residual * residual, residual)
    }

    /// Adds a row's gradients; what it gives is whether they fit.
    #[inline(always)]
    fn spread(&self, model: &Model<'_>, row: &Row, derivative: f64, tables: &mut [Vec<i64>]) -> bool {
        let [weights, intercept, _, factors] = tables else { return false };
        add(&mut intercept[0], self.weights.of(derivative));
        let mut largest_weight = derivative.abs();
        let mut largest_factor = 0.0f64;
        for &(place, x) in &row.entries {
            let slope = derivative * x;
            largest_weight = largest_weight.max(slope.abs());
            add(&mut weights[place as usize], self.weights.of(slope));
            let of_column = place as usize * self.rank..(place as usize + 1) * self.rank;
            let values = model.factors[of_column.clone()].iter().zip(&row.sums);
            for (sum, (&v, &all)) in factors[of_column].iter_mut().zip(values) {
                let gradient = slope * (all - f64::from(v) * x);
                largest_factor = largest_factor.max(gradient.abs());
                add(sum, self.factors.of(gradient));
            }
        }
        self.weights.fits(largest_weight) && self.factors.fits(largest_factor)
    }
}

/// A part to be folded, for the lanes of this machine.
struct Work<'a> {
    fold: &'a Fold,
    batch: &'a Batch,
    rows: &'a Rows,
    model: Model<'a>,
    totals: &'a Totals,
    sums: &'a mut Sums,
}

impl pulp::WithSimd for Work<'_> {
    type Output = Result<()>;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Result<()> {
        self.fold.rows(self.batch, self.rows, &self.model, self.totals, self.sums)
    }
}

impl Row {
    #[inline(always)]
    fn load(&mut self, batch: &Batch, rows: &Rows, row: usize, standards: &[f32]) {
        self.entries.clear();
        let numbers = &rows.numbers[row * batch.numbers.len()..][..batch.numbers.len()];
        for ((&place, &x), standard) in batch.numbers.iter().zip(numbers).zip(standards.chunks_exact(2)) {
            if !x.is_nan() {
                self.entries.push((place, (f64::from(x) - f64::from(standard[0])) * f64::from(standard[1])));
            }
        }
        let span = rows.span(row);
        let places = rows.places[span.clone()].iter();
        if rows.values.is_empty() {
            self.entries.extend(places.map(|&place| (place, 1.0)));
        } else {
            self.entries.extend(places.zip(&rows.values[span]).map(|(&place, &x)| (place, f64::from(x))));
        }
    }
}
