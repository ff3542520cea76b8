//! The units in which mini-batches are summed: integers that no mini-batch of the table makes overflow.

use quelea_core::exact::{exponent_above, scale};
use quelea_core::schema::Schema;
use quelea_core::{Error, Result};

use crate::sums::round;

/// The largest sum over a mini-batch stays below 2 to this power, in units, and the largest part of a row below 2 to the
/// other, so that rounding it is an addition.
const SUM_BITS: i32 = 61;
const ROW_BITS: i32 = 50;

/// A fixed-point unit of what is summed over the rows of a mini-batch.
#[derive(Debug, Clone, Copy)]
pub struct Units {
    exponent: i32,
    /// How many units make 1.
    pub factor: f64,
}

impl Units {
    /// For mini-batches of so many rows, of which none adds more than 2^`largest` in size.
    pub fn new(rows: u64, largest: i32) -> Self {
        let exponent = largest + (exponent_above(rows.max(1) as f64) - SUM_BITS).max(-ROW_BITS);
        Self { exponent, factor: scale(1.0, -exponent) }
    }

    /// What a unit stands for.
    pub fn one(self) -> f64 {
        scale(1.0, self.exponent)
    }

    /// `value` in units. It is meaningless if [`Units::fits`] is false.
    #[inline(always)]
    pub fn of(self, value: f64) -> i64 {
        round(value, self.factor)
    }

    /// Whether a row may add `value`.
    #[inline(always)]
    pub fn fits(self, value: f64) -> bool {
        // With room for the rounding of what the bound was made of.
        value.abs() * self.factor <= (1u64 << (ROW_BITS + 1)) as f64 * 0.75
    }
}

/// The most rows that a mini-batch may have: a slice of a tile is rounded up to whole rows, and no tile but the last has less
/// than 4,096 rows.
pub fn most_rows(schema: &Schema, slices: u64) -> u64 {
    schema.rows.min(schema.rows / slices + schema.rows / 4_096 + (1 << 20))
}

/// The power of 2 above the weight of each row.
pub fn largest_weight(schema: &Schema) -> i32 {
    exponent_above(f64::from(schema.largest_weight).max(f64::MIN_POSITIVE))
}

/// The error for a score or gradient that left the range of what can be summed.
pub fn diverged(what: &str, tile: u32, row: usize) -> Error {
    Error::Diverged { what: what.into(), place: format!(" at row {row} of tile {tile}") }
}

/// Adds units that cannot overflow unless a caller breaks his promise.
#[inline(always)]
pub fn add(sum: &mut i64, units: i64) {
    *sum = sum.wrapping_add(units);
}

/// Refuses a table whose training rows weigh nothing.
pub fn check_weight(weight: f64) -> Result<()> {
    let problem = "the training rows weigh nothing; give some of them a weight above 0";
    (weight > 0.0).then_some(()).ok_or_else(|| Error::Table { problem: problem.into() })
}
