//! Sparse features in a graph: which rows of a table their entries look up, and with what they are multiplied.

use quelea_core::schema::{Feature, FeatureKind, Schema};

use crate::graph::{Graph, floats, indices_of, int, int64s, values_of};
use crate::proto::element;
use crate::write::encode;

/// The entries of a feature, K in each row; those that count for nothing look up the row behind its columns.
pub struct Entries {
    /// Rows of the table, of shape [rows, K].
    pub places: String,
    /// 64-bit floats of shape [rows, K, 1]; none where all are 1.
    pub values: Option<String>,
}

/// Adds the nodes of a sparse feature's entries.
pub fn entries(graph: &mut Graph, schema: &Schema, feature: &Feature) -> Entries {
    let FeatureKind::Sparse { width, hashed, .. } = &feature.kind else { unreachable!("the feature is sparse") };
    if hashed.is_empty() {
        return of_column(graph, &schema.inputs[feature.input].name, i64::from(*width));
    }
    let columns: Vec<String> = hashed.iter().map(|of_column| encode::buckets(graph, schema, of_column, *width)).collect();
    let places = graph.names.of_column(&feature.name, "places");
    Entries { places: encode::side_by_side(graph, &columns, places), values: None }
}

/// Of a column that is sparse itself. Values that are NaN count for nothing.
fn of_column(graph: &mut Graph, column: &str, width: i64) -> Entries {
    let name = |graph: &Graph, what: &str| graph.names.of_column(column, what);
    let (indices, values) = (indices_of(column), values_of(column));
    let (zero, nowhere) = (graph.whole(0), graph.whole(width));
    let [above, below, inside, places] = ["is_above", "is_below", "is_inside", "places"].map(|what| name(graph, what));
    let above = graph.op("GreaterOrEqual", &[&indices, &zero], above);
    let below = graph.op("Less", &[&indices, &nowhere], below);
    let inside = graph.op("And", &[&above, &below], inside);
    let places = graph.op("Where", &[&inside, &indices, &nowhere], places);
    let [nothing, missing, known, wide, entries] = ["nothing", "is_nan", "known", "known/double", "entries"].map(|what| name(graph, what));
    let nothing = graph.constant(nothing, floats(&[], &[0.0]));
    let missing = graph.op("IsNaN", &[&values], missing);
    let known = graph.op("Where", &[&missing, &nothing, &values], known);
    let wide = graph.cast(&known, element::DOUBLE, wide);
    let last = graph.names.of("last_axis");
    let last = graph.constant(last, int64s(&[1], &[-1]));
    let values = graph.op("Unsqueeze", &[&wide, &last], entries);
    Entries { places, values: Some(values) }
}

/// What is looked up for a feature's entries in the constant `table`, of shape [columns + 1, width], times their values: 64-bit floats
/// of shape [rows, K, width].
pub fn looked_up(graph: &mut Graph, feature: &str, table: &str, entries: &Entries) -> String {
    let [looked_up, wide, product] = ["looked_up", "looked_up/double", "product"].map(|what| graph.names.of_column(feature, what));
    let looked_up = graph.op_with("Gather", &[table, &entries.places], looked_up, vec![int("axis", 0)]);
    let wide = graph.cast(&looked_up, element::DOUBLE, wide);
    match &entries.values {
        None => wide,
        Some(values) => graph.op("Mul", &[&wide, values], product),
    }
}

/// The sum over the entries of each row.
pub fn summed(graph: &mut Graph, terms: &str, output: String) -> String {
    let axis = graph.names.of("axis_of_entries");
    let axis = graph.constant(axis, int64s(&[1], &[1]));
    graph.op_with("ReduceSum", &[terms, &axis], output, vec![int("keepdims", 0)])
}
