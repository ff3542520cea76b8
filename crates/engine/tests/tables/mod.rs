//! Tables made for tests: columns of every kind, with a target of every kind that follows from them.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float32Array, Int64Array, StringArray, StringViewArray, TimestampMicrosecondArray};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Float32Type, TimeUnit, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use quelea_core::counter::{Draws, Purpose};
use quelea_core::schema::InputKind;
use quelea_model::Column;

/// The columns of [`mixed`] that are not learned from unless they are the target.
pub const TARGETS: [&str; 3] = ["two", "three", "number"];

/// Columns by name.
#[derive(Clone)]
pub struct Table {
    pub columns: Vec<(String, ArrayRef)>,
}

impl Table {
    pub fn rows(&self) -> usize {
        self.columns[0].1.len()
    }

    pub fn batch(&self) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(self.columns.iter().map(|(name, array)| (name.clone(), array.clone(), true))).unwrap()
    }

    pub fn column(&self, name: &str) -> ArrayRef {
        self.columns.iter().find(|(n, _)| n == name).unwrap().1.clone()
    }

    pub fn numbers(&self, name: &str) -> Vec<f32> {
        self.column(name).as_primitive::<Float32Type>().values().to_vec()
    }

    pub fn push(&mut self, name: &str, array: ArrayRef) {
        self.columns.push((name.into(), array));
    }

    pub fn replace(&mut self, name: &str, array: ArrayRef) {
        self.columns.iter_mut().find(|(n, _)| n == name).unwrap().1 = array;
    }

    /// Every row as often as `times` says.
    pub fn repeated(&self, times: &[usize]) -> Self {
        let rows: Int64Array =
            times.iter().enumerate().flat_map(|(row, &times)| std::iter::repeat_n(row as i64, times)).collect::<Vec<_>>().into();
        Self { columns: self.columns.iter().map(|(name, array)| (name.clone(), take(array, &rows, None).unwrap())).collect() }
    }
}

pub fn numbers(values: Vec<f32>) -> ArrayRef {
    Arc::new(Float32Array::from(values))
}

pub fn as_texts(values: Vec<Option<&str>>) -> ArrayRef {
    Arc::new(StringArray::from(values))
}

/// Numbers, categories, a timestamp, missing values, whole weights, and targets that follow from them.
pub fn mixed(rows: usize) -> Table {
    let draws = Draws::new(11, Purpose::Sample, 0);
    let uniform = |row: usize, what: u64| draws.uniform(row as u64, what) as f32;
    let column = |what: u64| -> Vec<f32> { (0..rows).map(|row| uniform(row, what) * 4.0 - 2.0).collect() };
    let (a, b, c) = (column(1), column(2), column(3));
    let missing: Vec<f32> = (0..rows).map(|row| if uniform(row, 4) < 0.2 { f32::NAN } else { uniform(row, 5) * 10.0 }).collect();
    let color: Vec<Option<&str>> =
        (0..rows).map(|row| ["red", "green", "blue", ""].get((uniform(row, 6) * 5.0) as usize).copied()).collect();
    let city: Vec<String> = (0..rows).map(|row| format!("city {}", (uniform(row, 7) * 300.0) as usize)).collect();
    let time: Vec<Option<i64>> = (0..rows).map(|row| (uniform(row, 8) > 0.05).then_some((row as i64 - 500) * 3_600_000_000)).collect();
    let signal: Vec<f32> = (0..rows)
        .map(|row| {
            let red = if color[row] == Some("red") { 1.5 } else { 0.0 };
            let gap = if missing[row].is_nan() { 0.8 } else { 0.1 * missing[row] };
            a[row] - 0.5 * b[row] * b[row] + red + gap + (uniform(row, 9) - 0.5)
        })
        .collect();
    let two: Vec<&str> = signal.iter().map(|&s| if s > 0.8 { "yes" } else { "no" }).collect();
    let three: Vec<i64> = signal
        .iter()
        .map(|&s| {
            if s > 1.5 {
                7
            } else if s > 0.0 {
                3
            } else {
                -1
            }
        })
        .collect();
    let weight: Vec<f32> = (0..rows).map(|row| (uniform(row, 10) * 3.0).floor() + 1.0).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("a", numbers(a)),
        ("b", numbers(b)),
        ("c", numbers(c)),
        ("gaps", numbers(missing)),
        ("color", as_texts(color)),
        ("city", Arc::new(StringArray::from(city))),
        ("time", Arc::new(TimestampMicrosecondArray::from(time))),
        ("weight", numbers(weight)),
        ("two", Arc::new(StringArray::from(two))),
        ("three", Arc::new(Int64Array::from(three))),
        ("number", numbers(signal)),
    ];
    Table { columns: columns.into_iter().map(|(name, array)| (name.to_string(), array)).collect() }
}

/// A column as a scorer takes it in.
pub enum Owned {
    Number(Vec<f32>),
    Text(StringViewArray),
    Timestamp(Vec<i64>),
}

impl Owned {
    pub fn new(kind: InputKind, array: &ArrayRef) -> Self {
        match kind {
            InputKind::Number => {
                let floats = cast(array, &DataType::Float32).unwrap();
                Self::Number(floats.as_primitive::<Float32Type>().iter().map(|v| v.unwrap_or(f32::NAN)).collect())
            }
            InputKind::Sparse | InputKind::Texts => unreachable!("these tables have no lists"),
            InputKind::Text => Self::Text(cast(array, &DataType::Utf8View).unwrap().as_string_view().clone()),
            InputKind::Timestamp => {
                let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None)).unwrap();
                Self::Timestamp(micros.as_primitive::<TimestampMicrosecondType>().iter().map(|v| v.unwrap_or(i64::MIN)).collect())
            }
        }
    }

    pub fn column(&self) -> Column<'_> {
        match self {
            Self::Number(values) => Column::Number(values),
            Self::Text(values) => Column::Text(values),
            Self::Timestamp(values) => Column::Timestamp(values),
        }
    }
}
