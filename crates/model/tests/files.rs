//! Models and columns that a user may get wrong, and the limits of trees.

#![allow(missing_docs)]

use quelea_core::estimator::{Child, Estimator, Link, Node, Rule, Tree, Trees};
use quelea_core::prediction::Predictions;
use quelea_core::schema::{Feature, FeatureKind, Input, InputKind, Schema, Target};
use quelea_model::{About, Column, Model, Scorer};

use random::{Random, Values};

mod random;

fn score(model: &Model, values: &[Values]) -> Predictions {
    let columns: Vec<Column> = values.iter().map(Values::column).collect();
    Scorer::new(model).unwrap().score(&columns).unwrap()
}

#[test]
fn no_rows_give_no_predictions() {
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let model = random.model();
        let values = random.rows(&model.schema, 0);
        assert_eq!(score(&model, &values).rows(), 0);
    }
}

fn one_number(tree: Tree) -> Model {
    let schema = Schema {
        inputs: vec![Input { name: "x".into(), kind: InputKind::Number }],
        features: vec![Feature { name: "x".into(), input: 0, kind: FeatureKind::Number { part: None, min: 0.0, max: 1.0, missing: 0 } }],
        target: Target::Number { name: "y".into() },
        weight: None,
        largest_weight: 1.0,
        rows: 10,
        ..Schema::default()
    };
    Model { schema, estimator: Estimator::new(Trees { trees: vec![tree], base: vec![1.5], link: Link::Identity }), about: About::default() }
}

/// A tree that only ever grows to the right.
fn chain(depth: u32) -> Tree {
    let right = |n| if n + 1 == depth { Child::Leaf(depth) } else { Child::Node(n + 1) };
    let node = |n| Node {
        feature: 0,
        rule: Rule::AtMost(n as f32),
        missing_left: false,
        left: Child::Leaf(n),
        right: right(n),
        gain: 0.0,
        rows: 0,
    };
    Tree { nodes: (0..depth).map(node).collect(), leaves: (0..=depth).map(|l| l as f32).collect() }
}

#[test]
fn deep_trees_work_until_they_are_refused() {
    let model = one_number(chain(10_000));
    let read = Model::from_bytes(&model.to_bytes().unwrap()).unwrap();
    assert_eq!(score(&read, &[Values::Number(vec![-1.0, 7_000.5, f32::NAN])]), Predictions::Numbers(vec![1.5, 7_002.5, 10_001.5]));
    let error = one_number(chain(10_001)).to_bytes().unwrap_err().to_string();
    assert!(error.contains("node 10000") && error.contains("model.max_depth"), "{error}");
}

#[test]
fn broken_trees_are_named() {
    type Damage = fn(&mut Tree);
    let damages: [Damage; 6] = [
        |tree| tree.nodes[1].left = Child::Node(1),
        |tree| tree.nodes[1].left = Child::Leaf(0),
        |tree| tree.nodes[1].feature = 1,
        |tree| tree.nodes[1].rule = Rule::AtMost(f32::NAN),
        |tree| tree.nodes[1].rule = Rule::In(vec![0]),
        |tree| tree.nodes[1].right = Child::Leaf(99),
    ];
    for damage in damages {
        let mut tree = chain(3);
        damage(&mut tree);
        let error = one_number(tree).to_bytes().unwrap_err().to_string();
        assert!(error.starts_with("tree 0, node 1 "), "{error}");
    }
}

#[test]
fn clusters_with_a_target_are_refused() {
    let mut model = Random::new(0).model_of("centroids");
    model.schema.target = Target::Number { name: "y".into() };
    let error = model.to_bytes().unwrap_err().to_string();
    assert_eq!(error, "the target is given, and clusters are found without one");
}

#[test]
fn columns_of_another_kind_or_length_are_named() {
    let scorer = Scorer::new(&one_number(chain(2))).unwrap();
    let error = scorer.score(&[Column::Timestamp(&[1])]).unwrap_err().to_string();
    assert_eq!(error, "column \"x\" is numbers in the model and was given as timestamps");
    assert!(scorer.score(&[]).is_err());
    assert!(scorer.score_row(&[], &mut scorer.scratch()).is_err());
}

#[test]
fn a_node_that_we_do_not_write_is_named() {
    let bytes = one_number(chain(2)).to_bytes().unwrap();
    let at = bytes.windows(6).position(|w| w == b"Concat").unwrap();
    let mut changed = bytes.clone();
    changed[at..at + 6].copy_from_slice(b"MatMul");
    let error = Model::from_bytes(&changed).unwrap_err().to_string();
    assert!(error.contains("\"/features\"") && error.contains("\"MatMul\""), "{error}");
}
