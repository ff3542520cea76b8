//! Columns of lists: which of them are numbers by index, which are texts, and what they hold.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Int64Array, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Fields, Float32Type, Int64Type};
use quelea_core::hash::MOST_COLUMNS;

use super::schema::is_text;

/// What the lists of a column hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lists {
    /// The indices of ones.
    Indices,
    /// Indices with their values.
    Pairs,
    /// A number for every index, from 0.
    Dense,
    /// Texts.
    Texts,
}

/// What the lists of a column of this type hold, if it is one of lists that can be used.
pub(crate) fn of_type(data_type: &DataType) -> Option<Lists> {
    let are_pairs = |fields: &Fields| fields.len() == 2 && fields[0].data_type().is_integer() && fields[1].data_type().is_numeric();
    match data_type {
        DataType::List(item) | DataType::LargeList(item) => match item.data_type() {
            DataType::Struct(fields) if are_pairs(fields) => Some(Lists::Pairs),
            items if items.is_integer() => Some(Lists::Indices),
            items if items.is_numeric() => Some(Lists::Dense),
            items if is_text(items) => Some(Lists::Texts),
            _ => None,
        },
        DataType::FixedSizeList(item, _) if item.data_type().is_numeric() => Some(Lists::Dense),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if are_pairs(fields) => Some(Lists::Pairs),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a column of this type has lists without any item.
pub(crate) fn are_empty(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => *item.data_type() == DataType::Null,
        _ => false,
    }
}

/// The index, if a model can hold a weight for it.
pub(crate) fn index(number: i128) -> Result<u32, String> {
    match u32::try_from(number) {
        Ok(index) if index < MOST_COLUMNS => Ok(index),
        _ if number < 0 => Err(format!("the index {number} is negative; indices count from 0 or 1")),
        _ => Err(format!("the index {number} is beyond {}, the largest there may be; number the indices anew", MOST_COLUMNS - 1)),
    }
}

/// Where the items of each row are among those of all rows; a row without a list has none.
pub(crate) fn rows(array: &ArrayRef) -> (Vec<Range<usize>>, Option<ArrayRef>) {
    let (places, items): (Box<dyn Fn(usize) -> Range<usize>>, ArrayRef) = match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let offsets = list.value_offsets();
            (Box::new(move |row| offsets[row] as usize..offsets[row + 1] as usize), list.values().clone())
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let offsets = list.value_offsets();
            (Box::new(move |row| offsets[row] as usize..offsets[row + 1] as usize), list.values().clone())
        }
        DataType::FixedSizeList(..) => {
            let list = array.as_fixed_size_list();
            let at = |row: usize| list.value_offset(row) as usize;
            (Box::new(move |row| at(row)..at(row) + list.value_length() as usize), list.values().clone())
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let offsets = map.value_offsets();
            let entries: ArrayRef = std::sync::Arc::new(map.entries().clone());
            (Box::new(move |row| offsets[row] as usize..offsets[row + 1] as usize), entries)
        }
        _ => return (vec![0..0; array.len()], None),
    };
    // Rows that were cut out of more rows still hold the items of all of them.
    let Some(last) = array.len().checked_sub(1) else { return (Vec::new(), Some(items.slice(0, 0))) };
    let (first, end) = (places(0).start, places(last).end);
    let place = |row: usize| places(row).start - first..places(row).end - first;
    let ranges = (0..array.len()).map(|row| if array.is_null(row) { 0..0 } else { place(row) }).collect();
    (ranges, Some(items.slice(first, end - first)))
}

/// Indices and values of some items; a value that is missing is NaN.
pub(crate) struct Items {
    kind: Lists,
    indices: Option<Int64Array>,
    values: Option<Float32Array>,
}

impl Items {
    /// The items of a column whose lists are of this kind.
    pub fn new(kind: Lists, items: &ArrayRef) -> Result<Self, String> {
        let to = |data_type, array: &ArrayRef| cast(array, &data_type).map_err(|e| e.to_string());
        let wide = |array: &ArrayRef| to(DataType::Int64, array).map(|array| array.as_primitive::<Int64Type>().clone());
        let floats = |array: &ArrayRef| to(DataType::Float32, array).map(|array| array.as_primitive::<Float32Type>().clone());
        let (indices, values) = match kind {
            Lists::Indices => (Some(wide(items)?), None),
            Lists::Dense => (None, Some(floats(items)?)),
            Lists::Pairs => {
                let pairs = items.as_struct();
                (Some(wide(pairs.column(0))?), Some(floats(pairs.column(1))?))
            }
            Lists::Texts => (None, None),
        };
        Ok(Self { kind, indices, values })
    }

    /// Whether all values are 1.
    pub fn are_ones(&self) -> bool {
        self.kind == Lists::Indices
    }

    /// The entries of a row that are not 0 or missing, in ascending order of their indices.
    pub fn row(&self, items: Range<usize>, entries: &mut Vec<(u32, f32)>) -> Result<(), String> {
        entries.clear();
        for (position, item) in items.enumerate() {
            let index = match &self.indices {
                None => index(position as i128)?,
                Some(indices) if indices.is_null(item) => return Err("an index is missing, or too large; mend it".into()),
                Some(indices) => index(indices.value(item).into())?,
            };
            let value = match &self.values {
                None => 1.0,
                Some(values) if values.is_null(item) => continue,
                Some(values) => values.value(item),
            };
            if value.is_infinite() {
                return Err(format!("the value of index {index} is infinite, or beyond the 3.4e38 that a 32-bit float can hold"));
            }
            if value != 0.0 && !value.is_nan() {
                entries.push((index, value));
            }
        }
        if !entries.is_sorted_by_key(|&(index, _)| index) {
            entries.sort_by_key(|&(index, _)| index);
        }
        Ok(())
    }
}

/// The items of a column of lists of texts.
pub(crate) fn texts(items: &ArrayRef) -> Result<StringViewArray, String> {
    cast(items, &DataType::Utf8View).map(|texts| texts.as_string_view().clone()).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::ListArray;
    use arrow::datatypes::UInt32Type;

    use super::*;

    #[test]
    fn rows_that_were_cut_out_bring_their_own_items_alone() {
        let lists = [Some(vec![Some(1), Some(2)]), None, Some(vec![Some(5)]), Some(vec![]), Some(vec![Some(7), Some(9)])];
        let all: ArrayRef = Arc::new(ListArray::from_iter_primitive::<UInt32Type, _, _>(lists));
        for (from, len, items) in [(0, 5, 5), (1, 3, 1), (2, 3, 3), (3, 1, 0), (2, 0, 0)] {
            let (ranges, found) = rows(&all.slice(from, len));
            let found = found.unwrap();
            assert_eq!((ranges.len(), found.len()), (len, items));
            for (row, range) in ranges.into_iter().enumerate() {
                let own = found.slice(range.start, range.len());
                let expected = all.as_list::<i32>();
                let expected = if expected.is_null(from + row) { own.slice(0, 0) } else { expected.value(from + row) };
                assert_eq!(&own, &expected, "row {row} from {from}");
            }
        }
    }
}
