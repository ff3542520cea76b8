//! Checks a linear model against the schema.

use quelea_core::estimator::{Design, Encoding, Linear};
use quelea_core::schema::Schema;

use crate::check::{all_finite, matrix};
use crate::{Result, design, link};

/// Checks `linear`.
pub fn check(linear: &Linear, schema: &Schema) -> Result<()> {
    link::check(&schema.target, linear.link, linear.intercepts.len())?;
    design::check(&linear.design, schema)?;
    let rows = linear.weights.iter().map(|row| row.iter().copied());
    matrix("the weights", rows, linear.intercepts.len(), linear.design.width())?;
    linear.weights.iter().try_for_each(|row| single_precision(&linear.design, row))?;
    all_finite("the intercepts", linear.intercepts.iter().copied())
}

/// The weights of sparse features are 32-bit floats in a file.
fn single_precision(design: &Design, weights: &[f64]) -> Result<()> {
    let mut first = 0;
    for encoding in &design.encodings {
        let columns = first..first + encoding.width();
        first = columns.end;
        if matches!(encoding, Encoding::Sparse { .. }) {
            all_finite("the weights, as 32-bit floats,", weights[columns].iter().map(|&weight| f64::from(weight as f32)))?;
        }
    }
    Ok(())
}
