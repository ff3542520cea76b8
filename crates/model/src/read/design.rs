//! Linear models, factorisation machines and centroids from the constants of their design matrix. Lengths are checked before anything is
//! allocated by their product.

use quelea_core::estimator::{Centroids, Design, Encoding, Factorization, Linear};
use quelea_core::schema::{FeatureKind, Schema};

use super::parts::{Parts, doubles, floats, int64s, wrong};
use super::trees::link;
use crate::Result;
use crate::write::design::{CENTER, FILL, INDICATORS, Layout, SCALE, Sparse};
use crate::write::factorization::{INTERCEPT, NUMBERS, PAIRS, TABLE};
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
            FeatureKind::Sparse { width, .. } => Encoding::Sparse { width: *width },
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
    let sparse = sparse_tables(parts, schema, &layout, linear::TABLE, outputs)?;
    let mut weights = matrix(columns, outputs, design.width());
    for (of_feature, table) in layout.sparse.iter().zip(&sparse) {
        for (output, row) in weights.iter_mut().enumerate() {
            let values = table.iter().skip(output).step_by(outputs);
            row[of_feature.first..of_feature.first + of_feature.width].iter_mut().zip(values).for_each(|(w, &v)| *w = f64::from(v));
        }
    }
    Ok(Linear { design, link: link(&schema.target, outputs), intercepts, weights })
}

/// The tables of sparse features, of rows of `height` values.
fn sparse_tables(parts: &Parts, schema: &Schema, layout: &Layout, what: &str, height: usize) -> Result<Vec<Vec<f32>>> {
    let table = |sparse: &Sparse| table(parts, &schema.features[sparse.feature].name, what, sparse.width, height);
    layout.sparse.iter().map(table).collect()
}

/// A feature's table of `width` rows of `height` values, and one more.
fn table(parts: &Parts, feature: &str, what: &str, width: usize, height: usize) -> Result<Vec<f32>> {
    let name = parts.names.of_column(feature, what);
    let values = floats(parts.constant(&name)?)?;
    if (width + 1).checked_mul(height) == Some(values.len()) { Ok(values) } else { Err(wrong("tensor", &name, "has the wrong length")) }
}

/// The factorisation machine of a graph.
pub fn factorization(parts: &Parts, schema: &Schema) -> Result<Factorization> {
    let constant = |what: &str| parts.constant(&parts.names.of(what)).and_then(doubles);
    let too_short = |what: &str| wrong("tensor", &parts.names.of(what), "has the wrong length");
    let rank = constant(PAIRS)?.len().checked_sub(1).filter(|&rank| rank > 0).ok_or_else(|| too_short(PAIRS))?;
    let &[intercept] = constant(INTERCEPT)?.as_slice() else { return Err(too_short(INTERCEPT)) };
    let design = design(parts, schema, TABLE)?;
    let layout = Layout::of(&design);
    let numbers = if layout.numbers.is_empty() { Vec::new() } else { constant(NUMBERS)? };
    if numbers.len() != layout.numbers.len() * (1 + rank) {
        return Err(too_short(NUMBERS));
    }
    let categories = layout.tables.iter().map(|t| table(parts, &schema.features[t.feature].name, TABLE, t.width, 1 + rank));
    let categories = categories.collect::<Result<Vec<_>>>()?;
    let sparse = sparse_tables(parts, schema, &layout, TABLE, 1 + rank)?;
    // All lengths are those of the file by now.
    let width = design.width();
    let (mut weights, mut factors) = (vec![0.0; width], vec![0.0; width * rank]);
    let mut put = |column: usize, row: &[f32]| {
        weights[column] = row[0];
        factors[column * rank..(column + 1) * rank].copy_from_slice(&row[1..]);
    };
    let numbers: Vec<f32> = numbers.into_iter().map(|value| value as f32).collect();
    layout.numbers.iter().zip(numbers.chunks_exact(1 + rank)).for_each(|(&column, row)| put(column, row));
    let tables = layout.tables.iter().map(|t| (t.first, t.width)).zip(&categories);
    for ((first, width), rows) in tables.chain(layout.sparse.iter().map(|s| (s.first, s.width)).zip(&sparse)) {
        (first..first + width).zip(rows.chunks_exact(1 + rank)).for_each(|(column, row)| put(column, row));
    }
    Ok(Factorization { design, intercept, weights, factors, rank, link: link(&schema.target, 1) })
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
