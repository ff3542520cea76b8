//! Order-free sums of values whose bound is known: fixed-point numbers, scaled so that the sum over all rows fits.

use quelea_core::exact::{exponent_above, from_fixed, to_fixed};
use quelea_core::{Error, Result};

/// Bits that the largest sum may use; the rest of an `i128` is room for rounding.
const BITS: i32 = 120;

/// The unit of a fixed-point sum, a power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit(i32);

impl Unit {
    /// The unit for sums whose size stays below 2^`exponent`.
    pub fn below(exponent: i32) -> Self {
        Self(exponent - BITS)
    }

    /// The value in units.
    pub fn units(self, value: f64, what: &str) -> Result<i128> {
        to_fixed(value, self.0).ok_or_else(|| Error::NotFinite { what: what.into(), place: String::new() })
    }

    /// What `units` stand for.
    pub fn value(self, units: i128) -> f64 {
        from_fixed(units, self.0)
    }
}

/// The smallest `e` with `rows · largest weight ≤ 2^e`: the bound of a sum of weights.
pub fn weight_exponent(rows: u64, largest_weight: f32) -> i32 {
    exponent_above(rows.max(1) as f64) + exponent_above(f64::from(largest_weight).max(f64::MIN_POSITIVE))
}

/// `value · factor`, rounded half to even, if that is smaller than 2^51.
#[inline(always)]
pub fn round(value: f64, factor: f64) -> i64 {
    const ROUND: f64 = 6_755_399_441_055_744.0;
    (value * factor + ROUND).to_bits() as i64 - ROUND.to_bits() as i64
}

/// The sum of `values` in eight lanes of a fixed order, so that it vectorises to the same bits everywhere.
#[inline(always)]
pub fn lane_sum(values: &[f64]) -> f64 {
    let (head, tail) = values.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for chunk in head {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    let mut rest = 0.0;
    for value in tail {
        rest += value;
    }
    ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7])) + rest
}

/// `Σ a·b`, in the lanes of [`lane_sum`].
#[inline(always)]
pub fn lane_dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a_head, a_tail), (b_head, b_tail)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut lanes = [0.0; 8];
    for (a, b) in a_head.iter().zip(b_head) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    let mut rest = 0.0;
    for (a, b) in a_tail.iter().zip(b_tail) {
        rest += a * b;
    }
    ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7])) + rest
}
