//! Trees walked from root to leaf, row by row: for single rows, and for trees too large for other ways.

use quelea_core::estimator::{Child, Rule, Trees};
use quelea_core::tile::MISSING;

use crate::score::encode::Rows;
use crate::score::kernel::BLOCK_ROWS;

/// Rows whose features lie side by side at once.
const PACKED_ROWS: usize = 64;
/// Walks that are made side by side.
const WALKS: usize = 8;

/// A sum of trees as one array of nodes.
#[derive(Debug)]
pub struct WalkKernel {
    nodes: Vec<Flat>,
    leaves: Vec<f64>,
    /// The root of each tree.
    roots: Vec<i32>,
    base: Vec<f64>,
    sets: Vec<Set>,
    /// The features that nodes ask for; a packed row holds these alone.
    used: Vec<Used>,
}

/// A feature that nodes ask for.
#[derive(Debug, Clone, Copy)]
struct Used {
    feature: usize,
    is_category: bool,
}

/// A node: a branch is another node, or a leaf as its complement.
#[derive(Debug, Clone, Copy)]
struct Flat {
    /// The place of its feature in a packed row, and two flags.
    feature: u32,
    /// The threshold's bits, or the number of the set.
    split: u32,
    /// Where it goes on: first if it does not pass, then if it does.
    branches: [i32; 2],
}

const MISSING_LEFT: u32 = 1 << 31;
const IS_SET: u32 = 1 << 30;

/// Codes in a set.
#[derive(Debug)]
enum Set {
    /// A bit per code.
    Bits(Vec<u64>),
    /// The codes in ascending order, where bits would be mostly zeros.
    Sorted(Vec<u32>),
}

impl Set {
    fn new(codes: &[u32]) -> Self {
        let words = codes.last().map_or(0, |&c| c as usize / 64 + 1);
        if words > 8 + codes.len() {
            return Self::Sorted(codes.to_vec());
        }
        let mut bits = vec![0u64; words];
        codes.iter().for_each(|&c| bits[c as usize / 64] |= 1 << (c % 64));
        Self::Bits(bits)
    }

    fn has(&self, code: u32) -> bool {
        match self {
            Self::Bits(bits) => bits.get(code as usize / 64).is_some_and(|word| word >> (code % 64) & 1 == 1),
            Self::Sorted(codes) => codes.binary_search(&code).is_ok(),
        }
    }
}

impl WalkKernel {
    /// The kernel of trees that have been checked.
    pub fn new(trees: &Trees) -> Self {
        let mut kernel = Self {
            nodes: Vec::new(),
            leaves: Vec::new(),
            roots: Vec::new(),
            base: trees.base.iter().map(|&b| f64::from(b)).collect(),
            sets: Vec::new(),
            used: Vec::new(),
        };
        let mut places = std::collections::HashMap::new();
        for tree in &trees.trees {
            let (first_node, first_leaf) = (kernel.nodes.len() as i32, kernel.leaves.len() as i32);
            kernel.roots.push(if tree.nodes.is_empty() { !first_leaf } else { first_node });
            kernel.leaves.extend(tree.leaves.iter().map(|&l| f64::from(l)));
            for node in &tree.nodes {
                let branch = |child| match child {
                    Child::Node(n) => first_node + n as i32,
                    Child::Leaf(l) => !(first_leaf + l as i32),
                };
                let is_category = matches!(node.rule, Rule::In(_));
                let place = *places.entry(node.feature).or_insert_with(|| {
                    kernel.used.push(Used { feature: node.feature as usize, is_category });
                    kernel.used.len() as u32 - 1
                });
                let split = match &node.rule {
                    Rule::AtMost(threshold) => threshold.to_bits(),
                    Rule::In(codes) => {
                        kernel.sets.push(Set::new(codes));
                        kernel.sets.len() as u32 - 1
                    }
                };
                let flags = if node.missing_left { MISSING_LEFT } else { 0 } | if is_category { IS_SET } else { 0 };
                kernel.nodes.push(Flat { feature: place | flags, split, branches: [branch(node.right), branch(node.left)] });
            }
        }
        kernel
    }

    /// How many values a packed row has.
    pub fn packed_width(&self) -> usize {
        self.used.len()
    }

    /// The scores of `rows`, at most [`BLOCK_ROWS`], output after output.
    pub fn scores(&self, rows: &impl Rows, scores: &mut [f64]) {
        let width = self.used.len();
        let mut packed = vec![0; PACKED_ROWS * width];
        for (output, base) in scores.chunks_exact_mut(BLOCK_ROWS).zip(&self.base) {
            output.fill(*base);
        }
        for start in (0..rows.rows()).step_by(PACKED_ROWS) {
            let count = PACKED_ROWS.min(rows.rows() - start);
            self.pack(rows, start, count, &mut packed);
            for (tree, &root) in self.roots.iter().enumerate() {
                let output = &mut scores[tree % self.base.len() * BLOCK_ROWS + start..][..count];
                for (group, output) in output.chunks_mut(WALKS).enumerate() {
                    let row = |walk: usize| (group * WALKS + walk.min(output.len() - 1)) * width;
                    let leaves = self.leaves_of([root; WALKS], |walk| &packed[row(walk)..row(walk) + width]);
                    output.iter_mut().zip(leaves).for_each(|(score, leaf)| *score += leaf);
                }
            }
        }
    }

    /// Lays `count` rows side by side.
    pub fn pack(&self, rows: &impl Rows, start: usize, count: usize, packed: &mut [u32]) {
        let width = self.used.len();
        for (place, used) in self.used.iter().enumerate() {
            let slots = packed[place..].iter_mut().step_by(width);
            if used.is_category {
                slots.zip(&rows.codes(used.feature)[start..start + count]).for_each(|(slot, &code)| *slot = code);
            } else {
                slots.zip(&rows.numbers(used.feature)[start..start + count]).for_each(|(slot, &value)| *slot = value.to_bits());
            }
        }
    }

    /// The scores of one packed row.
    pub fn row_scores(&self, packed: &[u32], scores: &mut [f64]) {
        scores.copy_from_slice(&self.base);
        let mut output = 0;
        for roots in self.roots.chunks(WALKS) {
            let leaves = self.leaves_of(std::array::from_fn(|walk| roots[walk.min(roots.len() - 1)]), |_| packed);
            for leaf in &leaves[..roots.len()] {
                scores[output] += leaf;
                output = if output + 1 == scores.len() { 0 } else { output + 1 };
            }
        }
    }

    /// The values of the leaves where walks from `roots` end. They take their steps side by side, so that a processor need not
    /// wait for one to go on with another; a walk at its leaf stays there.
    #[inline(always)]
    fn leaves_of<'r>(&self, roots: [i32; WALKS], row: impl Fn(usize) -> &'r [u32]) -> [f64; WALKS] {
        let mut at = roots;
        while at.iter().any(|&at| at >= 0) {
            for (walk, at) in at.iter_mut().enumerate() {
                let node = &self.nodes[(*at).max(0) as usize];
                let next = node.branches[usize::from(self.passes(node, row(walk)))];
                *at = if *at >= 0 { next } else { *at };
            }
        }
        at.map(|at| self.leaves[!at as usize])
    }

    #[inline(always)]
    fn passes(&self, node: &Flat, packed: &[u32]) -> bool {
        let value = packed[(node.feature & !(MISSING_LEFT | IS_SET)) as usize];
        let missing_left = node.feature & MISSING_LEFT != 0;
        if node.feature & IS_SET != 0 {
            return (value == MISSING && missing_left) || self.sets[node.split as usize].has(value);
        }
        let number = f32::from_bits(value);
        (number <= f32::from_bits(node.split)) | (number.is_nan() & missing_left)
    }
}
