//! A factorisation machine: each column has a row of its weight and its factors. The rows of a table's row are added up, their squares
//! too, and the score is made of both sums.

use std::ops::Range;

use quelea_core::estimator::Factorization;
use quelea_core::schema::Schema;

use crate::design::{self, Layout, sparse};
use crate::graph::{Graph, doubles, floats, int};
use crate::link;
use crate::proto::element;

/// The name of the constant of rows of numbers, of shape [columns, 1 + rank].
pub const NUMBERS: &str = "factors";
/// The name of the constant of the intercept.
pub const INTERCEPT: &str = "intercept";
/// The name of the constant that adds up what factors come to, of shape [1 + rank, 1].
pub const PAIRS: &str = "pairs";
/// What the constant of a category's or a sparse feature's rows is called, of shape [rows, 1 + rank].
pub const TABLE: &str = "factors";

/// Sums over the columns of each row, of shape [rows, 1 + rank].
struct Sums {
    plain: Vec<String>,
    squares: Vec<String>,
}

/// A lower bound of the bytes that `machine` takes.
pub fn least_bytes(machine: &Factorization) -> u64 {
    4 * (machine.weights.len() + machine.factors.len()) as u64
}

/// Adds the nodes of `machine`.
pub fn write(graph: &mut Graph, schema: &Schema, machine: &Factorization) {
    let layout = Layout::of(&machine.design);
    let parts = design::write(graph, schema, &machine.design, &layout);
    let width = 1 + machine.rank;
    let mut sums = Sums { plain: Vec::new(), squares: Vec::new() };
    if let Some(numbers) = parts.numbers {
        let rows = rows(machine, layout.numbers.iter().copied()).into_iter().map(f64::from).collect::<Vec<_>>();
        let [name, rows_squared, numbers_squared, plain, squares] =
            [NUMBERS, "factors/squared", "design/squared", "sums/numbers", "squares/numbers"].map(|what| graph.names.of(what));
        let rows = graph.constant(name, doubles(&[layout.numbers.len(), width], &rows));
        let rows_squared = graph.op("Mul", &[&rows, &rows], rows_squared);
        let numbers_squared = graph.op("Mul", &[&numbers, &numbers], numbers_squared);
        sums.plain.push(graph.op("MatMul", &[&numbers, &rows], plain));
        sums.squares.push(graph.op("MatMul", &[&numbers_squared, &rows_squared], squares));
    }
    for (table, codes) in layout.tables.iter().zip(&parts.codes) {
        let name = &schema.features[table.feature].name;
        let rows = table_of(machine, table.columns());
        let [constant, looked_up, wide, squares] =
            [TABLE, "looked_up", "looked_up/double", "squares"].map(|what| graph.names.of_column(name, what));
        let constant = graph.constant(constant, floats(&[table.width + 1, width], &rows));
        let looked_up = graph.op_with("Gather", &[&constant, codes], looked_up, vec![int("axis", 0)]);
        let wide = graph.cast(&looked_up, element::DOUBLE, wide);
        sums.squares.push(graph.op("Mul", &[&wide, &wide], squares));
        sums.plain.push(wide);
    }
    for (of_feature, entries) in layout.sparse.iter().zip(&parts.entries) {
        let name = &schema.features[of_feature.feature].name;
        let rows = table_of(machine, of_feature.columns());
        let [constant, plain, squared, squares] =
            [TABLE, "sums", "product/squared", "squares"].map(|what| graph.names.of_column(name, what));
        let constant = graph.constant(constant, floats(&[of_feature.width + 1, width], &rows));
        let terms = sparse::looked_up(graph, name, &constant, entries);
        let squared = graph.op("Mul", &[&terms, &terms], squared);
        sums.plain.push(sparse::summed(graph, &terms, plain));
        sums.squares.push(sparse::summed(graph, &squared, squares));
    }
    let scores = scores(graph, machine, &sums);
    link::write(graph, &schema.target, machine.link, &scores);
}

/// `intercept + Σ w·x + ½ Σ_f ((Σ v_f·x)² − Σ v_f²·x²)` of the sums over all columns.
fn scores(graph: &mut Graph, machine: &Factorization, sums: &Sums) -> String {
    let width = 1 + machine.rank;
    let all = |graph: &mut Graph, parts: &[String], output: &str| {
        let output = graph.names.of(output);
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        graph.op("Sum", &parts, output)
    };
    let plain = all(graph, &sums.plain, "sums");
    let squares = all(graph, &sums.squares, "squares");
    let (first, pairs) = selectors(machine.rank);
    let [linear, pair, intercept, squared, apart, weighed, crossed, both, score] =
        ["linear", PAIRS, INTERCEPT, "sums/squared", "sums/apart", "scores/linear", "scores/pairs", "scores/parts", "scores"]
            .map(|what| graph.names.of(what));
    let linear = graph.constant(linear, doubles(&[width, 1], &first));
    let pair = graph.constant(pair, doubles(&[width, 1], &pairs));
    let intercept = graph.constant(intercept, doubles(&[1], &[machine.intercept]));
    let squared = graph.op("Mul", &[&plain, &plain], squared);
    let apart = graph.op("Sub", &[&squared, &squares], apart);
    let weighed = graph.op("MatMul", &[&plain, &linear], weighed);
    let crossed = graph.op("MatMul", &[&apart, &pair], crossed);
    let both = graph.op("Add", &[&weighed, &crossed], both);
    graph.op("Add", &[&both, &intercept], score)
}

/// What picks the weight out of a row, and half of each factor.
fn selectors(rank: usize) -> (Vec<f64>, Vec<f64>) {
    let of = |weight: f64, factor: f64| std::iter::once(weight).chain(std::iter::repeat_n(factor, rank)).collect();
    (of(1.0, 0.0), of(0.0, 0.5))
}

/// The rows of these columns, one after the other.
fn rows(machine: &Factorization, columns: impl Iterator<Item = usize>) -> Vec<f32> {
    let row = |column: usize| {
        let factors = &machine.factors[column * machine.rank..(column + 1) * machine.rank];
        std::iter::once(machine.weights[column]).chain(factors.iter().copied())
    };
    columns.flat_map(row).collect()
}

/// The rows of a feature's columns, and a last one of zeros.
fn table_of(machine: &Factorization, columns: Range<usize>) -> Vec<f32> {
    let count = columns.len() + 1;
    let mut rows = rows(machine, columns);
    rows.resize(count * (1 + machine.rank), 0.0);
    rows
}
