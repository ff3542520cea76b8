//! The encoders: raw columns to features, in the way of the graph.

use std::collections::HashMap;

use arrow::array::{StringArray, StringViewArray};
use quelea_core::schema::{Feature, FeatureKind, Schema, TimePart};
use quelea_core::tile::{MISSING, UNSEEN};
use quelea_core::time;

use super::Column;

/// A feature's encoder.
#[derive(Debug)]
pub struct Encoder {
    /// The index of its input.
    pub input: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Number,
    Part(TimePart),
    /// Codes by text; markers of missing values are among the keys.
    Category(HashMap<Box<str>, u32>),
}

/// A feature of a batch.
#[derive(Debug)]
pub enum Encoded<'a> {
    /// Numbers as they came.
    Borrowed(&'a [f32]),
    /// Numbers that were made.
    Number(Vec<f32>),
    /// Codes of categories.
    Category(Vec<u32>),
}

/// Features of a few rows.
pub trait Rows {
    /// How many rows.
    fn rows(&self) -> usize;
    /// The values of a number.
    fn numbers(&self, feature: usize) -> &[f32];
    /// The codes of a category.
    fn codes(&self, feature: usize) -> &[u32];
}

/// A block of a batch.
pub struct Features<'a> {
    /// All features of the batch.
    pub columns: &'a [Encoded<'a>],
    /// The first row.
    pub start: usize,
    /// How many rows.
    pub rows: usize,
}

impl Rows for Features<'_> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn numbers(&self, feature: usize) -> &[f32] {
        let rows = self.start..self.start + self.rows;
        match &self.columns[feature] {
            Encoded::Borrowed(values) => &values[rows],
            Encoded::Number(values) => &values[rows],
            Encoded::Category(_) => &[],
        }
    }

    fn codes(&self, feature: usize) -> &[u32] {
        match &self.columns[feature] {
            Encoded::Category(codes) => &codes[self.start..self.start + self.rows],
            _ => &[],
        }
    }
}

impl Encoder {
    /// The encoder of `feature`.
    pub fn new(schema: &Schema, feature: &Feature) -> Self {
        let kind = match &feature.kind {
            FeatureKind::Number { part: None, .. } => Kind::Number,
            FeatureKind::Number { part: Some(part), .. } => Kind::Part(*part),
            FeatureKind::Category { values, .. } => {
                let codes = values.iter().zip(0..).map(|(v, code)| (v.as_str().into(), code));
                let markers = schema.null_values.iter().map(|m| (m.as_str().into(), MISSING));
                Kind::Category(codes.chain(markers).chain([("".into(), MISSING)]).collect())
            }
        };
        Self { input: feature.input, kind }
    }

    /// The feature of a whole column, which is of the input's kind.
    pub fn encode<'a>(&self, column: &Column<'a>) -> Encoded<'a> {
        match (&self.kind, column) {
            (Kind::Part(part), Column::Timestamp(moments)) => Encoded::Number(moments.iter().map(|&m| part_of(m, *part)).collect()),
            (Kind::Category(codes), Column::Text(texts)) => Encoded::Category(encode_texts(codes, texts)),
            (Kind::Category(of_text), Column::Dictionary { codes, texts }) => Encoded::Category(encode_dictionary(of_text, codes, texts)),
            (_, Column::Number(values)) => Encoded::Borrowed(values),
            _ => Encoded::Number(Vec::new()),
        }
    }

    /// The feature of one moment.
    pub fn moment(&self, moment: i64) -> f32 {
        if let Kind::Part(part) = self.kind { part_of(moment, part) } else { f32::NAN }
    }

    /// The code of one text.
    pub fn text(&self, text: &str) -> u32 {
        if let Kind::Category(codes) = &self.kind { code_of(codes, text) } else { MISSING }
    }
}

fn part_of(moment: i64, part: TimePart) -> f32 {
    if moment == i64::MIN { f32::NAN } else { time::part(moment, part) as f32 }
}

fn code_of(codes: &HashMap<Box<str>, u32>, text: &str) -> u32 {
    codes.get(text).copied().unwrap_or(UNSEEN)
}

fn encode_texts(codes: &HashMap<Box<str>, u32>, texts: &StringViewArray) -> Vec<u32> {
    texts.iter().map(|text| text.map_or(MISSING, |text| code_of(codes, text))).collect()
}

/// Looks every text of the dictionary up once. An index beyond it counts as missing.
fn encode_dictionary(of_text: &HashMap<Box<str>, u32>, codes: &[u32], texts: &StringArray) -> Vec<u32> {
    let of_index: Vec<u32> = texts.iter().map(|text| text.map_or(MISSING, |text| code_of(of_text, text))).collect();
    codes.iter().map(|&code| of_index.get(code as usize).copied().unwrap_or(MISSING)).collect()
}
