//! What must hold of a model before it is written or scored: names, indices, lengths, shapes of trees.
//! Everything behind this check may index without looking.

use std::collections::HashSet;

use quelea_core::estimator::{Child, Design, Encoding, Estimator, Factorization, Link, Rule, Tree, Trees};
use quelea_core::hash::MOST_COLUMNS;
use quelea_core::schema::{Feature, FeatureKind, Hashed, InputKind, Schema, Target};

use crate::graph::inputs_of;
use crate::{Error, Model, Result};

/// The deepest tree there may be: ONNX Runtime's recursion fails between this and three times as much.
pub const MOST_DEPTH: usize = 10_000;
/// The most categories a column may have: their codes are exact as 32-bit floats.
pub const MOST_CATEGORIES: usize = 1 << 24;

/// Checks all of `model`.
pub fn model(model: &Model) -> Result<()> {
    schema(&model.schema)?;
    match &model.estimator {
        Estimator::Trees(trees) => {
            refuse_sparse(&model.schema, "trees")?;
            link(&model.schema.target, trees.link, trees.base.len())?;
            self::trees(trees, &model.schema)
        }
        Estimator::Linear(linear) => {
            link(&model.schema.target, linear.link, linear.intercepts.len())?;
            design(&linear.design, &model.schema)?;
            let width = linear.design.width();
            matrix("the weights", linear.weights.iter().map(|row| row.iter().copied()), linear.intercepts.len(), width)?;
            linear.weights.iter().try_for_each(|row| single_precision(&linear.design, row))?;
            all_finite("the intercepts", linear.intercepts.iter().copied())
        }
        Estimator::Factorization(machine) => {
            link(&model.schema.target, machine.link, 1)?;
            design(&machine.design, &model.schema)?;
            factorization(machine)
        }
        Estimator::Centroids(centroids) => {
            refuse_sparse(&model.schema, "clusters")?;
            design(&centroids.design, &model.schema)?;
            if centroids.centers.is_empty() {
                return Err(wrong("the centres", "are none"));
            }
            let rows = centroids.centers.iter().map(|row| row.iter().map(|&c| f64::from(c)));
            matrix("the centres", rows, centroids.centers.len(), centroids.design.width())
        }
    }
}

fn wrong(place: impl Into<String>, problem: impl Into<String>) -> Error {
    Error::Estimator { place: place.into(), problem: problem.into() }
}

fn column(column: &str, problem: impl Into<String>) -> Error {
    Error::Column { column: column.into(), problem: problem.into() }
}

fn schema(schema: &Schema) -> Result<()> {
    let mut names = HashSet::new();
    for input in &schema.inputs {
        if input.name.is_empty() {
            return Err(column(&input.name, "has no name, and ONNX needs one; give it one"));
        }
        if inputs_of(input).into_iter().any(|name| !names.insert(name)) {
            return Err(column(&input.name, "is there twice, or has the name of a sparse column's indices or values; rename one of them"));
        }
    }
    if schema.features.is_empty() {
        return Err(wrong("the schema", "has no features; keep at least one column to learn from"));
    }
    let mut names = HashSet::new();
    for feature in &schema.features {
        if !names.insert(&feature.name) {
            return Err(column(&feature.name, "gives two features of that name; rename one column"));
        }
        let input = schema.inputs.get(feature.input).ok_or_else(|| column(&feature.name, "belongs to no input"))?;
        match (&feature.kind, input.kind) {
            (FeatureKind::Category { values, counts, .. }, InputKind::Text) => categories(&feature.name, values, counts, schema)?,
            (FeatureKind::Number { part: None, min, max, .. }, InputKind::Number)
            | (FeatureKind::Number { part: Some(_), min, max, .. }, InputKind::Timestamp)
                if min.is_finite() && max.is_finite() => {}
            (FeatureKind::Sparse { width, largest, hashed, .. }, kind) if *width <= MOST_COLUMNS && largest.is_finite() => {
                match (hashed.as_slice(), kind) {
                    ([], InputKind::Sparse) => {}
                    ([first, ..], _) if first.input == feature.input && *width > 0 => self::hashed(feature, hashed, schema)?,
                    _ => return Err(column(&feature.name, "is a feature of another kind than its input")),
                }
            }
            _ => return Err(column(&feature.name, "is a feature of another kind than its input")),
        }
    }
    if !schema.largest_weight.is_finite() {
        return Err(wrong("the largest weight", "is not a finite number"));
    }
    Ok(())
}

fn categories(name: &str, values: &[String], counts: &[u64], schema: &Schema) -> Result<()> {
    if values.len() >= MOST_CATEGORIES {
        return Err(column(
            name,
            format!("has {} categories, and a model can hold {MOST_CATEGORIES}; drop it or group them", values.len()),
        ));
    }
    if values.len() != counts.len() {
        return Err(column(name, format!("has {} categories and {} counts", values.len(), counts.len())));
    }
    let mut seen = HashSet::with_capacity(values.len());
    match values.iter().find(|v| v.is_empty() || schema.null_values.contains(v) || !seen.insert(v.as_str())) {
        Some(value) => Err(column(name, format!("has the category {value:?} twice, or as a marker of missing values too"))),
        None => Ok(()),
    }
}

fn hashed(feature: &Feature, hashed: &[Hashed], schema: &Schema) -> Result<()> {
    let mut inputs = HashSet::new();
    for of_column in hashed {
        let input = schema.inputs.get(of_column.input).filter(|input| matches!(input.kind, InputKind::Text | InputKind::Texts));
        let Some(input) = input.filter(|_| inputs.insert(of_column.input)) else {
            return Err(column(&feature.name, "is hashed of a column twice, or of one that is not text"));
        };
        let counts = vec![0; of_column.values.len()];
        categories(&input.name, &of_column.values, &counts, schema)?;
    }
    Ok(())
}

fn refuse_sparse(schema: &Schema, what: &str) -> Result<()> {
    match schema.features.iter().find(|feature| matches!(feature.kind, FeatureKind::Sparse { .. })) {
        Some(feature) => Err(column(&feature.name, format!("is sparse, and {what} cannot be made of it; leave it out"))),
        None => Ok(()),
    }
}

/// The weights of sparse features are 32-bit floats in a file.
fn single_precision(design: &Design, weights: &[f64]) -> Result<()> {
    let mut first = 0;
    for encoding in &design.encodings {
        let columns = first..first + encoding.width();
        first = columns.end;
        if matches!(encoding, Encoding::Sparse { .. }) {
            all_finite("the weights, as 32-bit floats,", weights[columns].iter().map(|&weight| f64::from(weight as f32)))?;
        }
    }
    Ok(())
}

fn factorization(machine: &Factorization) -> Result<()> {
    let width = machine.design.width();
    if machine.weights.len() != width {
        return Err(wrong("the weights", format!("are {} and should be {width}", machine.weights.len())));
    }
    if machine.rank == 0 || width.checked_mul(machine.rank) != Some(machine.factors.len()) {
        return Err(wrong(
            "the factors",
            format!("are {} and should be {} for each of {width} columns", machine.factors.len(), machine.rank),
        ));
    }
    all_finite("the weights", machine.weights.iter().map(|&weight| f64::from(weight)))?;
    all_finite("the factors", machine.factors.iter().map(|&factor| f64::from(factor)))?;
    all_finite("the intercept", [machine.intercept].into_iter())
}

fn link(target: &Target, link: Link, outputs: usize) -> Result<()> {
    let fits = match (target, link) {
        (Target::Number { .. }, Link::Identity) => outputs == 1,
        (Target::Classes { labels, weights, .. }, Link::Logistic) => {
            outputs == 1 && labels.len() == 2 && weights.iter().all(|w| w.is_finite())
        }
        (Target::Classes { labels, weights, .. }, Link::Softmax) => {
            outputs == labels.len() && outputs > 1 && weights.iter().all(|w| w.is_finite())
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(wrong("the link", format!("{link:?} with {outputs} outputs does not fit the target"))) }
}

fn all_finite(place: &str, mut values: impl Iterator<Item = f64>) -> Result<()> {
    if values.all(f64::is_finite) { Ok(()) } else { Err(wrong(place, "are not all finite numbers")) }
}

fn matrix<R: Iterator<Item = f64> + ExactSizeIterator>(
    place: &str,
    rows: impl ExactSizeIterator<Item = R>,
    height: usize,
    width: usize,
) -> Result<()> {
    if rows.len() != height {
        return Err(wrong(place, format!("have {} rows and should have {height}", rows.len())));
    }
    for row in rows {
        if row.len() != width {
            return Err(wrong(place, format!("have a row of {} and should have {width}", row.len())));
        }
        all_finite(place, row)?;
    }
    Ok(())
}

fn design(design: &Design, schema: &Schema) -> Result<()> {
    if design.encodings.len() != schema.features.len() {
        return Err(wrong("the design", format!("has {} encodings for {} features", design.encodings.len(), schema.features.len())));
    }
    for (encoding, feature) in design.encodings.iter().zip(&schema.features) {
        let fits = match (encoding, &feature.kind) {
            (Encoding::Number { fill, center, scale, .. }, FeatureKind::Number { .. }) => {
                fill.is_finite() && center.is_finite() && scale.is_finite()
            }
            (Encoding::Category { values, .. }, FeatureKind::Category { values: known, .. }) => *values as usize == known.len(),
            (Encoding::Sparse { width }, FeatureKind::Sparse { width: known, .. }) => width == known,
            _ => false,
        };
        if !fits {
            return Err(column(&feature.name, "has an encoding that does not fit it"));
        }
    }
    Ok(())
}

fn trees(trees: &Trees, schema: &Schema) -> Result<()> {
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
