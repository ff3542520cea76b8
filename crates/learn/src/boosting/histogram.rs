//! Histograms of gradients: for every bin of every column the sum of gradients and hessians, and the number of rows.
//!
//! Gradient, hessian and row of the packed kind share one 64-bit word, so that a bin is updated by one addition; after
//! [`MOST_PACKED`] rows the fields are moved to sums of 64 bits each, before they could overflow. The wide kind adds
//! three 64-bit numbers at once: for small tables, and where one gradient is so far above the others that these would
//! vanish in the few bits of a packed field. All of them are whole numbers, so that order does not matter.

use pulp::{Arch, Simd, WithSimd};

use super::bins::Bins;
use super::kernel::{self, BoundedRows, TOGETHER};
use super::layout::Layout;
use super::scale::Scale;

/// Rows that a packed histogram may hold.
pub(super) const MOST_PACKED: usize = 8_192;
/// The largest size of a packed gradient: 26 bits hold 8,192 of them with their sign.
pub(super) const MOST_GRADIENT: i32 = 4_095;
/// The largest packed hessian: 24 bits hold 8,192 of them.
pub(super) const MOST_HESSIAN: i32 = 2_047;
const HESSIAN_AT: u32 = 14;
const GRADIENT_AT: u32 = 38;

/// Gradient, hessian and row in one word.
#[inline(always)]
pub(super) fn pack(gradient: i32, hessian: i32, row: i32) -> i64 {
    (i64::from(gradient) << GRADIENT_AT) + (i64::from(hessian) << HESSIAN_AT) + i64::from(row)
}

/// Histograms of several nodes over the same columns.
#[derive(Debug)]
pub(super) struct Histograms {
    /// Per node a packed histogram.
    packed: Vec<Vec<i64>>,
    /// Rows in each packed histogram.
    held: Vec<usize>,
    /// Per group the sums of all nodes, node after node.
    sums: Vec<Vec<i64>>,
}

/// The rows of a node in a tile, with their gradients.
pub(super) struct NodeRows<'a> {
    /// The rows, ascending; `None` for all of the tile.
    pub rows: Option<&'a [u16]>,
    /// Per row of the tile the gradient.
    pub gradients: &'a [f32],
    /// Per row of the tile the hessian; with its sign set, the row is not sampled.
    pub hessians: &'a [f32],
}

impl NodeRows<'_> {
    fn len(&self) -> usize {
        self.rows.map_or(self.gradients.len(), <[u16]>::len)
    }
}

impl Histograms {
    /// Empty histograms of `nodes` nodes.
    pub(super) fn new(layout: &Layout, nodes: usize) -> Self {
        Self {
            packed: vec![Vec::new(); nodes],
            held: vec![0; nodes],
            sums: layout.groups.iter().map(|g| vec![0; nodes * layout.group_len(g)]).collect(),
        }
    }

    /// Adds a tile's rows of `node`.
    pub(super) fn add(
        &mut self,
        layout: &Layout,
        scale: &Scale,
        columns: &[Option<Bins>],
        node: usize,
        of: &NodeRows,
        words: &mut Vec<i64>,
    ) {
        if scale.wide {
            self.add_wide(layout, scale, columns, node, of, words)
        } else {
            self.add_packed(layout, scale, columns, node, of, words)
        }
    }

    fn add_packed(&mut self, layout: &Layout, scale: &Scale, columns: &[Option<Bins>], node: usize, of: &NodeRows, words: &mut Vec<i64>) {
        self.packed[node].resize(layout.packed_len, 0);
        let mut from = 0;
        while from < of.len() {
            let to = of.len().min(from + MOST_PACKED - self.held[node]);
            match of.rows {
                None => scale.pack(&of.gradients[from..to], &of.hessians[from..to], None, words),
                Some(rows) => scale.pack(of.gradients, of.hessians, Some(&rows[from..to]), words),
            }
            let histogram = &mut self.packed[node];
            let bounded = of.rows.map(|rows| BoundedRows::new(&rows[from..to]));
            for together in layout.columns.chunks(TOGETHER) {
                let narrow: Option<Vec<&[u8]>> = together.iter().map(|column| narrow(&columns[column.feature])).collect();
                match (narrow.and_then(|n| <[&[u8]; TOGETHER]>::try_from(n).ok()), bounded) {
                    (Some(narrow), None) => {
                        kernel::add_together(&mut histogram[together[0].packed_at..], narrow.map(|bins| &bins[from..to]), words)
                    }
                    (Some(narrow), Some(rows)) => {
                        kernel::add_together_of_rows(&mut histogram[together[0].packed_at..], narrow, rows, words)
                    }
                    _ => {
                        for column in together {
                            let Some(bins) = &columns[column.feature] else { continue };
                            let histogram = &mut histogram[column.packed_at..column.packed_at + column.bins];
                            add_column(histogram, bins, of.rows, from, to, words);
                        }
                    }
                }
            }
            self.held[node] += to - from;
            if self.held[node] == MOST_PACKED {
                self.unpack(layout, node);
            }
            from = to;
        }
    }

    fn add_wide(&mut self, layout: &Layout, scale: &Scale, columns: &[Option<Bins>], node: usize, of: &NodeRows, words: &mut Vec<i64>) {
        let all: Vec<u16>;
        let rows = match of.rows {
            Some(rows) => rows,
            None => {
                all = (0..of.len()).map(|r| r as u16).collect();
                &all
            }
        };
        scale.widen(of.gradients, of.hessians, rows, words);
        for (group, sums) in layout.groups.iter().zip(&mut self.sums) {
            let len = layout.group_len(group);
            for column in &layout.columns[group.clone()] {
                let Some(bins) = &columns[column.feature] else { continue };
                let at = node * len + column.sums_at;
                let sums = &mut sums[at..at + 3 * column.bins];
                match bins {
                    Bins::Narrow(bins) => kernel::add_wide(sums, bins, rows, words),
                    Bins::Wide(bins) => kernel::add_wide(sums, bins, rows, words),
                }
            }
        }
    }

    /// Moves the packed histogram of `node` to its sums.
    fn unpack(&mut self, layout: &Layout, node: usize) {
        let packed = &mut self.packed[node];
        for (group, sums) in layout.groups.iter().zip(&mut self.sums) {
            let len = layout.group_len(group);
            for column in &layout.columns[group.clone()] {
                let at = node * len + column.sums_at;
                let packed = &mut packed[column.packed_at..column.packed_at + column.bins];
                Arch::new().dispatch(Unpack { packed, sums: &mut sums[at..at + 3 * column.bins] });
            }
        }
        self.held[node] = 0;
    }

    /// The sums, a vector per group.
    pub(super) fn into_sums(mut self, layout: &Layout) -> Vec<Vec<i64>> {
        for node in 0..self.held.len() {
            if self.held[node] > 0 {
                self.unpack(layout, node);
            }
        }
        self.sums
    }
}

fn narrow(bins: &Option<Bins>) -> Option<&[u8]> {
    if let Some(Bins::Narrow(bins)) = bins { Some(bins) } else { None }
}

fn add_column(histogram: &mut [i64], bins: &Bins, rows: Option<&[u16]>, from: usize, to: usize, words: &[i64]) {
    match (bins, rows) {
        (Bins::Narrow(bins), None) => kernel::add(histogram, &bins[from..to], words),
        (Bins::Wide(bins), None) => kernel::add(histogram, &bins[from..to], words),
        (Bins::Narrow(bins), Some(rows)) => kernel::add_of_rows(histogram, bins, &rows[from..to], words),
        (Bins::Wide(bins), Some(rows)) => kernel::add_of_rows(histogram, bins, &rows[from..to], words),
    }
}

/// Adds the fields of packed words to their sums, and clears them.
struct Unpack<'a> {
    packed: &'a mut [i64],
    sums: &'a mut [i64],
}

impl WithSimd for Unpack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let bins = self.packed.len();
        let (gradients, rest) = self.sums.split_at_mut(bins);
        let (hessians, rows) = rest.split_at_mut(bins);
        for (((word, gradient), hessian), rows) in self.packed.iter_mut().zip(gradients).zip(hessians).zip(rows) {
            *gradient += *word >> GRADIENT_AT;
            *hessian += (*word >> HESSIAN_AT) & ((1 << (GRADIENT_AT - HESSIAN_AT)) - 1);
            *rows += *word & ((1 << HESSIAN_AT) - 1);
            *word = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boosting::bins::Cuts;
    use crate::boosting::scale::Bounds;
    use proptest::prelude::*;
    use quelea_core::counter::{Draws, Purpose};
    use quelea_core::schema::{Feature, FeatureKind, Schema, Target};

    /// Narrow columns, enough to be added together, and a wide one.
    fn layout() -> Layout {
        let bins = [255, 3, 40, 17, 2, 700];
        let feature = |at: usize| {
            let kind = FeatureKind::Number { part: None, min: 0.0, max: 1.0, missing: 0 };
            Feature { name: format!("x{at}"), input: at, kind }
        };
        let features: Vec<Feature> = (0..bins.len()).map(feature).collect();
        let target = Target::Number { name: "y".into() };
        let schema = Schema { inputs: vec![], features, target, weight: None, largest_weight: 1.0, rows: 0, null_values: vec![] };
        let cuts: Vec<Cuts> = bins.iter().map(|&n| Cuts::Number((0..n).map(|e| e as f32).collect())).collect();
        Layout::new(&schema, &cuts, 1.0, 0, 0)
    }

    fn columns(layout: &Layout, rows: usize, seed: u64) -> Vec<Option<Bins>> {
        let mut columns = vec![None; layout.columns.len()];
        for column in &layout.columns {
            let draws = Draws::new(seed, Purpose::Sample, column.feature as u64);
            let bin = |row: usize| draws.bits(row as u64, 0) as usize % column.bins;
            columns[column.feature] = Some(if column.bins <= 256 {
                Bins::Narrow((0..rows).map(|row| bin(row) as u8).collect())
            } else {
                Bins::Wide((0..rows).map(|row| bin(row) as u16).collect())
            });
        }
        columns
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn histograms_are_sums_by_bin(seed in 0u64..1_000, rows in 1usize..20_000, some in any::<bool>(), few in any::<bool>(), tiles in 1usize..3) {
            let layout = layout();
            let scale = Scale::new(Bounds { gradient: 2.0, hessian: 1.0, mean: 1.0 }, if few { 1_000 } else { 1_000_000 });
            let draws = Draws::new(seed, Purpose::Start, 0);
            let gradients: Vec<f32> = (0..rows).map(|r| draws.uniform(r as u64, 0) as f32 * 4.0 - 2.0).collect();
            let sampled = |r: usize| !draws.bits(r as u64, 2).is_multiple_of(5);
            let hessians: Vec<f32> = (0..rows).map(|r| if sampled(r) { draws.uniform(r as u64, 1) as f32 } else { -0.0 }).collect();
            let gradients: Vec<f32> = gradients.iter().enumerate().map(|(r, &g)| if sampled(r) { g } else { 0.0 }).collect();
            let columns = columns(&layout, rows, seed);
            let these: Vec<u16> = (0..rows).filter(|&r| !some || draws.bits(r as u64, 3).is_multiple_of(3)).map(|r| r as u16).collect();
            let mut histograms = Histograms::new(&layout, 2);
            let mut words = Vec::new();
            for _ in 0..tiles {
                let of = NodeRows { rows: some.then_some(&these[..]), gradients: &gradients, hessians: &hessians };
                histograms.add(&layout, &scale, &columns, 1, &of, &mut words);
            }
            let sums = histograms.into_sums(&layout);
            let (most_gradient, most_hessian) = if few { ((1i64 << 40) as f64, (1i64 << 40) as f64) } else { (f64::from(MOST_GRADIENT), f64::from(MOST_HESSIAN)) };
            for (group, range) in layout.groups.iter().enumerate() {
                let len = layout.group_len(range);
                prop_assert!(sums[group][..len].iter().all(|&x| x == 0));
                for column in &layout.columns[range.clone()] {
                    let mut expected = vec![[0.0, 0.0, 0.0]; column.bins];
                    for &r in &these {
                        let r = usize::from(r);
                        let bin = match columns[column.feature].as_ref().unwrap() { Bins::Narrow(b) => usize::from(b[r]), Bins::Wide(b) => usize::from(b[r]) };
                        let of_row = [f64::from(gradients[r]) / 2.0 * most_gradient, f64::from(hessians[r]) * most_hessian, f64::from(u8::from(sampled(r)))];
                        expected[bin].iter_mut().zip(of_row).for_each(|(sum, x)| *sum += tiles as f64 * x);
                    }
                    let of = &sums[group][len + column.sums_at..len + column.sums_at + 3 * column.bins];
                    for (bin, expected) in expected.iter().enumerate() {
                        let rows = of[2 * column.bins + bin];
                        prop_assert_eq!(rows as f64, expected[2]);
                        // Each row is rounded by half a unit at most.
                        let slack = 0.51 * rows as f64 + 1e-6;
                        prop_assert!((of[bin] as f64 - expected[0]).abs() <= slack, "{} {}", of[bin], expected[0]);
                        prop_assert!((of[column.bins + bin] as f64 - expected[1]).abs() <= slack);
                    }
                }
            }
        }
    }

    #[test]
    fn packed_fields_hold_the_most_rows_of_the_largest_size() {
        for sign in [-1, 1] {
            let mut packed = vec![pack(sign * MOST_GRADIENT, MOST_HESSIAN, 1) * MOST_PACKED as i64];
            let mut sums = vec![0; 3];
            Arch::new().dispatch(Unpack { packed: &mut packed, sums: &mut sums });
            let rows = MOST_PACKED as i64;
            assert_eq!(sums, [rows * i64::from(sign * MOST_GRADIENT), rows * i64::from(MOST_HESSIAN), rows]);
        }
    }
}
