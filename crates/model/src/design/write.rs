//! A design matrix in a graph: its numbers as a matrix of 64-bit floats, its categories as codes.

use quelea_core::estimator::{Design, Encoding};
use quelea_core::schema::Schema;

use super::layout::Layout;
use super::sparse::{self, Entries};
use crate::graph::{Graph, doubles, floats, int, int64s};
use crate::proto::element;
use crate::write::encode;

/// The name of the constant that stands in for missing numbers.
pub const FILL: &str = "fill";
/// The name of the constant taken away from numbers.
pub const CENTER: &str = "center";
/// The name of the constant that numbers are multiplied with.
pub const SCALE: &str = "scale";
/// The name of the constant that lists the numbers with an indicator.
pub const INDICATORS: &str = "indicators";

/// The parts of a design matrix as tensors.
pub struct Parts {
    /// Numbers and then their indicators, of shape [rows, columns]; none without numbers.
    pub numbers: Option<String>,
    /// The codes of each category, of shape [rows]: rows of a [`Table`].
    pub codes: Vec<String>,
    /// The entries of each sparse feature.
    pub entries: Vec<Entries>,
}

/// Adds the nodes of the design matrix.
pub fn write(graph: &mut Graph, schema: &Schema, design: &Design, layout: &Layout) -> Parts {
    let numbers = numbers(graph, schema, design);
    let codes = layout.tables.iter().map(|t| encode::row_numbers(graph, schema, &schema.features[t.feature], t.missing(), t.unseen()));
    let codes = codes.collect();
    let entries = layout.sparse.iter().map(|sparse| sparse::entries(graph, schema, &schema.features[sparse.feature])).collect();
    Parts { numbers, codes, entries }
}

fn numbers(graph: &mut Graph, schema: &Schema, design: &Design) -> Option<String> {
    let (mut columns, mut fills, mut centers, mut scales, mut indicators) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (feature, encoding) in schema.features.iter().zip(&design.encodings) {
        if let Encoding::Number { fill, center, scale, indicator } = *encoding {
            if indicator {
                indicators.push(columns.len() as i64);
            }
            columns.push(encode::float_feature(graph, schema, feature));
            fills.push(fill);
            centers.push(f64::from(center));
            scales.push(scale);
        }
    }
    if columns.is_empty() {
        return None;
    }
    let count = columns.len();
    let constants = [(FILL, floats(&[count], &fills)), (CENTER, doubles(&[count], &centers)), (SCALE, doubles(&[count], &scales))];
    let [fill, center, scale] = constants.map(|(what, tensor)| graph.constant(graph.names.of(what), tensor));
    let [raw, missing, filled, wide, centered, scaled] =
        ["numbers", "is_missing", "filled", "filled/double", "centered", "scaled"].map(|what| graph.names.of(what));
    let raw = encode::side_by_side(graph, &columns, raw);
    let missing = graph.op("IsNaN", &[&raw], missing);
    let filled = graph.op("Where", &[&missing, &fill, &raw], filled);
    let wide = graph.cast(&filled, element::DOUBLE, wide);
    let centered = graph.op("Sub", &[&wide, &center], centered);
    let scaled = graph.op("Mul", &[&centered, &scale], scaled);
    if indicators.is_empty() {
        return Some(scaled);
    }
    let [which, flags, ones, all] = [INDICATORS, "flags", "flags/double", "design"].map(|what| graph.names.of(what));
    let which = graph.constant(which, int64s(&[indicators.len()], &indicators));
    let flags = graph.op_with("Gather", &[&missing, &which], flags, vec![int("axis", 1)]);
    let ones = graph.cast(&flags, element::DOUBLE, ones);
    Some(encode::side_by_side(graph, &[scaled, ones], all))
}
