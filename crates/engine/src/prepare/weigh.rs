//! Which rows weigh something. The others are left out as if they were not there: they have no part in what is fitted, and must have none in
//! the ranges, categories and moments that it is fitted with.

use super::part::Part;

/// A row counts for nothing if it weighs no more than this part of the heaviest: no sum of weights would show it.
const NOTHING: f64 = 1.0 / (1u64 << 50) as f64;

/// The weight up to which a row of these parts counts for nothing.
pub(crate) fn nothing(parts: &[Part]) -> f32 {
    let weights = parts.iter().filter_map(|part| part.weight.as_ref()).flat_map(|weights| weights.iter());
    (f64::from(weights.copied().fold(0.0, f32::max)) * NOTHING) as f32
}

/// Rows that were left out because they count for nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LeftOut {
    /// Those that weigh 0.
    pub weightless: u64,
    /// Those that weigh next to nothing beside others.
    pub faint: u64,
}

impl LeftOut {
    /// Counts a row of this weight.
    pub fn count(&mut self, weight: f32) {
        if weight > 0.0 {
            self.faint += 1;
        } else {
            self.weightless += 1;
        }
    }

    /// How many they are.
    pub fn rows(&self) -> u64 {
        self.weightless + self.faint
    }

    /// Adds those of other parts.
    pub fn add(&mut self, other: Self) {
        self.weightless += other.weightless;
        self.faint += other.faint;
    }
}

/// The rows of `parts` that count for something.
pub(crate) fn weighing(parts: Vec<Part>) -> (Vec<Part>, LeftOut) {
    let least = nothing(&parts);
    let mut left_out = LeftOut::default();
    let of_part = |part: Part| {
        if part.weight.is_none() {
            return part;
        }
        let (rows, others): (Vec<u32>, Vec<u32>) = (0..part.rows as u32).partition(|&row| part.weight_of(row as usize) > least);
        others.iter().for_each(|&row| left_out.count(part.weight_of(row as usize)));
        if others.is_empty() { part } else { part.pick(&rows) }
    };
    (parts.into_iter().map(of_part).collect(), left_out)
}
