//! A learner by steps that has tables and learns nothing.

use quelea_core::steps::{Course, Fetched, Parameters};
use quelea_params::{Problem, Stepper};

pub struct Undriven(pub Vec<Parameters>);

impl Stepper for Undriven {
    fn tables(&self) -> &[Parameters] {
        &self.0
    }
    fn course(&self) -> Course {
        Course { passes: 1, slices: 1_000 }
    }
    fn pass(&mut self, _: Vec<i128>) -> Result<bool, Problem> {
        Ok(true)
    }
    fn finish(&mut self, _: Vec<Fetched>) -> Result<(), Problem> {
        Ok(())
    }
}
