//! The inner loops of histograms and of moving rows: where training spends its time.
#![expect(unsafe_code, reason = "a tenth of training is spent in moving rows, and bounds checks slow it down")]

use super::binned::ByteRows;

/// Adds word `i` to the bin of row `i` in each of the N columns whose bytes lie behind each other from `at` on. The
/// histograms of 256 bins lie behind each other too.
pub(super) fn add<const N: usize>(histogram: &mut [i64], rows: ByteRows, at: usize, words: &[i64]) {
    let Some(of_columns) = histogram.as_chunks_mut::<256>().0.first_chunk_mut::<N>() else { return };
    for (row, word) in rows.bytes.chunks_exact(rows.width).zip(words) {
        let Some(bins) = row.get(at..).and_then(|row| row.first_chunk::<N>()) else { return };
        for (of_column, bin) in of_columns.iter_mut().zip(bins) {
            let sum = &mut of_column[usize::from(*bin)];
            *sum = sum.wrapping_add(*word);
        }
    }
}

/// Adds each word to its bin.
pub(super) fn add_column(histogram: &mut [i64], bins: impl Iterator<Item = u16>, words: &[i64]) {
    for (bin, word) in bins.zip(words) {
        histogram[usize::from(bin)] += word;
    }
}

/// Adds gradient, hessian and row `words[3i..3i + 3]` to the bin of row `rows[i]`; the sums are gradients, hessians, rows.
pub(super) fn add_wide(sums: &mut [i64], bin: impl Fn(usize) -> usize, rows: &[u16], words: &[i64]) {
    let len = sums.len() / 3;
    for (row, [gradient, hessian, one]) in rows.iter().zip(words.as_chunks::<3>().0) {
        let bin = bin(usize::from(*row));
        sums[bin] += gradient;
        sums[len + bin] += hessian;
        sums[2 * len + bin] += one;
    }
}

/// Moves the rows whose value goes left to the front, and the others behind them, both in their order. How many went left.
///
/// # Panics
/// If a row is beyond the column.
pub(super) fn partition<T: Copy>(rows: &mut [u16], values: &[T], goes_left: impl Fn(T) -> bool, right: &mut Vec<u16>) -> usize {
    right.resize(rows.len().max(right.len()), 0);
    let bound = rows.iter().copied().max().map_or(0, |row| usize::from(row) + 1);
    assert!(bound <= values.len(), "a row is beyond the tile");
    let right = &mut right[..rows.len()];
    let mut lefts = 0;
    for at in 0..rows.len() {
        // SAFETY: `at` is less than the length of both `rows` and `right`, `lefts` and `at - lefts` are at most `at`, and
        // no row is as large as the column is long.
        unsafe {
            let row = *rows.get_unchecked(at);
            let left = usize::from(goes_left(*values.get_unchecked(usize::from(row))));
            *rows.get_unchecked_mut(lefts) = row;
            *right.get_unchecked_mut(at - lefts) = row;
            lefts += left;
        }
    }
    let rights = rows.len() - lefts;
    rows[lefts..].copy_from_slice(&right[..rights]);
    lefts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    #[should_panic(expected = "beyond the tile")]
    fn no_row_beyond_the_tile_is_moved() {
        partition(&mut [7, 0], &[0u8; 7], |_| true, &mut Vec::new());
    }

    proptest! {
        #[test]
        fn rows_are_parted_in_order(values in prop::collection::vec(0u8..8, 1..500), keep in prop::collection::vec(any::<bool>(), 500), left in prop::collection::vec(any::<bool>(), 8)) {
            let mut rows: Vec<u16> = (0..values.len()).filter(|&r| keep[r]).map(|r| r as u16).collect();
            let goes = |r: &u16| left[usize::from(values[usize::from(*r)])];
            let (expected_left, expected_right): (Vec<u16>, Vec<u16>) = rows.iter().copied().partition(goes);
            let lefts = partition(&mut rows, &values, |value| left[usize::from(value)], &mut Vec::new());
            prop_assert_eq!(&rows[..lefts], expected_left);
            prop_assert_eq!(&rows[lefts..], expected_right);
        }
    }
}
