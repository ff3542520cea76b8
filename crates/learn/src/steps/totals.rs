//! What learners by steps know at the end of a pass: the losses and weights of training and validation rows.

use quelea_core::learner::Iteration;
use quelea_core::schema::Schema;
use quelea_core::{Error, Result};

use crate::sums::{Unit, weight_exponent};

/// The loss of a row stays below 2 to this power, unless it depends on the table's own numbers.
pub const LARGEST_LOSS: i32 = 40;
/// Validation rows, of which the schema does not tell, are no more than 2 to this power times training rows.
const VALIDATION: i32 = 20;

/// The units of losses and weights.
#[derive(Debug, Clone, Copy)]
pub struct Totals(Unit);

impl Totals {
    /// For tables of this schema; the loss of a row stays below 2 to the power `largest`.
    pub fn new(schema: &Schema, largest: i32) -> Self {
        Self(Unit::below(weight_exponent(schema.rows, schema.largest_weight) + largest.max(0) + VALIDATION))
    }

    /// No rows.
    pub fn empty() -> Vec<i128> {
        vec![0; 4]
    }

    /// Adds the losses of a part's rows and their weight.
    pub fn add(self, totals: &mut [i128], training: bool, loss: f64, weight: f64) -> Result<()> {
        let at = if training { 0 } else { 2 };
        totals[at] += self.0.units(loss, "the loss of a mini-batch")?;
        totals[at + 1] += self.0.units(weight, "the weight of a mini-batch")?;
        Ok(())
    }

    /// The mean losses of a pass.
    pub fn iteration(self, totals: &[i128]) -> Result<Iteration> {
        let &[loss, weight, validation_loss, validation_weight] = totals else {
            return Err(Error::Internal { what: "a pass has lost its totals".into() });
        };
        let mean = |loss, weight| (weight > 0).then(|| self.0.value(loss) / self.0.value(weight));
        Ok(Iteration { loss: mean(loss, weight), validation_loss: mean(validation_loss, validation_weight) })
    }
}
