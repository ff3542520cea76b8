//! The rows of a part of a table, with what is known of their target.

use std::ops::Range;

use arrow::buffer::ScalarBuffer;
use quelea_core::schema::Target;

use super::part::Part;
use super::target;

/// Rows as they were read, with their truth.
#[derive(Default)]
pub(crate) struct Rows {
    /// The rows, in the table's order.
    pub parts: Vec<Part>,
    /// Per part, the target of each row as learners take it: a number, or the index of a class. Empty without a target.
    pub truth: Vec<ScalarBuffer<f32>>,
    /// Per part, the numbers that the table has; none where they are those in `truth`.
    exact: Vec<Vec<f64>>,
}

impl Rows {
    /// The target as it was read is not kept beside the truth.
    pub fn new(parts: Vec<Part>, target: &Target) -> Self {
        let mut all = Self { parts, ..Self::default() };
        if matches!(target, Target::None) {
            return all;
        }
        for part in &mut all.parts {
            let exact = target::truth(target, part.target.take());
            let truth: Vec<f32> = exact.iter().map(|&exact| exact as f32).collect();
            let is_rounded = exact.iter().zip(&truth).any(|(&exact, &truth)| exact != f64::from(truth) && !exact.is_nan());
            all.exact.push(if is_rounded { exact } else { Vec::new() });
            all.truth.push(truth.into());
        }
        all
    }

    /// As [`Rows::new`], without rows that have no target or a class that `target` does not have; how many these are is the second value.
    pub fn known(parts: Vec<Part>, target: &Target) -> (Self, u64) {
        let mut all = Self::new(parts, target);
        let mut unknown = 0;
        for ((part, truth), exact) in all.parts.iter_mut().zip(&mut all.truth).zip(&mut all.exact) {
            let known: Vec<u32> = (0..part.rows as u32).filter(|&row| !truth[row as usize].is_nan()).collect();
            if known.len() < part.rows {
                unknown += (part.rows - known.len()) as u64;
                *truth = known.iter().map(|&row| truth[row as usize]).collect::<Vec<f32>>().into();
                *exact = known.iter().filter_map(|&row| exact.get(row as usize).copied()).collect();
                *part = part.pick(&known);
            }
        }
        (all, unknown)
    }

    /// How many rows there are.
    pub fn len(&self) -> u64 {
        self.parts.iter().map(|part| part.rows as u64).sum()
    }

    /// The target of some rows of a part as metrics take it, in 64 bits as the table has it. Empty without a target.
    pub fn exact_truth(&self, part: usize, rows: Range<usize>) -> Vec<f64> {
        match (self.exact.get(part), self.truth.get(part)) {
            (Some(exact), _) if !exact.is_empty() => exact[rows].to_vec(),
            (_, Some(truth)) => truth[rows].iter().map(|&truth| truth.into()).collect(),
            (_, None) => Vec::new(),
        }
    }
}
