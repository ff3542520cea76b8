//! Warm starts: the estimator of an earlier model, and its design's columns among those of the table to train on. Encoders keep
//! the categories they know and may have learned more; numbers may be scaled anew, and missing values may have come or gone.

use std::sync::Arc;

use quelea_core::estimator::{Design, Encoding, Estimator, EstimatorKind};
use quelea_core::schema::Schema;
use quelea_core::{Error, Result};

/// The estimator to start from as one of kind `K`. The error says that the model is not `what`: "linear", "a clustering".
pub fn start_as<K: EstimatorKind>(start_from: Option<Estimator>, what: &str) -> Result<Option<Arc<K>>> {
    let Some(estimator) = start_from else { return Ok(None) };
    let problem = || format!("the model in model.start_from is not {what}; name one that is, or train without it");
    estimator.into_shared().map(Some).ok_or_else(|| Error::Table { problem: problem() })
}

/// A feature in both designs.
#[derive(Debug, Clone)]
pub struct Carried {
    /// The column of its numbers, if it has them.
    pub number: Option<Number>,
    /// Columns that hold the same before and now: of 0 and 1, or of a sparse feature.
    pub flags: Vec<(usize, usize)>,
}

/// A column of numbers, `(x − center) · scale` in both designs.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    /// The column before and now.
    pub columns: (usize, usize),
    /// The center before and now.
    pub centers: (f64, f64),
    /// The scale before and now.
    pub scales: (f64, f64),
}

/// The features of both designs; an error names a column that `old` knows otherwise.
pub fn carried(schema: &Schema, old: &Design, new: &Design) -> Result<Vec<Carried>> {
    if old.encodings.len() != new.encodings.len() {
        return Err(Error::Table { problem: "the model in model.start_from has other columns; train without it".into() });
    }
    let (mut before, mut now) = (0, 0);
    let features = schema.features.iter().zip(old.encodings.iter().zip(&new.encodings));
    features
        .map(|(feature, (old, new))| {
            let carried = feature_carried((old, before), (new, now)).ok_or_else(|| Error::Column {
                column: feature.name.clone(),
                problem: "the model in model.start_from knows other categories in it; train without it".into(),
            });
            (before, now) = (before + old.width(), now + new.width());
            carried
        })
        .collect()
}

/// A feature by its encodings and their first columns.
fn feature_carried((old, before): (&Encoding, usize), (new, now): (&Encoding, usize)) -> Option<Carried> {
    match (*old, *new) {
        (
            Encoding::Number { center: old_center, scale: old_scale, indicator: a, .. },
            Encoding::Number { center, scale, indicator: b, .. },
        ) => Some(Carried {
            number: Some(Number { columns: (before, now), centers: (old_center.into(), center.into()), scales: (old_scale, scale) }),
            flags: if a && b { vec![(before + 1, now + 1)] } else { Vec::new() },
        }),
        (Encoding::Category { values: known, indicator: a }, Encoding::Category { values, indicator: b }) if known <= values => {
            let (known, values) = (known as usize, values as usize);
            let missing = (a && b).then_some((before + known, now + values));
            Some(Carried { number: None, flags: (0..known).map(|value| (before + value, now + value)).chain(missing).collect() })
        }
        (Encoding::Sparse { width: known }, Encoding::Sparse { width }) if known <= width => {
            Some(Carried { number: None, flags: (0..known as usize).map(|index| (before + index, now + index)).collect() })
        }
        _ => None,
    }
}
