//! Histograms of gradients: for every bin of every column the sum of gradients and hessians, and the number of rows.
//!
//! Gradient, hessian and row of the packed kind share one 64-bit word, so that a bin is updated by one addition; after
//! [`MOST_PACKED`] rows the fields are moved to sums of 64 bits each, before they could overflow. The wide kind adds
//! three 64-bit numbers at once: for small tables, and where one gradient is so far above the others that these would
//! vanish in the few bits of a packed field. All of them are whole numbers, so that order does not matter.

use super::bins::Bins;
use super::kernel;
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
                None => scale.pack_all(&of.gradients[from..to], &of.hessians[from..to], words),
                Some(rows) => scale.pack_some(of.gradients, of.hessians, &rows[from..to], words),
            }
            let histogram = &mut self.packed[node];
            for pair in layout.columns.chunks(2) {
                let bins = |i: usize| pair.get(i).and_then(|c| columns[c.feature].as_ref());
                match (bins(0), bins(1), of.rows) {
                    (Some(Bins::Narrow(a)), Some(Bins::Narrow(b)), None) => {
                        kernel::add_pair(&mut histogram[pair[0].packed_at..], &a[from..to], &b[from..to], words)
                    }
                    (Some(Bins::Narrow(a)), Some(Bins::Narrow(b)), Some(rows)) => {
                        kernel::add_pair_of_rows(&mut histogram[pair[0].packed_at..], a, b, &rows[from..to], words)
                    }
                    _ => {
                        for column in pair {
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
        pulp::Arch::new().dispatch(|| {
            for (group, sums) in layout.groups.iter().zip(&mut self.sums) {
                let len = layout.group_len(group);
                for column in &layout.columns[group.clone()] {
                    let at = node * len + column.sums_at;
                    unpack_column(&mut packed[column.packed_at..column.packed_at + column.bins], &mut sums[at..at + 3 * column.bins]);
                }
            }
        });
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

fn add_column(histogram: &mut [i64], bins: &Bins, rows: Option<&[u16]>, from: usize, to: usize, words: &[i64]) {
    match (bins, rows) {
        (Bins::Narrow(bins), None) => kernel::add(histogram, &bins[from..to], words),
        (Bins::Wide(bins), None) => kernel::add(histogram, &bins[from..to], words),
        (Bins::Narrow(bins), Some(rows)) => kernel::add_of_rows(histogram, bins, &rows[from..to], words),
        (Bins::Wide(bins), Some(rows)) => kernel::add_of_rows(histogram, bins, &rows[from..to], words),
    }
}

/// Adds the fields of packed words to their sums, and clears them.
#[inline(always)]
fn unpack_column(packed: &mut [i64], sums: &mut [i64]) {
    let bins = packed.len();
    let (gradients, rest) = sums.split_at_mut(bins);
    let (hessians, rows) = rest.split_at_mut(bins);
    for (((word, gradient), hessian), rows) in packed.iter_mut().zip(gradients).zip(hessians).zip(rows) {
        *gradient += *word >> GRADIENT_AT;
        *hessian += (*word >> HESSIAN_AT) & ((1 << (GRADIENT_AT - HESSIAN_AT)) - 1);
        *rows += *word & ((1 << HESSIAN_AT) - 1);
        *word = 0;
    }
}
