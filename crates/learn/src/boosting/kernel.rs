//! The inner loops of histograms and of moving rows: where training spends its time.
#![expect(unsafe_code, reason = "half of training is spent in these loops, and bounds checks slow them down by a tenth")]

/// A bin's number.
pub(super) trait Bin: Copy {
    /// As an index.
    fn index(self) -> usize;
}

impl Bin for u8 {
    #[inline(always)]
    fn index(self) -> usize {
        usize::from(self)
    }
}

impl Bin for u16 {
    #[inline(always)]
    fn index(self) -> usize {
        usize::from(self)
    }
}

/// Adds word `i` to the bin of row `i`.
pub(super) fn add<B: Bin>(histogram: &mut [i64], bins: &[B], words: &[i64]) {
    for (bin, word) in bins.iter().zip(words) {
        histogram[bin.index()] += word;
    }
}

/// Adds word `i` to the bin of row `rows[i]`.
pub(super) fn add_of_rows<B: Bin>(histogram: &mut [i64], bins: &[B], rows: &[u16], words: &[i64]) {
    for (row, word) in rows.iter().zip(words) {
        histogram[bins[usize::from(*row)].index()] += word;
    }
}

/// Columns that are added at once, so that rows and words are read once for all of them.
pub(super) const TOGETHER: usize = 4;

/// [`add`] for columns whose histograms of 256 bins lie behind each other.
pub(super) fn add_together(histogram: &mut [i64], columns: [&[u8]; TOGETHER], words: &[i64]) {
    let ([first, second, third, fourth, ..], _) = histogram.as_chunks_mut::<256>() else { return };
    let [a, b, c, d] = columns.map(|column| &column[..words.len()]);
    for ((((word, a), b), c), d) in words.iter().zip(a).zip(b).zip(c).zip(d) {
        add_to(first, *a, *word);
        add_to(second, *b, *word);
        add_to(third, *c, *word);
        add_to(fourth, *d, *word);
    }
}

/// Rows that are known to be below a bound.
#[derive(Clone, Copy)]
pub(super) struct BoundedRows<'a> {
    rows: &'a [u16],
    bound: usize,
}

impl<'a> BoundedRows<'a> {
    /// The rows, and one more than the largest.
    pub(super) fn new(rows: &'a [u16]) -> Self {
        Self { rows, bound: rows.iter().copied().max().map_or(0, |row| usize::from(row) + 1) }
    }
}

/// [`add_of_rows`] for columns whose histograms of 256 bins lie behind each other.
///
/// # Panics
/// If a row is beyond any column.
pub(super) fn add_together_of_rows(histogram: &mut [i64], columns: [&[u8]; TOGETHER], rows: BoundedRows, words: &[i64]) {
    let ([first, second, third, fourth, ..], _) = histogram.as_chunks_mut::<256>() else { return };
    assert!(columns.iter().all(|column| rows.bound <= column.len()), "a row is beyond the tile");
    let [a, b, c, d] = columns;
    for (row, word) in rows.rows.iter().zip(words) {
        let row = usize::from(*row);
        // SAFETY: every row is below the bound, and every column is at least that long.
        let bins = unsafe { [*a.get_unchecked(row), *b.get_unchecked(row), *c.get_unchecked(row), *d.get_unchecked(row)] };
        add_to(first, bins[0], *word);
        add_to(second, bins[1], *word);
        add_to(third, bins[2], *word);
        add_to(fourth, bins[3], *word);
    }
}

#[inline(always)]
fn add_to(histogram: &mut [i64; 256], bin: u8, word: i64) {
    let sum = &mut histogram[usize::from(bin)];
    *sum = sum.wrapping_add(word);
}

/// Adds gradient, hessian and row `words[3i..3i + 3]` to the bin of row `rows[i]`; the sums are gradients, hessians, rows.
pub(super) fn add_wide<B: Bin>(sums: &mut [i64], bins: &[B], rows: &[u16], words: &[i64]) {
    let len = sums.len() / 3;
    for (row, [gradient, hessian, one]) in rows.iter().zip(words.as_chunks::<3>().0) {
        let bin = bins[usize::from(*row)].index();
        sums[bin] += gradient;
        sums[len + bin] += hessian;
        sums[2 * len + bin] += one;
    }
}

/// Moves the rows that go left to the front, and the others behind them, both in their order. How many went left.
///
/// # Panics
/// If a row is beyond the column.
pub(super) fn partition<B: Bin>(rows: &mut [u16], bins: &[B], goes_left: &[u8], right: &mut Vec<u16>) -> usize {
    right.resize(rows.len(), 0);
    assert!(BoundedRows::new(rows).bound <= bins.len(), "a row is beyond the tile");
    let right = &mut right[..rows.len()];
    let mut lefts = 0;
    for at in 0..rows.len() {
        // SAFETY: `at` is less than the length of both `rows` and `right`, `lefts` and `at - lefts` are at most `at`, and
        // no row is as large as the column is long.
        unsafe {
            let row = *rows.get_unchecked(at);
            let left = usize::from(goes_left[bins.get_unchecked(usize::from(row)).index()] & 1);
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
    fn rows_beyond_the_tile_are_refused() {
        add_together_of_rows(&mut [0; 4 * 256], [&[0; 4]; TOGETHER], BoundedRows::new(&[1, 4, 2]), &[1, 1, 1]);
    }

    #[test]
    #[should_panic(expected = "beyond the tile")]
    fn no_row_beyond_the_tile_is_moved() {
        partition(&mut [7, 0], &[0u8; 7], &[1; 256], &mut Vec::new());
    }

    proptest! {
        #[test]
        fn rows_are_parted_in_order(bins in prop::collection::vec(0u8..8, 1..500), keep in prop::collection::vec(any::<bool>(), 500), left in prop::collection::vec(0u8..2, 256)) {
            let mut rows: Vec<u16> = (0..bins.len()).filter(|&r| keep[r]).map(|r| r as u16).collect();
            let goes = |r: &u16| left[usize::from(bins[usize::from(*r)])] == 1;
            let (expected_left, expected_right): (Vec<u16>, Vec<u16>) = rows.iter().copied().partition(goes);
            let lefts = partition(&mut rows, &bins, &left, &mut Vec::new());
            prop_assert_eq!(&rows[..lefts], expected_left);
            prop_assert_eq!(&rows[lefts..], expected_right);
        }
    }
}
