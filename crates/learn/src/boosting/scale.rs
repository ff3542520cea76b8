//! How gradients become whole numbers: the scale of a tree, fixed before any of its gradients is computed.

use pulp::{Arch, Simd, WithSimd};

use super::histogram::{MOST_GRADIENT, MOST_HESSIAN, word};

/// A row's gradient, hessian and whether it is sampled, as whole numbers: 13, 11 and 1 bit, the last in the lowest.
pub(super) type Packed = i32;
const PACKED_GRADIENT_AT: u32 = 12;

/// Rows up to which histograms are wide, because nothing is gained by packing.
const FEW_ROWS: u64 = 16_384;
/// With the mean gradient below this many units of a packed field, histograms are wide.
const LEAST_UNITS: f64 = 8.0;
/// Bits of a wide number, if there are few enough rows.
const WIDE_BITS: u32 = 40;
/// Adding and taking away 1.5·2^23 rounds to a whole number.
const ROUND: f32 = 12_582_912.0;
/// The same in 64 bits, with 1.5·2^52.
const ROUND_WIDE: f64 = 6_755_399_441_055_744.0;

/// Bounds of a tree's gradients, and their mean size if it is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    /// No gradient is larger.
    pub gradient: f64,
    /// No hessian is larger.
    pub hessian: f64,
    /// The mean size of gradients.
    pub mean: f64,
}

/// What gradients and hessians are multiplied with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    /// Whether histograms are wide.
    pub wide: bool,
    gradient: f64,
    hessian: f64,
    gradient_unit: f64,
    hessian_unit: f64,
}

impl Scale {
    /// The scale for gradients of at most these sizes, of a table of `rows` rows.
    pub(super) fn new(bounds: Bounds, rows: u64) -> Self {
        let wide = rows <= FEW_ROWS || bounds.mean * f64::from(MOST_GRADIENT) < LEAST_UNITS * bounds.gradient;
        let (of_gradient, of_hessian) = if wide {
            let bits = WIDE_BITS.min(62 - rows.max(1).ilog2().min(40) - 1);
            ((1i64 << bits) as f64, (1i64 << bits) as f64)
        } else {
            (f64::from(MOST_GRADIENT), f64::from(MOST_HESSIAN))
        };
        let over = |most: f64, bound: f64| if bound > 0.0 && (most / bound).is_finite() { most / bound } else { 0.0 };
        let (gradient, hessian) = (over(of_gradient, bounds.gradient), over(of_hessian, bounds.hessian));
        Self { wide, gradient, hessian, gradient_unit: over(1.0, gradient), hessian_unit: over(1.0, hessian) }
    }

    /// The gradient that a sum stands for.
    #[inline(always)]
    pub(super) fn gradient(&self, sum: i64) -> f64 {
        sum as f64 * self.gradient_unit
    }

    /// The hessian that a sum stands for.
    #[inline(always)]
    pub(super) fn hessian(&self, sum: i64) -> f64 {
        sum as f64 * self.hessian_unit
    }

    /// The gradients of all rows, packed.
    pub(super) fn pack(&self, gradients: &[f32], hessians: &[f32], packed: &mut Vec<Packed>) {
        packed.resize(gradients.len(), 0);
        Arch::new().dispatch(Pack { scale: self, gradients, hessians, packed });
    }

    /// Gradient, hessian and row of some rows as whole numbers, three for each.
    pub(super) fn widen(&self, gradients: &[f32], hessians: &[f32], rows: &[u16], words: &mut Vec<i64>) {
        words.clear();
        words.extend(rows.iter().flat_map(|&r| {
            let (g, h) = (gradients[usize::from(r)], hessians[usize::from(r)]);
            [round(f64::from(g) * self.gradient), round(f64::from(h) * self.hessian), i64::from(h.is_sign_positive())]
        }));
    }
}

struct Pack<'a> {
    scale: &'a Scale,
    gradients: &'a [f32],
    hessians: &'a [f32],
    packed: &'a mut [Packed],
}

impl WithSimd for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (gs, hs) = (self.scale.gradient as f32, self.scale.hessian as f32);
        let whole = |x: f32| (x + ROUND).to_bits() as i32 - ROUND.to_bits() as i32;
        for ((packed, &g), &h) in self.packed.iter_mut().zip(self.gradients).zip(self.hessians) {
            let gradient = whole(g * gs).clamp(-MOST_GRADIENT, MOST_GRADIENT);
            let hessian = whole(h * hs).clamp(0, MOST_HESSIAN);
            *packed = (gradient << PACKED_GRADIENT_AT) | (hessian << 1) | i32::from(h.is_sign_positive());
        }
    }
}

/// The word that a packed gradient stands for.
#[inline(always)]
pub(super) fn word_of(packed: Packed) -> i64 {
    word(packed >> PACKED_GRADIENT_AT, (packed >> 1) & MOST_HESSIAN, packed & 1)
}

#[inline(always)]
fn round(x: f64) -> i64 {
    (x + ROUND_WIDE).to_bits() as i64 - ROUND_WIDE.to_bits() as i64
}
