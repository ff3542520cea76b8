//! Random trees, over numbers and categories.

use quelea_core::estimator::{Child, Estimator, Node, Rule, Tree, Trees};
use quelea_core::schema::{Feature, FeatureKind, Schema, TimePart};

use super::Random;

/// Trees of few and of many leaves, and a schema for them.
pub fn generate(random: &mut Random) -> (Schema, Estimator) {
    let mut schema = random.schema(false);
    let (link, target, outputs) = random.link();
    schema.target = target;
    let rounds = 1 + random.below(12);
    let trees = (0..rounds * outputs).map(|_| {
        let leaves = [1, 2, 7, 31, 64, 255][random.below(6)];
        tree(random, &schema, leaves)
    });
    let trees = trees.collect();
    let base = (0..outputs).map(|_| random.number()).collect();
    (schema, Estimator::new(Trees { trees, base, link }))
}

fn rule(random: &mut Random, feature: &Feature) -> Rule {
    match &feature.kind {
        FeatureKind::Category { values, .. } => {
            let percent = [2, 30, 90][random.below(3)];
            let mut codes: Vec<u32> = (0..values.len() as u32).filter(|_| random.chance(percent)).collect();
            if codes.is_empty() {
                codes.push(random.below(values.len()) as u32);
            }
            Rule::In(codes)
        }
        FeatureKind::Sparse { .. } => unreachable!("trees have no sparse features"),
        FeatureKind::Number { part: Some(TimePart::Year), .. } => Rule::AtMost(1_900.0 + random.below(200) as f32),
        FeatureKind::Number { part: Some(_), .. } => Rule::AtMost(random.below(40) as f32),
        FeatureKind::Number { .. } => Rule::AtMost(random.number()),
    }
}

/// A tree that grows at a random leaf each time.
fn tree(random: &mut Random, schema: &Schema, leaves: usize) -> Tree {
    let mut tree = Tree { nodes: Vec::new(), leaves: vec![0.0] };
    let mut open: Vec<Option<(usize, bool)>> = vec![None];
    for _ in 1..leaves {
        let leaf = random.below(open.len());
        let node = tree.nodes.len() as u32;
        if let Some((parent, is_left)) = open[leaf] {
            let child = if is_left { &mut tree.nodes[parent].left } else { &mut tree.nodes[parent].right };
            *child = Child::Node(node);
        }
        let feature = random.below(schema.features.len());
        tree.nodes.push(Node {
            feature: feature as u32,
            rule: rule(random, &schema.features[feature]),
            missing_left: random.chance(50),
            left: Child::Leaf(leaf as u32),
            right: Child::Leaf(open.len() as u32),
            gain: 0.0,
            rows: 0,
        });
        open[leaf] = Some((node as usize, true));
        open.push(Some((node as usize, false)));
    }
    tree.leaves = open.iter().map(|_| (random.real() * 0.5) as f32).collect();
    tree
}
