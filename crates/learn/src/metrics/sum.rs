//! Exact sums over rows, and the weights of rows that must be kept.

use quelea_core::exact::ExactSum;

/// A sum over rows, whatever their order; one value that is not finite makes it unknown.
#[derive(Debug, Clone, Default)]
pub(super) struct Sum {
    exact: ExactSum,
    broken: bool,
}

impl Sum {
    pub fn add(&mut self, x: f64) {
        if x != 0.0 {
            self.broken |= !self.exact.add(x);
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.exact.merge(&other.exact);
        self.broken |= other.broken;
    }

    /// The sum, if it is known.
    pub fn value(&self) -> Option<f64> {
        (!self.broken).then(|| self.exact.value())
    }

    /// The sum as two numbers, of 106 bits, if it is known.
    pub fn parts(&self) -> Option<[f64; 2]> {
        let first = self.value()?;
        let mut rest = self.clone();
        rest.add(-first);
        Some([first, rest.value()?])
    }

    /// This sum over `weight`; unknown without any weight.
    pub fn over(&self, weight: &Self) -> Option<f64> {
        ratio(self.value()?, weight.value()?)
    }
}

/// The product of two numbers, rounded, and what rounding left out of it: together they are exact.
pub(super) fn product(a: f64, b: f64) -> [f64; 2] {
    let rounded = a * b;
    [rounded, a.mul_add(b, -rounded)]
}

/// `a / b`, unless `b` is 0.
pub(super) fn ratio(a: f64, b: f64) -> Option<f64> {
    (b != 0.0).then(|| a / b)
}

/// A weight per row; takes no memory as long as all are 1.
#[derive(Debug, Clone, Default)]
pub(super) struct Weights {
    rows: usize,
    given: Vec<f32>,
}

impl Weights {
    pub fn push(&mut self, weight: f32) {
        if weight != 1.0 || !self.given.is_empty() {
            self.given.resize(self.rows, 1.0);
            self.given.push(weight);
        }
        self.rows += 1;
    }

    pub fn append(&mut self, mut other: Self) {
        if !self.given.is_empty() || !other.given.is_empty() {
            self.given.resize(self.rows, 1.0);
            other.given.resize(other.rows, 1.0);
            self.given.append(&mut other.given);
        }
        self.rows += other.rows;
    }

    pub fn of(&self, row: usize) -> f32 {
        self.given.get(row).copied().unwrap_or(1.0)
    }
}
