//! Exact weighted quantiles of many groups at once, by counting digits of the ordered bits of floats (radix selection).

/// Bits of a digit at the most.
const DIGIT: u32 = 11;
/// Counters of all groups at the most, but for two for each.
const COUNTERS: usize = 1 << 20;

/// A search for one quantile in each group: the smallest value at which the weights up to it reach the quantile's
/// part of all weights. Every round of counting finds another digit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Search {
    alpha: f64,
    digit: u32,
    /// How many of the highest bits are known.
    known: u32,
    /// The known bits of each group.
    prefixes: Vec<u32>,
    /// The weight still to reach in each group among values with its known bits; 0 before the first round.
    ranks: Vec<i64>,
}

impl Search {
    /// A search in `groups` groups.
    pub(super) fn new(groups: usize, alpha: f64) -> Self {
        let digit = (COUNTERS / groups.max(1)).max(2).ilog2().min(DIGIT);
        Self { alpha, digit, known: 0, prefixes: vec![0; groups], ranks: vec![0; groups] }
    }

    fn bits(&self) -> u32 {
        self.digit.min(32 - self.known)
    }

    /// Whether this is the first round of counting.
    pub(super) fn is_first(&self) -> bool {
        self.known == 0
    }

    /// How many counters a round needs.
    pub(super) fn counters(&self) -> usize {
        self.prefixes.len() << self.bits()
    }

    /// Counts a value of `group` with its weight in whole units.
    #[inline(always)]
    pub(super) fn count(&self, counts: &mut [i64], group: usize, value: f32, weight: i64) {
        let key = ordered(value);
        if self.known > 0 && key >> (32 - self.known) != self.prefixes[group] {
            return;
        }
        let bits = self.bits();
        let digit = (key >> (32 - self.known - bits)) & ((1 << bits) - 1);
        counts[(group << bits) + digit as usize] += weight;
    }

    /// Takes in a round's counts; the answer is the quantiles once all bits are known.
    pub(super) fn narrow(&mut self, counts: &[i64]) -> Option<Vec<f32>> {
        let bits = self.bits();
        let first = self.is_first();
        for (group, counts) in counts.chunks_exact(1 << bits).enumerate() {
            if first {
                let total: i64 = counts.iter().sum();
                self.ranks[group] = ((self.alpha * total as f64).ceil() as i64).clamp(1, total.max(1));
            }
            let mut digit = 0;
            for (at, &count) in counts.iter().enumerate() {
                digit = at;
                if self.ranks[group] <= count {
                    break;
                }
                self.ranks[group] -= count;
            }
            self.prefixes[group] = (self.prefixes[group] << bits) | digit as u32;
        }
        self.known += bits;
        (self.known == 32).then(|| self.prefixes.iter().map(|&key| value(key)).collect())
    }
}

/// The bits of a float as a number of the same order; −0 is taken for 0.
#[inline(always)]
fn ordered(x: f32) -> u32 {
    let bits = (x + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | (1 << 31) }
}

fn value(key: u32) -> f32 {
    let bits = if key >> 31 == 1 { key & !(1 << 31) } else { !key };
    let value = f32::from_bits(bits);
    // A group without weight runs off the end.
    if value.is_finite() { value } else { 0.0 }
}

/// How many whole units a weight of 1 is, so that the weights of all rows fit 62 bits.
pub(super) fn units_of_weight(largest: f32, rows: u64) -> f64 {
    let room = 61 - rows.max(1).ilog2() as i32 - quelea_core::exact::exponent_above(f64::from(largest));
    quelea_core::exact::scale(1.0, room.min(30))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn search(values: &[(usize, f32, i64)], groups: usize, alpha: f64) -> Vec<f32> {
        let mut search = Search::new(groups, alpha);
        loop {
            let mut counts = vec![0; search.counters()];
            values.iter().for_each(|&(group, value, weight)| search.count(&mut counts, group, value, weight));
            if let Some(found) = search.narrow(&counts) {
                return found;
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn quantiles_are_those_of_sorted_values(mut values in prop::collection::vec((0usize..3, -1e9f32..1e9, 1i64..4), 1..200), alpha in 0.01f64..0.99, more in prop::sample::select(vec![3usize, 1_000])) {
            let found = search(&values, more, alpha);
            values.sort_by(|a, b| a.1.total_cmp(&b.1));
            for (group, &found) in found.iter().enumerate().take(3) {
                let of_group: Vec<_> = values.iter().filter(|v| v.0 == group).collect();
                let total: i64 = of_group.iter().map(|v| v.2).sum();
                let mut sum = 0;
                let expected = of_group.iter().find(|v| { sum += v.2; sum as f64 >= alpha * total as f64 });
                if let Some(expected) = expected {
                    prop_assert_eq!(found, expected.1);
                } else {
                    prop_assert_eq!(found, 0.0);
                }
            }
        }
    }

    #[test]
    fn weights_of_any_size_fit() {
        for (largest, rows) in [(1.0, 1), (1e30, 1 << 40), (1e-30, 7)] {
            let all = units_of_weight(largest, rows) * f64::from(largest) * rows as f64;
            assert!(all < 4.7e18, "{largest} {rows}");
        }
    }
}
