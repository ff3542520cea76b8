//! Scoring: raw columns in, predictions out.

pub mod encode;
pub mod kernel;
pub mod row;

use quelea_core::prediction::Predictions;
use quelea_core::schema::Input;

use self::encode::{Encoder, Features};
use self::kernel::Kernel;
use crate::column::Column;
use crate::{Error, Model, Result, check, estimators};

/// A model in a form that scores rows fast; one scorer serves any number of threads.
///
/// It takes the inputs of the model's [schema](Model::schema), in their order: one [`Column`] per input for a batch, or one
/// [`Value`](crate::Value) per input for a row. The prediction follows from the target: a number, a class with the probabilities
/// of all classes, or without a target a cluster with the distance to its centre.
///
/// A row's prediction is the same to the last bit in a batch of any size and on its own, on any number of threads and with any
/// instruction set. An ONNX runtime gives the same for the model's file, up to the rounding of its sums.
///
/// ```
/// use arrow::array::StringViewArray;
/// use quelea_core::prediction::Predictions;
/// use quelea_model::{Column, Model, RowPrediction, Scorer, Value};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = Model::from_bytes(&std::fs::read("tests/golden/trees-of-a-number.onnx")?)?;
/// let names: Vec<&str> = model.schema.inputs.iter().map(|input| input.name.as_str()).collect();
/// assert_eq!(names, ["size", "color", "when", "is_new"]);
/// let scorer = Scorer::new(&model)?;
///
/// // A batch of two rows; the second has neither a color nor a time.
/// let color = StringViewArray::from(vec![Some("green"), None]);
/// let columns = [
///     Column::Number(&[1.86, 3.0]),
///     Column::Text(&color),
///     Column::Timestamp(&[1_705_176_180_000_000, i64::MIN]),
///     Column::Number(&[1.0, 0.0]),
/// ];
/// let predictions = scorer.score(&columns)?;
/// assert_eq!(predictions, Predictions::Numbers(vec![25.555338, 21.625679]));
///
/// // The first row on its own.
/// let row = [Value::Number(1.86), Value::Text("green"), Value::Timestamp(1_705_176_180_000_000), Value::Number(1.0)];
/// let mut scratch = scorer.scratch();
/// assert_eq!(scorer.score_row(&row, &mut scratch)?, RowPrediction::Number(25.555338));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Scorer {
    inputs: Vec<Input>,
    encoders: Vec<Encoder>,
    kernel: Box<dyn Kernel>,
}

impl Scorer {
    /// Prepares `model` for scoring. It takes about as much memory as the model does.
    ///
    /// # Errors
    ///
    /// An error names what in the model does not fit together; a model that was read from a file fits.
    pub fn new(model: &Model) -> Result<Self> {
        check::model(model)?;
        let kernel = estimators::find(&model.estimator)?.kernel(&model.schema);
        let encoders = model.schema.features.iter().map(|f| Encoder::new(&model.schema, f)).collect();
        Ok(Self { inputs: model.schema.inputs.clone(), encoders, kernel })
    }

    /// The predictions for a batch of rows, in their order: one column per input of the model, in the order of the schema's inputs,
    /// all of the same number of rows. It runs on the calling thread; a few thousand rows at a time keep memory small.
    ///
    /// # Errors
    ///
    /// [`Error::ColumnCount`] if there are more or fewer columns than inputs, and [`Error::Column`], which names the input, if a
    /// column is of another kind or length than it should be. Values are never an error.
    pub fn score(&self, columns: &[Column<'_>]) -> Result<Predictions> {
        if columns.len() != self.inputs.len() {
            return Err(Error::ColumnCount { expected: self.inputs.len(), given: columns.len() });
        }
        let rows = columns.first().map_or(0, Column::rows);
        columns.iter().zip(&self.inputs).try_for_each(|(column, input)| column.check(input, rows))?;
        let features: Vec<_> = self.encoders.iter().map(|encoder| encoder.encode(columns)).collect();
        Ok(self.kernel.score(&Features { columns: &features, start: 0, rows }))
    }

    /// Whether a text of input `input` is one that the model knows, or stands for a missing one.
    pub fn knows(&self, input: usize, text: &str) -> bool {
        self.encoders.iter().any(|encoder| encoder.knows(input, text))
    }
}
