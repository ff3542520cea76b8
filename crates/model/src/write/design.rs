//! The design matrix of linear models and centroids: its numbers as a matrix of 64-bit floats, its categories as codes.

use quelea_core::estimator::{Design, Encoding};
use quelea_core::schema::{Feature, FeatureKind, Schema};

use super::encode;
use super::sparse::{self, Entries};
use crate::graph::{Graph, doubles, floats, int, int64s};
use crate::proto::element;

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

/// Where the columns of a design matrix are.
pub struct Layout {
    /// The columns of numbers and then of their indicators.
    pub numbers: Vec<usize>,
    /// Each category's feature and the rows of its table.
    pub tables: Vec<Table>,
    /// Each sparse feature and the rows of its table.
    pub sparse: Vec<Sparse>,
}

/// What a sparse feature adds, looked up by index: a row for each, and a last one for indices that are none of its own.
pub struct Sparse {
    /// The index of the feature.
    pub feature: usize,
    /// The design's column of index 0.
    pub first: usize,
    /// How many columns there are; the table has one row more.
    pub width: usize,
}

/// What a category adds, looked up by its code: a row for each value, one for a missing value if it has an indicator,
/// and a last one for the unseen, which stands for missing values too if they have none.
pub struct Table {
    /// The index of the feature.
    pub feature: usize,
    /// The design's column of the first value.
    pub first: usize,
    /// The category's columns; the table has one row more.
    pub width: usize,
    /// How many values there are.
    pub values: usize,
}

impl Table {
    /// The row of a missing value.
    pub fn missing(&self) -> usize {
        self.values
    }

    /// The row of an unseen value.
    pub fn unseen(&self) -> usize {
        self.width
    }
}

impl Layout {
    /// The layout of `design`.
    pub fn of(design: &Design) -> Self {
        let (mut numbers, mut indicators, mut tables, mut sparse, mut first) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), 0);
        for (feature, encoding) in design.encodings.iter().enumerate() {
            match *encoding {
                Encoding::Number { indicator, .. } => {
                    numbers.push(first);
                    indicators.extend(indicator.then_some(first + 1));
                }
                Encoding::Category { values, .. } => {
                    tables.push(Table { feature, first, width: encoding.width(), values: values as usize });
                }
                Encoding::Sparse { width } => sparse.push(Sparse { feature, first, width: width as usize }),
            }
            first += encoding.width();
        }
        numbers.append(&mut indicators);
        Self { numbers, tables, sparse }
    }
}

/// Adds the nodes of the design matrix.
pub fn write(graph: &mut Graph, schema: &Schema, design: &Design, layout: &Layout) -> Parts {
    let numbers = numbers(graph, schema, design);
    let codes = layout.tables.iter().map(|table| codes(graph, schema, &schema.features[table.feature], table)).collect();
    let entries = layout.sparse.iter().map(|sparse| sparse::entries(graph, schema, &schema.features[sparse.feature])).collect();
    Parts { numbers, codes, entries }
}

fn codes(graph: &mut Graph, schema: &Schema, feature: &Feature, table: &Table) -> String {
    let values = match &feature.kind {
        FeatureKind::Category { values, .. } => values.as_slice(),
        FeatureKind::Number { .. } | FeatureKind::Sparse { .. } => &[],
    };
    encode::row_numbers(graph, schema, feature, values, table.missing(), table.unseen())
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
            scales.push(f64::from(scale));
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
