//! What is lost when values become 32-bit floats, and whether it matters.
//!
//! Nearly every 64-bit float changes a little: 0.1 does, and no model is worse for it. So a change alone is not worth a word. It matters
//! where values that a person would tell apart become equal:
//! - whole numbers that change are identifiers, days such as 20180131, or seconds since 1970: each of them counts;
//! - numbers with fractions count where two different ones, taken by chance, become equal more often than once in a hundred: where
//!   what all values have in common, such as 1e9, takes the digits that tell them apart. Prices and coordinates are far from that. Two
//!   numbers that differ in their last bits alone, as results of the same sum do, are not taken for different;
//! - numbers below the smallest that a 32-bit float holds in full, 1.2e-38, where most are.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};

use super::part::Part;
use super::sample;
use crate::table::value_type;

/// Values of an array that are taken two by two.
const SAMPLE: usize = 1_024;
/// One pair of different values in this many may become equal.
const PAIRS_PER_EQUAL: u64 = 100;
/// What two values must differ by, in parts of the larger: 64 steps of a 64-bit float.
const NOISE: f64 = 64.0 * f64::EPSILON;

/// What is seen of a column's values.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rounding {
    /// Whether there is a number that is not whole, or so large that all 64-bit floats are.
    has_fractions: bool,
    /// The first whole number that changes.
    changed: Option<f64>,
    /// Pairs of different values that were looked at.
    pairs: u64,
    /// Those of them that become equal.
    equal: u64,
    /// Values that were looked at and are not 0.
    values: u64,
    /// Those of them that are too small.
    small: u64,
}

/// What is seen of each input, and of the target behind them, in all parts.
pub(crate) fn of_columns(parts: &[Part]) -> Vec<Rounding> {
    let mut all = vec![Rounding::default(); parts.first().map_or(0, |part| part.rounding.len())];
    for part in parts {
        all.iter_mut().zip(&part.rounding).for_each(|(all, of_part)| all.merge(of_part));
    }
    all
}

/// What is lost of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Loss {
    /// Whole numbers change, such as this one.
    Whole(f64),
    /// Different values become equal.
    Equal,
    /// Values are too small.
    Small,
}

impl Rounding {
    /// Looks at the numbers of an array, except those that stand for a missing value. A type that becomes 32-bit floats without loss
    /// is passed over.
    pub fn see(&mut self, array: &ArrayRef, nulls: &[f64]) {
        use DataType::{Float64, Int32, Int64, UInt32, UInt64};
        match value_type(array.data_type()) {
            Int32 | Int64 | UInt32 | UInt64 => self.see_integers(array, nulls),
            data_type if *data_type == Float64 || data_type.is_decimal() => {
                let Ok(wide) = cast(array, &Float64) else { return };
                let wide = wide.as_primitive::<Float64Type>();
                let value = |row: usize| if wide.is_null(row) { f64::NAN } else { wide.value(row) };
                self.see_whole(wide.len(), value, nulls);
                self.see_pairs(wide.len(), value, nulls);
            }
            _ => {}
        }
    }

    /// Looks at the values of a number to predict. Whole numbers of a target are amounts, not names.
    pub fn see_target(&mut self, values: &[f64]) {
        self.has_fractions = true;
        self.see_pairs(values.len(), |row| values[row], &[]);
    }

    fn see_integers(&mut self, array: &ArrayRef, nulls: &[f64]) {
        let is_changed = |v: i64| i128::from(v) != (v as f32) as i128 && !nulls.contains(&(v as f64));
        if self.changed.is_some() {
            return;
        }
        match cast(array, &DataType::Int64) {
            // Some are beyond signed integers.
            Ok(wide) if wide.null_count() > array.null_count() => self.changed = Some(u64::MAX as f64),
            Ok(wide) => self.changed = wide.as_primitive::<Int64Type>().iter().flatten().find(|&v| is_changed(v)).map(|v| v as f64),
            Err(_) => {}
        }
    }

    /// Stops at the first number that is not whole.
    fn see_whole(&mut self, rows: usize, value: impl Fn(usize) -> f64, nulls: &[f64]) {
        let is_whole = |value: f64| value.abs() < 9e18 && (value as i64) as f64 == value;
        for value in (0..rows).map(value) {
            if self.has_fractions {
                return;
            }
            if value.is_nan() || nulls.contains(&value) {
                continue;
            }
            self.has_fractions = !is_whole(value);
            if self.changed.is_none() && !self.has_fractions && f64::from(value as f32) != value {
                self.changed = Some(value);
            }
        }
    }

    fn see_pairs(&mut self, rows: usize, value: impl Fn(usize) -> f64, nulls: &[f64]) {
        let is_there = |value: &f64| value.is_finite() && !nulls.contains(value);
        let values: Vec<f64> = sample::rows(rows, SAMPLE).map(value).filter(is_there).collect();
        for (&a, &b) in values.iter().zip(values.iter().cycle().skip(1)) {
            self.values += u64::from(a != 0.0);
            self.small += u64::from(a != 0.0 && a.abs() < f64::from(f32::MIN_POSITIVE));
            if (a - b).abs() > NOISE * a.abs().max(b.abs()) {
                self.pairs += 1;
                self.equal += u64::from(a as f32 == b as f32);
            }
        }
    }

    /// Adds what was seen of other rows of the column.
    pub fn merge(&mut self, other: &Self) {
        self.has_fractions |= other.has_fractions;
        self.changed = self.changed.or(other.changed);
        self.pairs += other.pairs;
        self.equal += other.equal;
        self.values += other.values;
        self.small += other.small;
    }

    /// What is lost, if it matters.
    pub fn loss(&self) -> Option<Loss> {
        match self.changed.filter(|_| !self.has_fractions) {
            Some(example) => Some(Loss::Whole(example)),
            None if self.small * 2 > self.values => Some(Loss::Small),
            None => (self.equal * PAIRS_PER_EQUAL > self.pairs).then_some(Loss::Equal),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Decimal128Array, Float32Array, Float64Array, Int64Array, UInt64Array};

    use super::*;

    fn loss_of(array: impl Array + 'static) -> Option<Loss> {
        let array: ArrayRef = Arc::new(array);
        let mut rounding = Rounding::default();
        // In pieces, as batches come.
        for from in (0..array.len()).step_by(1_000) {
            let mut piece = Rounding::default();
            piece.see(&array.slice(from, 1_000.min(array.len() - from)), &[-999_999_999.0]);
            rounding.merge(&piece);
        }
        rounding.loss()
    }

    fn doubles(value: impl Fn(f64) -> f64) -> Float64Array {
        // Between 0 and 1, without an order.
        (0..5_000u64).map(|row| Some(value(row.wrapping_mul(0x9E37_79B9_7F4A_7C15) as f64 / 2f64.powi(64)))).collect()
    }

    #[test]
    fn whole_numbers_that_change_count_in_every_type() {
        let days = [20_180_131i64, 20_180_132];
        let example = Some(Loss::Whole(20_180_131.0));
        assert_eq!(loss_of(Int64Array::from(days.to_vec())), example);
        assert_eq!(loss_of(UInt64Array::from(vec![20_180_131u64])), example);
        assert!(matches!(loss_of(UInt64Array::from(vec![u64::MAX])), Some(Loss::Whole(_))));
        assert_eq!(loss_of(Float64Array::from(vec![Some(20_180_131.0), None, Some(3.0)])), example);
        let decimals = Decimal128Array::from(vec![2_018_013_100, 2_018_013_200]).with_precision_and_scale(20, 2).unwrap();
        assert_eq!(loss_of(decimals), example);
        for unchanged in [vec![1 << 24, i64::MIN], vec![20_180_132], vec![3, -999_999_999]] {
            assert_eq!(loss_of(Int64Array::from(unchanged.clone())), None);
            assert_eq!(loss_of(unchanged.iter().map(|&v| Some(v as f64)).collect::<Float64Array>()), None);
        }
    }

    #[test]
    fn measurements_are_left_alone() {
        assert_eq!(loss_of(doubles(|u| (u * 1_000.0).floor() / 100.0)), None, "prices");
        assert_eq!(loss_of(doubles(|u| (u * 1e9).floor() / 100.0)), None, "sums of money");
        assert_eq!(loss_of(doubles(|u| 52.3 + 0.4 * u)), None, "coordinates with all digits");
        assert_eq!(loss_of(doubles(|u| (u * 10.0).floor() * 0.1 + u * 1e-16)), None, "tenths with noise");
        assert_eq!(loss_of(doubles(|u| 0.3 + u * 1e-15)), None, "one value with noise");
        assert_eq!(loss_of(doubles(|u| 6e23 * u)), None, "large ones");
        assert_eq!(loss_of(doubles(|u| u.powi(20))), None, "a few that are tiny");
        assert_eq!(loss_of(doubles(|u| 1e6 + 20.0 * u)), None, "a small offset");
        assert_eq!(loss_of(doubles(|u| if u < 0.01 { 1e9 + u } else { u })), None, "outliers");
        assert_eq!(loss_of(Float32Array::from(vec![1e9, 1e-42])), None);
        assert_eq!(loss_of(Float64Array::from(vec![0.1])), None);
        assert_eq!(loss_of(Float64Array::from(vec![None])), None);
    }

    #[test]
    fn offsets_and_tiny_values_are_noticed() {
        assert_eq!(loss_of(doubles(|u| 1e9 + 4.0 * u)), Some(Loss::Equal));
        assert_eq!(loss_of(doubles(|u| if u < 0.01 { 0.5 } else { 1.7e9 + 100.0 * u })), Some(Loss::Equal));
        assert_eq!(loss_of(Float64Array::from(vec![1e9 + 0.25, 1e9 + 0.75])), Some(Loss::Equal));
        for scale in [1e-40, 1e-46, 1e-300] {
            assert_eq!(loss_of(doubles(|u| scale * (u + 0.5))), Some(Loss::Small), "{scale}");
        }
        assert_eq!(loss_of(doubles(|u| 1e-30 * u)), None);
    }

    #[test]
    fn a_target_of_whole_numbers_is_an_amount() {
        let loss = |value: fn(u64) -> f64| {
            let mut rounding = Rounding::default();
            rounding.see_target(&(0..5_000).map(|row| value(row * 7_919 % 5_000)).collect::<Vec<_>>());
            rounding.loss()
        };
        assert_eq!(loss(|row| 20_000_001.0 * row as f64), None);
        assert_eq!(loss(|row| 1.7e9 + (row % 100) as f64), Some(Loss::Equal));
    }
}
