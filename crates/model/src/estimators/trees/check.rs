//! Checks a sum of trees against the schema.

use quelea_core::estimator::{Child, Rule, Tree, Trees};
use quelea_core::schema::{FeatureKind, Schema};

use crate::Result;
use crate::check::{all_finite, refuse_sparse, wrong};
use crate::link;

/// The deepest tree there may be: ONNX Runtime's recursion fails between this and three times as much.
const MOST_DEPTH: usize = 10_000;

/// Checks `trees`.
pub fn check(trees: &Trees, schema: &Schema) -> Result<()> {
    refuse_sparse(schema, "trees")?;
    link::check(&schema.target, trees.link, trees.base.len())?;
    all_finite("the base scores", trees.base.iter().map(|&b| f64::from(b)))?;
    if !trees.trees.len().is_multiple_of(trees.base.len()) {
        return Err(wrong(format!("{} trees", trees.trees.len()), format!("are not whole rounds of {}", trees.base.len())));
    }
    trees.trees.iter().enumerate().try_for_each(|(number, t)| tree(number, t, schema))
}

/// One tree: every node but the root, and every leaf, has one parent, which comes before it.
fn tree(number: usize, tree: &Tree, schema: &Schema) -> Result<()> {
    let at = |node: usize| format!("tree {number}, node {node}");
    if tree.leaves.len() != tree.nodes.len() + 1 {
        return Err(wrong(format!("tree {number}"), format!("has {} nodes and {} leaves", tree.nodes.len(), tree.leaves.len())));
    }
    all_finite(&format!("the leaves of tree {number}"), tree.leaves.iter().map(|&l| f64::from(l)))?;
    let mut depths = vec![0usize; tree.nodes.len()];
    let mut is_used = vec![false; tree.leaves.len()];
    for (index, node) in tree.nodes.iter().enumerate() {
        if index > 0 && depths[index] == 0 {
            return Err(wrong(at(index), "has no parent before it"));
        }
        rule(&node.rule, node.feature, schema).map_err(|problem| wrong(at(index), problem))?;
        let depth = depths[index] + 1;
        if depth > MOST_DEPTH {
            return Err(wrong(at(index), format!("is deeper than {MOST_DEPTH}, which ONNX Runtime may not survive; set model.max_depth")));
        }
        for child in [node.left, node.right] {
            match child {
                Child::Node(n) if n as usize > index && depths.get(n as usize) == Some(&0) => depths[n as usize] = depth,
                Child::Leaf(l) if is_used.get(l as usize) == Some(&false) => is_used[l as usize] = true,
                _ => return Err(wrong(at(index), "has a child that does not exist, comes before it or has another parent")),
            }
        }
    }
    Ok(())
}

fn rule(rule: &Rule, feature: u32, schema: &Schema) -> Result<(), &'static str> {
    let feature = schema.features.get(feature as usize).ok_or("asks for a feature that does not exist")?;
    match (rule, &feature.kind) {
        (Rule::AtMost(threshold), FeatureKind::Number { .. }) if !threshold.is_nan() => Ok(()),
        (Rule::In(codes), FeatureKind::Category { values, .. })
            if !codes.is_empty() && codes.is_sorted_by(|a, b| a < b) && codes.last().is_some_and(|&c| (c as usize) < values.len()) =>
        {
            Ok(())
        }
        _ => Err("has a rule that does not fit its feature"),
    }
}
