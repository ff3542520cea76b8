//! A linear model from the constants of its graph.

use quelea_core::estimator::Linear;
use quelea_core::schema::Schema;

use super::write::{INTERCEPTS, TABLE, WEIGHTS};
use crate::design::{Layout, read};
use crate::read::parts::{Parts, doubles, wrong};
use crate::{Result, link};

/// The linear model of a graph.
pub fn read(parts: &Parts, schema: &Schema) -> Result<Linear> {
    let name = |what: &str| parts.names.of(what);
    let intercepts = doubles(parts.constant(&name(INTERCEPTS))?)?;
    let outputs = intercepts.len();
    if outputs == 0 {
        return Err(wrong("tensor", &name(INTERCEPTS), "is empty"));
    }
    let design = read::design(parts, schema, TABLE)?;
    let layout = Layout::of(&design);
    let numbers = match layout.numbers.len() {
        0 => Vec::new(),
        count => read::constant(parts, &name(WEIGHTS), count, outputs, doubles)?,
    };
    let categories = read::categories(parts, schema, &layout, (TABLE, outputs), doubles)?;
    let sparse = read::sparse(parts, schema, &layout, (TABLE, outputs))?;
    // The file justifies the product: it has a weight for each column and output.
    let mut weights = vec![vec![0.0; design.width()]; outputs];
    let mut put = |column: usize, values: &[f64]| weights.iter_mut().zip(values).for_each(|(row, &weight)| row[column] = weight);
    layout.numbers.iter().zip(numbers.chunks_exact(outputs)).for_each(|(&column, values)| put(column, values));
    for (feature, table) in layout.tables.iter().zip(&categories) {
        feature.columns().zip(table.chunks_exact(outputs)).for_each(|(column, values)| put(column, values));
    }
    for (feature, table) in layout.sparse.iter().zip(&sparse) {
        for (output, row) in weights.iter_mut().enumerate() {
            let values = table.iter().skip(output).step_by(outputs);
            row[feature.columns()].iter_mut().zip(values).for_each(|(weight, &v)| *weight = f64::from(v));
        }
    }
    Ok(Linear { design, link: link::of_target(&schema.target, outputs), intercepts, weights })
}
