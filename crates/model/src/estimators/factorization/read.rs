//! A factorisation machine from the constants of its graph.

use quelea_core::estimator::Factorization;
use quelea_core::schema::Schema;

use super::write::{INTERCEPT, NUMBERS, PAIRS, TABLE};
use crate::design::{Layout, Sparse, Table, read};
use crate::read::parts::{Parts, doubles, floats, wrong};
use crate::{Result, link};

/// The factorisation machine of a graph.
pub fn read(parts: &Parts, schema: &Schema) -> Result<Factorization> {
    let constant = |what: &str| parts.constant(&parts.names.of(what)).and_then(doubles);
    let too_short = |what: &str| wrong("tensor", &parts.names.of(what), "has the wrong length");
    let rank = constant(PAIRS)?.len().checked_sub(1).filter(|&rank| rank > 0).ok_or_else(|| too_short(PAIRS))?;
    let &[intercept] = constant(INTERCEPT)?.as_slice() else { return Err(too_short(INTERCEPT)) };
    let design = read::design(parts, schema, TABLE)?;
    let layout = Layout::of(&design);
    let numbers: Vec<f32> = match layout.numbers.len() {
        0 => Vec::new(),
        count => {
            let numbers = read::constant(parts, &parts.names.of(NUMBERS), count, 1 + rank, doubles)?;
            numbers.into_iter().map(|value| value as f32).collect()
        }
    };
    let categories = read::categories(parts, schema, &layout, (TABLE, 1 + rank), floats)?;
    let sparse = read::sparse(parts, schema, &layout, (TABLE, 1 + rank))?;
    // The file justifies the product: it has a row of `1 + rank` numbers for each column.
    let width = design.width();
    let (mut weights, mut factors) = (vec![0.0; width], vec![0.0; width * rank]);
    let mut put = |column: usize, row: &[f32]| {
        weights[column] = row[0];
        factors[column * rank..(column + 1) * rank].copy_from_slice(&row[1..]);
    };
    layout.numbers.iter().zip(numbers.chunks_exact(1 + rank)).for_each(|(&column, row)| put(column, row));
    let categories = layout.tables.iter().map(Table::columns).zip(&categories);
    let sparse = layout.sparse.iter().map(Sparse::columns).zip(&sparse);
    for (columns, rows) in categories.chain(sparse) {
        columns.zip(rows.chunks_exact(1 + rank)).for_each(|(column, row)| put(column, row));
    }
    Ok(Factorization { design, intercept, weights, factors, rank, link: link::of_target(&schema.target, 1) })
}
