//! A linear model: a product for its numbers, a table looked up for each category, and for each entry of a sparse feature.

use quelea_core::estimator::{Encoding, Linear};
use quelea_core::schema::Schema;

use crate::design::{self, Layout, Sparse, Table, sparse};
use crate::graph::{Graph, doubles, floats, int};
use crate::link;

/// The name of the constant of weights of numbers, of shape [columns, outputs].
pub const WEIGHTS: &str = "weights";
/// The name of the constant of intercepts.
pub const INTERCEPTS: &str = "intercepts";
/// What the constant of a category's weights is called, of shape [rows, outputs].
pub const TABLE: &str = "weights";

/// A lower bound of the bytes that `linear` takes.
pub fn least_bytes(linear: &Linear) -> u64 {
    let bytes = |encoding: &Encoding| encoding.width() as u64 * if matches!(encoding, Encoding::Sparse { .. }) { 4 } else { 8 };
    linear.weights.len() as u64 * linear.design.encodings.iter().map(bytes).sum::<u64>()
}

/// Adds the nodes of `linear`.
pub fn write(graph: &mut Graph, schema: &Schema, linear: &Linear) {
    let layout = Layout::of(&linear.design);
    let parts = design::write(graph, schema, &linear.design, &layout);
    let outputs = linear.intercepts.len();
    let intercepts = graph.names.of(INTERCEPTS);
    let mut scores = graph.constant(intercepts, doubles(&[outputs], &linear.intercepts));
    if let Some(numbers) = parts.numbers {
        let weights: Vec<f64> = layout.numbers.iter().flat_map(|&c| linear.weights.iter().map(move |row| row[c])).collect();
        let [name, product, sum] = [WEIGHTS, "product", "scores/numbers"].map(|what| graph.names.of(what));
        let weights = graph.constant(name, doubles(&[layout.numbers.len(), outputs], &weights));
        let product = graph.op("MatMul", &[&numbers, &weights], product);
        scores = graph.op("Add", &[&product, &scores], sum);
    }
    for (table, codes) in layout.tables.iter().zip(&parts.codes) {
        let name = &schema.features[table.feature].name;
        let [weights, looked_up, sum] = [TABLE, "looked_up", "scores"].map(|what| graph.names.of_column(name, what));
        let weights = graph.constant(weights, doubles(&[table.width + 1, outputs], &table_of(table, &linear.weights)));
        let looked_up = graph.op_with("Gather", &[&weights, codes], looked_up, vec![int("axis", 0)]);
        scores = graph.op("Add", &[&scores, &looked_up], sum);
    }
    for (sparse, entries) in layout.sparse.iter().zip(&parts.entries) {
        let name = &schema.features[sparse.feature].name;
        let [weights, added, sum] = [TABLE, "added", "scores"].map(|what| graph.names.of_column(name, what));
        let weights = graph.constant(weights, floats(&[sparse.width + 1, outputs], &sparse_table(sparse, &linear.weights)));
        let terms = sparse::looked_up(graph, name, &weights, entries);
        let added = sparse::summed(graph, &terms, added);
        scores = graph.op("Add", &[&scores, &added], sum);
    }
    link::write(graph, &schema.target, linear.link, &scores);
}

/// The weights of a category, row by row; the last row is zeros.
fn table_of(table: &Table, weights: &[Vec<f64>]) -> Vec<f64> {
    table.columns().flat_map(|c| weights.iter().map(move |row| row[c])).chain(weights.iter().map(|_| 0.0)).collect()
}

/// The weights of a sparse feature as 32-bit floats, row by row; the last row is zeros.
fn sparse_table(sparse: &Sparse, weights: &[Vec<f64>]) -> Vec<f32> {
    sparse.columns().flat_map(|c| weights.iter().map(move |row| row[c] as f32)).chain(weights.iter().map(|_| 0.0)).collect()
}
