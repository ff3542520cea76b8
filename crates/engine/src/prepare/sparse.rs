//! The entries of rows: numbers by index, or codes of texts, as they are read of a partition and as tiles hold them.

use arrow::array::{Array, ArrayRef, StringDictionaryBuilder};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::UInt32Type;
use quelea_core::tile;

use super::values::BadValue;
use crate::table::lists::{self, Items};

/// Entries row after row.
#[derive(Debug, Clone)]
pub(crate) struct Entries {
    /// Where each row's begin, and where the last one's end.
    pub offsets: Vec<u32>,
    /// Their indices, in ascending order in each row where they are not codes.
    pub indices: ScalarBuffer<u32>,
    /// Their values; none where all are 1.
    pub values: Option<ScalarBuffer<f32>>,
    growing: Growing,
}

/// What is not yet shared.
#[derive(Debug, Clone, Default)]
struct Growing {
    indices: Vec<u32>,
    values: Option<Vec<f32>>,
}

impl Default for Entries {
    fn default() -> Self {
        Self { offsets: vec![0], indices: Vec::new().into(), values: None, growing: Growing::default() }
    }
}

impl Entries {
    /// The entries of a row, by their places.
    pub fn row(&self, row: usize) -> std::ops::Range<usize> {
        self.offsets[row] as usize..self.offsets[row + 1] as usize
    }

    /// Takes in the rows of a column of lists.
    pub fn extend(&mut self, array: &ArrayRef) -> Result<(), BadValue> {
        let (rows, items) = lists::rows(array);
        let bad = |row: usize| move |problem: String| BadValue { row, problem };
        let items = match (items, lists::of_type(array.data_type())) {
            (Some(items), Some(kind)) => Some(Items::new(kind, &items).map_err(bad(0))?),
            _ => None,
        };
        let mut entries = Vec::new();
        for (row, range) in rows.into_iter().enumerate() {
            if let Some(items) = &items {
                items.row(range, &mut entries).map_err(bad(row))?;
                self.growing.push(&entries, items.are_ones());
            }
            self.end_row(row)?;
        }
        Ok(())
    }

    /// Takes in the rows of a column of lists of texts. Missing texts are left out.
    pub fn extend_texts(
        &mut self,
        array: &ArrayRef,
        null_values: &[String],
        dictionary: &mut StringDictionaryBuilder<UInt32Type>,
    ) -> Result<(), BadValue> {
        let (rows, items) = lists::rows(array);
        let bad = |row: usize| move |problem: String| BadValue { row, problem };
        let texts = items.map(|items| lists::texts(&items)).transpose().map_err(bad(0))?;
        for (row, range) in rows.into_iter().enumerate() {
            for item in range {
                let Some(texts) = texts.as_ref().filter(|texts| texts.is_valid(item)) else { continue };
                let text = texts.value(item);
                if !text.is_empty() && null_values.iter().all(|marker| marker != text) {
                    let code = dictionary.append(text).map_err(|e| BadValue { row, problem: e.to_string() })?;
                    self.growing.indices.push(code);
                }
            }
            self.end_row(row)?;
        }
        Ok(())
    }

    fn end_row(&mut self, row: usize) -> Result<(), BadValue> {
        let problem = "the rows read together have more than 4294967295 entries; use shorter files";
        let end = u32::try_from(self.growing.indices.len()).map_err(|_| BadValue { row, problem: problem.into() })?;
        self.offsets.push(end);
        Ok(())
    }

    /// The entries, shared from now on.
    pub fn finish(mut self) -> Self {
        let Growing { indices, values } = std::mem::take(&mut self.growing);
        Self { indices: indices.into(), values: values.map(ScalarBuffer::from), ..self }
    }

    /// Those of some rows.
    pub fn pick(&self, rows: &[u32]) -> Self {
        let mut picked = Self::default();
        let mut values = self.values.as_ref().map(|_| Vec::new());
        for &row in rows {
            let entries = self.row(row as usize);
            picked.growing.indices.extend_from_slice(&self.indices[entries.clone()]);
            if let (Some(picked), Some(values)) = (&mut values, &self.values) {
                picked.extend_from_slice(&values[entries]);
            }
            picked.offsets.push(picked.growing.indices.len() as u32);
        }
        picked.growing.values = values;
        picked.finish()
    }
}

impl Growing {
    fn push(&mut self, entries: &[(u32, f32)], are_ones: bool) {
        if !are_ones && self.values.is_none() {
            self.values = Some(vec![1.0; self.indices.len()]);
        }
        self.indices.extend(entries.iter().map(|&(index, _)| index));
        if let Some(values) = &mut self.values {
            values.extend(entries.iter().map(|&(_, value)| value));
        }
    }
}

/// Some rows of parts, `(part, from, to)`, as a tile holds them, without indices from `width` on. Where all rows are of one part
/// and keep what they have, memory is shared.
pub(crate) fn of_column(segments: &[(&Entries, usize, usize)], width: u32) -> tile::Values {
    if let [(entries, from, to)] = segments {
        let (first, last) = (entries.offsets[*from] as usize, entries.offsets[*to] as usize);
        if entries.indices[first..last].iter().all(|&index| index < width) {
            let offsets = entries.offsets[*from..=*to].to_vec().into();
            return tile::Values::Sparse { offsets, indices: entries.indices.clone(), values: entries.values.clone() };
        }
    }
    let mut rows = TileRows::new(segments.iter().any(|(entries, ..)| entries.values.is_some()));
    for (entries, from, to) in segments {
        for row in *from..*to {
            for at in entries.row(row).filter(|&at| entries.indices[at] < width) {
                rows.push(entries.indices[at], entries.values.as_ref().map_or(1.0, |values| values[at]));
            }
            rows.end();
        }
    }
    rows.finish()
}

/// A tile's rows of a sparse feature, one after the other.
pub(crate) struct TileRows {
    offsets: Vec<u32>,
    indices: Vec<u32>,
    values: Option<Vec<f32>>,
}

impl TileRows {
    /// No rows yet; their values are 1 if they are not told.
    pub fn new(has_values: bool) -> Self {
        Self { offsets: vec![0], indices: Vec::new(), values: has_values.then(Vec::new) }
    }

    /// Adds an entry.
    pub fn push(&mut self, index: u32, value: f32) {
        self.indices.push(index);
        if let Some(values) = &mut self.values {
            values.push(value);
        }
    }

    /// Ends the row.
    pub fn end(&mut self) {
        self.offsets.push(self.indices.len() as u32);
    }

    /// Ends the row of entries of ones, which may have come in any order.
    pub fn end_unordered(&mut self) {
        let start = self.offsets.last().map_or(0, |&start| start as usize);
        self.indices[start..].sort_unstable();
        self.end();
    }

    /// The rows.
    pub fn finish(self) -> tile::Values {
        tile::Values::Sparse { offsets: self.offsets.into(), indices: self.indices.into(), values: self.values.map(ScalarBuffer::from) }
    }
}
