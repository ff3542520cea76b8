//! One row at a time.

use quelea_core::tile::MISSING;

use super::Scorer;
use super::encode::{RowEntries, Rows};
use super::kernel::Buffers;
use crate::column::Value;
use crate::{Error, Result};

/// What a model predicts for one row; the counterpart of [`quelea_core::prediction::Predictions`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RowPrediction<'a> {
    /// A number.
    Number(f32),
    /// A class by its index among the target's labels.
    Class {
        /// The most probable class; the first of equals.
        best: u32,
        /// A probability per class.
        probabilities: &'a [f32],
    },
    /// A cluster.
    Cluster {
        /// The nearest; the first of equals.
        nearest: u32,
        /// The Euclidean distance to its centre, over the design matrix.
        distance: f32,
    },
}

/// Memory for scoring one row, made by [`Scorer::scratch`] and used again for the next row.
#[derive(Debug, Clone)]
pub struct RowScratch {
    features: RowFeatures,
    buffers: Buffers,
}

/// The encoded features of one row.
#[derive(Debug, Clone)]
pub struct RowFeatures {
    numbers: Vec<f32>,
    codes: Vec<u32>,
    entries: Vec<RowEntries>,
}

impl Rows for RowFeatures {
    fn rows(&self) -> usize {
        1
    }

    fn numbers(&self, feature: usize) -> &[f32] {
        &self.numbers[feature..=feature]
    }

    fn codes(&self, feature: usize) -> &[u32] {
        &self.codes[feature..=feature]
    }

    fn entries(&self, feature: usize, _: usize) -> (&[u32], Option<&[f32]>) {
        self.entries[feature].view()
    }
}

impl Scorer {
    /// Memory for [`Scorer::score_row`].
    pub fn scratch(&self) -> RowScratch {
        let count = self.encoders.len();
        let features =
            RowFeatures { numbers: vec![f32::NAN; count], codes: vec![MISSING; count], entries: vec![RowEntries::default(); count] };
        RowScratch { features, buffers: self.kernel.buffers() }
    }

    /// The prediction for one row: one value per input of the model, in the order of the schema's inputs. It is the same to the
    /// last bit as the row's prediction in a batch. `scratch` must be this scorer's.
    ///
    /// # Errors
    ///
    /// [`Error::ColumnCount`] if there are more or fewer values than inputs, and [`Error::Column`], which names the input, if a
    /// value is of another kind or has more indices than values.
    pub fn score_row<'s>(&self, row: &[Value<'_>], scratch: &'s mut RowScratch) -> Result<RowPrediction<'s>> {
        let RowScratch { features, buffers } = scratch;
        self.encode_row(row, features)?;
        Ok(self.kernel.score_row(features, buffers))
    }

    fn encode_row(&self, row: &[Value<'_>], features: &mut RowFeatures) -> Result<()> {
        if row.len() != self.inputs.len() {
            return Err(Error::ColumnCount { expected: self.inputs.len(), given: row.len() });
        }
        row.iter().zip(&self.inputs).try_for_each(|(value, input)| value.check(input))?;
        for (feature, encoder) in self.encoders.iter().enumerate() {
            if encoder.is_sparse() {
                encoder.row_entries(row, &mut features.entries[feature]);
                continue;
            }
            match row[encoder.input] {
                Value::Sparse { .. } | Value::Texts(_) => {}
                Value::Number(number) => features.numbers[feature] = encoder.number(number),
                Value::Timestamp(moment) => features.numbers[feature] = encoder.moment(moment),
                Value::Text(text) => features.codes[feature] = encoder.text(text),
            }
        }
        Ok(())
    }
}
