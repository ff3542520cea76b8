//! What a run asks its workers to leave out of what they send, and how numbers are rounded so that they are short on the wire.
//!
//! Rounded numbers are binary floats of few digits within a range below the largest one. Shells send numbers exactly, and
//! such ones in two bytes or in one.

use serde::{Deserialize, Serialize};

/// What is left out in a training by steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// What is left of each number.
    pub bits: Bits,
    /// The share of the rows of a push that are sent: the largest. 1 is all.
    pub top: f64,
    /// A row is sent when its gradient is at least so many times as large as its values. 0 is always.
    pub significance: f64,
    /// What 1 in a sum of each table stands for.
    pub units: Vec<f64>,
}

impl Default for Traffic {
    fn default() -> Self {
        Self { bits: Bits::All, top: 1.0, significance: 0.0, units: Vec::new() }
    }
}

impl Traffic {
    /// Whether anything is left out.
    pub fn is_less(&self) -> bool {
        self.bits != Bits::All || self.picks_rows()
    }

    /// Whether whole rows are.
    pub fn picks_rows(&self) -> bool {
        self.top < 1.0 || self.significance > 0.0
    }
}

/// How many bits a number takes on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bits {
    /// As many as it needs to be exact.
    All,
    /// Values: 11 binary digits and 30 powers of 2 below the largest. Sums: 11 digits, 14 powers of 2.
    Sixteen,
    /// Values: 4 binary digits and 14 powers of 2 below the largest. Sums: 3 digits, 14 powers of 2.
    Eight,
}

/// Digits of a 32-bit float behind the first.
const FLOAT_DIGITS: u32 = 23;
/// The largest sum that is rounded up may need one more power of 2; the wire has 15.
const SUM_POWERS: u32 = 14;

impl Bits {
    /// Rounds values to the nearest of those that are short beside the largest of them.
    pub fn round_values(self, values: &mut [f32]) {
        let (digits, powers) = match self {
            Self::All => return,
            Self::Sixteen => (10, 29),
            Self::Eight => (3, 13),
        };
        let exponent = |value: f32| (value.to_bits() >> FLOAT_DIGITS) & 0xff;
        let largest = values.iter().map(|value| exponent(*value)).max().unwrap_or_default();
        let least = f32::from_bits(largest.saturating_sub(powers).max(1) << FLOAT_DIGITS);
        let rest = FLOAT_DIGITS - digits;
        for value in values {
            if value.abs() < least {
                *value = if value.abs() * 2.0 > least { least.copysign(*value) } else { 0.0 };
                continue;
            }
            let bits = value.to_bits();
            // To the nearest, and to an even digit in the middle.
            let rounded = f32::from_bits((bits + (1 << (rest - 1)) - 1 + (bits >> rest & 1)) & !((1 << rest) - 1));
            *value = if rounded.is_finite() { rounded } else { f32::from_bits(bits & !((1 << rest) - 1)) };
        }
    }

    /// Rounds sums to the nearest of those that are short beside the largest of them.
    pub fn round_sums(self, sums: &mut [i64]) {
        let digits = match self {
            Self::All => return,
            Self::Sixteen => 11,
            Self::Eight => 3,
        };
        let beyond = |size: u64| (64 - size.leading_zeros()).saturating_sub(digits);
        let largest = sums.iter().map(|sum| sum.unsigned_abs()).max().unwrap_or_default();
        let least = beyond(largest).saturating_sub(SUM_POWERS);
        for sum in sums {
            let size = sum.unsigned_abs();
            let shift = beyond(size).max(least);
            if shift > 0 {
                let up = ((size >> (shift - 1)) + 1) >> 1;
                // Where the nearest is beyond 64 bits, the one before it.
                let rounded = if up.leading_zeros() > shift { up << shift } else { size >> shift << shift };
                *sum = if *sum < 0 { -(rounded as i64) } else { rounded as i64 };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const SHORT: [(Bits, u32, f64); 2] = [(Bits::Sixteen, 11, 1.0 / 2_048.0), (Bits::Eight, 3, 1.0 / 8.0)];

    proptest! {
        #[test]
        fn sums_are_near_what_they_were_and_have_few_digits(sums in vec((any::<i64>(), 0u32..64).prop_map(|(sum, shift)| sum >> shift), 0..50)) {
            let largest = sums.iter().map(|sum| sum.unsigned_abs()).max().unwrap_or_default();
            for (bits, digits, share) in SHORT {
                let mut rounded = sums.clone();
                bits.round_sums(&mut rounded);
                for (sum, rounded) in sums.iter().zip(&rounded) {
                    let size = rounded.unsigned_abs();
                    prop_assert!(size == 0 || 64 - size.leading_zeros() - size.trailing_zeros() <= digits);
                    let most = (sum.unsigned_abs() as f64 * share).max(largest as f64 / f64::from(1 << (SUM_POWERS + digits - 1)));
                    prop_assert!((sum.wrapping_sub(*rounded)).unsigned_abs() as f64 <= 2.0 * most, "{sum} {rounded}");
                }
            }
            let mut same = sums.clone();
            Bits::All.round_sums(&mut same);
            prop_assert_eq!(same, sums);
        }

        #[test]
        fn values_are_near_what_they_were(values in vec(prop_oneof![-10f32..10.0, -1e-6f32..1e-6, any::<f32>().prop_filter("a number", |v| v.is_finite())], 0..50)) {
            let largest = values.iter().fold(0f32, |most, value| most.max(value.abs()));
            for (bits, share, below) in [(Bits::Sixteen, 1.0 / 2_048.0, 1e-8f32), (Bits::Eight, 1.0 / 16.0, 1e-4)] {
                let mut rounded = values.clone();
                bits.round_values(&mut rounded);
                for (value, rounded) in values.iter().zip(&rounded) {
                    prop_assert!(rounded.is_finite());
                    prop_assert!((value - rounded).abs() <= (value.abs() * share * 2.0).max(largest * below).max(f32::MIN_POSITIVE), "{value} {rounded}");
                }
            }
        }
    }
}
