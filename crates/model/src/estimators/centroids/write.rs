//! Cluster centres: the nearest by |c|² − 2 c·x over the numbers plus a table of squared distances for each category,
//! and then the distance to that one directly, so that nothing cancels.

use quelea_core::estimator::Centroids;
use quelea_core::schema::Schema;

use crate::design::{self, Layout, Table};
use crate::graph::{Graph, doubles, floats, int, int64s};
use crate::proto::element;

/// The name of the constant of the centres' numbers, of shape [clusters, columns].
pub const CENTERS: &str = "centers";
/// What the constant of the centres' columns of a category is called, of shape [rows, clusters]; its last row is ones.
pub const TABLE: &str = "centers";

/// The name of the node that every graph of centroids has: the square root of the squared distance.
pub const ROOT: &str = "distance/root";

/// A lower bound of the bytes that `centroids` takes.
pub fn least_bytes(centroids: &Centroids) -> u64 {
    4 * (centroids.centers.len() * centroids.design.width()) as u64
}

/// Adds the nodes of `centroids`.
pub fn write(graph: &mut Graph, schema: &Schema, centroids: &Centroids) {
    let layout = Layout::of(&centroids.design);
    let parts = design::write(graph, schema, &centroids.design, &layout);
    let mut sum = parts.numbers.as_ref().map(|numbers| number_scores(graph, centroids, &layout, numbers));
    let mut squares = Vec::with_capacity(layout.tables.len());
    for (table, codes) in layout.tables.iter().zip(&parts.codes) {
        let name = &schema.features[table.feature].name;
        let square = category_squares(graph, name, table, centroids, codes);
        sum = Some(match sum {
            None => square.clone(),
            Some(before) => {
                let output = graph.names.of_column(name, "scores");
                graph.op("Add", &[&before, &square], output)
            }
        });
        squares.push((name, square));
    }
    let scores = sum.unwrap_or_default();
    let cluster = graph.names.output("cluster");
    let cluster = graph.op_with("ArgMin", &[&scores], cluster, vec![int("axis", 1), int("keepdims", 0), int("select_last_index", 0)]);
    graph.output(&cluster, element::INT64, None);
    distance(graph, parts.numbers.as_deref(), &squares, &cluster);
}

/// The distance to the chosen centre.
fn distance(graph: &mut Graph, numbers: Option<&str>, squares: &[(&String, String)], cluster: &str) {
    let axis = graph.names.of("last_axis");
    let axis = graph.constant(axis, int64s(&[1], &[1]));
    let column = graph.names.of("cluster/column");
    let column = graph.op("Unsqueeze", &[cluster, &axis], column);
    let mut total = numbers.map(|numbers| number_distance(graph, numbers, cluster, &axis));
    for (name, square) in squares {
        let [own, sum] = ["square", "distance"].map(|what| graph.names.of_column(name, what));
        let own = graph.op_with("GatherElements", &[square, &column], own, vec![int("axis", 1)]);
        total = Some(match total {
            None => own,
            Some(before) => graph.op("Add", &[&before, &own], sum),
        });
    }
    let [root, flat] = [ROOT, "distance/flat"].map(|what| graph.names.of(what));
    let root = graph.op("Sqrt", &[&total.unwrap_or_default()], root);
    let flat = graph.op("Squeeze", &[&root, &axis], flat);
    let distance = graph.names.output("distance");
    let distance = graph.cast(&flat, element::FLOAT, distance);
    graph.output(&distance, element::FLOAT, None);
}

/// |c|² − 2 c·x over the numbers, of shape [rows, clusters].
fn number_scores(graph: &mut Graph, centroids: &Centroids, layout: &Layout, numbers: &str) -> String {
    let (clusters, columns) = (centroids.centers.len(), layout.numbers.len());
    let values: Vec<f32> = centroids.centers.iter().flat_map(|center| layout.numbers.iter().map(|&c| center[c])).collect();
    let constants = [
        (CENTERS, floats(&[clusters, columns], &values)),
        ("norms", doubles(&[clusters], &norms(&values, columns))),
        ("minus_two", doubles(&[], &[-2.0])),
    ];
    let [centers, norms, minus_two] = constants.map(|(what, tensor)| graph.constant(graph.names.of(what), tensor));
    let [wide, turned, product, doubled, scores] =
        ["centers/double", "centers/turned", "product", "product/doubled", "scores"].map(|what| graph.names.of(what));
    let wide = graph.cast(&centers, element::DOUBLE, wide);
    let turned = graph.op("Transpose", &[&wide], turned);
    let product = graph.op("MatMul", &[numbers, &turned], product);
    let doubled = graph.op("Mul", &[&product, &minus_two], doubled);
    graph.op("Add", &[&doubled, &norms], scores)
}

/// The squared lengths of rows of `columns` values.
pub fn norms(values: &[f32], columns: usize) -> Vec<f64> {
    values.chunks_exact(columns).map(|row| row.iter().map(|&v| f64::from(v) * f64::from(v)).sum()).collect()
}

/// The squared distance from each centre over the columns of one category, of shape [rows, clusters]: the other columns'
/// squares, which a constant holds, and (1 − c)² for its own.
fn category_squares(graph: &mut Graph, name: &str, table: &Table, centroids: &Centroids, codes: &str) -> String {
    let shape = [table.width + 1, centroids.centers.len()];
    let constants = [(TABLE, floats(&shape, &table_of(table, centroids))), ("others", doubles(&shape, &others(table, centroids)))];
    let [centers, others] = constants.map(|(what, tensor)| graph.constant(graph.names.of_column(name, what), tensor));
    let one = graph.names.of("one");
    let one = graph.constant(one, doubles(&[], &[1.0]));
    let [wide, gap, square, all, looked_up] =
        ["centers/double", "gap", "gap/square", "squares", "looked_up"].map(|what| graph.names.of_column(name, what));
    let wide = graph.cast(&centers, element::DOUBLE, wide);
    let gap = graph.op("Sub", &[&one, &wide], gap);
    let square = graph.op("Mul", &[&gap, &gap], square);
    let all = graph.op("Add", &[&square, &others], all);
    graph.op_with("Gather", &[&all, codes], looked_up, vec![int("axis", 0)])
}

/// The centres' columns of a category, value by value; ones for the unseen, whose own column is none.
pub fn table_of(table: &Table, centroids: &Centroids) -> Vec<f32> {
    table
        .columns()
        .flat_map(|c| centroids.centers.iter().map(move |center| center[c]))
        .chain(centroids.centers.iter().map(|_| 1.0))
        .collect()
}

/// For each row of a category's table, the sum of the squares of the centres' other columns of that category.
pub fn others(table: &Table, centroids: &Centroids) -> Vec<f64> {
    let clusters = centroids.centers.len();
    let mut others = vec![0.0; (table.width + 1) * clusters];
    for (k, center) in centroids.centers.iter().enumerate() {
        let squares: Vec<f64> = center[table.columns()].iter().map(|&c| f64::from(c) * f64::from(c)).collect();
        // Sums of those before and of those after: taking one's own from the whole would cancel.
        let mut before = 0.0;
        for (row, &square) in squares.iter().enumerate() {
            others[row * clusters + k] = before;
            before += square;
        }
        others[table.width * clusters + k] = before;
        let mut after = 0.0;
        for (row, &square) in squares.iter().enumerate().rev() {
            others[row * clusters + k] += after;
            after += square;
        }
    }
    others
}

/// The squared distance to the chosen centre over the numbers, of shape [rows, 1].
fn number_distance(graph: &mut Graph, numbers: &str, cluster: &str, axis: &str) -> String {
    let [wide, chosen, gap, square, sum] =
        ["centers/double", "centers/chosen", "gap", "gap/square", "distance/square"].map(|what| graph.names.of(what));
    let chosen = graph.op_with("Gather", &[&wide, cluster], chosen, vec![int("axis", 0)]);
    let gap = graph.op("Sub", &[numbers, &chosen], gap);
    let square = graph.op("Mul", &[&gap, &gap], square);
    graph.op("ReduceSum", &[&square, axis], sum)
}
