//! The encoders: raw columns to features, in the way of the graph.

use std::borrow::Cow;
use std::collections::HashMap;

use arrow::array::{Array, StringArray, StringViewArray};
use quelea_core::hash::bucket;
use quelea_core::schema::{Feature, FeatureKind, Hashed, Schema, TimePart};
use quelea_core::tile::{MISSING, UNSEEN};
use quelea_core::time;

use crate::column::{Column, Value};

/// A feature's encoder.
#[derive(Debug)]
pub struct Encoder {
    /// The index of its input.
    pub input: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A number, and those that stand for a missing one.
    Number(Vec<f32>),
    /// A part of a timestamp, and the moments that stand for a missing one.
    Part(TimePart, Vec<i64>),
    /// Codes by text; markers of missing values are among the keys.
    Category(HashMap<Box<str>, u32>),
    /// A sparse column; indices beyond its width are left to the kernels.
    Sparse,
    /// Buckets by text, for each of the inputs that are hashed.
    Hashed(Vec<(usize, HashMap<Box<str>, u32>)>),
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
    /// Numbers by index.
    Sparse {
        /// Where each row's entries begin, and where the last one's end.
        offsets: Cow<'a, [u32]>,
        /// Their indices.
        indices: Cow<'a, [u32]>,
        /// Their values, or 1 everywhere.
        values: Option<&'a [f32]>,
    },
}

/// The entries of one row in a sparse feature.
#[derive(Debug, Clone, Default)]
pub struct RowEntries {
    indices: Vec<u32>,
    values: Vec<f32>,
    has_values: bool,
}

impl RowEntries {
    /// Indices and values.
    pub fn view(&self) -> (&[u32], Option<&[f32]>) {
        (&self.indices, self.has_values.then_some(&self.values))
    }
}

/// Features of a few rows.
pub trait Rows {
    /// How many rows.
    fn rows(&self) -> usize;
    /// The values of a number.
    fn numbers(&self, feature: usize) -> &[f32];
    /// The codes of a category.
    fn codes(&self, feature: usize) -> &[u32];
    /// The indices and values of a row's entries in a sparse feature.
    fn entries(&self, feature: usize, row: usize) -> (&[u32], Option<&[f32]>);
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
            Encoded::Category(_) | Encoded::Sparse { .. } => &[],
        }
    }

    fn codes(&self, feature: usize) -> &[u32] {
        match &self.columns[feature] {
            Encoded::Category(codes) => &codes[self.start..self.start + self.rows],
            _ => &[],
        }
    }

    fn entries(&self, feature: usize, row: usize) -> (&[u32], Option<&[f32]>) {
        let Encoded::Sparse { offsets, indices, values } = &self.columns[feature] else { return (&[], None) };
        let row = self.start + row;
        let entries = offsets[row] as usize..offsets[row + 1] as usize;
        (&indices[entries.clone()], values.map(|values| &values[entries]))
    }
}

impl Encoder {
    /// The encoder of `feature`.
    pub fn new(schema: &Schema, feature: &Feature) -> Self {
        let kind = match &feature.kind {
            FeatureKind::Number { part: None, .. } => Kind::Number(schema.null_numbers.clone()),
            FeatureKind::Number { part: Some(part), .. } => Kind::Part(*part, schema.null_times.clone()),
            FeatureKind::Category { values, aliases, .. } => {
                let aliases = aliases.iter().map(|(alias, code)| (alias.as_str().into(), *code));
                let codes = values.iter().zip(0..).map(|(v, code)| (v.as_str().into(), code)).chain(aliases);
                let markers = schema.null_values.iter().map(|m| (m.as_str().into(), MISSING));
                Kind::Category(codes.chain(markers).chain([("".into(), MISSING)]).collect())
            }
            FeatureKind::Sparse { hashed, .. } if hashed.is_empty() => Kind::Sparse,
            FeatureKind::Sparse { width, hashed, .. } => {
                let of_column = |hashed: &Hashed| {
                    let name = &schema.inputs[hashed.input].name;
                    let buckets = hashed.values.iter().map(|text| (text.as_str().into(), bucket(name, text, *width)));
                    (hashed.input, buckets.collect())
                };
                Kind::Hashed(hashed.iter().map(of_column).collect())
            }
        };
        Self { input: feature.input, kind }
    }

    /// The feature of a batch, whose columns are of the inputs' kinds.
    pub fn encode<'a>(&self, columns: &[Column<'a>]) -> Encoded<'a> {
        match (&self.kind, &columns[self.input]) {
            (Kind::Hashed(inputs), first) => hash(inputs, columns, first.rows()),
            (_, &Column::Sparse { offsets, indices, values }) => {
                Encoded::Sparse { offsets: Cow::Borrowed(offsets), indices: Cow::Borrowed(indices), values }
            }
            (Kind::Part(..), Column::Timestamp(moments)) => Encoded::Number(moments.iter().map(|&m| self.moment(m)).collect()),
            (Kind::Category(codes), Column::Text(texts)) => Encoded::Category(encode_texts(codes, texts)),
            (Kind::Category(of_text), Column::Dictionary { codes, texts }) => Encoded::Category(encode_dictionary(of_text, codes, texts)),
            (Kind::Number(nulls), Column::Number(values)) if !nulls.is_empty() => {
                Encoded::Number(values.iter().map(|&value| self.number(value)).collect())
            }
            (_, Column::Number(values)) => Encoded::Borrowed(values),
            _ => Encoded::Number(Vec::new()),
        }
    }

    /// Whether it knows a text of input `input`.
    pub fn knows(&self, input: usize, text: &str) -> bool {
        match &self.kind {
            Kind::Category(codes) => self.input == input && codes.contains_key(text),
            Kind::Hashed(inputs) => inputs.iter().any(|(hashed, buckets)| *hashed == input && buckets.contains_key(text)),
            Kind::Number(_) | Kind::Part(..) | Kind::Sparse => false,
        }
    }

    /// Whether it gives numbers by index.
    pub fn is_sparse(&self) -> bool {
        matches!(self.kind, Kind::Sparse | Kind::Hashed(_))
    }

    /// The feature of one number.
    pub fn number(&self, number: f32) -> f32 {
        match &self.kind {
            Kind::Number(nulls) if nulls.contains(&number) => f32::NAN,
            _ => number,
        }
    }

    /// The feature of one moment.
    pub fn moment(&self, moment: i64) -> f32 {
        match &self.kind {
            Kind::Part(part, nulls) if moment != i64::MIN && !nulls.contains(&moment) => time::part(moment, *part) as f32,
            _ => f32::NAN,
        }
    }

    /// The entries of one row, put in place of those in `into`.
    pub fn row_entries(&self, row: &[Value<'_>], into: &mut RowEntries) {
        into.indices.clear();
        into.values.clear();
        into.has_values = false;
        match (&self.kind, row[self.input]) {
            (Kind::Hashed(inputs), _) => {
                for (input, buckets) in inputs {
                    match row[*input] {
                        Value::Text(text) => into.indices.extend(buckets.get(text)),
                        Value::Texts(texts) => into.indices.extend(texts.iter().filter_map(|&text| buckets.get(text))),
                        _ => {}
                    }
                }
            }
            (_, Value::Sparse { indices, values }) => {
                into.indices.extend(indices);
                into.values.extend(values.unwrap_or_default());
                into.has_values = values.is_some();
            }
            _ => {}
        }
    }

    /// The code of one text.
    pub fn text(&self, text: &str) -> u32 {
        if let Kind::Category(codes) = &self.kind { code_of(codes, text) } else { MISSING }
    }
}

fn code_of(codes: &HashMap<Box<str>, u32>, text: &str) -> u32 {
    codes.get(text).copied().unwrap_or(UNSEEN)
}

fn encode_texts(codes: &HashMap<Box<str>, u32>, texts: &StringViewArray) -> Vec<u32> {
    texts.iter().map(|text| text.map_or(MISSING, |text| code_of(codes, text))).collect()
}

/// The buckets of each row's texts, input after input.
fn hash<'a>(inputs: &[(usize, HashMap<Box<str>, u32>)], columns: &[Column<'a>], rows: usize) -> Encoded<'a> {
    let of_index = |buckets: &HashMap<Box<str>, u32>, texts: &StringArray| -> Vec<Option<u32>> {
        texts.iter().map(|text| buckets.get(text?).copied()).collect()
    };
    let known: Vec<Vec<Option<u32>>> = inputs
        .iter()
        .map(|(input, buckets)| match &columns[*input] {
            Column::Dictionary { texts, .. } | Column::Texts { texts, .. } => of_index(buckets, texts),
            _ => Vec::new(),
        })
        .collect();
    let (mut offsets, mut indices) = (Vec::with_capacity(rows + 1), Vec::new());
    offsets.push(0);
    for row in 0..rows {
        for ((input, buckets), known) in inputs.iter().zip(&known) {
            let of_code = |&code: &u32| known.get(code as usize).copied().flatten();
            match &columns[*input] {
                Column::Text(texts) if texts.is_valid(row) => indices.extend(buckets.get(texts.value(row))),
                Column::Dictionary { codes, .. } => indices.extend(of_code(&codes[row])),
                Column::Texts { offsets, codes, .. } => {
                    indices.extend(codes[offsets[row] as usize..offsets[row + 1] as usize].iter().filter_map(of_code))
                }
                _ => {}
            }
        }
        offsets.push(indices.len() as u32);
    }
    Encoded::Sparse { offsets: offsets.into(), indices: indices.into(), values: None }
}

/// Looks every text of the dictionary up once. An index beyond it counts as missing.
fn encode_dictionary(of_text: &HashMap<Box<str>, u32>, codes: &[u32], texts: &StringArray) -> Vec<u32> {
    let of_index: Vec<u32> = texts.iter().map(|text| text.map_or(MISSING, |text| code_of(of_text, text))).collect();
    codes.iter().map(|&code| of_index.get(code as usize).copied().unwrap_or(MISSING)).collect()
}
