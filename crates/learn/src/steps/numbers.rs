//! The columns of numbers of a mini-batch, which every row has: brought together for the time of a fold, so that loops over
//! them run in lanes.

use super::units::{Units, add};
use crate::sums::lane_dot;

/// Numbers, their weights and their gradients.
pub struct Numbers<'a> {
    places: &'a [u32],
    /// Center and scale of each.
    standards: Vec<(f64, f64)>,
    outputs: usize,
    /// The weights, output by output.
    weights: Vec<f64>,
    /// The sums of gradients, output by output.
    sums: Vec<i64>,
    /// The standardised numbers of a row.
    z: Vec<f64>,
}

impl<'a> Numbers<'a> {
    /// Numbers with these places; `standards` are center and scale of each, and `weights` the rows of all places.
    pub fn new(places: &'a [u32], standards: &[f32], weights: &[f32], outputs: usize) -> Self {
        let standards = standards.chunks_exact(2).map(|pair| (f64::from(pair[0]), f64::from(pair[1]))).collect();
        let of = |output| places.iter().map(move |&place| f64::from(weights[place as usize * outputs + output]));
        let weights = (0..outputs).flat_map(of).collect();
        Self { places, standards, outputs, weights, sums: vec![0; places.len() * outputs], z: vec![0.0; places.len()] }
    }

    /// Takes the numbers of `row` out of those of all rows; a missing one is the mean.
    #[inline(always)]
    pub fn standardize(&mut self, numbers: &[f32], row: usize) {
        let numbers = &numbers[row * self.z.len()..][..self.z.len()];
        for ((z, &x), &(center, scale)) in self.z.iter_mut().zip(numbers).zip(&self.standards) {
            let standard = (f64::from(x) - center) * scale;
            *z = if x.is_nan() { 0.0 } else { standard };
        }
    }

    /// What they add to a score.
    #[inline(always)]
    pub fn dot(&self, output: usize) -> f64 {
        lane_dot(&self.weights[output * self.z.len()..][..self.z.len()], &self.z)
    }

    /// Adds the gradients of a row whose score has this derivative. They fit if the derivative does, for standardised
    /// numbers are bounded.
    #[inline(always)]
    pub fn spread(&mut self, output: usize, derivative: f64, units: Units) {
        let sums = &mut self.sums[output * self.z.len()..][..self.z.len()];
        sums.iter_mut().zip(&self.z).for_each(|(sum, &z)| add(sum, units.of(derivative * z)));
    }

    /// Adds the sums to those of all places.
    pub fn finish(self, into: &mut [i64]) {
        let width = self.places.len();
        for output in 0..self.outputs {
            for (&place, &sum) in self.places.iter().zip(&self.sums[output * width..][..width]) {
                add(&mut into[place as usize * self.outputs + output], sum);
            }
        }
    }
}
