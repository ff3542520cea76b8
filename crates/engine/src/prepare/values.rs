//! Arrow arrays of any type as the few types that a model knows: 32-bit floats, text, microseconds.
//! Columns of CSV files come as text and are parsed here, so that a bad value can be named with its row.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringViewArray};
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, TimeUnit};
use arrow::error::ArrowError;
use quelea_core::visible::shortened;

use super::nulls::Nulls;
use super::spelling::truth;
use crate::table::{is_text, value_type};

/// The text of a float that is none.
const NAN: &str = "NaN";

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
    /// The array as numbers of its own type, or those that the text of a CSV file stands for.
    pub fn typed_numbers(self, array: &ArrayRef) -> Result<ArrayRef, BadValue> {
        self.parsed(array, &DataType::Float64, "a number")
    }

    /// The array as 32-bit floats, NaN where a value is missing or one of `nulls`. Infinities are refused.
    pub fn numbers(self, array: &ArrayRef, nulls: &Nulls) -> Result<ScalarBuffer<f32>, BadValue> {
        let array = self.typed_numbers(array)?;
        let floats = cast(&array, &DataType::Float32).map_err(|e| BadValue { row: 0, problem: e.to_string() })?;
        let floats = floats.as_primitive::<Float32Type>();
        let values = match floats.nulls() {
            None if nulls.numbers.is_empty() => floats.values().clone(),
            _ => {
                let mut values: Vec<f32> = floats.iter().map(|v| v.unwrap_or(f32::NAN)).collect();
                nulls.mark_floats(&mut values);
                values.into()
            }
        };
        match values.iter().position(|v| v.is_infinite()) {
            None => Ok(values),
            Some(row) => Err(infinite(row)),
        }
    }

    /// The array as 64-bit floats, NaN where a value is missing or one of `nulls`. What a 32-bit float cannot hold is refused.
    pub fn wide_numbers(self, array: &ArrayRef, nulls: &Nulls) -> Result<Vec<f64>, BadValue> {
        let array = self.typed_numbers(array)?;
        let floats = cast(&array, &DataType::Float64).map_err(|e| BadValue { row: 0, problem: e.to_string() })?;
        let mut floats: Vec<f64> = floats.as_primitive::<Float64Type>().iter().map(|v| v.unwrap_or(f64::NAN)).collect();
        nulls.mark_wide(&mut floats);
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
        let text = self.without_markers(text.as_string_view());
        let is_float = array.data_type().is_floating();
        Ok(if is_float { text.iter().map(|text| text.filter(|&text| text != NAN)).collect() } else { text })
    }

    /// Whether a text is none, or stands for a missing value.
    pub fn is_missing(self, text: &str) -> bool {
        text.is_empty() || self.null_values.iter().any(|marker| marker == text)
    }

    fn without_markers(self, text: &StringViewArray) -> StringViewArray {
        if text.iter().flatten().any(|text| self.is_missing(text)) {
            text.iter().map(|text| text.filter(|text| !self.is_missing(text))).collect()
        } else {
            text.clone()
        }
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

fn infinite(row: usize) -> BadValue {
    BadValue { row, problem: "infinite, or beyond the 3.4e38 that a 32-bit float can hold; replace it, or make it missing".into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{BooleanArray, Decimal128Array, Float32Array, Int64Array, TimestampSecondArray};
    use std::sync::Arc;

    fn csv(values: &[&str]) -> ArrayRef {
        Arc::new(StringViewArray::from_iter_values(values))
    }

    #[test]
    fn csv_numbers_know_markers_truths_and_mistakes() {
        let markers = vec!["?".to_string()];
        let reading = Reading { null_values: &markers, is_csv: true };
        let numbers = reading.numbers(&csv(&["1.5", "?", "", "TRUE", "-2e3"]), &Nulls::default()).unwrap();
        assert_eq!(numbers[0], 1.5);
        assert!(numbers[1].is_nan() && numbers[2].is_nan());
        assert_eq!((numbers[3], numbers[4]), (1.0, -2000.0));
        let bad = reading.numbers(&csv(&["1", "two"]), &Nulls::default()).unwrap_err();
        assert!(bad.row == 1 && bad.problem.contains("\"two\""), "{bad:?}");
    }

    #[test]
    fn numbers_that_stand_for_a_missing_one_do_so_however_they_are_written() {
        let texts = ["-999.0".to_string(), "inf".into()];
        let nulls = Nulls::new(&texts);
        let expected = [true, true, true, false, true];
        let text = csv(&["-999", "-999.00", "-999.0", "1", "inf"]);
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![-999.0, -999.0, -999.0, 1.0, f64::INFINITY]));
        for (array, is_csv) in [(text, true), (numbers, false)] {
            let reading = Reading { null_values: &texts, is_csv };
            let missing = |values: &[f32]| values.iter().map(|v| v.is_nan()).collect::<Vec<_>>();
            assert_eq!(missing(&reading.numbers(&array, &nulls).unwrap()), expected);
            let wide = reading.wide_numbers(&array, &nulls).unwrap();
            assert_eq!(missing(&wide.iter().map(|&v| v as f32).collect::<Vec<_>>()), expected);
        }
    }

    #[test]
    fn infinities_are_refused_in_every_type() {
        let reading = Reading { null_values: &[], is_csv: false };
        let wide: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 1e300]));
        assert_eq!(reading.numbers(&wide, &Nulls::default()).unwrap_err().row, 1);
        let infinite: ArrayRef = Arc::new(Float32Array::from(vec![f32::NEG_INFINITY]));
        assert_eq!(reading.numbers(&infinite, &Nulls::default()).unwrap_err().row, 0);
    }

    #[test]
    fn other_types_become_numbers() {
        let reading = Reading { null_values: &[], is_csv: false };
        let truths: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]));
        let numbers = reading.numbers(&truths, &Nulls::default()).unwrap();
        assert!(numbers[0] == 1.0 && numbers[1].is_nan() && numbers[2] == 0.0);
        let decimals: ArrayRef = Arc::new(Decimal128Array::from(vec![12_345]).with_precision_and_scale(10, 2).unwrap());
        assert_eq!(reading.numbers(&decimals, &Nulls::default()).unwrap()[0], 123.45);
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
    fn moments_with_a_zone_are_taken_in_utc() {
        let reading = Reading { null_values: &[], is_csv: false };
        let zoned: ArrayRef = Arc::new(TimestampSecondArray::from(vec![3]).with_timezone("+05:00"));
        assert_eq!(reading.timestamps(&zoned).unwrap(), [3_000_000]);
    }
}
