//! Loops over the rows of a tile that compute a loss or its derivatives.
//!
//! Everything is computed row by row in `f64` with straight-line code and rounded to `f32` once; sums go in 16 lanes by
//! row number, so that the width of the machine's vectors does not matter.

use pulp::{Arch, Simd, WithSimd};

const LANES: usize = 16;

/// Of a tile's gradients: the largest sizes, and the sum of sizes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sizes {
    /// The largest gradient; infinite or NaN if any is.
    pub gradient: f32,
    /// The largest hessian.
    pub hessian: f32,
    /// The sum of the sizes of gradients.
    pub sum: f64,
}

/// What a loss is made of, by row.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowValues<'a> {
    /// Scores or probabilities.
    pub values: &'a [f32],
    /// The target.
    pub target: &'a [f32],
    /// Weights, if they are not all 1.
    pub weight: Option<&'a [f32]>,
}

/// Gradients and hessians by row, which `f` gives for value, target and weight.
pub(super) fn derive(rows: RowValues, gradients: &mut [f32], hessians: &mut [f32], f: impl Fn(f64, f64, f64) -> (f64, f64)) -> Sizes {
    Arch::new().dispatch(Derive { rows, gradients, hessians, f })
}

struct Derive<'a, F> {
    rows: RowValues<'a>,
    gradients: &'a mut [f32],
    hessians: &'a mut [f32],
    f: F,
}

impl<F: Fn(f64, f64, f64) -> (f64, f64)> WithSimd for Derive<'_, F> {
    type Output = Sizes;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Sizes {
        let mut lanes = SizeLanes::default();
        let rows = self.rows;
        let (values, values_rest) = rows.values.as_chunks::<LANES>();
        let (target, target_rest) = rows.target.as_chunks::<LANES>();
        let (gradients, gradients_rest) = self.gradients.as_chunks_mut::<LANES>();
        let (hessians, hessians_rest) = self.hessians.as_chunks_mut::<LANES>();
        let weights = rows.weight.map(|w| w.as_chunks::<LANES>());
        for (at, (((values, target), gradients), hessians)) in values.iter().zip(target).zip(gradients).zip(hessians).enumerate() {
            let w = weights.map_or([1.0; LANES], |(w, _)| w[at]);
            for lane in 0..LANES {
                let (g, h) = (self.f)(f64::from(values[lane]), f64::from(target[lane]), f64::from(w[lane]));
                (gradients[lane], hessians[lane]) = (g as f32, h as f32);
            }
            lanes.note(gradients, hessians);
        }
        for lane in 0..values_rest.len() {
            let w = weights.map_or(1.0, |(_, w)| w[lane]);
            let (g, h) = (self.f)(f64::from(values_rest[lane]), f64::from(target_rest[lane]), f64::from(w));
            (gradients_rest[lane], hessians_rest[lane]) = (g as f32, h as f32);
        }
        lanes.note(gradients_rest, hessians_rest);
        lanes.sizes()
    }
}

/// [`Sizes`] while they are made.
#[derive(Default)]
struct SizeLanes {
    /// As bits, whose order is that of the numbers, with NaN at the end.
    gradient: [u32; LANES],
    hessian: [u32; LANES],
    sum: [f64; LANES],
}

impl SizeLanes {
    #[inline(always)]
    fn note(&mut self, gradients: &[f32], hessians: &[f32]) {
        for (lane, (g, h)) in gradients.iter().zip(hessians).enumerate() {
            self.gradient[lane] = self.gradient[lane].max(g.abs().to_bits());
            self.hessian[lane] = self.hessian[lane].max(h.abs().to_bits());
            self.sum[lane] += f64::from(g.abs());
        }
    }

    fn sizes(&self) -> Sizes {
        let top = |lanes: [u32; LANES]| f32::from_bits(lanes.into_iter().fold(0, u32::max));
        Sizes { gradient: top(self.gradient), hessian: top(self.hessian), sum: self.sum.iter().sum() }
    }
}

/// The weighted sum of what `f` gives for value and target.
pub(super) fn sum(rows: RowValues, f: impl Fn(f64, f64) -> f64) -> f64 {
    Arch::new().dispatch(Sum { rows, f })
}

struct Sum<'a, F> {
    rows: RowValues<'a>,
    f: F,
}

impl<F: Fn(f64, f64) -> f64> WithSimd for Sum<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let mut sums = [0f64; LANES];
        let (values, values_rest) = self.rows.values.as_chunks::<LANES>();
        let (target, target_rest) = self.rows.target.as_chunks::<LANES>();
        let weights = self.rows.weight.map(|w| w.as_chunks::<LANES>());
        for (at, (values, target)) in values.iter().zip(target).enumerate() {
            let w = weights.map_or([1.0; LANES], |(w, _)| w[at]);
            for lane in 0..LANES {
                sums[lane] += f64::from(w[lane]) * (self.f)(f64::from(values[lane]), f64::from(target[lane]));
            }
        }
        for lane in 0..values_rest.len() {
            let w = weights.map_or(1.0, |(_, w)| w[lane]);
            sums[lane] += f64::from(w) * (self.f)(f64::from(values_rest[lane]), f64::from(target_rest[lane]));
        }
        sums.iter().sum()
    }
}
