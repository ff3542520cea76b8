//! What a worker holds for a tile: bins, scores, gradients, and which rows are in which node.
//!
//! Between trees, all of it follows from the tile and the round's parameters: it can be made anew anywhere. Bytes per row:
//! one for each column of at most 256 bins, up to a multiple of 16, and two for each other column; 4 for a score, 8 for its
//! gradient, 2 for its place.

use std::cmp::Ordering;
use std::ops::Range;

use quelea_core::counter::{Draws, Purpose};
use quelea_core::tile::{MISSING, Role, Tile, Values};

use super::apply::add_tree;
use super::binned::Binned;
use super::growth::{Expansion, Left};
use super::kernel;
use super::lanes::Sizes;
use super::loss::{Loss, softmax};
use super::round::Round;

/// The row state of a tile.
#[derive(Debug, Default)]
pub struct Rows {
    /// The columns that may be split, as bins; without rows until the first tree and for validation tiles.
    pub(super) binned: Binned,
    /// Output after output, a score per row, without the offset of the round.
    pub(super) scores: Vec<f32>,
    /// Of softmax, at the beginning of the iteration; as scores.
    probabilities: Vec<f32>,
    /// How many trees are in the scores.
    applied: usize,
    /// The tree whose nodes `segments` are.
    grown: Option<usize>,
    /// Gradients of the current tree.
    pub(super) gradients: Vec<f32>,
    /// Hessians of the current tree; −0 where the row is not sampled.
    pub(super) hessians: Vec<f32>,
    /// The rows, node by node.
    pub(super) order: Vec<u16>,
    /// Where in `order` the rows of each node are; those of an inner node are its descendants'.
    pub(super) segments: Vec<Range<usize>>,
}

impl Rows {
    /// Cuts the columns into bins, if that has not been done.
    pub(super) fn bin(&mut self, round: &Round, tile: &Tile) {
        if self.binned.len == 0 {
            self.binned = Binned::new(&round.usable, &round.cuts, tile);
        }
    }

    /// Brings the scores up to the round's trees.
    pub(super) fn catch_up(&mut self, round: &Round, tile: &Tile) {
        if self.scores.is_empty() {
            self.scores = round.base.iter().flat_map(|&base| std::iter::repeat_n(base - round.offset, tile.rows)).collect();
        }
        for at in self.applied..round.trees.len() {
            let output = at % round.base.len();
            let scores = &mut self.scores[output * tile.rows..(output + 1) * tile.rows];
            if self.grown != Some(at) {
                add_tree(&round.trees[at], tile, scores);
                continue;
            }
            for (node, value) in &round.last_leaves {
                for &row in &self.order[self.segments[*node].clone()] {
                    scores[usize::from(row)] += value;
                }
            }
        }
        self.applied = round.trees.len();
    }

    /// Computes the gradients of `output`. Softmax probabilities stay as they are until those of the first output.
    pub(super) fn derive(&mut self, loss: &Loss, output: usize, offset: f32, tile: &Tile) -> Sizes {
        if matches!(loss, Loss::Softmax { .. }) && output == 0 {
            softmax(&self.scores, tile.rows, &mut self.probabilities);
        }
        let values = if matches!(loss, Loss::Softmax { .. }) { &self.probabilities } else { &self.scores };
        let values = &values[output * tile.rows..(output + 1) * tile.rows];
        self.gradients.resize(tile.rows, 0.0);
        self.hessians.resize(tile.rows, 0.0);
        loss.derive((output, offset), values, tile, &mut self.gradients, &mut self.hessians)
    }

    /// Leaves out rows that this iteration does not see.
    pub(super) fn sample(&mut self, fraction: f64, seed: u64, iteration: u64, tile: &Tile) {
        if fraction >= 1.0 {
            return;
        }
        let draws = Draws::new(seed, Purpose::RowSampling, iteration);
        for row in 0..tile.rows {
            if draws.uniform(u64::from(tile.number), row as u64) >= fraction {
                self.gradients[row] = 0.0;
                self.hessians[row] = -0.0;
            }
        }
    }

    /// Puts all rows into the root of tree number `tree`.
    pub(super) fn plant(&mut self, tree: usize, tile: &Tile) {
        self.order.clear();
        self.order.extend((0..tile.rows).map(|row| row as u16));
        self.segments.clear();
        self.segments.push(0..tile.rows);
        self.grown = Some(tree);
    }

    /// Parts the rows of expanded nodes.
    pub(super) fn part(&mut self, expansions: &[Expansion], tile: &Tile, scratch: &mut Vec<u16>) {
        for expansion in expansions {
            let Range { start, end } = self.segments[expansion.node].clone();
            let rows = &mut self.order[start..end];
            let lefts = part(rows, expansion, &tile.features[expansion.feature], scratch);
            self.segments.push(start..start + lefts);
            self.segments.push(start + lefts..end);
        }
    }

    /// The sums of gradients and hessians of the rows in `node`.
    pub(super) fn sums_of(&self, node: usize) -> (f64, f64) {
        let mut sums = [[0f64; 4]; 2];
        for (at, &row) in self.order[self.segments[node].clone()].iter().enumerate() {
            sums[0][at % 4] += f64::from(self.gradients[usize::from(row)]);
            sums[1][at % 4] += f64::from(self.hessians[usize::from(row)]);
        }
        let [g, h] = sums.map(|s| (s[0] + s[1]) + (s[2] + s[3]));
        (g, h)
    }
}

/// Moves the rows that go left to the front. How many did.
fn part(rows: &mut [u16], expansion: &Expansion, values: &Values, scratch: &mut Vec<u16>) -> usize {
    let missing_left = expansion.missing_left;
    match (&expansion.left_are, values) {
        // A comparison with NaN is false.
        (Left::AtMost(edge), Values::Number(values)) if missing_left => {
            kernel::partition(rows, values, |x: f32| !matches!(x.partial_cmp(edge), Some(Ordering::Greater)), scratch)
        }
        (Left::AtMost(edge), Values::Number(values)) => kernel::partition(rows, values, |x: f32| x <= *edge, scratch),
        (Left::Codes(left), Values::Category(codes)) => {
            let goes_left = |code: u32| if code == MISSING { missing_left } else { left.get(code as usize).is_some_and(|&left| left) };
            kernel::partition(rows, codes, goes_left, scratch)
        }
        // A tile follows its schema, so that a column is what its feature says.
        _ => rows.len(),
    }
}

/// Whether parameters are fitted to the tile.
pub(super) fn trains(tile: &Tile) -> bool {
    tile.role == Role::Train
}
