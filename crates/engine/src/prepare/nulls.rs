//! The texts in `data.null_values` as values of each type. A column has its type in every format, so a marker stands for a missing
//! value whether the table is a CSV file, where it is text, or one that holds numbers and times.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use quelea_core::schema::Schema;

/// What stands for a missing value.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Nulls {
    /// In columns of text.
    pub texts: Vec<String>,
    /// In columns of numbers: the texts that are numbers. Numbers that are the same 32-bit float are one.
    pub numbers: Vec<f64>,
    /// In columns of times, as microseconds since 1970: the texts that are times.
    pub times: Vec<i64>,
}

impl Nulls {
    /// What the texts of a job stand for.
    pub fn new(texts: &[String]) -> Self {
        let mut numbers: Vec<f64> = texts.iter().filter_map(|text| text.parse().ok()).filter(|number: &f64| !number.is_nan()).collect();
        numbers.sort_by(f64::total_cmp);
        numbers.dedup_by_key(|number| *number as f32);
        let mut times = times(texts);
        times.sort_unstable();
        times.dedup();
        Self { texts: texts.to_vec(), numbers, times }
    }

    /// What a model takes for missing. Models of earlier versions know texts alone.
    pub fn of_model(schema: &Schema) -> Self {
        let mut nulls = Self::new(&schema.null_values);
        nulls.numbers.retain(|&number| schema.null_numbers.contains(&(number as f32)));
        nulls.times.clone_from(&schema.null_times);
        nulls
    }

    /// The numbers as models compare them.
    pub fn floats(&self) -> Vec<f32> {
        self.numbers.iter().map(|&number| number as f32).collect()
    }

    /// Makes numbers that stand for a missing value missing.
    pub fn mark_floats(&self, values: &mut [f32]) {
        for null in self.floats() {
            values.iter_mut().filter(|value| **value == null).for_each(|value| *value = f32::NAN);
        }
    }

    /// As [`Nulls::mark_floats`].
    pub fn mark_wide(&self, values: &mut [f64]) {
        for &null in &self.numbers {
            values.iter_mut().filter(|value| **value == null).for_each(|value| *value = f64::NAN);
        }
    }

    /// Makes times that stand for a missing value missing.
    pub fn mark_times(&self, values: &mut [i64]) {
        for &null in &self.times {
            values.iter_mut().filter(|value| **value == null).for_each(|value| *value = i64::MIN);
        }
    }
}

/// The texts that are times. One with a time zone is a moment in UTC.
fn times(texts: &[String]) -> Vec<i64> {
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
    let times = cast(&texts, &DataType::Timestamp(TimeUnit::Microsecond, None)).ok();
    times.iter().flat_map(|times| times.as_primitive::<TimestampMicrosecondType>().iter().flatten()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stand_for_values_of_every_type_that_they_can_be() {
        let texts = ["?", "-999.0", "-999", "nan", "inf", "1e300", "1900-01-01", "9999-12-31 00:00:00", "0000-00-00"].map(String::from);
        let nulls = Nulls::new(&texts);
        assert_eq!(nulls.floats(), [-999.0, f32::INFINITY]);
        assert_eq!(nulls.times, [-2_208_988_800_000_000, 253_402_214_400_000_000]);
        let (mut floats, mut wide, mut times) = ([-999.0, 1.0], [-999.0, f64::NAN], [-2_208_988_800_000_000, 0]);
        nulls.mark_floats(&mut floats);
        nulls.mark_wide(&mut wide);
        nulls.mark_times(&mut times);
        assert!(floats[0].is_nan() && floats[1] == 1.0 && wide[0].is_nan());
        assert_eq!(times, [i64::MIN, 0]);
    }

    #[test]
    fn a_model_that_knows_texts_alone_keeps_its_numbers() {
        let schema = Schema { null_values: vec!["-999".into(), "?".into()], ..Schema::default() };
        assert_eq!(Nulls::of_model(&schema), Nulls { texts: schema.null_values.clone(), ..Nulls::default() });
    }
}
