//! The loops that logistic regression spends its time in. Vectors lie along columns, where sums do not meet,
//! or along rows where nothing is summed: so the results do not depend on how wide they are.

use pulp::{Simd, WithSimd};
use quelea_core::math;

use crate::design::Content;

/// Columns are padded to a multiple of this, which every vector's width divides.
pub const LANES: usize = 8;

/// Encodes a dense column of a block and adds its part to the scores.
/// `x` are its rows, `z` the block row by row (`stride` apart), of which it fills column `column`;
/// `weights[o]` goes to `scores[o · room ..]`.
pub struct EncodeColumn<'a> {
    /// The numbers.
    pub x: &'a [f32],
    /// How they are encoded.
    pub content: Content,
    /// The column of `z`.
    pub column: usize,
    /// The distance of rows in `z`.
    pub stride: usize,
    /// The block.
    pub z: &'a mut [f64],
    /// The coefficient of each output.
    pub weights: &'a [f64],
    /// The scores of each output, `room` apart.
    pub scores: &'a mut [f64],
    /// The distance of outputs in `scores`.
    pub room: usize,
    /// A value per row, to work in.
    pub values: &'a mut [f64],
}

impl WithSimd for EncodeColumn<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let values = &mut self.values[..self.x.len()];
        match self.content {
            Content::Value { center, scale, filled } => {
                for (value, &x) in values.iter_mut().zip(self.x) {
                    let z = (f64::from(x) - center) * scale;
                    *value = if x.is_nan() { filled } else { z };
                }
            }
            Content::Missing => values.iter_mut().zip(self.x).for_each(|(value, &x)| *value = self.content.of(x)),
        }
        for (scores, &weight) in self.scores.chunks_exact_mut(self.room).zip(self.weights) {
            for (score, &value) in scores.iter_mut().zip(&*values) {
                *score += weight * value;
            }
        }
        for (row, &value) in self.z.chunks_exact_mut(self.stride).zip(&*values) {
            row[self.column] = value;
        }
    }
}

/// `out[j][k] += Σ_i left[j][i] · z[i][k]`; `left` has `room` places a row, `z` and `out` have `stride`.
pub struct Outer<'a> {
    /// A row per `j`.
    pub left: &'a [f64],
    /// The distance of rows in `left`.
    pub room: usize,
    /// The block, row by row.
    pub z: &'a [f64],
    /// The distance of rows in `z` and `out`.
    pub stride: usize,
    /// A row per `j`.
    pub out: &'a mut [f64],
}

impl WithSimd for Outer<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (z, _) = S::as_simd_f64s(self.z);
        let (out, _) = S::as_mut_simd_f64s(self.out);
        let width = self.stride / S::F64_LANES;
        for (left, out) in self.left.chunks_exact(self.room).zip(out.chunks_exact_mut(width)) {
            let mut k = 0;
            while k + 4 <= width {
                outer_tile::<S, 4>(simd, left, z, width, k, out);
                k += 4;
            }
            while k < width {
                outer_tile::<S, 1>(simd, left, z, width, k, out);
                k += 1;
            }
        }
    }
}

#[inline(always)]
fn outer_tile<S: Simd, const V: usize>(simd: S, left: &[f64], z: &[S::f64s], width: usize, k: usize, out: &mut [S::f64s]) {
    let mut sums = [simd.splat_f64s(0.0); V];
    for (&left, row) in left.iter().zip(z.chunks_exact(width)) {
        let left = simd.splat_f64s(left);
        for (sum, &z) in sums.iter_mut().zip(&row[k..k + V]) {
            *sum = simd.add_f64s(*sum, simd.mul_f64s(left, z));
        }
    }
    for (out, sum) in out[k..k + V].iter_mut().zip(sums) {
        *out = simd.add_f64s(*out, sum);
    }
}

/// `out[j][k] += Σ_i h[i] · z[i][j] · z[i][k]` for `k` up to `j`'s eight; rows of `z` and `out` are `stride` apart.
pub struct Gram<'a> {
    /// A weight per row.
    pub h: &'a [f64],
    /// The block, row by row.
    pub z: &'a [f64],
    /// The distance of rows in `z` and `out`.
    pub stride: usize,
    /// A square of `stride`.
    pub out: &'a mut [f64],
}

impl WithSimd for Gram<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (vectors, _) = S::as_simd_f64s(self.z);
        let (out, _) = S::as_mut_simd_f64s(self.out);
        let width = self.stride / S::F64_LANES;
        for j in (0..self.stride).step_by(LANES) {
            for k in 0..(j + LANES) / S::F64_LANES {
                let mut sums = [simd.splat_f64s(0.0); LANES];
                let rows = self.z.chunks_exact(self.stride).zip(vectors.chunks_exact(width));
                for (&h, (row, vectors)) in self.h.iter().zip(rows) {
                    let right = simd.mul_f64s(simd.splat_f64s(h), vectors[k]);
                    for (sum, &left) in sums.iter_mut().zip(&row[j..j + LANES]) {
                        *sum = simd.add_f64s(*sum, simd.mul_f64s(simd.splat_f64s(left), right));
                    }
                }
                for (i, sum) in sums.into_iter().enumerate() {
                    let out = &mut out[(j + i) * width + k];
                    *out = simd.add_f64s(*out, sum);
                }
            }
        }
    }
}

/// Binary logistic loss of a block: turns scores into residuals `w·(p − y)`, and gives `w·p·(1 − p)` and the losses.
pub struct Logistic<'a> {
    /// Scores, then residuals.
    pub scores: &'a mut [f64],
    /// 1 for the second class.
    pub target: &'a [f32],
    /// The rows' weights.
    pub weights: &'a [f64],
    /// `w·p·(1 − p)`.
    pub curvature: &'a mut [f64],
    /// `w · loss`.
    pub losses: &'a mut [f64],
}

impl WithSimd for Logistic<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.scores.iter_mut().zip(self.target).zip(self.weights).zip(self.curvature).zip(self.losses);
        for ((((score, &y), &w), curvature), loss) in rows {
            let (s, y) = (*score, f64::from(y));
            let small = math::exp(-s.abs());
            let above = 1.0 / (1.0 + small);
            let p = if s >= 0.0 { above } else { small * above };
            let tail = if small < 1e-8 { small } else { math::ln(1.0 + small) };
            *loss = w * (s.max(0.0) + tail - y * s);
            *curvature = w * (small * above * above);
            *score = w * (p - y);
        }
    }
}

/// Multinomial loss of a block: turns scores into probabilities, a row of `room` per class, and gives the losses.
pub struct Softmax<'a> {
    /// Scores, then probabilities.
    pub scores: &'a mut [f64],
    /// The distance of classes in `scores`.
    pub room: usize,
    /// The index of the class.
    pub target: &'a [f32],
    /// The rows' weights.
    pub weights: &'a [f64],
    /// A value per row, to work in.
    pub top: &'a mut [f64],
    /// A value per row, to work in.
    pub total: &'a mut [f64],
    /// `w · loss`.
    pub losses: &'a mut [f64],
}

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.target.len();
        let (top, total, losses) = (&mut self.top[..rows], &mut self.total[..rows], &mut self.losses[..rows]);
        top.fill(f64::NEG_INFINITY);
        total.fill(0.0);
        losses.fill(0.0);
        for scores in self.scores.chunks_exact(self.room) {
            top.iter_mut().zip(scores).for_each(|(top, &s)| *top = top.max(s));
        }
        for (class, scores) in self.scores.chunks_exact_mut(self.room).enumerate() {
            let class = class as f32;
            for ((((s, &top), total), loss), &y) in scores.iter_mut().zip(&*top).zip(&mut *total).zip(&mut *losses).zip(self.target) {
                let above = *s - top;
                *loss -= if y == class { above } else { 0.0 };
                *s = math::exp(above);
                *total += *s;
            }
        }
        for ((loss, &total), &w) in losses.iter_mut().zip(&*total).zip(self.weights) {
            *loss = w * (*loss + math::ln(total));
        }
        for scores in self.scores.chunks_exact_mut(self.room) {
            scores.iter_mut().zip(&*total).for_each(|(s, &total)| *s /= total);
        }
    }
}
