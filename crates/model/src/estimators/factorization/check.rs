//! Checks a factorisation machine against the schema.

use quelea_core::estimator::Factorization;
use quelea_core::schema::Schema;

use crate::check::{all_finite, wrong};
use crate::{Result, design, link};

/// Checks `machine`.
pub fn check(machine: &Factorization, schema: &Schema) -> Result<()> {
    link::check(&schema.target, machine.link, 1)?;
    design::check(&machine.design, schema)?;
    let width = machine.design.width();
    if machine.weights.len() != width {
        return Err(wrong("the weights", format!("are {} and should be {width}", machine.weights.len())));
    }
    if machine.rank == 0 || width.checked_mul(machine.rank) != Some(machine.factors.len()) {
        return Err(wrong(
            "the factors",
            format!("are {} and should be {} for each of {width} columns", machine.factors.len(), machine.rank),
        ));
    }
    all_finite("the weights", machine.weights.iter().map(|&weight| f64::from(weight)))?;
    all_finite("the factors", machine.factors.iter().map(|&factor| f64::from(factor)))?;
    all_finite("the intercept", [machine.intercept].into_iter())
}
