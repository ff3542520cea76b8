//! Scoring: predictions from raw columns. A row's prediction is the same to the last bit in a batch of any size,
//! on its own, and with any instruction set.

mod bits;
mod centroids;
mod encode;
mod factorization;
mod linear;
mod link;
mod row;
mod walk;

use arrow::array::{StringArray, StringViewArray};
use quelea_core::estimator::{Estimator, Link};
use quelea_core::prediction::Predictions;
use quelea_core::schema::{Input, InputKind};

use self::bits::BitKernel;
use self::centroids::CentroidKernel;
use self::encode::{Encoder, Features};
use self::factorization::FactorizationKernel;
use self::linear::LinearKernel;
use self::walk::WalkKernel;
use crate::{Error, Model, Result, check};

pub use self::row::{RowPrediction, RowScratch, Value};

/// Rows that a kernel takes at once.
const BLOCK_ROWS: usize = 512;

/// One raw input column for a batch of rows.
#[derive(Debug, Clone, Copy)]
pub enum Column<'a> {
    /// Numbers; NaN is missing.
    Number(&'a [f32]),
    /// Strings; null, "" and the schema's markers are missing.
    Text(&'a StringViewArray),
    /// Strings by their index in a dictionary, [`quelea_core::tile::MISSING`] where missing.
    Dictionary {
        /// An index per row.
        codes: &'a [u32],
        /// What the indices stand for; none is missing.
        texts: &'a StringArray,
    },
    /// Microseconds since 1970-01-01 UTC; the smallest integer is missing.
    Timestamp(&'a [i64]),
    /// Numbers by index: row `r` has the entries `offsets[r]..offsets[r + 1]`. What is NaN, or of an index that the model does not
    /// know, counts for nothing.
    Sparse {
        /// One more than there are rows.
        offsets: &'a [u32],
        /// The entries' indices.
        indices: &'a [u32],
        /// Their values, or 1 for each.
        values: Option<&'a [f32]>,
    },
    /// Some strings in each row, by their index in a dictionary: row `r` has `codes[offsets[r]..offsets[r + 1]]`.
    Texts {
        /// One more than there are rows.
        offsets: &'a [u32],
        /// The strings' indices.
        codes: &'a [u32],
        /// What the indices stand for; none is missing.
        texts: &'a StringArray,
    },
}

impl Column<'_> {
    fn rows(&self) -> usize {
        match self {
            Self::Number(values) => values.len(),
            Self::Text(values) => arrow::array::Array::len(values),
            Self::Dictionary { codes, .. } => codes.len(),
            Self::Timestamp(values) => values.len(),
            Self::Sparse { offsets, .. } | Self::Texts { offsets, .. } => offsets.len().saturating_sub(1),
        }
    }

    /// What is wrong with the lengths of its parts, if anything is.
    fn problem(&self) -> Option<&'static str> {
        let (offsets, entries, values) = match self {
            Self::Sparse { offsets, indices, values } => (offsets, indices.len(), values.map_or(indices.len(), <[f32]>::len)),
            Self::Texts { offsets, codes, .. } => (offsets, codes.len(), codes.len()),
            _ => return None,
        };
        let are_right = offsets.is_sorted() && offsets.last().is_some_and(|&end| end as usize <= entries) && values == entries;
        (!are_right).then_some("has offsets or values that do not fit its entries")
    }

    fn kind(&self) -> InputKind {
        match self {
            Self::Number(_) => InputKind::Number,
            Self::Text(_) | Self::Dictionary { .. } => InputKind::Text,
            Self::Timestamp(_) => InputKind::Timestamp,
            Self::Sparse { .. } => InputKind::Sparse,
            Self::Texts { .. } => InputKind::Texts,
        }
    }
}

/// A model made ready to score.
#[derive(Debug)]
pub struct Scorer {
    inputs: Vec<Input>,
    encoders: Vec<Encoder>,
    kernel: Kernel,
}

/// The fitted part.
#[derive(Debug)]
enum Kernel {
    Trees { walk: WalkKernel, bits: Option<BitKernel>, link: Link, outputs: usize },
    Linear { kernel: LinearKernel, link: Link, outputs: usize },
    Centroids(CentroidKernel),
    Factorization { kernel: FactorizationKernel, link: Link },
}

impl Scorer {
    /// Makes `model` ready; the error says what in it does not fit together.
    pub fn new(model: &Model) -> Result<Self> {
        check::model(model)?;
        let kernel = match &model.estimator {
            Estimator::Trees(trees) => {
                let bits = BitKernel::new(trees, &model.schema);
                Kernel::Trees { walk: WalkKernel::new(trees), bits, link: trees.link, outputs: trees.base.len() }
            }
            Estimator::Linear(linear) => {
                Kernel::Linear { kernel: LinearKernel::new(linear), link: linear.link, outputs: linear.intercepts.len() }
            }
            Estimator::Centroids(centroids) => Kernel::Centroids(CentroidKernel::new(centroids)),
            Estimator::Factorization(machine) => Kernel::Factorization { kernel: FactorizationKernel::new(machine), link: machine.link },
        };
        let encoders = model.schema.features.iter().map(|f| Encoder::new(&model.schema, f)).collect();
        Ok(Self { inputs: model.schema.inputs.clone(), encoders, kernel })
    }

    /// The predictions for rows whose columns come in the order of the schema's inputs, on this thread.
    /// The error names a column of another type or length than it should be.
    pub fn score(&self, columns: &[Column<'_>]) -> Result<Predictions> {
        let rows = self.rows(columns)?;
        let features: Vec<_> = self.encoders.iter().map(|e| e.encode(columns)).collect();
        let mut predictions = self.empty(rows);
        let mut scores = vec![0.0; self.outputs() * BLOCK_ROWS];
        let mut scratch = if let Kernel::Trees { bits: Some(bits), .. } = &self.kernel { Some(bits.scratch()) } else { None };
        for start in (0..rows).step_by(BLOCK_ROWS) {
            let block = Features { columns: &features, start, rows: BLOCK_ROWS.min(rows - start) };
            match &self.kernel {
                Kernel::Trees { walk, bits, link, .. } => {
                    match (bits, &mut scratch) {
                        (Some(bits), Some(scratch)) if block.rows >= bits::LEAST_ROWS => bits.scores(&block, scratch, &mut scores),
                        _ => walk.scores(&block, &mut scores),
                    }
                    link::push(*link, &scores, block.rows, &mut predictions);
                }
                Kernel::Linear { kernel, link, .. } => {
                    kernel.scores(&block, &mut scores);
                    link::push(*link, &scores, block.rows, &mut predictions);
                }
                Kernel::Factorization { kernel, link } => {
                    kernel.scores(&block, &mut scores);
                    link::push(*link, &scores, block.rows, &mut predictions);
                }
                Kernel::Centroids(kernel) => kernel.push(&block, &mut predictions),
            }
        }
        Ok(predictions)
    }

    fn outputs(&self) -> usize {
        match self.kernel {
            Kernel::Trees { outputs, .. } | Kernel::Linear { outputs, .. } => outputs,
            Kernel::Factorization { .. } => 1,
            Kernel::Centroids(_) => 0,
        }
    }

    fn empty(&self, rows: usize) -> Predictions {
        let (link, outputs) = match self.kernel {
            Kernel::Trees { link, outputs, .. } | Kernel::Linear { link, outputs, .. } => (link, outputs),
            Kernel::Factorization { link, .. } => (link, 1),
            Kernel::Centroids(_) => {
                return Predictions::Clusters { nearest: Vec::with_capacity(rows), distances: Vec::with_capacity(rows) };
            }
        };
        let classes = match link {
            Link::Identity => return Predictions::Numbers(Vec::with_capacity(rows)),
            Link::Logistic => 2,
            Link::Softmax => outputs,
        };
        Predictions::Classes { classes, best: Vec::with_capacity(rows), probabilities: Vec::with_capacity(rows * classes) }
    }

    /// How many rows the columns have.
    fn rows(&self, columns: &[Column<'_>]) -> Result<usize> {
        if columns.len() != self.inputs.len() {
            return Err(Error::ColumnCount { expected: self.inputs.len(), given: columns.len() });
        }
        let rows = columns.first().map_or(0, Column::rows);
        for (column, input) in columns.iter().zip(&self.inputs) {
            self.refuse_other_kind(input, column.kind())?;
            if column.rows() != rows {
                let problem = format!("has {} rows, and the first column has {rows}", column.rows());
                return Err(Error::Column { column: input.name.clone(), problem });
            }
            if let Some(problem) = column.problem() {
                return Err(Error::Column { column: input.name.clone(), problem: problem.into() });
            }
        }
        Ok(rows)
    }

    fn refuse_other_kind(&self, input: &Input, given: InputKind) -> Result<()> {
        if given == input.kind {
            return Ok(());
        }
        let name = |kind| match kind {
            InputKind::Number => "numbers",
            InputKind::Text => "text",
            InputKind::Timestamp => "timestamps",
            InputKind::Sparse => "numbers by index",
            InputKind::Texts => "lists of texts",
        };
        let problem = format!("is {} in the model and was given as {}", name(input.kind), name(given));
        Err(Error::Column { column: input.name.clone(), problem })
    }
}
