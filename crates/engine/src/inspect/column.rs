//! What is gathered of a column, batch by batch: missing values, a range or texts with their rows, and the first value that
//! training would refuse.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringDictionaryBuilder, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, UInt32Type};
use arrow::error::ArrowError;
use quelea_core::schema::InputKind;

use super::ColumnSummary;
use super::range::{Range, count_nan, is_ordered, parsed};
use crate::prepare::columns::natural_kind;
use crate::prepare::nulls::Nulls;
use crate::prepare::sparse::Entries;
use crate::prepare::values::{BadValue, Reading};
use crate::table::value_type;

/// Frequent texts that a summary shows.
const SHOWN_TEXTS: usize = 5;

/// What has been seen of a column.
#[derive(Debug, Clone)]
pub(super) struct Gathered {
    /// Its name.
    pub name: String,
    /// The first value that training refuses, with its row among all that were seen.
    pub bad: Option<BadValue>,
    /// The type of its values, also of those in a dictionary.
    data_type: DataType,
    kind: Option<InputKind>,
    is_csv: bool,
    missing: u64,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    /// The range of numbers or times; none before the first value.
    Ordered(Option<Range>),
    /// The rows of each text.
    Texts(HashMap<String, u64>),
    /// One more than the largest index of lists.
    Lists(usize),
}

impl Gathered {
    /// Nothing yet of a column; none if nothing can be told of it.
    pub fn new(field: &Field, is_csv: bool) -> Option<Self> {
        let data_type = value_type(field.data_type()).clone();
        let kind = natural_kind(field.data_type());
        let content = match kind {
            Some(InputKind::Text) => Content::Texts(HashMap::new()),
            Some(InputKind::Sparse) => Content::Lists(0),
            _ if is_ordered(&data_type) => Content::Ordered(None),
            _ => return None,
        };
        Some(Self { name: field.name().clone(), bad: None, data_type, kind, is_csv, missing: 0, content })
    }

    /// Whether its values are lists with indices.
    pub fn holds_lists(&self) -> bool {
        matches!(self.content, Content::Lists(_))
    }

    /// Takes in the next rows; `before` counts those that were seen earlier.
    pub fn add(&mut self, array: &ArrayRef, before: u64, null_values: &[String]) {
        let read = self.read(array, Reading { null_values, is_csv: self.is_csv });
        if let (Err(bad), None) = (read, &self.bad) {
            self.bad = Some(BadValue { row: before as usize + bad.row, ..bad });
        }
    }

    /// Takes in rows; the error is the first value that training refuses.
    fn read(&mut self, array: &ArrayRef, reading: Reading) -> Result<(), BadValue> {
        match &mut self.content {
            Content::Texts(rows) => {
                let texts = reading.texts(array)?;
                self.missing += texts.null_count() as u64;
                count(rows, &texts);
                Ok(())
            }
            Content::Lists(width) => {
                self.missing += array.logical_null_count() as u64;
                let mut entries = Entries::default();
                let read = entries.extend(array);
                *width = entries.finish().indices.iter().fold(*width, |width, &index| width.max(index as usize + 1));
                read
            }
            Content::Ordered(range) => {
                let unreadable = |e: ArrowError| BadValue { row: 0, problem: e.to_string() };
                // Texts of a CSV file are shown as they are written.
                let (values, shown) = if self.is_csv {
                    let texts = reading.texts(array)?;
                    (parsed(&texts, &self.data_type).map_err(unreadable)?, Arc::new(texts) as ArrayRef)
                } else {
                    let values = cast(array, &self.data_type).map_err(unreadable)?;
                    (values.clone(), values)
                };
                self.missing += (shown.null_count() + count_nan(&values)) as u64;
                *range = Range::either(range.take(), Range::of(&values, &shown));
                match self.kind {
                    Some(InputKind::Number) => reading.numbers(array, &Nulls::new(reading.null_values)).map(drop),
                    Some(InputKind::Timestamp) => reading.timestamps(array).map(drop),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Takes in what another has seen of rows that come later; `before` counts the rows before those.
    pub fn merge(&mut self, later: Self, before: u64) {
        let of_later = later.bad.map(|bad| BadValue { row: before as usize + bad.row, ..bad });
        self.bad = self.bad.take().or(of_later);
        self.missing += later.missing;
        match (&mut self.content, later.content) {
            (Content::Ordered(range), Content::Ordered(later)) => *range = Range::either(range.take(), later),
            (Content::Lists(width), Content::Lists(later)) => *width = later.max(*width),
            (Content::Texts(rows), Content::Texts(later)) => {
                later.into_iter().for_each(|(text, count)| *rows.entry(text).or_default() += count);
            }
            _ => unreachable!("both are of one column"),
        }
    }

    /// Fills in what has been seen.
    pub fn describe(&self, summary: ColumnSummary) -> ColumnSummary {
        let summary = ColumnSummary { missing: Some(self.missing), ..summary };
        match &self.content {
            Content::Ordered(range) => ColumnSummary { range: range.as_ref().map(Range::ends), ..summary },
            Content::Lists(width) => ColumnSummary { values: Some(*width), ..summary },
            Content::Texts(rows) => ColumnSummary { values: Some(rows.len()), most_frequent: most_frequent(rows), ..summary },
        }
    }
}

/// Adds the rows of each text.
fn count(rows: &mut HashMap<String, u64>, texts: &StringViewArray) {
    let mut dictionary = StringDictionaryBuilder::<UInt32Type>::new();
    texts.iter().flatten().for_each(|text| dictionary.append_value(text));
    let dictionary = dictionary.finish();
    let mut counts = vec![0u64; dictionary.values().len()];
    dictionary.keys().values().iter().for_each(|&code| counts[code as usize] += 1);
    for (text, count) in dictionary.values().as_string::<i32>().iter().flatten().zip(counts) {
        match rows.get_mut(text) {
            Some(rows) => *rows += count,
            None => drop(rows.insert(text.to_string(), count)),
        }
    }
}

fn most_frequent(rows: &HashMap<String, u64>) -> Vec<(String, u64)> {
    let mut all: Vec<(&String, u64)> = rows.iter().map(|(text, &rows)| (text, rows)).collect();
    all.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    all.into_iter().take(SHOWN_TEXTS).map(|(text, rows)| (text.clone(), rows)).collect()
}
