//! A design from the constants of a graph. Lengths are checked before anything is allocated by their product.

use quelea_core::estimator::{Design, Encoding};
use quelea_core::schema::{FeatureKind, Schema};

use super::layout::Layout;
use super::write::{CENTER, FILL, INDICATORS, SCALE};
use crate::Result;
use crate::proto::TensorProto;
use crate::read::parts::{Parts, doubles, floats, int64s, wrong};

/// The design of a graph. `table` names the constant of each category, whose number of rows shows whether it has an indicator.
pub fn design(parts: &Parts, schema: &Schema, table: &str) -> Result<Design> {
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
                Encoding::Number { fill, center: center as f32, scale, indicator }
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

/// The constant `name`, which must have `rows` rows of `width` values; `elements` decodes it.
pub fn constant<T>(parts: &Parts, name: &str, rows: usize, width: usize, elements: fn(&TensorProto) -> Result<Vec<T>>) -> Result<Vec<T>> {
    let values = elements(parts.constant(name)?)?;
    if rows.checked_mul(width) == Some(values.len()) { Ok(values) } else { Err(wrong("tensor", name, "has the wrong length")) }
}

/// The constants over the columns of each category: tables of a row of `height` values per column, and one more row.
pub fn categories<T>(
    parts: &Parts,
    schema: &Schema,
    layout: &Layout,
    (what, height): (&str, usize),
    elements: fn(&TensorProto) -> Result<Vec<T>>,
) -> Result<Vec<Vec<T>>> {
    let name = |feature: usize| parts.names.of_column(&schema.features[feature].name, what);
    layout.tables.iter().map(|table| constant(parts, &name(table.feature), table.width + 1, height, elements)).collect()
}

/// The same of sparse features.
pub fn sparse(parts: &Parts, schema: &Schema, layout: &Layout, (what, height): (&str, usize)) -> Result<Vec<Vec<f32>>> {
    let name = |feature: usize| parts.names.of_column(&schema.features[feature].name, what);
    layout.sparse.iter().map(|table| constant(parts, &name(table.feature), table.width + 1, height, floats)).collect()
}
