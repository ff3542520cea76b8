//! Histograms of gradients: for every bin of every column the sum of gradients and hessians, and the number of rows.
//!
//! Gradient, hessian and row of the packed kind share one 64-bit word, so that a bin is updated by one addition; after
//! [`MOST_PACKED`] rows the fields are moved to sums of 64 bits each, before they could overflow. The wide kind adds
//! three 64-bit numbers at once: for small tables, and where one gradient is so far above the others that these would
//! vanish in the few bits of a packed field. All of them are whole numbers, so that order does not matter.

use pulp::{Arch, Simd, WithSimd};

use super::binned::{Binned, Place, Unit};
use super::kernel;
use super::layout::{Column, Layout};
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
pub(super) fn word(gradient: i32, hessian: i32, row: i32) -> i64 {
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

/// Memory that is used again for every node.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    words: Vec<i64>,
    rows: Vec<Unit>,
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
    pub(super) fn add(&mut self, layout: &Layout, scale: &Scale, binned: &Binned, node: usize, of: &NodeRows, scratch: &mut Scratch) {
        if scale.wide {
            self.add_wide(layout, scale, binned, node, of, scratch)
        } else {
            self.add_packed(layout, binned, node, of, scratch)
        }
    }

    fn add_packed(&mut self, layout: &Layout, binned: &Binned, node: usize, of: &NodeRows, scratch: &mut Scratch) {
        self.packed[node].resize(layout.packed_len, 0);
        let mut from = 0;
        while from < of.len() {
            let to = of.len().min(from + MOST_PACKED - self.held[node]);
            let rows = of.rows.map(|rows| &rows[from..to]);
            let bytes = match rows {
                None => binned.between(from, to, &mut scratch.words),
                Some(rows) => binned.gather(rows, &mut scratch.rows, &mut scratch.words),
            };
            let histogram = &mut self.packed[node];
            let mut columns = &layout.columns[..];
            while let Some(column) = columns.first() {
                let histogram = &mut histogram[column.packed_at..];
                let (width, words) = (neighbours(columns, binned), &scratch.words);
                match (binned.place(column.feature), width) {
                    (Place::Byte(at), 8) => kernel::add::<8>(histogram, bytes, *at, words),
                    (Place::Byte(at), 4) => kernel::add::<4>(histogram, bytes, *at, words),
                    (Place::Byte(at), _) => kernel::add::<1>(histogram, bytes, *at, words),
                    (Place::Column(bins), _) => match rows {
                        None => kernel::add_column(histogram, bins[from..to].iter().copied(), words),
                        Some(rows) => kernel::add_column(histogram, rows.iter().map(|&row| bins[usize::from(row)]), words),
                    },
                    (Place::Nowhere, _) => {}
                }
                columns = &columns[width..];
            }
            self.held[node] += to - from;
            if self.held[node] == MOST_PACKED {
                self.unpack(layout, node);
            }
            from = to;
        }
    }

    fn add_wide(&mut self, layout: &Layout, scale: &Scale, binned: &Binned, node: usize, of: &NodeRows, scratch: &mut Scratch) {
        let all: Vec<u16>;
        let rows = match of.rows {
            Some(rows) => rows,
            None => {
                all = (0..of.len()).map(|r| r as u16).collect();
                &all
            }
        };
        scale.widen(of.gradients, of.hessians, rows, &mut scratch.words);
        for (group, sums) in layout.groups.iter().zip(&mut self.sums) {
            let len = layout.group_len(group);
            for column in &layout.columns[group.clone()] {
                let at = node * len + column.sums_at;
                let bin = |row| binned.bin(column.feature, row);
                kernel::add_wide(&mut sums[at..at + 3 * column.bins], bin, rows, &scratch.words);
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

/// How many of these columns, from the first on, are added at once: their bytes lie behind each other.
fn neighbours(columns: &[Column], binned: &Binned) -> usize {
    let Place::Byte(first) = binned.place(columns[0].feature) else { return 1 };
    let is_next = |(by, column): (usize, &Column)| matches!(binned.place(column.feature), Place::Byte(at) if *at == first + by);
    [8, 4].into_iter().find(|&n| columns.get(..n).is_some_and(|these| these.iter().enumerate().all(is_next))).unwrap_or(1)
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
    use quelea_core::tile::{Role, Tile, Values};

    /// Narrow columns, enough to be added eight, four and one at a time, and a wide one.
    fn cuts() -> Vec<Cuts> {
        let edges = [255, 3, 40, 17, 2, 700, 255, 4, 4, 9, 33, 2, 2, 128, 12, 3];
        edges.iter().map(|&n| Cuts::Number((0..n).map(|e| e as f32).collect())).collect()
    }

    fn layout(cuts: &[Cuts], fraction: f64) -> Layout {
        let feature = |at: usize| {
            let kind = FeatureKind::Number { part: None, min: 0.0, max: 1.0, missing: 0 };
            Feature { name: format!("x{at:02}"), input: at, kind }
        };
        let features: Vec<Feature> = (0..cuts.len()).map(feature).collect();
        let target = Target::Number { name: "y".into() };
        let schema = Schema { features, target, largest_weight: 1.0, ..Schema::default() };
        Layout::new(&schema, cuts, fraction, 0, 0)
    }

    /// Columns with as many different numbers as they have bins, some of them missing.
    fn tile(cuts: &[Cuts], rows: usize, seed: u64) -> Tile {
        let column = |(at, cuts): (usize, &Cuts)| {
            let draws = Draws::new(seed, Purpose::Sample, at as u64);
            let number = |row: usize| match draws.bits(row as u64, 0) as usize % cuts.len() {
                bin if bin == cuts.missing() => f32::NAN,
                bin => bin as f32,
            };
            Values::Number((0..rows).map(number).collect())
        };
        let features = cuts.iter().enumerate().map(column).collect();
        Tile { number: 0, role: Role::Train, rows, features, target: vec![0.0; rows].into(), weight: None }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn histograms_are_sums_by_bin(seed in 0u64..1_000, rows in 1usize..20_000, some in any::<bool>(), few in any::<bool>(), tiles in 1usize..3, fraction in 0.3f64..2.0) {
            let cuts = cuts();
            let layout = layout(&cuts, fraction);
            let scale = Scale::new(Bounds { gradient: 2.0, hessian: 1.0, mean: 1.0 }, if few { 1_000 } else { 1_000_000 });
            let draws = Draws::new(seed, Purpose::Start, 0);
            let gradients: Vec<f32> = (0..rows).map(|r| draws.uniform(r as u64, 0) as f32 * 4.0 - 2.0).collect();
            let sampled = |r: usize| !draws.bits(r as u64, 2).is_multiple_of(5);
            let hessians: Vec<f32> = (0..rows).map(|r| if sampled(r) { draws.uniform(r as u64, 1) as f32 } else { -0.0 }).collect();
            let gradients: Vec<f32> = gradients.iter().enumerate().map(|(r, &g)| if sampled(r) { g } else { 0.0 }).collect();
            let tile = tile(&cuts, rows, seed);
            let usable: Vec<usize> = (0..cuts.len()).collect();
            let mut binned = Binned::new(&usable, &cuts, &tile);
            let mut packed = Vec::new();
            scale.pack(&gradients, &hessians, &mut packed);
            binned.write(&packed);
            let these: Vec<u16> = (0..rows).filter(|&r| !some || draws.bits(r as u64, 3).is_multiple_of(3)).map(|r| r as u16).collect();
            let mut histograms = Histograms::new(&layout, 2);
            let mut scratch = Scratch::default();
            for _ in 0..tiles {
                let of = NodeRows { rows: some.then_some(&these[..]), gradients: &gradients, hessians: &hessians };
                histograms.add(&layout, &scale, &binned, 1, &of, &mut scratch);
            }
            let sums = histograms.into_sums(&layout);
            let (most_gradient, most_hessian) = if few { ((1i64 << 40) as f64, (1i64 << 40) as f64) } else { (f64::from(MOST_GRADIENT), f64::from(MOST_HESSIAN)) };
            for (group, range) in layout.groups.iter().enumerate() {
                let len = layout.group_len(range);
                prop_assert!(sums[group][..len].iter().all(|&x| x == 0));
                for column in &layout.columns[range.clone()] {
                    let mut expected = vec![[0.0, 0.0, 0.0]; column.bins];
                    let Values::Number(values) = &tile.features[column.feature] else { unreachable!() };
                    for &r in &these {
                        let r = usize::from(r);
                        let bin = if values[r].is_nan() { column.bins - 1 } else { values[r] as usize };
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
            let mut packed = vec![word(sign * MOST_GRADIENT, MOST_HESSIAN, 1) * MOST_PACKED as i64];
            let mut sums = vec![0; 3];
            Arch::new().dispatch(Unpack { packed: &mut packed, sums: &mut sums });
            let rows = MOST_PACKED as i64;
            assert_eq!(sums, [rows * i64::from(sign * MOST_GRADIENT), rows * i64::from(MOST_HESSIAN), rows]);
        }
    }
}
