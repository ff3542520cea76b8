//! One row at a time, without an allocation.

use quelea_core::estimator::Link;
use quelea_core::schema::InputKind;
use quelea_core::tile::MISSING;

use super::encode::{RowEntries, Rows};
use super::{Kernel, Scorer, link};
use crate::{Error, Result};

/// One value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A number; NaN is missing.
    Number(f32),
    /// A string; "" and the schema's markers are missing.
    Text(&'a str),
    /// Microseconds since 1970-01-01 UTC; the smallest integer is missing.
    Timestamp(i64),
    /// Numbers by index. What is NaN, or of an index that the model does not know, counts for nothing.
    Sparse {
        /// The indices.
        indices: &'a [u32],
        /// As many values, or 1 for each.
        values: Option<&'a [f32]>,
    },
    /// Some strings.
    Texts(&'a [&'a str]),
}

impl Value<'_> {
    fn kind(&self) -> InputKind {
        match self {
            Self::Number(_) => InputKind::Number,
            Self::Text(_) => InputKind::Text,
            Self::Timestamp(_) => InputKind::Timestamp,
            Self::Sparse { .. } => InputKind::Sparse,
            Self::Texts(_) => InputKind::Texts,
        }
    }
}

/// What a model says of one row.
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

/// Room for scoring one row; made by [`Scorer::scratch`] and used again and again.
#[derive(Debug, Clone)]
pub struct RowScratch {
    numbers: Vec<f32>,
    codes: Vec<u32>,
    entries: Vec<RowEntries>,
    packed: Vec<u32>,
    scores: Vec<f64>,
    probabilities: Vec<f32>,
}

impl Rows for RowScratch {
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
    /// Room for [`Scorer::score_row`].
    pub fn scratch(&self) -> RowScratch {
        let (classes, packed) = match &self.kernel {
            Kernel::Trees { walk, outputs, link, .. } => (if *link == Link::Logistic { 2 } else { *outputs }, walk.packed_width()),
            Kernel::Factorization { link, .. } => (if *link == Link::Logistic { 2 } else { 1 }, 0),
            Kernel::Linear { outputs, link, .. } => (if *link == Link::Logistic { 2 } else { *outputs }, 0),
            Kernel::Centroids(_) => (0, 0),
        };
        let features = self.encoders.len();
        RowScratch {
            numbers: vec![f32::NAN; features],
            codes: vec![MISSING; features],
            entries: vec![RowEntries::default(); features],
            packed: vec![0; packed],
            scores: vec![0.0; self.outputs()],
            probabilities: vec![0.0; classes],
        }
    }

    /// The prediction for one row whose values come in the order of the schema's inputs: the same bits as in a batch.
    /// `scratch` must be this scorer's.
    pub fn score_row<'s>(&self, row: &[Value<'_>], scratch: &'s mut RowScratch) -> Result<RowPrediction<'s>> {
        self.encode_row(row, scratch)?;
        let mut scores = std::mem::take(&mut scratch.scores);
        let link = match &self.kernel {
            Kernel::Trees { walk, link, .. } => {
                let mut packed = std::mem::take(&mut scratch.packed);
                walk.pack(scratch, 0, 1, &mut packed);
                walk.row_scores(&packed, &mut scores);
                scratch.packed = packed;
                *link
            }
            Kernel::Linear { kernel, link, .. } => {
                kernel.row_scores(scratch, &mut scores);
                *link
            }
            Kernel::Factorization { kernel, link } => {
                kernel.scores(scratch, &mut scores);
                *link
            }
            Kernel::Centroids(kernel) => {
                let (nearest, distance) = kernel.lanes(scratch, 0, 1);
                return Ok(RowPrediction::Cluster { nearest: nearest[0], distance: distance[0] });
            }
        };
        scratch.scores = scores;
        let RowScratch { scores, probabilities, .. } = scratch;
        Ok(match link {
            Link::Identity => RowPrediction::Number(scores[0] as f32),
            Link::Logistic => {
                link::logistic(scores, probabilities);
                RowPrediction::Class { best: u32::from(scores[0] > 0.0), probabilities }
            }
            Link::Softmax => {
                let best = link::softmax(scores, probabilities);
                RowPrediction::Class { best, probabilities }
            }
        })
    }

    fn encode_row(&self, row: &[Value<'_>], scratch: &mut RowScratch) -> Result<()> {
        if row.len() != self.inputs.len() {
            return Err(Error::ColumnCount { expected: self.inputs.len(), given: row.len() });
        }
        for (value, input) in row.iter().zip(&self.inputs) {
            self.refuse_other_kind(input, value.kind())?;
            if let Value::Sparse { indices, values: Some(values) } = value
                && indices.len() != values.len()
            {
                let problem = format!("has {} indices and {} values", indices.len(), values.len());
                return Err(Error::Column { column: input.name.clone(), problem });
            }
        }
        for (feature, encoder) in self.encoders.iter().enumerate() {
            if encoder.is_sparse() {
                encoder.row_entries(row, &mut scratch.entries[feature]);
                continue;
            }
            match row[encoder.input] {
                Value::Sparse { .. } | Value::Texts(_) => {}
                Value::Number(number) => scratch.numbers[feature] = number,
                Value::Timestamp(moment) => scratch.numbers[feature] = encoder.moment(moment),
                Value::Text(text) => scratch.codes[feature] = encoder.text(text),
            }
        }
        Ok(())
    }
}
