//! The raw inputs of a model: a column of values for a batch of rows, and a single value for one row.

use arrow::array::{Array, StringArray, StringViewArray};
use quelea_core::schema::{Input, InputKind};

use crate::{Error, Result};

/// The values of one input for a batch of rows, borrowed from the caller.
///
/// Every variant is for inputs of one [`InputKind`]; text comes in two forms. A missing value is part of the type, not of a
/// separate bitmap.
///
/// ```
/// use quelea_model::Column;
///
/// // Two rows: index 3 with value 0.5 and index 7 with value 2; no entries.
/// let column = Column::Sparse { offsets: &[0, 2, 2], indices: &[3, 7], values: Some(&[0.5, 2.0]) };
/// assert_eq!(column.rows(), 2);
/// ```
#[derive(Debug, Clone, Copy)]
pub enum Column<'a> {
    /// Numbers; NaN is missing.
    Number(&'a [f32]),
    /// Strings; null, "" and the schema's `null_values` are missing.
    Text(&'a StringViewArray),
    /// Strings by their index in a dictionary. [`quelea_core::tile::MISSING`], or any other index beyond the dictionary, is missing.
    Dictionary {
        /// An index per row.
        codes: &'a [u32],
        /// The string of each index; "" and the schema's `null_values` are missing.
        texts: &'a StringArray,
    },
    /// Microseconds since 1970-01-01 UTC; `i64::MIN` is missing.
    Timestamp(&'a [i64]),
    /// Numbers by index: row `r` has the entries `offsets[r]..offsets[r + 1]`. Entries that are NaN, or whose index the model does
    /// not know, are ignored.
    Sparse {
        /// One more than there are rows, ascending.
        offsets: &'a [u32],
        /// The index of each entry.
        indices: &'a [u32],
        /// The value of each entry; `None` if all are 1.
        values: Option<&'a [f32]>,
    },
    /// Any number of strings per row, by their index in a dictionary: row `r` has `codes[offsets[r]..offsets[r + 1]]`. Indices
    /// beyond the dictionary are ignored.
    Texts {
        /// One more than there are rows, ascending.
        offsets: &'a [u32],
        /// The index of each string.
        codes: &'a [u32],
        /// The string of each index.
        texts: &'a StringArray,
    },
}

impl Column<'_> {
    /// How many rows it has.
    pub fn rows(&self) -> usize {
        match self {
            Self::Number(values) => values.len(),
            Self::Text(values) => values.len(),
            Self::Dictionary { codes, .. } => codes.len(),
            Self::Timestamp(values) => values.len(),
            Self::Sparse { offsets, .. } | Self::Texts { offsets, .. } => offsets.len().saturating_sub(1),
        }
    }

    /// The kind of input that it is for.
    pub fn kind(&self) -> InputKind {
        match self {
            Self::Number(_) => InputKind::Number,
            Self::Text(_) | Self::Dictionary { .. } => InputKind::Text,
            Self::Timestamp(_) => InputKind::Timestamp,
            Self::Sparse { .. } => InputKind::Sparse,
            Self::Texts { .. } => InputKind::Texts,
        }
    }

    /// Refuses the column if it is of another kind than `input`, if it does not have `rows` rows, or if the lengths of its
    /// parts do not fit each other.
    pub(crate) fn check(&self, input: &Input, rows: usize) -> Result<()> {
        if self.kind() != input.kind {
            return Err(other_kind(input, self.kind()));
        }
        if self.rows() != rows {
            return Err(wrong(input, format!("has {} rows, and the first column has {rows}", self.rows())));
        }
        let (offsets, entries, values) = match self {
            Self::Sparse { offsets, indices, values } => (offsets, indices.len(), values.map_or(indices.len(), <[f32]>::len)),
            Self::Texts { offsets, codes, .. } => (offsets, codes.len(), codes.len()),
            _ => return Ok(()),
        };
        let fit = offsets.is_sorted() && offsets.last().is_some_and(|&end| end as usize <= entries) && values == entries;
        if fit { Ok(()) } else { Err(wrong(input, "has offsets or values that do not fit its entries".into())) }
    }
}

/// The value of one input for one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A number; NaN is missing.
    Number(f32),
    /// A string; "" and the schema's `null_values` are missing.
    Text(&'a str),
    /// Microseconds since 1970-01-01 UTC; `i64::MIN` is missing.
    Timestamp(i64),
    /// Numbers by index. Entries that are NaN, or whose index the model does not know, are ignored.
    Sparse {
        /// The index of each entry.
        indices: &'a [u32],
        /// The value of each entry; `None` if all are 1.
        values: Option<&'a [f32]>,
    },
    /// Any number of strings.
    Texts(&'a [&'a str]),
}

impl Value<'_> {
    /// The kind of input that it is for.
    pub fn kind(&self) -> InputKind {
        match self {
            Self::Number(_) => InputKind::Number,
            Self::Text(_) => InputKind::Text,
            Self::Timestamp(_) => InputKind::Timestamp,
            Self::Sparse { .. } => InputKind::Sparse,
            Self::Texts(_) => InputKind::Texts,
        }
    }

    /// Refuses the value if it is of another kind than `input`, or if the lengths of its parts differ.
    #[inline]
    pub(crate) fn check(&self, input: &Input) -> Result<()> {
        match self {
            Self::Sparse { indices, values: Some(values) } if indices.len() != values.len() => {
                Err(wrong(input, format!("has {} indices and {} values", indices.len(), values.len())))
            }
            value if value.kind() == input.kind => Ok(()),
            value => Err(other_kind(input, value.kind())),
        }
    }
}

#[cold]
fn other_kind(input: &Input, given: InputKind) -> Error {
    let name = |kind| match kind {
        InputKind::Number => "numbers",
        InputKind::Text => "text",
        InputKind::Timestamp => "timestamps",
        InputKind::Sparse => "numbers by index",
        InputKind::Texts => "lists of texts",
    };
    wrong(input, format!("is {} in the model and was given as {}", name(input.kind), name(given)))
}

#[cold]
fn wrong(input: &Input, problem: String) -> Error {
    Error::Column { column: input.name.clone(), problem }
}
