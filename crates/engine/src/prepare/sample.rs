//! A few rows that stand for many, the same in every run.

/// At most `count` of `rows` rows, spread evenly whatever order the rows have: two that follow each other are far apart.
/// Multiples of the golden ratio, a sequence of low discrepancy.
pub(crate) fn rows(rows: usize, count: usize) -> impl Iterator<Item = usize> + Clone {
    const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15;
    let count = if rows == 0 { 0 } else { count };
    (0..count as u64).map(move |i| ((u128::from(i.wrapping_mul(GOLDEN_RATIO)) * rows as u128) >> 64) as usize)
}

#[cfg(test)]
mod tests {
    #[test]
    fn rows_are_spread_evenly() {
        for rows in [1, 2, 7, 1_000, 32_768] {
            let mut tenths = [0; 10];
            super::rows(rows, 500).for_each(|row| tenths[row * 10 / rows] += 1);
            assert!(rows < 10 || tenths.iter().all(|&tenth| (45..=55).contains(&tenth)), "{rows}: {tenths:?}");
        }
        assert_eq!(super::rows(0, 9).count(), 0);
    }
}
