//! Random models and rows under a seed: every kind of estimator, link, input and value.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::ops::Range;

use arrow::array::{StringArray, StringViewArray};
use quelea_core::counter::{Draws, Purpose};
use quelea_core::estimator::{Design, Encoding, Estimator, Link};
use quelea_core::schema::{Feature, FeatureKind, Hashed, Input, InputKind, Labels, Schema, Target, TimePart};
use quelea_core::tile::MISSING;
use quelea_model::{About, Column, Model, Value};

mod centroids;
mod factorization;
mod linear;
mod trees;

/// Makes a random estimator and the schema that it is for.
type Generator = fn(&mut Random) -> (Schema, Estimator);

/// A generator for each estimator that a model file can hold, by its name.
pub const GENERATORS: &[(&str, Generator)] = &[
    ("linear", linear::generate),
    ("factorization", factorization::generate),
    ("centroids", centroids::generate),
    ("trees", trees::generate),
];

/// A column of rows.
pub enum Values {
    Number(Vec<f32>),
    Text(StringViewArray),
    Timestamp(Vec<i64>),
    Sparse { offsets: Vec<u32>, indices: Vec<u32>, values: Option<Vec<f32>> },
    Texts { offsets: Vec<u32>, codes: Vec<u32>, dictionary: StringArray },
}

impl Values {
    pub fn column(&self) -> Column<'_> {
        match self {
            Self::Number(v) => Column::Number(v),
            Self::Text(v) => Column::Text(v),
            Self::Timestamp(v) => Column::Timestamp(v),
            Self::Sparse { offsets, indices, values } => Column::Sparse { offsets, indices, values: values.as_deref() },
            Self::Texts { offsets, codes, dictionary } => Column::Texts { offsets, codes, texts: dictionary },
        }
    }

    /// Some of the rows.
    pub fn piece(&self, rows: Range<usize>) -> Self {
        match self {
            Self::Number(v) => Self::Number(v[rows].to_vec()),
            Self::Text(v) => Self::Text(v.slice(rows.start, rows.len())),
            Self::Timestamp(v) => Self::Timestamp(v[rows].to_vec()),
            Self::Sparse { offsets, indices, values } => {
                Self::Sparse { offsets: offsets[rows.start..=rows.end].to_vec(), indices: indices.clone(), values: values.clone() }
            }
            Self::Texts { offsets, codes, dictionary } => {
                Self::Texts { offsets: offsets[rows.start..=rows.end].to_vec(), codes: codes.clone(), dictionary: dictionary.clone() }
            }
        }
    }

    /// What a row holds of a column of lists of texts.
    pub fn texts(&self, row: usize) -> Vec<&str> {
        let Self::Texts { offsets, codes, dictionary } = self else { return Vec::new() };
        codes[offsets[row] as usize..offsets[row + 1] as usize].iter().map(|&code| dictionary.value(code as usize)).collect()
    }

    /// The value of a row; `texts` are what [`Values::texts`] gave for it.
    pub fn value<'a>(&'a self, row: usize, texts: &'a [&'a str]) -> Value<'a> {
        match self {
            Self::Sparse { offsets, indices, values } => {
                let entries = offsets[row] as usize..offsets[row + 1] as usize;
                Value::Sparse { indices: &indices[entries.clone()], values: values.as_ref().map(|values| &values[entries]) }
            }
            Self::Texts { .. } => Value::Texts(texts),
            Self::Number(v) => Value::Number(v[row]),
            Self::Text(v) => Value::Text(if arrow::array::Array::is_null(v, row) { "" } else { v.value(row) }),
            Self::Timestamp(v) => Value::Timestamp(v[row]),
        }
    }
}

/// Draws one after the other.
pub struct Random {
    draws: Draws,
    next: u64,
}

const PARTS: [TimePart; 6] = [TimePart::Year, TimePart::Month, TimePart::Day, TimePart::Weekday, TimePart::Hour, TimePart::Minute];

impl Random {
    pub fn new(seed: u64) -> Self {
        Self { draws: Draws::new(seed, Purpose::Sample, 0), next: 0 }
    }

    pub fn bits(&mut self) -> u64 {
        self.next += 1;
        self.draws.bits(self.next, 0)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Numbers of coarse steps, so that thresholds are met exactly.
    fn number(&mut self) -> f32 {
        (self.below(41) as f32 - 20.0) * 0.25
    }

    fn real(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn schema(&mut self, with_sparse: bool) -> Schema {
        let has_nulls = self.chance(50);
        let mut schema = Schema {
            largest_weight: 1.0,
            rows: 1_000,
            null_values: if has_nulls { vec!["?".into(), String::new(), "?".into()] } else { Vec::new() },
            null_numbers: if has_nulls { vec![-1.25, f32::INFINITY, 0.0] } else { Vec::new() },
            null_times: if has_nulls { vec![0, -1_000] } else { Vec::new() },
            ..Schema::default()
        };
        let odd_names = ["label", "distance", "/features", "cluster", "//x/code"];
        for index in 0..1 + self.below(8) {
            let name = if self.chance(15) && index < odd_names.len() { odd_names[index].into() } else { format!("column {index}") };
            self.push_input(&mut schema, name);
        }
        if with_sparse {
            (0..self.below(3)).for_each(|index| self.push_sparse(&mut schema, format!("sparse {index}")));
            self.push_hashed(&mut schema);
        }
        schema
    }

    fn push_sparse(&mut self, schema: &mut Schema, name: String) {
        let width = [0, 1, 5, 300, 4_000][self.below(5)];
        let kind = FeatureKind::Sparse { width, largest: 5.0, entries: 9, hashed: Vec::new() };
        schema.features.push(Feature { name: name.clone(), input: schema.inputs.len(), kind });
        schema.inputs.push(Input { name, kind: InputKind::Sparse });
    }

    /// Columns hashed into one feature; with few buckets, so that they meet.
    fn push_hashed(&mut self, schema: &mut Schema) {
        let mut hashed = Vec::new();
        for index in 0..self.below(4) {
            let values = (0..[0, 2, 40][self.below(3)]).map(|i| format!("värde {i}")).collect();
            hashed.push(Hashed { input: schema.inputs.len(), values });
            let kind = if self.chance(50) { InputKind::Text } else { InputKind::Texts };
            schema.inputs.push(Input { name: format!("hashed {index}"), kind });
        }
        if let Some(first) = hashed.first() {
            let (input, width) = (first.input, [1, 8, 1_000][self.below(3)]);
            let kind = FeatureKind::Sparse { width, largest: 1.0, entries: 9, hashed };
            schema.features.push(Feature { name: "hashed".into(), input, kind });
        }
    }

    fn push_input(&mut self, schema: &mut Schema, name: String) {
        let input = schema.inputs.len();
        let number = |part| FeatureKind::Number { part, min: -5.0, max: 5.0, missing: 3 };
        let kind = [InputKind::Number, InputKind::Text, InputKind::Timestamp][self.below(3)];
        match kind {
            InputKind::Number => schema.features.push(Feature { name: name.clone(), input, kind: number(None) }),
            InputKind::Timestamp => {
                for part in PARTS.into_iter().skip(self.below(6)) {
                    schema.features.push(Feature { name: format!("{name}.{part:?}"), input, kind: number(Some(part)) });
                }
            }
            InputKind::Sparse | InputKind::Texts => unreachable!("they are made elsewhere"),
            InputKind::Text => {
                let count = [1, 3, 20, 70, 3_000][self.below(5)];
                let values = (0..count).map(|i| format!("värde {i}")).collect();
                let mut aliases: Vec<(String, u32)> = (0..count.min(9)).map(|i| (format!("alias {i}"), i as u32)).collect();
                aliases.truncate(self.below(10));
                aliases.push(("no värde".into(), MISSING));
                let kind = FeatureKind::Category { values, counts: vec![1; count], missing: 0, aliases };
                schema.features.push(Feature { name: name.clone(), input, kind });
            }
        }
        schema.inputs.push(Input { name, kind });
    }

    fn classes(&mut self, count: usize) -> Target {
        let labels = if self.chance(50) {
            Labels::Integers((0..count as i64).map(|i| i * 7 - 5).collect())
        } else {
            Labels::Text((0..count).map(|i| format!("klass {i}")).collect())
        };
        Target::Classes { name: "target".into(), labels, weights: vec![0.1; count] }
    }

    /// A link with its target and number of outputs.
    fn link(&mut self) -> (Link, Target, usize) {
        match self.below(3) {
            0 => (Link::Identity, Target::Number { name: "target".into() }, 1),
            1 => (Link::Logistic, self.classes(2), 1),
            _ => {
                let count = 2 + self.below(5);
                (Link::Softmax, self.classes(count), count)
            }
        }
    }

    fn design(&mut self, schema: &Schema) -> Design {
        let encodings = schema.features.iter().map(|feature| match &feature.kind {
            FeatureKind::Number { .. } => Encoding::Number {
                fill: self.number(),
                center: self.number(),
                scale: 0.3 + self.below(9) as f64 * 0.1,
                indicator: self.chance(50),
            },
            FeatureKind::Category { values, .. } => Encoding::Category { values: values.len() as u32, indicator: self.chance(50) },
            FeatureKind::Sparse { width, .. } => Encoding::Sparse { width: *width },
        });
        Design { encodings: encodings.collect() }
    }

    /// A model of a random kind: of trees, which come last, three times as often as of any other.
    pub fn model(&mut self) -> Model {
        let (_, generator) = GENERATORS[self.below(GENERATORS.len() + 2).min(GENERATORS.len() - 1)];
        self.model_by(generator)
    }

    /// A model with the estimator of this name.
    pub fn model_of(&mut self, name: &str) -> Model {
        let (_, generator) = GENERATORS.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no generator makes {name}"));
        self.model_by(*generator)
    }

    fn model_by(&mut self, generator: Generator) -> Model {
        let (schema, estimator) = generator(self);
        let about = About { learner: "random".into(), fingerprint: self.bits().to_string(), ..About::default() };
        Model { schema, estimator, about }
    }

    fn text(&mut self, categories: usize) -> Option<String> {
        match self.below(20) {
            0 => None,
            1 => Some(String::new()),
            2 => Some("?".into()),
            3 => Some("never seen".into()),
            4 => Some("no värde".into()),
            5 => Some(format!("alias {}", self.below(10))),
            _ => Some(format!("värde {}", self.below(categories))),
        }
    }

    fn moment(&mut self) -> i64 {
        match self.below(20) {
            0 => i64::MIN,
            1 => i64::MIN + 1 + self.below(1_000) as i64,
            2 => i64::MAX - self.below(1_000) as i64,
            3 => -(self.below(1_000_000) as i64),
            4 => [0, -1_000][self.below(2)],
            _ => (self.bits() as i64) / 3_000,
        }
    }

    pub fn rows(&mut self, schema: &Schema, count: usize) -> Vec<Values> {
        let categories = |input: usize| {
            schema.features.iter().find_map(|f| match &f.kind {
                FeatureKind::Category { values, .. } if f.input == input => Some(values.len()),
                _ => None,
            })
        };
        let columns = schema.inputs.iter().enumerate().map(|(index, input)| match input.kind {
            InputKind::Number => Values::Number((0..count).map(|_| if self.chance(15) { f32::NAN } else { self.number() }).collect()),
            InputKind::Text => Values::Text((0..count).map(|_| self.text(categories(index).unwrap_or(1))).collect()),
            InputKind::Timestamp => Values::Timestamp((0..count).map(|_| self.moment()).collect()),
            InputKind::Sparse => {
                let widths = schema.features.iter().filter(|feature| feature.input == index).map(|feature| match feature.kind {
                    FeatureKind::Sparse { width, .. } => width,
                    _ => 0,
                });
                self.entries(count, widths.max().unwrap_or(0))
            }
            InputKind::Texts => {
                let offsets = self.offsets(count);
                let texts = (0..44).map(|i| if i < 40 { format!("värde {i}") } else { ["", "?", "never seen", "x"][i - 40].to_string() });
                let codes = (0..offsets[count]).map(|_| self.below(44) as u32).collect();
                Values::Texts { offsets, codes, dictionary: StringArray::from_iter_values(texts) }
            }
        });
        columns.collect()
    }

    fn offsets(&mut self, rows: usize) -> Vec<u32> {
        let most = [0, 1, 5, 40][self.below(4)];
        let mut end = 0;
        let ends = (0..rows).map(|_| {
            end += self.below(most + 1) as u32;
            end
        });
        std::iter::once(0).chain(ends).collect()
    }

    /// Entries of a sparse column: now and then one beyond its width, and one that is NaN.
    fn entries(&mut self, rows: usize, width: u32) -> Values {
        let offsets = self.offsets(rows);
        let count = offsets[rows];
        let indices =
            (0..count).map(|_| if self.chance(5) { width + self.below(3) as u32 } else { self.below(width.max(1) as usize) as u32 });
        let indices = indices.collect();
        let values = self.chance(70).then(|| (0..count).map(|_| if self.chance(3) { f32::NAN } else { self.number() }).collect());
        Values::Sparse { offsets, indices, values }
    }
}
