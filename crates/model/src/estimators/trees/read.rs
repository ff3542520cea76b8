//! Trees from the attributes of a `TreeEnsemble`. Its nodes and leaves lie tree by tree, as we write them;
//! whether they form trees is checked later.

use quelea_core::estimator::{Child, Node, Rule, Tree, Trees};
use quelea_core::schema::Schema;

use super::write::{BASE, BRANCH_MEMBER, TREES};
use crate::read::parts::{Parts, doubles, wrong};
use crate::{Result, link};

/// The trees of a graph.
pub fn read(parts: &Parts, schema: &Schema) -> Result<Trees> {
    let base: Vec<f32> = doubles(parts.constant(&parts.names.of(BASE))?)?.iter().map(|&b| b as f32).collect();
    let link = link::of_target(&schema.target, base.len());
    let mut arrays = Arrays::of(parts)?;
    let roots = parts.attribute_ints(&parts.names.of(TREES), "TreeEnsemble", "tree_roots")?;
    let ends = roots.iter().skip(1).copied().chain([arrays.features.len() as i64]);
    let trees = roots.iter().zip(ends).map(|(&root, end)| arrays.tree(root, end)).collect::<Result<_>>()?;
    Ok(Trees { trees, base, link })
}

struct Arrays<'a> {
    features: &'a [i64],
    modes: &'a [u8],
    splits: Vec<f64>,
    missing_left: &'a [i64],
    children: [&'a [i64]; 2],
    is_leaf: [&'a [i64]; 2],
    leaves: Vec<f64>,
    /// The sets that are still to come.
    members: std::vec::IntoIter<f64>,
    next_leaf: usize,
}

fn broken(problem: &'static str) -> crate::Error {
    wrong("attribute", "tree_roots", problem)
}

impl<'a> Arrays<'a> {
    fn of(parts: &Parts<'a>) -> Result<Self> {
        let node = parts.names.of(TREES);
        let ints = |name| parts.attribute_ints(&node, "TreeEnsemble", name);
        let tensor = |name| parts.attribute_tensor(&node, "TreeEnsemble", name);
        let arrays = Self {
            features: ints("nodes_featureids")?,
            modes: &tensor("nodes_modes")?.raw_data,
            splits: doubles(tensor("nodes_splits")?)?,
            missing_left: ints("nodes_missing_value_tracks_true")?,
            children: [ints("nodes_truenodeids")?, ints("nodes_falsenodeids")?],
            is_leaf: [ints("nodes_trueleafs")?, ints("nodes_falseleafs")?],
            leaves: doubles(tensor("leaf_weights")?)?,
            members: tensor("membership_values").and_then(doubles).unwrap_or_default().into_iter(),
            next_leaf: 0,
        };
        let [a, b] = arrays.children;
        let [c, d] = arrays.is_leaf;
        let lengths = [arrays.modes.len(), arrays.splits.len(), arrays.missing_left.len(), a.len(), b.len(), c.len(), d.len()];
        if lengths.iter().any(|&l| l != arrays.features.len()) {
            return Err(broken("belongs to node attributes of different lengths"));
        }
        Ok(arrays)
    }

    /// The tree whose nodes are those from `root` to before `end`.
    fn tree(&mut self, root: i64, end: i64) -> Result<Tree> {
        if root < 0 || root >= end || end > self.features.len() as i64 {
            return Err(broken("is not in ascending order within the nodes"));
        }
        let (first, end) = (root as usize, end as usize);
        let is_single = end - first == 1
            && self.is_leaf.iter().all(|is_leaf| is_leaf[first] == 1)
            && self.children[0][first] == self.children[1][first];
        let nodes: Vec<Node> =
            if is_single { Vec::new() } else { (first..end).map(|node| self.node(first, node)).collect::<Result<_>>()? };
        let leaves = self.next_leaf..self.next_leaf + nodes.len() + 1;
        self.next_leaf = leaves.end;
        let leaves = self.leaves.get(leaves).ok_or_else(|| broken("asks for more leaves than there are"))?;
        Ok(Tree { nodes, leaves: leaves.iter().map(|&l| l as f32).collect() })
    }

    fn node(&mut self, first: usize, node: usize) -> Result<Node> {
        let rule = if self.modes[node] == BRANCH_MEMBER {
            Rule::In(self.members.by_ref().take_while(|m| !m.is_nan()).map(|m| m as u32).collect())
        } else {
            Rule::AtMost(self.splits[node] as f32)
        };
        Ok(Node {
            feature: u32::try_from(self.features[node]).map_err(|_| broken("has a node whose feature does not exist"))?,
            rule,
            missing_left: self.missing_left[node] != 0,
            left: self.child(0, first, node)?,
            right: self.child(1, first, node)?,
            gain: 0.0,
            rows: 0,
        })
    }

    fn child(&self, side: usize, first: usize, node: usize) -> Result<Child> {
        let is_leaf = self.is_leaf[side][node] != 0;
        let offset = if is_leaf { self.next_leaf } else { first } as i64;
        let index = self.children[side][node].checked_sub(offset).and_then(|index| u32::try_from(index).ok());
        let index = index.ok_or_else(|| broken("has a node whose child belongs to another tree"))?;
        Ok(if is_leaf { Child::Leaf(index) } else { Child::Node(index) })
    }
}
