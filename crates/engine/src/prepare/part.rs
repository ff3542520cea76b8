//! The rows of one partition as they are read: numbers as floats, text as codes of the partition's own dictionary.

use arrow::array::{Array, ArrayRef, DictionaryArray, StringArray, StringDictionaryBuilder};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::UInt32Type;
use arrow::record_batch::RecordBatch;
use quelea_core::schema::{Input, InputKind};
use quelea_core::tile::MISSING;

use super::columns::Columns;
use super::nulls::Nulls;
use super::rounding::Rounding;
use super::sparse::Entries;
use super::values::{BadValue, Reading};
use super::zones::Zones;
use crate::table::is_text;

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
    /// What was lost of the numbers of each input, and of the target.
    pub rounding: Vec<Rounding>,
    /// For each input, what the texts of a CSV file tell of the zones of its times.
    pub zones: Vec<Zones>,
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
    is_csv: bool,
    inputs: Vec<Growing>,
    target: Option<Growing>,
    weight: Option<Growing>,
    rows: usize,
    bad: Option<(String, BadValue)>,
}

enum Growing {
    Number(Vec<ScalarBuffer<f32>>, Rounding),
    Wide(Vec<f64>, Rounding),
    Text(Box<StringDictionaryBuilder<UInt32Type>>),
    Timestamp(Vec<i64>, Zones),
    Sparse(Entries),
    Texts { rows: Entries, dictionary: Box<StringDictionaryBuilder<UInt32Type>> },
}

impl PartReader {
    /// A reader of batches whose columns are `columns.names()`; `text_target` tells whether the target is text.
    pub fn new(columns: &Columns, text_target: bool, is_csv: bool) -> Self {
        let growing = |input: &Input| match input.kind {
            InputKind::Number => Growing::Number(Vec::new(), Rounding::default()),
            InputKind::Text => Growing::Text(Box::default()),
            InputKind::Timestamp => {
                let zoned = columns.zoned.get(&input.name).copied();
                Growing::Timestamp(Vec::new(), Zones { zoned, row: 0 })
            }
            InputKind::Sparse => Growing::Sparse(Entries::default()),
            InputKind::Texts => Growing::Texts { rows: Entries::default(), dictionary: Box::default() },
        };
        let target = || if text_target { Growing::Text(Box::default()) } else { Growing::Wide(Vec::new(), Rounding::default()) };
        Self {
            inputs: columns.inputs.iter().map(growing).collect(),
            target: columns.target.as_ref().map(|_| target()),
            weight: columns.weight.as_ref().map(|_| Growing::Number(Vec::new(), Rounding::default())),
            columns: columns.clone(),
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
        let nulls = &self.columns.nulls;
        let reading = Reading { null_values: &nulls.texts, is_csv: self.is_csv };
        let names = self.columns.names();
        let columns = self.inputs.iter_mut().chain(&mut self.target).chain(&mut self.weight);
        for ((array, column), name) in batch.columns().iter().zip(columns).zip(names) {
            if let Err(bad) = column.extend(reading, nulls, array) {
                note(&mut self.bad, name, self.rows, bad);
            }
        }
        if let (Some(Growing::Number(weights, _)), Some(name)) = (&self.weight, &self.columns.weight)
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
            Growing::Number(chunks, _) => joined(chunks),
            _ => unreachable!("weights are read as numbers"),
        });
        let rounding = self.inputs.iter().chain(&self.target).map(Growing::rounding).collect();
        let zones = self.inputs.iter().map(Growing::zones).collect();
        Part {
            inputs: self.inputs.into_iter().map(Growing::finish).collect(),
            target: self.target.map(Growing::finish),
            weight,
            rows: self.rows,
            rounding,
            zones,
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

    /// What a row weighs.
    pub fn weight_of(&self, row: usize) -> f32 {
        self.weight.as_ref().map_or(1.0, |weights| weights[row])
    }

    /// A part of these rows only.
    pub fn pick(&self, rows: &[u32]) -> Self {
        Self {
            inputs: self.inputs.iter().map(|values| values.pick(rows)).collect(),
            target: self.target.as_ref().map(|values| values.pick(rows)),
            weight: self.weight.as_ref().map(|weight| picked(weight, rows).into()),
            rows: rows.len(),
            rounding: self.rounding.clone(),
            zones: self.zones.clone(),
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
    fn extend(&mut self, reading: Reading, nulls: &Nulls, array: &ArrayRef) -> Result<(), BadValue> {
        match self {
            Self::Number(chunks, rounding) => {
                let array = reading.typed_numbers(array)?;
                rounding.see(&array, &nulls.numbers);
                chunks.push(reading.numbers(&array, nulls)?);
            }
            Self::Wide(values, rounding) => {
                let wide = reading.wide_numbers(array, nulls)?;
                rounding.see_target(&wide);
                values.extend(wide);
            }
            Self::Timestamp(values, zones) => {
                if reading.is_csv && is_text(array.data_type()) {
                    zones.see(array, values.len(), |text| reading.is_missing(text))?;
                }
                let mut times = reading.timestamps(array)?;
                nulls.mark_times(&mut times);
                values.extend(times);
            }
            Self::Sparse(entries) => entries.extend(array)?,
            Self::Texts { rows, dictionary } => rows.extend_texts(array, reading.null_values, dictionary)?,
            Self::Text(dictionary) => reading.texts(array)?.iter().for_each(|text| dictionary.append_option(text)),
        }
        Ok(())
    }

    fn rounding(&self) -> Rounding {
        if let Self::Number(_, rounding) | Self::Wide(_, rounding) = self { *rounding } else { Rounding::default() }
    }

    fn zones(&self) -> Zones {
        if let Self::Timestamp(_, zones) = self { *zones } else { Zones::default() }
    }

    fn finish(self) -> Values {
        match self {
            Self::Number(chunks, _) => Values::Number(joined(chunks)),
            Self::Wide(values, _) => Values::Wide(values),
            Self::Timestamp(values, _) => Values::Timestamp(values),
            Self::Sparse(entries) => Values::Sparse(entries.finish()),
            Self::Text(mut dictionary) => {
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
