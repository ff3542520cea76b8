//! A sum of trees as one `TreeEnsemble` node over 64-bit floats: the features and thresholds are 32-bit floats, which
//! these hold exactly, and the sums then differ from ours by their order alone.

use quelea_core::estimator::{Child, Rule, Tree, Trees};
use quelea_core::schema::Schema;

use crate::graph::{Graph, bytes, doubles, int, ints, tensor};
use crate::link;
use crate::proto::{AttributeProto, element};
use crate::write::encode;

/// `nodes_modes` of a threshold.
pub const BRANCH_LEQ: u8 = 0;
/// `nodes_modes` of a set.
pub const BRANCH_MEMBER: u8 = 6;
/// `aggregate_function` of a sum.
const SUM: i64 = 1;

/// The name of the node.
pub const TREES: &str = "trees";
/// The name of the constant that the sums start from.
pub const BASE: &str = "base";

/// A lower bound of the bytes that a tree takes.
pub fn least_bytes(tree: &Tree) -> u64 {
    let members: usize = tree.nodes.iter().map(|n| if let Rule::In(codes) = &n.rule { codes.len() + 1 } else { 0 }).sum();
    // A node has a mode, a threshold, a feature, two children of two numbers each and a direction; a leaf a value and an output.
    (15 * tree.nodes.len() + 9 * tree.leaves.len() + 8 * members) as u64
}

/// Adds the nodes of `trees`.
pub fn write(graph: &mut Graph, schema: &Schema, trees: &Trees) {
    let columns: Vec<String> = schema.features.iter().map(|f| encode::float_feature(graph, schema, f)).collect();
    let features = graph.names.of("features");
    let features = encode::side_by_side(graph, &columns, features);
    let wide = graph.names.of("features/double");
    let wide = graph.cast(&features, element::DOUBLE, wide);
    let base = graph.names.of(BASE);
    let base = graph.constant(base, doubles(&[trees.base.len()], &trees.base.iter().map(|&b| f64::from(b)).collect::<Vec<_>>()));
    let [sums, scores] = [TREES, "scores"].map(|what| graph.names.of(what));
    let sums = graph.ml_op("TreeEnsemble", &[&wide], sums, Arrays::of(trees).attributes());
    let scores = graph.op("Add", &[&sums, &base], scores);
    link::write(graph, &schema.target, trees.link, &scores);
}

/// The attributes of a `TreeEnsemble`: nodes and leaves of all trees in one row.
#[derive(Default)]
struct Arrays {
    outputs: usize,
    roots: Vec<i64>,
    features: Vec<i64>,
    modes: Vec<u8>,
    splits: Vec<f64>,
    members: Vec<f64>,
    missing_left: Vec<i64>,
    children: [Vec<i64>; 2],
    is_leaf: [Vec<i64>; 2],
    leaf_outputs: Vec<i64>,
    leaf_values: Vec<f64>,
}

impl Arrays {
    fn of(trees: &Trees) -> Self {
        let mut arrays = Self { outputs: trees.base.len(), ..Self::default() };
        trees.trees.iter().enumerate().for_each(|(number, tree)| arrays.push(number % trees.base.len(), tree));
        if trees.trees.is_empty() {
            // There is no ensemble of no trees, but one of trees that add nothing.
            (0..trees.base.len()).for_each(|output| arrays.push(output, &Tree { nodes: Vec::new(), leaves: vec![0.0] }));
        }
        arrays
    }

    fn push(&mut self, output: usize, tree: &Tree) {
        let (first_node, first_leaf) = (self.features.len() as i64, self.leaf_values.len() as i64);
        self.roots.push(first_node);
        for node in &tree.nodes {
            self.features.push(i64::from(node.feature));
            self.missing_left.push(i64::from(node.missing_left));
            match &node.rule {
                Rule::AtMost(threshold) => {
                    self.modes.push(BRANCH_LEQ);
                    self.splits.push(f64::from(*threshold));
                }
                Rule::In(codes) => {
                    self.modes.push(BRANCH_MEMBER);
                    self.splits.push(0.0);
                    self.members.extend(codes.iter().map(|&c| f64::from(c)).chain([f64::NAN]));
                }
            }
            for (side, child) in [node.left, node.right].into_iter().enumerate() {
                let (index, is_leaf) = match child {
                    Child::Node(n) => (first_node + i64::from(n), 0),
                    Child::Leaf(l) => (first_leaf + i64::from(l), 1),
                };
                self.children[side].push(index);
                self.is_leaf[side].push(is_leaf);
            }
        }
        if tree.nodes.is_empty() {
            self.push_single_leaf(first_leaf);
        }
        self.leaf_outputs.extend(std::iter::repeat_n(output as i64, tree.leaves.len()));
        self.leaf_values.extend(tree.leaves.iter().map(|&l| f64::from(l)));
    }

    /// A node whose branches lead to the same leaf.
    fn push_single_leaf(&mut self, leaf: i64) {
        self.features.push(0);
        self.missing_left.push(0);
        self.modes.push(BRANCH_LEQ);
        self.splits.push(0.0);
        for side in 0..2 {
            self.children[side].push(leaf);
            self.is_leaf[side].push(1);
        }
    }

    fn attributes(self) -> Vec<AttributeProto> {
        let [left, right] = self.children;
        let [left_is_leaf, right_is_leaf] = self.is_leaf;
        let mut attributes = vec![
            int("n_targets", self.outputs as i64),
            int("aggregate_function", SUM),
            int("post_transform", 0),
            ints("tree_roots", self.roots),
            ints("nodes_featureids", self.features),
            tensor("nodes_modes", bytes(self.modes)),
            tensor("nodes_splits", doubles(&[self.splits.len()], &self.splits)),
            ints("nodes_missing_value_tracks_true", self.missing_left),
            ints("nodes_truenodeids", left),
            ints("nodes_trueleafs", left_is_leaf),
            ints("nodes_falsenodeids", right),
            ints("nodes_falseleafs", right_is_leaf),
            ints("leaf_targetids", self.leaf_outputs),
            tensor("leaf_weights", doubles(&[self.leaf_values.len()], &self.leaf_values)),
        ];
        if !self.members.is_empty() {
            attributes.push(tensor("membership_values", doubles(&[self.members.len()], &self.members)));
        }
        attributes
    }
}
