//! Trees over 512 rows at once, a bit per row: every split becomes a word of bits that says which rows pass it, and a row's
//! way down a tree becomes two bitwise operations per node, whatever the row.
//!
//! Numbers are first searched among the thresholds that the trees have for their feature; each step of the search gives one
//! bit of the number's rank, and comparing ranks with a threshold's is then bitwise too. This is the idea of QuickScorer
//! (Lucchese et al., 2015), all nodes of a tree without branches, in the bit-sliced form of Biham (1997).

mod conditions;
mod leaves;
mod search;
mod sets;

use quelea_core::estimator::{Child, Trees};
use quelea_core::schema::Schema;

use self::conditions::Conditions;
use self::leaves::LeafTable;
use crate::score::encode::Rows;
use crate::score::kernel::BLOCK_ROWS;

/// Words of 64 rows in a block.
const WORDS: usize = BLOCK_ROWS / 64;
/// The most leaves of a tree; beyond, a walk from the root passes fewer nodes than there are.
const MOST_LEAVES: usize = 1_024;
/// Rows for which a block is worth its trouble.
pub const LEAST_ROWS: usize = 64;

/// A bit for each row of a block.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(align(64))]
struct Bits([u64; WORDS]);

impl Bits {
    const NONE: Self = Self([0; WORDS]);
    const ALL: Self = Self([!0; WORDS]);

    #[inline(always)]
    fn and(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|w| self.0[w] & other.0[w]))
    }

    #[inline(always)]
    fn and_not(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|w| self.0[w] & !other.0[w]))
    }

    #[inline(always)]
    fn or(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|w| self.0[w] | other.0[w]))
    }
}

/// A sum of trees, for blocks of rows.
#[derive(Debug)]
pub struct BitKernel {
    conditions: Conditions,
    nodes: Vec<BitNode>,
    trees: Vec<BitTree>,
    base: Vec<f64>,
}

/// A node: which condition it has, and where in the tree's slots its rows go on.
#[derive(Debug, Clone, Copy)]
struct BitNode {
    condition: u32,
    left: u16,
    right: u16,
}

#[derive(Debug)]
struct BitTree {
    first: usize,
    nodes: usize,
    leaves: LeafTable,
}

/// Room for a block's bits, used again for the next.
#[derive(Debug)]
pub struct BitScratch {
    conditions: conditions::Scratch,
    /// The rows at each node of a tree, then at each leaf.
    slots: Vec<Bits>,
}

impl BitKernel {
    /// The kernel of trees that have been checked; none if a tree has too many leaves or sets would take too much room.
    pub fn new(trees: &Trees, schema: &Schema) -> Option<Self> {
        if trees.trees.iter().any(|t| t.leaves.len() > MOST_LEAVES) {
            return None;
        }
        let conditions = Conditions::of(trees, schema)?;
        let mut kernel =
            Self { conditions, nodes: Vec::new(), trees: Vec::new(), base: trees.base.iter().map(|&b| f64::from(b)).collect() };
        for tree in &trees.trees {
            let count = tree.nodes.len();
            let slot = |child| match child {
                Child::Node(n) => n as u16,
                Child::Leaf(l) => count as u16 + l as u16,
            };
            kernel.trees.push(BitTree { first: kernel.nodes.len(), nodes: count, leaves: LeafTable::new(&tree.leaves) });
            for node in &tree.nodes {
                let condition = kernel.conditions.number(node);
                kernel.nodes.push(BitNode { condition, left: slot(node.left), right: slot(node.right) });
            }
        }
        kernel.conditions.forget_numbers();
        Some(kernel)
    }

    /// Room for [`BitKernel::scores`].
    pub fn scratch(&self) -> BitScratch {
        let slots = self.trees.iter().map(|t| t.nodes + t.leaves.slots()).max().unwrap_or(0);
        BitScratch { conditions: self.conditions.scratch(), slots: vec![Bits::NONE; slots] }
    }

    /// The scores of `rows`, at most [`BLOCK_ROWS`], output after output.
    pub fn scores(&self, rows: &impl Rows, scratch: &mut BitScratch, scores: &mut [f64]) {
        self.conditions.fill(rows, &mut scratch.conditions);
        for (output, base) in scores.chunks_exact_mut(BLOCK_ROWS).zip(&self.base) {
            output.fill(*base);
        }
        let (outputs, _) = scores.as_chunks_mut::<BLOCK_ROWS>();
        let conditions = scratch.conditions.bits();
        let words = rows.rows().div_ceil(64);
        for (number, tree) in self.trees.iter().enumerate() {
            let nodes = &self.nodes[tree.first..tree.first + tree.nodes];
            let slots = &mut scratch.slots[..tree.nodes + tree.leaves.slots()];
            // Slots beyond the last leaf fill a power of two.
            slots[2 * tree.nodes + 1..].fill(Bits::NONE);
            pulp::Arch::new().dispatch(Descend { nodes, conditions, slots });
            tree.leaves.add(&mut slots[tree.nodes..], words, &mut outputs[number % self.base.len()]);
        }
    }
}

/// Sends all rows from the first slot to the leaves'. A type of its own, as are the other loops that are compiled for wide
/// vectors: a closure is called through a function that is not.
struct Descend<'a> {
    nodes: &'a [BitNode],
    conditions: &'a [Bits],
    slots: &'a mut [Bits],
}

impl pulp::WithSimd for Descend<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self { nodes, conditions, slots } = self;
        slots[0] = Bits::ALL;
        for (index, node) in nodes.iter().enumerate() {
            let (here, passes) = (slots[index], conditions[node.condition as usize]);
            slots[node.left as usize] = here.and(&passes);
            slots[node.right as usize] = here.and_not(&passes);
        }
    }
}
