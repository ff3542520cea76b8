//! The smallest and the largest value of a column, exactly as the table has them, whatever their type.

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, StringViewArray, UInt32Array, downcast_primitive_array,
};
use arrow::compute::{cast, concat, take};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type, TimeUnit};
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;
use serde_json::{Number, Value};

/// Whether a column of this type has a smallest and a largest value.
pub(super) fn is_ordered(data_type: &DataType) -> bool {
    let is_time = matches!(
        data_type,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 | DataType::Time32(_) | DataType::Time64(_) | DataType::Duration(_)
    );
    data_type.is_numeric() || is_time || *data_type == DataType::Boolean
}

/// The smallest and the largest of some values; NaN is neither.
#[derive(Debug, Clone)]
pub(super) struct Range {
    /// Both of them, by which ranges are compared.
    values: ArrayRef,
    /// Both of them as they are shown: the values, or the text that they were parsed from.
    shown: ArrayRef,
}

impl Range {
    /// The range of `values`, each of which is shown as that of `shown` in the same place; none without any value.
    pub fn of(values: &ArrayRef, shown: &ArrayRef) -> Option<Self> {
        let (smallest, largest) = ends(values)?;
        let places = UInt32Array::from(vec![smallest as u32, largest as u32]);
        let both = |array: &ArrayRef| take(array, &places, None).ok();
        Some(Self { values: both(values)?, shown: both(shown)? })
    }

    /// The range of the values of both.
    pub fn either(first: Option<Self>, second: Option<Self>) -> Option<Self> {
        let (Some(a), Some(b)) = (&first, &second) else { return first.or(second) };
        let all = match a.values.data_type() == b.values.data_type() {
            true => [a.values.clone(), b.values.clone()],
            // The first fraction among the whole numbers of a CSV file.
            false => [cast(&a.values, &DataType::Float64).ok()?, cast(&b.values, &DataType::Float64).ok()?],
        };
        let joined = |arrays: [&ArrayRef; 2]| concat(&arrays.map(|array| array.as_ref())).ok();
        Self::of(&joined([&all[0], &all[1]])?, &joined([&a.shown, &b.shown])?)
    }

    /// The smallest and the largest value: JSON numbers, where these hold the same number, else text.
    pub fn ends(&self) -> [Value; 2] {
        [0, 1].map(|place| self.end(place))
    }

    fn end(&self, place: usize) -> Value {
        let (plain, zone) = match self.shown.data_type() {
            DataType::Timestamp(unit, Some(_)) => (cast(&self.shown, &DataType::Timestamp(*unit, None)), "Z"),
            _ => (Ok(self.shown.clone()), ""),
        };
        let text = plain.and_then(|plain| shown(&plain, place)).map_or_else(|e| e.to_string(), |text| text + zone);
        let data_type = self.values.data_type();
        match serde_json::from_str::<Number>(&text) {
            Ok(number) if data_type.is_integer() || data_type.is_floating() => Value::Number(number),
            _ => Value::String(text),
        }
    }
}

/// A value as text; a time that no calendar has, as its number.
fn shown(array: &ArrayRef, place: usize) -> Result<String, ArrowError> {
    match array_value_to_string(array, place) {
        Ok(text) if !text.starts_with("ERROR: ") => Ok(text),
        _ => array_value_to_string(&cast(array, &DataType::Int64)?, place),
    }
}

/// The texts of a CSV file as values that have an order, null where they are none: a column of whole numbers as 64-bit integers
/// where there are no fractions.
pub(super) fn parsed(texts: &StringViewArray, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    match data_type {
        DataType::Boolean => cast(texts, &DataType::Boolean),
        t if t.is_numeric() => {
            let whole = cast(texts, &DataType::Int64)?;
            if whole.null_count() == texts.null_count() {
                return Ok(whole);
            }
            let all = cast(texts, &DataType::Float64)?;
            Ok(if all.null_count() == whole.null_count() { whole } else { all })
        }
        _ => cast(texts, &DataType::Timestamp(TimeUnit::Microsecond, None)),
    }
}

/// How many values are NaN.
pub(super) fn count_nan(values: &ArrayRef) -> usize {
    let count = |is_nan: &mut dyn Iterator<Item = bool>| is_nan.filter(|&is_nan| is_nan).count();
    match values.data_type() {
        DataType::Float16 => count(&mut values.as_primitive::<Float16Type>().iter().flatten().map(|value| value.is_nan())),
        DataType::Float32 => count(&mut values.as_primitive::<Float32Type>().iter().flatten().map(f32::is_nan)),
        DataType::Float64 => count(&mut values.as_primitive::<Float64Type>().iter().flatten().map(f64::is_nan)),
        _ => 0,
    }
}

/// The places of the smallest and of the largest value, the first of equals.
fn ends(values: &ArrayRef) -> Option<(usize, usize)> {
    let values: &dyn Array = values.as_ref();
    downcast_primitive_array! {
        values => ends_of_numbers(values),
        DataType::Boolean => ends_of_truths(values.as_boolean()),
        _ => None,
    }
}

fn ends_of_numbers<T: ArrowPrimitiveType>(values: &PrimitiveArray<T>) -> Option<(usize, usize)> {
    // NaN equals nothing.
    let mut known = values.iter().enumerate().filter_map(|(place, value)| Some((place, value.filter(|v| v.partial_cmp(v).is_some())?)));
    let first = known.next()?;
    let (smallest, largest) = known.fold((first, first), |(smallest, largest), next| {
        (if next.1 < smallest.1 { next } else { smallest }, if next.1 > largest.1 { next } else { largest })
    });
    Some((smallest.0, largest.0))
}

fn ends_of_truths(values: &BooleanArray) -> Option<(usize, usize)> {
    let place_of = |truth: bool| values.iter().position(|value| value == Some(truth));
    let (falsehood, truth) = (place_of(false), place_of(true));
    Some((falsehood.or(truth)?, truth.or(falsehood)?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Date32Array, Decimal128Array, DurationSecondArray, Float32Array, Float64Array, Int64Array, TimestampMillisecondArray, UInt64Array,
    };
    use serde_json::json;

    use super::*;

    fn range(array: impl Array + 'static) -> Option<[Value; 2]> {
        let all: ArrayRef = Arc::new(array);
        let whole = Range::of(&all, &all);
        // Batches may end anywhere.
        for cut in 0..=all.len() {
            let parts = [all.slice(0, cut), all.slice(cut, all.len() - cut)];
            let [first, second] = parts.map(|part| Range::of(&part, &part));
            assert_eq!(Range::either(first, second).map(|range| range.ends()), whole.as_ref().map(Range::ends), "cut at {cut}");
        }
        whole.map(|range| range.ends())
    }

    #[test]
    fn the_ends_of_every_type_are_values_of_the_table() {
        let ids = vec![Some(1_234_567_890_124), None, Some(1_234_567_890_123), Some(i64::MIN), Some(i64::MAX)];
        assert_eq!(range(Int64Array::from(ids)), Some([json!(i64::MIN), json!(i64::MAX)]));
        assert_eq!(range(UInt64Array::from(vec![u64::MAX, 7])), Some([json!(7), json!(u64::MAX)]));
        assert_eq!(range(Float64Array::from(vec![0.1, 1e300, f64::NAN, -2.5])), Some([json!(-2.5), json!(1e300)]));
        assert_eq!(range(Float32Array::from(vec![0.1, 0.3])), Some([json!(0.1), json!(0.3)]));
        assert_eq!(range(Float64Array::from(vec![f64::INFINITY, 1.0])), Some([json!(1.0), json!("inf")]));
        let decimals = Decimal128Array::from(vec![12_345_678_901_234_567_890_123, -1]).with_precision_and_scale(38, 2).unwrap();
        assert_eq!(range(decimals), Some([json!("-0.01"), json!("123456789012345678901.23")]));
        assert_eq!(range(BooleanArray::from(vec![Some(true), None, Some(true)])), Some([json!("true"), json!("true")]));
        assert_eq!(range(Date32Array::from(vec![17_562, 0])), Some([json!("1970-01-01"), json!("2018-01-31")]));
        let zoned = TimestampMillisecondArray::from(vec![1_517_400_000_123, 0]).with_timezone("+05:00");
        assert_eq!(range(zoned), Some([json!("1970-01-01T00:00:00Z"), json!("2018-01-31T12:00:00.123Z")]));
        assert!(range(DurationSecondArray::from(vec![1, 2])).is_some());
    }

    #[test]
    fn columns_without_a_value_have_no_range() {
        assert_eq!(range(Int64Array::from(Vec::<i64>::new())), None);
        assert_eq!(range(Float64Array::from(vec![None, Some(f64::NAN)])), None);
        assert_eq!(range(BooleanArray::from(vec![None, None])), None);
    }

    #[test]
    fn numbers_of_a_csv_file_are_shown_as_they_are_written() {
        let part = |texts: &[&str]| {
            let texts = StringViewArray::from_iter_values(texts);
            Range::of(&parsed(&texts, &DataType::Int64).unwrap(), &(Arc::new(texts) as ArrayRef))
        };
        let ends = |parts: [&[&str]; 2]| Range::either(part(parts[0]), part(parts[1])).unwrap().ends();
        assert_eq!(ends([&["9007199254740993", "9007199254740992"], &["oops"]]), [json!(9007199254740992u64), json!(9007199254740993u64)]);
        assert_eq!(ends([&["3", "12"], &["2.50", "1e2"]]), [json!(2.5), json!(100.0)]);
        assert_eq!(ends([&["007"], &["8"]]), [json!("007"), json!(8)]);
    }
}
