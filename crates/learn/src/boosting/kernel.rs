//! The inner loops of histograms and of moving rows: where training spends its time.

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

/// [`add`] for two columns whose histograms of 256 bins lie behind each other.
pub(super) fn add_pair(histogram: &mut [i64], a: &[u8], b: &[u8], words: &[i64]) {
    let ([first, second, ..], _) = histogram.as_chunks_mut::<256>() else { return };
    for ((a, b), word) in a.iter().zip(b).zip(words) {
        first[usize::from(*a)] += word;
        second[usize::from(*b)] += word;
    }
}

/// [`add_of_rows`] for two columns whose histograms of 256 bins lie behind each other.
pub(super) fn add_pair_of_rows(histogram: &mut [i64], a: &[u8], b: &[u8], rows: &[u16], words: &[i64]) {
    let ([first, second, ..], _) = histogram.as_chunks_mut::<256>() else { return };
    for (row, word) in rows.iter().zip(words) {
        let row = usize::from(*row);
        first[usize::from(a[row])] += word;
        second[usize::from(b[row])] += word;
    }
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
pub(super) fn partition<B: Bin>(rows: &mut [u16], bins: &[B], goes_left: &[u8], right: &mut Vec<u16>) -> usize {
    right.resize(rows.len(), 0);
    let right = &mut right[..rows.len()];
    let (mut lefts, mut rights) = (0, 0);
    for at in 0..rows.len() {
        let row = rows[at];
        let left = usize::from(goes_left[bins[usize::from(row)].index()]);
        rows[lefts] = row;
        right[rights] = row;
        lefts += left;
        rights += 1 - left;
    }
    rows[lefts..].copy_from_slice(&right[..rights]);
    lefts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
