//! Linear models and centroids from the constants of their design matrix. Lengths are checked before anything is
//! allocated by their product.

use quelea_core::estimator::{Centroids, Design, Encoding, Linear};
use quelea_core::schema::{FeatureKind, Schema};

use super::parts::{Parts, doubles, floats, int64s, wrong};
use super::trees::link;
use crate::Result;
use crate::write::design::{CENTER, FILL, INDICATORS, Layout, SCALE};
use crate::write::{centroids, linear};

fn design(parts: &Parts, schema: &Schema, table: &str) -> Result<Design> {
    let has_numbers = schema.features.iter().any(|f| matches!(f.kind, FeatureKind::Number { .. }));
    let constant = |what: &str| parts.constant(&parts.names.of(what));
    let (fill, center, scale) =
        if has_numbers { (floats(constant(FILL)?)?, doubles(constant(CENTER)?)?, doubles(constant(SCALE)?)?) } else { Default::default() };
    let indicators = constant(INDICATORS).and_then(int64s).unwrap_or_default();
    let mut numbers = fill.into_iter().zip(center).zip(scale).enumerate();
    let mut encodings = Vec::with_capacity(schema.features.len());
    for feature in &schema.features {
        encodings.push(match &feature.kind {
            FeatureKind::Number { .. } => {
                let next = numbers.next().ok_or_else(|| wrong("tensor", &parts.names.of(FILL), "is cut short"))?;
                let (index, ((fill, center), scale)) = next;
                let indicator = indicators.binary_search(&(index as i64)).is_ok();
                Encoding::Number { fill, center: center as f32, scale: scale as f32, indicator }
            }
            FeatureKind::Category { values, .. } => {
                let rows = parts.constant(&parts.names.of_column(&feature.name, table))?.dims.first().copied();
                Encoding::Category { values: values.len() as u32, indicator: rows == Some(values.len() as i64 + 2) }
            }
        });
    }
    Ok(Design { encodings })
}

/// The constants of a design: one over its numbers, one over each category; each as rows of the matrix, of `height` values.
fn columns<T: Copy>(
    parts: &Parts,
    schema: &Schema,
    layout: &Layout,
    height: usize,
    numbers: Option<Vec<T>>,
    table: impl Fn(&str) -> Result<Vec<T>>,
) -> Result<Vec<(usize, Vec<T>)>> {
    let mut columns = Vec::new();
    let mut split = |name: &str, values: Vec<T>, first_rows: &mut dyn Iterator<Item = usize>, count: usize, spare: usize| {
        if height == 0 || values.len() / height != count + spare || !values.len().is_multiple_of(height) {
            return Err(wrong("tensor", name, "has the wrong length"));
        }
        columns.extend(first_rows.zip(values.chunks_exact(height)).map(|(column, values)| (column, values.to_vec())));
        Ok(())
    };
    if let Some(numbers) = numbers {
        split(&parts.names.of(linear::WEIGHTS), numbers, &mut layout.numbers.iter().copied(), layout.numbers.len(), 0)?;
    }
    for t in &layout.tables {
        let name = parts.names.of_column(&schema.features[t.feature].name, "");
        split(&name, table(&schema.features[t.feature].name)?, &mut (t.first..t.first + t.width), t.width, 1)?;
    }
    Ok(columns)
}

/// A matrix of `height` rows from its columns.
fn matrix<T: Copy + Default>(columns: Vec<(usize, Vec<T>)>, height: usize, width: usize) -> Vec<Vec<T>> {
    let mut rows = vec![vec![T::default(); width]; height];
    for (column, values) in columns {
        rows.iter_mut().zip(values).for_each(|(row, value)| row[column] = value);
    }
    rows
}

/// The linear model of a graph.
pub fn linear(parts: &Parts, schema: &Schema) -> Result<Linear> {
    let intercepts = doubles(parts.constant(&parts.names.of(linear::INTERCEPTS))?)?;
    let design = design(parts, schema, linear::TABLE)?;
    let layout = Layout::of(&design);
    let outputs = intercepts.len();
    let numbers = (!layout.numbers.is_empty()).then(|| parts.constant(&parts.names.of(linear::WEIGHTS)).and_then(doubles)).transpose()?;
    let table = |name: &str| doubles(parts.constant(&parts.names.of_column(name, linear::TABLE))?);
    let columns = columns(parts, schema, &layout, outputs, numbers, table)?;
    let weights = matrix(columns, outputs, design.width());
    Ok(Linear { design, link: link(&schema.target, outputs), intercepts, weights })
}

/// The centroids of a graph.
pub fn centroids(parts: &Parts, schema: &Schema) -> Result<Centroids> {
    let design = design(parts, schema, centroids::TABLE)?;
    let layout = Layout::of(&design);
    let numbers = (!layout.numbers.is_empty()).then(|| parts.constant(&parts.names.of(centroids::CENTERS)).and_then(floats)).transpose()?;
    let table = |name: &str| floats(parts.constant(&parts.names.of_column(name, centroids::TABLE))?);
    let clusters = match (&numbers, layout.tables.first()) {
        (Some(values), _) => values.len() / layout.numbers.len(),
        (None, Some(t)) => table(&schema.features[t.feature].name)?.len() / (t.width + 1),
        (None, None) => 0,
    };
    let numbers = numbers.map(|values| turned(&values, layout.numbers.len()));
    let columns = columns(parts, schema, &layout, clusters, numbers, table)?;
    let centers = matrix(columns, clusters, design.width());
    Ok(Centroids { design, centers })
}

/// A matrix of rows of `width`, column by column.
fn turned(values: &[f32], width: usize) -> Vec<f32> {
    (0..width).flat_map(|column| values.iter().skip(column).step_by(width).copied()).collect()
}
