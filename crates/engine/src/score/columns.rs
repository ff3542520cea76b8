//! Between a table's parts and a model's columns, and from predictions back to a table's columns.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field};
use quelea_core::prediction::Predictions;
use quelea_core::schema::{Labels, Target};
use quelea_model::{Column, Scorer};

use crate::prepare::part::{Part, Values};
use crate::{Error, Result};

/// The predictions for some rows of a part.
pub(super) fn score(scorer: &Scorer, part: &Part, rows: Range<usize>) -> Result<Predictions> {
    let columns = part.inputs.iter().map(|values| column(values, &rows)).collect::<Result<Vec<Column>>>()?;
    scorer.score(&columns).map_err(|e| Error::internal(format!("rows cannot be scored: {e}")))
}

fn column<'a>(values: &'a Values, rows: &Range<usize>) -> Result<Column<'a>> {
    match values {
        Values::Number(values) => Ok(Column::Number(&values[rows.clone()])),
        Values::Timestamp(values) => Ok(Column::Timestamp(&values[rows.clone()])),
        Values::Text(codes, texts) => Ok(Column::Dictionary { codes: &codes[rows.clone()], texts }),
        Values::Sparse(entries) => Ok(Column::Sparse {
            offsets: &entries.offsets[rows.start..=rows.end],
            indices: &entries.indices,
            values: entries.values.as_deref(),
        }),
        Values::Texts(entries, texts) => {
            Ok(Column::Texts { offsets: &entries.offsets[rows.start..=rows.end], codes: &entries.indices, texts })
        }
        Values::Wide(_) => Err(Error::internal("an input was read as a target")),
    }
}

/// The columns that predictions for `target` are written as.
pub(super) fn fields(target: &Target) -> Vec<Field> {
    match target {
        Target::None => vec![Field::new("cluster", DataType::Int64, false), Field::new("distance", DataType::Float32, false)],
        Target::Number { .. } => vec![Field::new("prediction", DataType::Float32, false)],
        Target::Classes { labels, .. } => {
            let label = match labels {
                Labels::Integers(_) => DataType::Int64,
                Labels::Text(_) => DataType::Utf8,
            };
            let probability = |class| Field::new(format!("probability_{}", labels.text(class)), DataType::Float32, false);
            std::iter::once(Field::new("prediction", label, false)).chain((0..labels.len()).map(probability)).collect()
        }
    }
}

/// The values of [`fields`].
pub(super) fn arrays(target: &Target, predictions: Predictions) -> Vec<ArrayRef> {
    match (target, predictions) {
        (_, Predictions::Numbers(values)) => vec![Arc::new(Float32Array::from(values))],
        (_, Predictions::Clusters { nearest, distances }) => {
            vec![Arc::new(Int64Array::from_iter_values(nearest.into_iter().map(i64::from))), Arc::new(Float32Array::from(distances))]
        }
        (Target::Classes { labels, .. }, Predictions::Classes { classes, best, probabilities }) => {
            let label: ArrayRef = match labels {
                Labels::Integers(labels) => Arc::new(Int64Array::from_iter_values(best.iter().map(|&class| labels[class as usize]))),
                Labels::Text(labels) => Arc::new(StringArray::from_iter_values(best.iter().map(|&class| &labels[class as usize]))),
            };
            let of_class = |class: usize| -> ArrayRef {
                Arc::new(Float32Array::from_iter_values(probabilities.iter().skip(class).step_by(classes).copied()))
            };
            std::iter::once(label).chain((0..classes).map(of_class)).collect()
        }
        (_, Predictions::Classes { .. }) => unreachable!("only a target of classes is predicted as classes"),
    }
}
