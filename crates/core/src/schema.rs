//! What is known of a table once its encoders are fitted: the model's inputs, their features, the target.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A table's columns as a model takes them in, and the features made of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// The raw columns that the model reads, in the table's order.
    pub inputs: Vec<Input>,
    /// The encoded columns that learners see; a tile holds one entry for each.
    pub features: Vec<Feature>,
    /// What is learned, if anything.
    pub target: Target,
    /// The column of row weights.
    pub weight: Option<String>,
    /// The largest weight of a row, class weights included; 1 without weights.
    pub largest_weight: f32,
    /// Rows to train on.
    pub rows: u64,
    /// Strings that stand for a missing value in text columns, beside null and the empty string.
    pub null_values: Vec<String>,
    /// Numbers that stand for a missing value in [`InputKind::Number`] columns, beside NaN. Each is one of `null_values`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", serialize_with = "to_texts", deserialize_with = "from_texts")]
    pub null_numbers: Vec<f32>,
    /// Moments that stand for a missing value in [`InputKind::Timestamp`] columns, beside the smallest integer. Each is one of
    /// `null_values`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub null_times: Vec<i64>,
    /// Whether the times of a [`InputKind::Timestamp`] column had a time zone. Columns without any time are not listed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub zoned: BTreeMap<String, bool>,
}

/// Numbers as texts, because JSON has no infinity.
fn to_texts<S: Serializer>(numbers: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(numbers.iter().map(f32::to_string))
}

/// The numbers that [`to_texts`] wrote.
fn from_texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(de::Error::custom)).collect()
}

/// A raw column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The column's name, also the name of the model's input.
    pub name: String,
    /// How a model takes it in.
    pub kind: InputKind,
}

/// The type of a model's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// A 32-bit float; NaN is missing.
    Number,
    /// A string; "" is missing.
    Text,
    /// Microseconds since 1970-01-01 UTC as a 64-bit integer; the smallest integer is missing.
    Timestamp,
    /// Numbers by index, as two inputs of shape `[rows, K]`: `NAME.indices`, 64-bit integers, −1 where a row has fewer than K
    /// entries, and `NAME.values`, 32-bit floats. Entries of an index beyond the feature's width count for nothing.
    Sparse,
    /// Some strings, as an input of shape `[rows, K]`; "" where a row has fewer than K.
    Texts,
}

/// An encoded column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// Its name: the input's, with the part behind a dot for timestamps. Unique.
    pub name: String,
    /// The index of its input, the first where it has several.
    pub input: usize,
    /// What is known of its values.
    pub kind: FeatureKind,
}

/// What is known of a feature's values in the training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FeatureKind {
    /// A number.
    Number {
        /// The part of a timestamp that it holds; `None` for a plain number.
        part: Option<TimePart>,
        /// The smallest value that is not missing; 0 when all are.
        min: f32,
        /// The largest value that is not missing; 0 when all are.
        max: f32,
        /// Rows without a value.
        missing: u64,
    },
    /// One of a list of strings.
    Category {
        /// The strings; a value's code is its index here.
        values: Vec<String>,
        /// Rows of each value.
        counts: Vec<u64>,
        /// Rows without a value.
        missing: u64,
        /// Other spellings, such as `1.0` of the value `1`, sorted; each with the code of its value, or
        /// [`crate::tile::MISSING`] where it stands for a missing one.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        aliases: Vec<(String, u32)>,
    },
    /// Numbers by index, few of which are not 0.
    Sparse {
        /// One more than the largest index: of a column's training rows, or the number of buckets.
        width: u32,
        /// The largest size of a value; 0 when there are none.
        largest: f32,
        /// The entries of all rows.
        entries: u64,
        /// The columns that are hashed into it; none when it is a sparse column, which is its input then.
        hashed: Vec<Hashed>,
    },
}

/// A column whose texts are hashed: a text that training rows have is 1 in its [`crate::hash::bucket`], and others are nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashed {
    /// The index of its input, which is [`InputKind::Text`] or [`InputKind::Texts`].
    pub input: usize,
    /// The texts of the training rows, sorted.
    pub values: Vec<String>,
}

/// A part of a timestamp, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimePart {
    /// The year.
    Year,
    /// 1 to 12.
    Month,
    /// Day of the month, 1 to 31.
    Day,
    /// Monday is 0.
    Weekday,
    /// 0 to 23.
    Hour,
    /// 0 to 59.
    Minute,
}

/// What a model predicts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Target {
    /// Nothing is given; the learner finds structure.
    #[default]
    None,
    /// A number.
    Number {
        /// The column's name.
        name: String,
    },
    /// One of several classes; a tile's target is the index of its label.
    Classes {
        /// The column's name.
        name: String,
        /// The labels, sorted.
        labels: Labels,
        /// The weighted number of training rows of each class.
        weights: Vec<f64>,
    },
}

/// Class labels as a model gives them out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Labels {
    /// Whole numbers.
    Integers(Vec<i64>),
    /// Text; booleans are "false" and "true".
    Text(Vec<String>),
}

impl Labels {
    /// How many classes there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Integers(v) => v.len(),
            Self::Text(v) => v.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The label of class `index` as text.
    pub fn text(&self, index: usize) -> String {
        match self {
            Self::Integers(v) => v[index].to_string(),
            Self::Text(v) => v[index].clone(),
        }
    }
}

impl Target {
    /// The target column, if there is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Number { name } | Self::Classes { name, .. } => Some(name),
        }
    }
}
