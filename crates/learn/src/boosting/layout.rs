//! The columns that a tree may split, and where their bins lie in histograms.

use std::ops::Range;

use quelea_core::counter::{Draws, Purpose};
use quelea_core::schema::Schema;

use super::bins::Cuts;

/// Bins that a group of columns has at the most, but for a single column with more.
const GROUP_BINS: usize = 2_048;

/// A column that may be split.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    /// The index of its feature.
    pub feature: usize,
    /// How many bins it has.
    pub bins: usize,
    /// Where its bins begin in a packed histogram.
    pub packed_at: usize,
    /// Where its sums begin in its group's histogram: gradients of all its bins, then hessians, then rows.
    pub sums_at: usize,
}

/// The columns of a tree, ordered by name so that nothing depends on their order in the table.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Layout {
    /// The columns.
    pub columns: Vec<Column>,
    /// Groups of neighbouring columns; each is a block.
    pub groups: Vec<Range<usize>>,
    /// The length of a packed histogram.
    pub packed_len: usize,
}

impl Layout {
    /// The columns that tree number `tree` may split: those with at least two bins in use, and of them a fraction.
    pub(super) fn new(schema: &Schema, cuts: &[Cuts], fraction: f64, seed: u64, tree: u64) -> Self {
        let mut features: Vec<usize> = (0..cuts.len()).filter(|&f| divides(schema, cuts, f)).collect();
        if fraction < 1.0 {
            let draws = Draws::new(seed, Purpose::ColumnSampling, tree);
            features.sort_by_key(|&f| (draws.bits_of_name(&schema.features[f].name), f));
            features.truncate(((features.len() as f64 * fraction).ceil() as usize).max(1));
        }
        features.sort_by(|&a, &b| schema.features[a].name.cmp(&schema.features[b].name));
        let mut layout = Self::default();
        features.into_iter().for_each(|f| layout.push(f, cuts[f].len()));
        layout
    }

    fn push(&mut self, feature: usize, bins: usize) {
        let index = self.columns.len();
        let room = self.groups.last().is_some_and(|g| self.group_len(g) / 3 + bins <= GROUP_BINS);
        let sums_at = if room { self.group_len(&self.groups[self.groups.len() - 1]) } else { 0 };
        match self.groups.last_mut() {
            Some(group) if room => group.end = index + 1,
            _ => self.groups.push(index..index + 1),
        }
        self.columns.push(Column { feature, bins, packed_at: self.packed_len, sums_at });
        // A narrow column takes 256 bins in a packed histogram, so that a byte is always within.
        self.packed_len += bins.max(256);
    }

    /// The length of a group's histogram of one node.
    pub(super) fn group_len(&self, group: &Range<usize>) -> usize {
        self.columns[group.clone()].last().map_or(0, |c| c.sums_at + 3 * c.bins)
    }
}

/// Whether a split of feature `f` can part any rows.
fn divides(schema: &Schema, cuts: &[Cuts], f: usize) -> bool {
    use quelea_core::schema::FeatureKind::{Category, Number, Sparse};
    let missing = match &schema.features[f].kind {
        Number { missing, .. } | Category { missing, .. } => *missing,
        Sparse { .. } => 0,
    };
    cuts[f].values() + usize::from(missing > 0) >= 2 || (matches!(cuts[f], Cuts::Category { .. }) && cuts[f].values() >= 1)
}
