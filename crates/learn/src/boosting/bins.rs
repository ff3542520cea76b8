//! Bins of columns: where they are cut, and the bin of every value of a tile.
//!
//! A number's bin `b` holds values of at most `edges[b]` and above the one before, so that a split after bin `b` is the
//! rule `x <= edges[b]` to the last bit. A category's bins are its frequent values and one for all others. The last bin
//! of a column is for missing values.

use pulp::{Arch, Simd, WithSimd};
use quelea_core::schema::{Feature, FeatureKind};
use quelea_core::tile::{MISSING, Values};

/// How many bins fit a byte.
const NARROW: usize = 256;
/// The most bins of a column.
const MOST: usize = 65_536;

/// Where a column is cut.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cuts {
    /// The upper edges of a number's bins, ascending; the last is the largest float.
    Number(Vec<f32>),
    /// The bins of a category.
    Category {
        /// The code of each bin, ascending.
        codes: Vec<u32>,
        /// The bin of each code.
        bin_of: Vec<u16>,
    },
}

impl Cuts {
    /// Bins with values of their own: without that of missing values, and for a category without that of rare ones.
    pub(super) fn values(&self) -> usize {
        match self {
            Self::Number(edges) => edges.len(),
            Self::Category { codes, .. } => codes.len(),
        }
    }

    /// All bins.
    pub(super) fn len(&self) -> usize {
        self.missing() + 1
    }

    /// The bin of missing values.
    pub(super) fn missing(&self) -> usize {
        self.values() + usize::from(matches!(self, Self::Category { .. }))
    }

    /// Whether a bin's number fits a byte.
    pub(super) fn is_narrow(&self) -> bool {
        self.len() <= NARROW
    }

    /// The bins of a category's frequent values. The others are too rare to tell anything: `least` rows are needed.
    pub(super) fn of_category(feature: &Feature, least: f64) -> Self {
        let FeatureKind::Category { values, counts, .. } = &feature.kind else { return Self::Number(vec![f32::MAX]) };
        let mut codes: Vec<u32> = (0..counts.len() as u32).filter(|&c| counts[c as usize] > 0).collect();
        if codes.len() > NARROW - 2 {
            codes.retain(|&c| counts[c as usize] as f64 >= least);
            codes.sort_by(|&a, &b| counts[b as usize].cmp(&counts[a as usize]).then_with(|| values[a as usize].cmp(&values[b as usize])));
            codes.truncate(MOST - 2);
            codes.sort_unstable();
        }
        let mut bin_of = vec![codes.len() as u16; values.len()];
        codes.iter().enumerate().for_each(|(bin, &code)| bin_of[code as usize] = bin as u16);
        Self::Category { codes, bin_of }
    }

    /// The bin of each of a tile's values.
    pub(super) fn bin(&self, values: &Values) -> Bins {
        match (self, values) {
            (Self::Number(edges), Values::Number(values)) if self.is_narrow() => {
                let mut bins = vec![0; values.len()];
                Arch::new().dispatch(BinNumbers { edges, values, bins: &mut bins });
                Bins::Narrow(bins)
            }
            (Self::Number(edges), Values::Number(values)) => Bins::Wide(
                values.iter().map(|&x| if x.is_nan() { edges.len() } else { edges.partition_point(|&e| e < x) } as u16).collect(),
            ),
            (Self::Category { bin_of, .. }, Values::Category(codes)) => {
                let bin = |&code: &u32| {
                    if code == MISSING { self.missing() } else { bin_of.get(code as usize).map_or(self.values(), |&b| b as usize) }
                };
                if self.is_narrow() {
                    Bins::Narrow(codes.iter().map(|code| bin(code) as u8).collect())
                } else {
                    Bins::Wide(codes.iter().map(|code| bin(code) as u16).collect())
                }
            }
            // A tile follows its schema, so that a column is what its feature says.
            (_, values) => Bins::Narrow(vec![0; length(values)]),
        }
    }
}

fn length(values: &Values) -> usize {
    match values {
        Values::Number(v) => v.len(),
        Values::Category(v) => v.len(),
        Values::Sparse { offsets, .. } => offsets.len() - 1,
    }
}

/// A column of a tile as bins.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bins {
    /// At most 256 bins.
    Narrow(Vec<u8>),
    /// More.
    Wide(Vec<u16>),
}

/// Branch-free binary search in 256 edges, padded with the largest float.
struct BinNumbers<'a> {
    edges: &'a [f32],
    values: &'a [f32],
    bins: &'a mut [u8],
}

impl WithSimd for BinNumbers<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { edges, values, bins } = self;
        let mut padded = [f32::MAX; NARROW];
        padded[..edges.len()].copy_from_slice(edges);
        let missing = edges.len() as u32;
        const LANES: usize = 32;
        let (head, tail) = values.as_chunks::<LANES>();
        let (head_bins, tail_bins) = bins.as_chunks_mut::<LANES>();
        for (values, bins) in head.iter().zip(head_bins) {
            let mut at = [0u32; LANES];
            for step in [128, 64, 32, 16, 8, 4, 2, 1] {
                for (at, &x) in at.iter_mut().zip(values) {
                    *at += if padded[(*at + step - 1) as usize & (NARROW - 1)] < x { step } else { 0 };
                }
            }
            for ((bin, at), x) in bins.iter_mut().zip(at).zip(values) {
                *bin = if x.is_nan() { missing } else { at } as u8;
            }
        }
        for (x, bin) in tail.iter().zip(tail_bins) {
            *bin = if x.is_nan() { missing } else { edges.iter().map(|e| u32::from(e < x)).sum() } as u8;
        }
    }
}

/// The upper edges of at most `most` bins for these sorted values: each value its own bin where they are few, else bins of
/// about equally many, with frequent values in bins of their own (as LightGBM's, Ke et al. 2017).
pub(super) fn edges(sorted: &[f32], most: usize) -> Vec<f32> {
    let distinct = count_distinct(sorted);
    let mut edges = if distinct.len() <= most { cut_everywhere(&distinct) } else { cut_evenly(&distinct, sorted.len(), most) };
    edges.push(f32::MAX);
    edges
}

fn count_distinct(sorted: &[f32]) -> Vec<(f32, usize)> {
    let mut distinct: Vec<(f32, usize)> = Vec::new();
    for &x in sorted {
        match distinct.last_mut() {
            Some((last, count)) if *last == x => *count += 1,
            _ => distinct.push((x, 1)),
        }
    }
    distinct
}

fn cut_everywhere(distinct: &[(f32, usize)]) -> Vec<f32> {
    distinct.windows(2).map(|pair| between(pair[0].0, pair[1].0)).collect()
}

fn cut_evenly(distinct: &[(f32, usize)], total: usize, most: usize) -> Vec<f32> {
    let frequent = |count: usize| count * most >= total;
    let (many, of_many) = distinct.iter().filter(|d| frequent(d.1)).fold((0, 0), |(n, sum), d| (n + 1, sum + d.1));
    let mut bins_left = most - many.min(most);
    let mut rows_left = total - of_many;
    let mut mean = rows_left as f64 / bins_left.max(1) as f64;
    let mut edges = Vec::with_capacity(most);
    let mut filled = 0usize;
    for pair in distinct.windows(2) {
        let (this, next) = (pair[0], pair[1]);
        filled += this.1;
        if !frequent(this.1) {
            rows_left -= this.1;
        }
        let full = filled as f64 >= mean || (frequent(next.1) && filled as f64 >= (mean * 0.5).max(1.0));
        if frequent(this.1) || full {
            edges.push(between(this.0, next.0));
            if edges.len() + 1 == most {
                break;
            }
            filled = 0;
            if !frequent(this.1) {
                bins_left -= usize::from(bins_left > 1);
                mean = rows_left as f64 / bins_left as f64;
            }
        }
    }
    edges
}

/// A float in `[low, high)`, in the middle if there is one.
fn between(low: f32, high: f32) -> f32 {
    let middle = ((f64::from(low) + f64::from(high)) / 2.0) as f32;
    if middle >= low && middle < high { middle } else { low }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn binned(edges: Vec<f32>, values: &[f32]) -> Vec<usize> {
        match Cuts::Number(edges).bin(&Values::Number(values.to_vec().into())) {
            Bins::Narrow(bins) => bins.into_iter().map(usize::from).collect(),
            Bins::Wide(bins) => bins.into_iter().map(usize::from).collect(),
        }
    }

    proptest! {
        #[test]
        fn a_bin_is_what_its_edges_say(mut sample in prop::collection::vec(-1e3f32..1e3, 0..2000), probe in prop::collection::vec(any::<f32>(), 0..100), most in 2usize..400) {
            sample.sort_unstable_by(f32::total_cmp);
            let edges = edges(&sample, most);
            prop_assert!(edges.len() <= most && edges.is_sorted_by(|a, b| a < b));
            let finite: Vec<f32> = probe.iter().chain(&sample).copied().filter(|x| !x.is_infinite()).collect();
            for (&x, bin) in finite.iter().zip(binned(edges.clone(), &finite)) {
                let expected = if x.is_nan() { edges.len() } else { edges.iter().filter(|&&e| x > e).count() };
                prop_assert_eq!(bin, expected);
            }
        }

        #[test]
        fn bins_hold_about_equally_many(seed in 0u64..100) {
            let mut sample: Vec<f32> = (0..10_000u64).map(|i| ((i * 7919 + seed) % 10_007) as f32 * 1e-3).collect();
            sample.sort_unstable_by(f32::total_cmp);
            let mut counts = vec![0; 255];
            binned(edges(&sample, 255), &sample).into_iter().for_each(|b| counts[b] += 1);
            prop_assert!(counts.iter().all(|&c| (20..=60).contains(&c)), "{:?}", counts);
        }
    }

    #[test]
    fn neighbouring_floats_are_told_apart() {
        let low = 1.0f32;
        let high = f32::from_bits(low.to_bits() + 1);
        assert_eq!(binned(edges(&[low, high], 255), &[low, high, f32::NAN]), [0, 1, 2]);
        assert_eq!(binned(edges(&[-f32::MAX, f32::MAX], 255), &[-f32::MAX, 0.0, f32::MAX]), [0, 0, 1]);
        assert_eq!(binned(edges(&[], 255), &[5.0, f32::NAN]), [0, 1]);
    }

    #[test]
    fn a_frequent_value_has_a_bin_of_its_own() {
        let mut sample = vec![0.0; 5_000];
        sample.extend((1..=5_000).map(|i| i as f32));
        let edges = edges(&sample, 16);
        assert!(edges[0] < 1.0 && edges.len() == 16, "{edges:?}");
    }

    #[test]
    fn rare_and_unseen_categories_share_a_bin() {
        let counts: Vec<u64> = (0..1_000).map(|i| if i % 3 == 0 { 2 } else { 50 }).collect();
        let values = (0..1_000).map(|i| format!("v{i:04}")).collect();
        let feature =
            Feature { name: "c".into(), input: 0, kind: FeatureKind::Category { values, counts, missing: 0, aliases: Vec::new() } };
        let cuts = Cuts::of_category(&feature, 10.0);
        assert_eq!(cuts.values(), 666);
        let codes = vec![0, 1, 2, 3, quelea_core::tile::UNSEEN, MISSING, 5_000];
        assert_eq!(cuts.bin(&Values::Category(codes.into())), Bins::Wide(vec![666, 0, 1, 666, 666, 667, 666]));
    }
}
