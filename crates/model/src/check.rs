//! Checks a model before it is written or scored: the names, indices and kinds of its schema here, the rest in its estimator's
//! folder. Code that runs after the check may index without bounds checks of its own.

use std::collections::HashSet;

use quelea_core::hash::MOST_COLUMNS;
use quelea_core::schema::{Feature, FeatureKind, Hashed, InputKind, Schema};
use quelea_core::tile::MISSING;

use crate::graph::inputs_of;
use crate::{Error, Model, Result, estimators};

/// The most categories a column may have: their codes are exact as 32-bit floats.
const MOST_CATEGORIES: usize = 1 << 24;

/// Checks all of `model`.
pub fn model(model: &Model) -> Result<()> {
    schema(&model.schema)?;
    estimators::find(&model.estimator)?.check(&model.schema)
}

/// An estimator that does not fit its schema or itself.
pub fn wrong(place: impl Into<String>, problem: impl Into<String>) -> Error {
    Error::Estimator { place: place.into(), problem: problem.into() }
}

/// A column that a model cannot have.
pub fn column(column: &str, problem: impl Into<String>) -> Error {
    Error::Column { column: column.into(), problem: problem.into() }
}

/// Refuses an estimator, `what`, that cannot take sparse features if the schema has one.
pub fn refuse_sparse(schema: &Schema, what: &str) -> Result<()> {
    match schema.features.iter().find(|feature| matches!(feature.kind, FeatureKind::Sparse { .. })) {
        Some(feature) => Err(column(&feature.name, format!("is sparse, and {what} cannot be made of it; leave it out"))),
        None => Ok(()),
    }
}

/// Refuses NaN and infinity among `values`, which are those of `place`.
pub fn all_finite(place: &str, mut values: impl Iterator<Item = f64>) -> Result<()> {
    if values.all(f64::is_finite) { Ok(()) } else { Err(wrong(place, "are not all finite numbers")) }
}

/// Refuses rows that are not `height` rows of `width` finite numbers.
pub fn matrix<R: Iterator<Item = f64> + ExactSizeIterator>(
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
            (FeatureKind::Category { values, counts, aliases, .. }, InputKind::Text) => {
                categories(&feature.name, (values, aliases), counts, schema)?;
            }
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

fn categories(name: &str, (values, aliases): (&[String], &[(String, u32)]), counts: &[u64], schema: &Schema) -> Result<()> {
    if values.len() >= MOST_CATEGORIES {
        return Err(column(
            name,
            format!("has {} categories, and a model can hold {MOST_CATEGORIES}; drop it or group them", values.len()),
        ));
    }
    if values.len() != counts.len() {
        return Err(column(name, format!("has {} categories and {} counts", values.len(), counts.len())));
    }
    if let Some((alias, _)) = aliases.iter().find(|&&(_, code)| code != MISSING && code as usize >= values.len()) {
        return Err(column(name, format!("has a spelling {alias:?} of a category that it does not have")));
    }
    let mut seen = HashSet::with_capacity(values.len() + aliases.len());
    let texts = values.iter().chain(aliases.iter().map(|(alias, _)| alias));
    match texts.into_iter().find(|v| v.is_empty() || schema.null_values.contains(v) || !seen.insert(v.as_str())) {
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
        categories(&input.name, (&of_column.values, &[]), &counts, schema)?;
    }
    Ok(())
}
