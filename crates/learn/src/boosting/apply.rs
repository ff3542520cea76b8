//! Runs a tile's rows through trees.

use quelea_core::estimator::{Child, Node, Rule, Tree};
use quelea_core::tile::{MISSING, Tile, Values};

/// Adds the values of the leaves that the rows come to.
pub(super) fn add_tree(tree: &Tree, tile: &Tile, scores: &mut [f32]) {
    for (row, score) in scores.iter_mut().enumerate() {
        *score += tree.leaves[leaf(tree, tile, row)];
    }
}

/// The leaf that a row comes to.
fn leaf(tree: &Tree, tile: &Tile, row: usize) -> usize {
    let mut at = if tree.nodes.is_empty() { Child::Leaf(0) } else { Child::Node(0) };
    loop {
        match at {
            Child::Leaf(leaf) => return leaf as usize,
            Child::Node(node) => {
                let node = &tree.nodes[node as usize];
                at = if goes_left(node, &tile.features[node.feature as usize], row) { node.left } else { node.right };
            }
        }
    }
}

fn goes_left(node: &Node, values: &Values, row: usize) -> bool {
    match (&node.rule, values) {
        (Rule::AtMost(_), Values::Number(values)) if values[row].is_nan() => node.missing_left,
        (Rule::AtMost(edge), Values::Number(values)) => values[row] <= *edge,
        (Rule::In(_), Values::Category(codes)) if codes[row] == MISSING => node.missing_left,
        (Rule::In(these), Values::Category(codes)) => these.binary_search(&codes[row]).is_ok(),
        // A rule of the other kind cannot be passed.
        _ => false,
    }
}
