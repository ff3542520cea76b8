//! The rows of one partition as they are read: numbers as floats, text as codes of the partition's own dictionary.

use arrow::array::{Array, ArrayRef, DictionaryArray, StringArray, StringDictionaryBuilder};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::UInt32Type;
use arrow::record_batch::RecordBatch;
use quelea_core::schema::{Input, InputKind};
use quelea_core::tile::MISSING;

use super::columns::Columns;
use super::sparse::Entries;
use super::values::{BadValue, Reading};

/// What is read of a partition.
pub(crate) struct Part {
    /// One entry per input.
    pub inputs: Vec<Values>,
    /// The target, if there is one.
    pub target: Option<Values>,
    /// The weights, NaN where missing.
    pub weight: Option<ScalarBuffer<f32>>,
    /// How many rows it has.
    pub rows: usize,
    /// Inputs with whole numbers that were rounded.
    pub rounded: Vec<bool>,
    /// The first value that cannot be used, with its column's name; nothing is read after it.
    pub bad: Option<(String, BadValue)>,
}

/// The values of a column in a partition.
pub(crate) enum Values {
    /// Numbers, NaN where missing.
    Number(ScalarBuffer<f32>),
    /// A number too wide for a float, such as a class label, NaN where missing.
    Wide(Vec<f64>),
    /// Codes into the partition's texts, [`MISSING`] where missing.
    Text(Vec<u32>, StringArray),
    /// Microseconds, the smallest integer where missing.
    Timestamp(Vec<i64>),
    /// Numbers by index.
    Sparse(Entries),
    /// Lists of texts: the entries of each row are codes into the texts.
    Texts(Entries, StringArray),
}

/// Reads a partition batch by batch.
pub(crate) struct PartReader {
    columns: Columns,
    null_values: Vec<String>,
    is_csv: bool,
    inputs: Vec<Growing>,
    target: Option<Growing>,
    weight: Option<Growing>,
    rows: usize,
    rounded: Vec<bool>,
    bad: Option<(String, BadValue)>,
}

enum Growing {
    Number(Vec<ScalarBuffer<f32>>),
    Wide(Vec<f64>),
    Text { dictionary: Box<StringDictionaryBuilder<UInt32Type>>, is_truth: bool },
    Timestamp(Vec<i64>),
    Sparse(Entries),
    Texts { rows: Entries, dictionary: Box<StringDictionaryBuilder<UInt32Type>> },
}

impl PartReader {
    /// A reader of batches whose columns are `columns.names()`; `text_target` tells whether the target is text.
    pub fn new(columns: &Columns, text_target: bool, null_values: &[String], is_csv: bool) -> Self {
        let text = |name: &String| Growing::Text { dictionary: Box::default(), is_truth: columns.truths.contains(name) };
        let growing = |input: &Input| match input.kind {
            InputKind::Number => Growing::Number(Vec::new()),
            InputKind::Text => text(&input.name),
            InputKind::Timestamp => Growing::Timestamp(Vec::new()),
            InputKind::Sparse => Growing::Sparse(Entries::default()),
            InputKind::Texts => Growing::Texts { rows: Entries::default(), dictionary: Box::default() },
        };
        let target = |name| if text_target { text(name) } else { Growing::Wide(Vec::new()) };
        Self {
            inputs: columns.inputs.iter().map(growing).collect(),
            target: columns.target.as_ref().map(target),
            weight: columns.weight.as_ref().map(|_| Growing::Number(Vec::new())),
            rounded: vec![false; columns.inputs.len()],
            columns: columns.clone(),
            null_values: null_values.to_vec(),
            is_csv,
            rows: 0,
            bad: None,
        }
    }

    /// Takes in the next batch, unless a bad value was met before.
    pub fn read(&mut self, batch: &RecordBatch) {
        if self.bad.is_some() {
            return;
        }
        let reading = Reading { null_values: &self.null_values, is_csv: self.is_csv };
        for ((array, rounded), input) in batch.columns().iter().zip(&mut self.rounded).zip(&self.columns.inputs) {
            *rounded |= input.kind == InputKind::Number && reading.rounds(array);
        }
        let names = self.columns.names();
        let columns = self.inputs.iter_mut().chain(&mut self.target).chain(&mut self.weight);
        for ((array, column), name) in batch.columns().iter().zip(columns).zip(names) {
            if let Err(bad) = column.extend(reading, array) {
                note(&mut self.bad, name, self.rows, bad);
            }
        }
        if let (Some(Growing::Number(weights)), Some(name)) = (&self.weight, &self.columns.weight)
            && let Some(row) = weights.last().and_then(|weights| weights.iter().position(|w| w.is_nan() || *w < 0.0))
        {
            let problem = "a weight is a number from 0 up; mend it, or leave the row out".into();
            note(&mut self.bad, name, self.rows, BadValue { row, problem });
        }
        self.rows += batch.num_rows();
    }

    /// What was read.
    pub fn finish(self) -> Part {
        let weight = self.weight.map(|w| match w {
            Growing::Number(chunks) => joined(chunks),
            _ => unreachable!("weights are read as numbers"),
        });
        Part {
            inputs: self.inputs.into_iter().map(Growing::finish).collect(),
            target: self.target.map(Growing::finish),
            weight,
            rows: self.rows,
            rounded: self.rounded,
            bad: self.bad,
        }
    }
}

/// Notes a bad value of a batch that begins at row `first`, unless an earlier row has one.
fn note(worst: &mut Option<(String, BadValue)>, column: &str, first: usize, mut bad: BadValue) {
    bad.row += first;
    if worst.as_ref().is_none_or(|(_, before)| bad.row < before.row) {
        *worst = Some((column.to_string(), bad));
    }
}

/// The chunks as one buffer; a single chunk is not copied.
fn joined(mut chunks: Vec<ScalarBuffer<f32>>) -> ScalarBuffer<f32> {
    match chunks.len() {
        1 => chunks.swap_remove(0),
        _ => chunks.iter().flat_map(|chunk| chunk.iter().copied()).collect::<Vec<f32>>().into(),
    }
}

impl Part {
    /// Whether the row's target has a value, or there is no target.
    pub fn has_target(&self, row: usize) -> bool {
        self.target.as_ref().is_none_or(|values| values.has(row))
    }

    /// A part of these rows only.
    pub fn pick(&self, rows: &[u32]) -> Self {
        Self {
            inputs: self.inputs.iter().map(|values| values.pick(rows)).collect(),
            target: self.target.as_ref().map(|values| values.pick(rows)),
            weight: self.weight.as_ref().map(|weight| picked(weight, rows).into()),
            rows: rows.len(),
            rounded: self.rounded.clone(),
            bad: None,
        }
    }
}

impl Values {
    fn has(&self, row: usize) -> bool {
        match self {
            Self::Number(values) => !values[row].is_nan(),
            Self::Wide(values) => !values[row].is_nan(),
            Self::Text(codes, _) => codes[row] != MISSING,
            Self::Timestamp(values) => values[row] != i64::MIN,
            Self::Sparse(_) | Self::Texts(..) => true,
        }
    }

    fn pick(&self, rows: &[u32]) -> Self {
        match self {
            Self::Number(values) => Self::Number(picked(values, rows).into()),
            Self::Wide(values) => Self::Wide(picked(values, rows)),
            Self::Text(codes, texts) => Self::Text(picked(codes, rows), texts.clone()),
            Self::Timestamp(values) => Self::Timestamp(picked(values, rows)),
            Self::Sparse(entries) => Self::Sparse(entries.pick(rows)),
            Self::Texts(entries, texts) => Self::Texts(entries.pick(rows), texts.clone()),
        }
    }
}

fn picked<T: Copy>(values: &[T], rows: &[u32]) -> Vec<T> {
    rows.iter().map(|&row| values[row as usize]).collect()
}

impl Growing {
    fn extend(&mut self, reading: Reading, array: &ArrayRef) -> Result<(), BadValue> {
        match self {
            Self::Number(chunks) => chunks.push(reading.numbers(array)?.values().clone()),
            Self::Wide(values) => values.extend(reading.wide_numbers(array)?),
            Self::Timestamp(values) => values.extend(reading.timestamps(array)?),
            Self::Sparse(entries) => entries.extend(array)?,
            Self::Texts { rows, dictionary } => rows.extend_texts(array, reading.null_values, dictionary)?,
            Self::Text { dictionary, is_truth } => {
                let texts = if *is_truth { reading.truths(array)? } else { reading.texts(array)? };
                for value in &texts {
                    dictionary.append_option(value);
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Values {
        match self {
            Self::Number(chunks) => Values::Number(joined(chunks)),
            Self::Wide(values) => Values::Wide(values),
            Self::Timestamp(values) => Values::Timestamp(values),
            Self::Sparse(entries) => Values::Sparse(entries.finish()),
            Self::Text { mut dictionary, .. } => {
                let array = dictionary.finish();
                let codes = array.keys().iter().map(|key| key.unwrap_or(MISSING)).collect();
                Values::Text(codes, texts_of(&array))
            }
            Self::Texts { rows, mut dictionary } => Values::Texts(rows.finish(), texts_of(&dictionary.finish())),
        }
    }
}

/// The texts of a dictionary.
fn texts_of(array: &DictionaryArray<UInt32Type>) -> StringArray {
    array.values().as_any().downcast_ref::<StringArray>().expect("a dictionary of strings").clone()
}
