//! A sum of decision trees.

use super::{Estimator, EstimatorKind, Link};

/// A sum of decision trees: output `o` is `base[o]` plus tree `o`, `o + outputs`, `o + 2·outputs`, …
#[derive(Debug, Clone, PartialEq)]
pub struct Trees {
    /// The trees, round by round, and in a round by output.
    pub trees: Vec<Tree>,
    /// The initial score of each output; its length is the number of outputs.
    pub base: Vec<f32>,
    /// How scores become predictions.
    pub link: Link,
}

impl EstimatorKind for Trees {
    /// The sum of the gains of a feature's splits.
    fn importances(&self, features: usize) -> Option<Vec<f64>> {
        let mut gains = vec![0.0; features];
        self.trees.iter().flat_map(|tree| &tree.nodes).for_each(|node| gains[node.feature as usize] += node.gain);
        Some(gains)
    }

    fn equals(&self, other: &Estimator) -> bool {
        other.get() == Some(self)
    }
}

/// A binary decision tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    /// Inner nodes; the root is the first, and children come after their parent. Empty for a single leaf.
    pub nodes: Vec<Node>,
    /// The values of the leaves; one more than there are nodes.
    pub leaves: Vec<f32>,
}

/// An inner node: a row goes left when its value passes the rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The index of the schema's feature.
    pub feature: u32,
    /// The rule.
    pub rule: Rule,
    /// Whether a missing value goes left.
    pub missing_left: bool,
    /// Where rows go that pass.
    pub left: Child,
    /// Where the others go.
    pub right: Child,
    /// By how much the split reduces the loss; importances are sums of gains.
    pub gain: f64,
    /// Training rows that reach the node.
    pub rows: u64,
}

/// The test of an inner node.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// The value is at most this number.
    AtMost(f32),
    /// The category is one of these codes, which are in ascending order. An unseen category is none of them.
    In(Vec<u32>),
}

/// What a branch leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Child {
    /// An inner node, by index.
    Node(u32),
    /// A leaf, by index.
    Leaf(u32),
}
