//! Arrow arrays of any type as the few types that a model knows: 32-bit floats, text, microseconds.
//! Columns of CSV files come as text and are parsed here, so that a bad value can be named with its row.

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, TimeUnit};
use arrow::error::ArrowError;
use quelea_core::visible::shortened;

use crate::table::{is_text, value_type};

/// A value that cannot be used.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BadValue {
    /// Its row in the array.
    pub row: usize,
    /// What is wrong with it and what to do.
    pub problem: String,
}

/// What is wrong with a time that 64 bits of microseconds cannot hold.
pub(crate) const FAR_TIME: &str =
    "the time is beyond the years from -290,307 to 294,246 that 64 bits of microseconds can hold; mend it, or make it missing";

/// How an array is to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading<'a> {
    /// Texts that stand for a missing value.
    pub null_values: &'a [String],
    /// Whether text stands for numbers and times too, as in a CSV file.
    pub is_csv: bool,
}

impl Reading<'_> {
    /// The array as 32-bit floats, NaN where a value is missing. Infinities are refused.
    pub fn numbers(self, array: &ArrayRef) -> Result<Float32Array, BadValue> {
        let array = self.parsed(array, &DataType::Float64, "a number")?;
        let floats = cast(&array, &DataType::Float32).map_err(|e| BadValue { row: 0, problem: e.to_string() })?;
        let floats = floats.as_primitive::<Float32Type>();
        let filled: Float32Array = match floats.nulls() {
            None => floats.clone(),
            Some(_) => floats.iter().map(|v| v.unwrap_or(f32::NAN)).collect::<Vec<_>>().into(),
        };
        match filled.values().iter().position(|v| v.is_infinite()) {
            None => Ok(filled),
            Some(row) => Err(infinite(row)),
        }
    }

    /// Whether any whole number in the array changes when it becomes a 32-bit float.
    pub fn rounds(self, array: &ArrayRef) -> bool {
        if value_type(array.data_type()).is_integer() {
            let Ok(wide) = cast(array, &DataType::Int64) else { return true };
            let is_rounded = |v: i64| i128::from(v) != (v as f32) as i128;
            return wide.null_count() > array.null_count() || wide.as_primitive::<Int64Type>().iter().flatten().any(is_rounded);
        }
        if !self.is_csv {
            return false;
        }
        let is_rounded = |v: f64| v.fract() == 0.0 && f64::from(v as f32) != v;
        self.wide_numbers(array).is_ok_and(|values| values.into_iter().any(is_rounded))
    }

    /// The array as 64-bit floats, NaN where a value is missing. What a 32-bit float cannot hold is refused.
    pub fn wide_numbers(self, array: &ArrayRef) -> Result<Vec<f64>, BadValue> {
        let array = self.parsed(array, &DataType::Float64, "a number")?;
        let floats = cast(&array, &DataType::Float64).map_err(|e| BadValue { row: 0, problem: e.to_string() })?;
        let floats: Vec<f64> = floats.as_primitive::<Float64Type>().iter().map(|v| v.unwrap_or(f64::NAN)).collect();
        match floats.iter().position(|&v| (v as f32).is_infinite()) {
            None => Ok(floats),
            Some(row) => Err(infinite(row)),
        }
    }

    /// The array as microseconds since 1970 in UTC, the smallest integer where a value is missing.
    pub fn timestamps(self, array: &ArrayRef) -> Result<Vec<i64>, BadValue> {
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let array = self.parsed(array, &micros, "a date or time such as 2013-01-31T17:20:00")?;
        let unit = value_type(array.data_type());
        let micros = |units: i64| match unit {
            DataType::Date32 => units.checked_mul(86_400_000_000),
            DataType::Timestamp(TimeUnit::Second, _) => units.checked_mul(1_000_000),
            DataType::Date64 | DataType::Timestamp(TimeUnit::Millisecond, _) => units.checked_mul(1_000),
            // A moment belongs to the microsecond that it is in, also before 1970.
            DataType::Timestamp(TimeUnit::Nanosecond, _) => Some(units.div_euclid(1_000)),
            _ => Some(units),
        };
        let units = cast(&array, &DataType::Int64).map_err(|e| BadValue { row: 0, problem: e.to_string() })?;
        let time = |(row, units): (usize, Option<i64>)| match units.map(micros) {
            None => Ok(i64::MIN),
            Some(Some(micros)) if micros != i64::MIN => Ok(micros),
            Some(_) => Err(BadValue { row, problem: FAR_TIME.into() }),
        };
        units.as_primitive::<Int64Type>().iter().enumerate().map(time).collect()
    }

    /// The array as text, null where a value is missing.
    pub fn texts(self, array: &ArrayRef) -> Result<StringViewArray, BadValue> {
        let unusable = |e: ArrowError| BadValue { row: 0, problem: e.to_string() };
        // A dictionary of anything but plain strings is unpacked first.
        let array = match array.data_type() {
            DataType::Dictionary(_, values) if **values != DataType::Utf8 => cast(array, values).map_err(unusable)?,
            _ => array.clone(),
        };
        let text = cast(&array, &DataType::Utf8View).map_err(unusable)?;
        Ok(self.without_markers(text.as_string_view()))
    }

    /// As [`Reading::texts`], for truth values: however a CSV file writes them, they are "true" and "false".
    pub fn truths(self, array: &ArrayRef) -> Result<StringViewArray, BadValue> {
        let text = self.texts(array)?;
        if !self.is_csv {
            return Ok(text);
        }
        Ok(text.iter().map(|value| value.map(|value| truth(value).map_or(value, |truth| if truth { "true" } else { "false" }))).collect())
    }

    fn without_markers(self, text: &StringViewArray) -> StringViewArray {
        let is_missing = |value: &str| value.is_empty() || self.null_values.iter().any(|marker| marker == value);
        if text.iter().flatten().any(is_missing) { text.iter().map(|v| v.filter(|v| !is_missing(v))).collect() } else { text.clone() }
    }

    /// Text of a CSV file parsed as `wanted`; any other array as it is.
    pub fn parsed(self, array: &ArrayRef, wanted: &DataType, described: &str) -> Result<ArrayRef, BadValue> {
        if !self.is_csv || !is_text(array.data_type()) {
            return Ok(array.clone());
        }
        let text = cast(array, &DataType::Utf8View).map_err(|e| BadValue { row: 0, problem: e.to_string() })?;
        let text = self.without_markers(text.as_string_view());
        let parsed = cast(&text, wanted).map_err(|e| BadValue { row: 0, problem: e.to_string() })?;
        if parsed.null_count() == text.null_count() {
            return Ok(parsed);
        }
        let parsed = if wanted.is_numeric() { truths_as_numbers(&text, &parsed) } else { parsed };
        match (0..text.len()).find(|&row| text.is_valid(row) && parsed.is_null(row)) {
            None => Ok(parsed),
            Some(row) => Err(BadValue {
                row,
                problem: format!("{:?} is not {described}; mend it, or name it in data.null_values", shortened(text.value(row))),
            }),
        }
    }
}

/// Fills in what did not parse as a number but is a truth value.
fn truths_as_numbers(text: &StringViewArray, parsed: &ArrayRef) -> ArrayRef {
    let numbers = parsed.as_primitive::<Float64Type>();
    let filled: Float64Array =
        numbers.iter().zip(text.iter()).map(|(number, text)| number.or_else(|| truth(text?).map(f64::from))).collect();
    std::sync::Arc::new(filled)
}

/// The truth value that a text is, in letters of any case.
fn truth(text: &str) -> Option<bool> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") { Some(true) } else { is("false").then_some(false) }
}

fn infinite(row: usize) -> BadValue {
    BadValue { row, problem: "infinite, or beyond the 3.4e38 that a 32-bit float can hold; replace it, or make it missing".into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{BooleanArray, Decimal128Array, Int64Array, TimestampSecondArray};
    use std::sync::Arc;

    fn csv(values: &[&str]) -> ArrayRef {
        Arc::new(StringViewArray::from_iter_values(values))
    }

    #[test]
    fn csv_numbers_know_markers_truths_and_mistakes() {
        let markers = vec!["?".to_string()];
        let reading = Reading { null_values: &markers, is_csv: true };
        let numbers = reading.numbers(&csv(&["1.5", "?", "", "TRUE", "-2e3"])).unwrap();
        assert_eq!(numbers.value(0), 1.5);
        assert!(numbers.value(1).is_nan() && numbers.value(2).is_nan());
        assert_eq!((numbers.value(3), numbers.value(4)), (1.0, -2000.0));
        let bad = reading.numbers(&csv(&["1", "two"])).unwrap_err();
        assert!(bad.row == 1 && bad.problem.contains("\"two\""), "{bad:?}");
    }

    #[test]
    fn infinities_are_refused_in_every_type() {
        let reading = Reading { null_values: &[], is_csv: false };
        let wide: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 1e300]));
        assert_eq!(reading.numbers(&wide).unwrap_err().row, 1);
        let infinite: ArrayRef = Arc::new(Float32Array::from(vec![f32::NEG_INFINITY]));
        assert_eq!(reading.numbers(&infinite).unwrap_err().row, 0);
    }

    #[test]
    fn other_types_become_numbers() {
        let reading = Reading { null_values: &[], is_csv: false };
        let truths: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]));
        let numbers = reading.numbers(&truths).unwrap();
        assert!(numbers.value(0) == 1.0 && numbers.value(1).is_nan() && numbers.value(2) == 0.0);
        let decimals: ArrayRef = Arc::new(Decimal128Array::from(vec![12_345]).with_precision_and_scale(10, 2).unwrap());
        assert_eq!(reading.numbers(&decimals).unwrap().value(0), 123.45);
    }

    #[test]
    fn dictionaries_hold_any_type() {
        let reading = Reading { null_values: &[], is_csv: false };
        let keys = arrow::array::Int32Array::from(vec![Some(1), None, Some(0)]);
        for values in [Arc::new(Int64Array::from(vec![7, 8])) as ArrayRef, Arc::new(arrow::array::LargeStringArray::from(vec!["7", "8"]))] {
            let array: ArrayRef = Arc::new(arrow::array::DictionaryArray::new(keys.clone(), values));
            assert_eq!(reading.texts(&array).unwrap().iter().collect::<Vec<_>>(), [Some("8"), None, Some("7")]);
        }
    }

    #[test]
    fn truths_of_a_csv_file_are_those_of_other_files() {
        let truths = |is_csv| Reading { null_values: &[], is_csv }.truths(&csv(&["True", "FALSE", "true", "maybe"])).unwrap();
        assert_eq!(truths(true).iter().flatten().collect::<Vec<_>>(), ["true", "false", "true", "maybe"]);
        assert_eq!(truths(false).iter().flatten().collect::<Vec<_>>(), ["True", "FALSE", "true", "maybe"]);
    }

    #[test]
    fn moments_with_a_zone_are_taken_in_utc() {
        let reading = Reading { null_values: &[], is_csv: false };
        let zoned: ArrayRef = Arc::new(TimestampSecondArray::from(vec![3]).with_timezone("+05:00"));
        assert_eq!(reading.timestamps(&zoned).unwrap(), [3_000_000]);
    }

    #[test]
    fn whole_numbers_that_round_are_noticed() {
        let reading = Reading { null_values: &[], is_csv: false };
        assert!(!reading.rounds(&(Arc::new(Int64Array::from(vec![1 << 24, i64::MIN])) as ArrayRef)));
        assert!(reading.rounds(&(Arc::new(Int64Array::from(vec![(1 << 24) + 1])) as ArrayRef)));
    }
}
