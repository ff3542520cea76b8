//! `exp`, `ln` and what is made of them, the same to the last bit on every machine (the system's differ).
//! Straight-line code of additions, multiplications and bit operations, so that loops over them vectorise.

const LN2_HI: f64 = 6.931_471_803_691_238e-1;
const LN2_LO: f64 = 1.908_214_929_270_587_7e-10;
/// Adding and taking away 1.5·2^52 rounds to a whole number.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// e^x, within 2 units in the last place; below -708 it is 0 and above 709 it is e^709.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    let clamped = x.clamp(-708.0, 709.0);
    let whole = (clamped * std::f64::consts::LOG2_E + ROUND) - ROUND;
    let r = (clamped - whole * LN2_HI) - whole * LN2_LO;
    // Taylor's series to the 13th power on |r| ≤ ln2/2, by Horner.
    let mut p = 1.0 / 6_227_020_800.0;
    for c in [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        p = p * r + c;
    }
    let power = f64::from_bits((((whole + ROUND).to_bits().wrapping_add(1023)) & 0x7ff) << 52);
    if x < -708.0 { 0.0 } else { p * power }
}

/// The natural logarithm of a positive normal number, within 2 units in the last place.
/// Zero and subnormals are taken for the smallest normal number.
#[inline(always)]
pub fn ln(x: f64) -> f64 {
    const SQRT_HALF_BITS: u64 = 0x3fe6_a09e_667f_3bcd;
    let bits = x.max(f64::MIN_POSITIVE).to_bits();
    // The mantissa moves to [√½, √2), the exponent keeps the rest.
    let shifted = bits.wrapping_sub(SQRT_HALF_BITS);
    let exponent = (shifted as i64 >> 52) as f64;
    let m = f64::from_bits((shifted & ((1 << 52) - 1)).wrapping_add(SQRT_HALF_BITS));
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    // 2·artanh(s) by its series to s^21.
    let mut p = 1.0 / 21.0;
    for c in [1.0 / 19.0, 1.0 / 17.0, 1.0 / 15.0, 1.0 / 13.0, 1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0] {
        p = p * z + c;
    }
    let log_m = 2.0 * s + 2.0 * s * z * p;
    exponent * LN2_HI + (log_m + exponent * LN2_LO)
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + exp(-x))
}

/// ln(1 + e^x) without overflow.
#[inline(always)]
pub fn softplus(x: f64) -> f64 {
    let small = exp(-x.abs());
    // ln(1 + y) for y in [0, 1] loses nothing that matters beside max(x, 0) when y is tiny.
    let tail = if small < 1e-8 { small } else { ln(1.0 + small) };
    x.max(0.0) + tail
}

/// Turns scores into probabilities in place: e^s over its sum, from the largest down to avoid overflow.
pub fn softmax(scores: &mut [f64]) {
    let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for s in scores.iter_mut() {
        *s = exp(*s - top);
        sum += *s;
    }
    for s in scores {
        *s /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-15 * b.abs().max(1e-300) * 4.0
    }

    proptest! {
        #[test]
        fn exp_is_the_systems(x in -700.0f64..700.0) {
            prop_assert!(close(exp(x), x.exp()), "{} {}", exp(x), x.exp());
        }

        #[test]
        fn ln_is_the_systems(x in 1e-300f64..1e300, y in 0.5f64..2.0) {
            prop_assert!(close(ln(x), x.ln()));
            prop_assert!((ln(y) - y.ln()).abs() <= 1e-15 * y.ln().abs() + 2e-17, "{} {}", ln(y), y.ln());
        }

        #[test]
        fn softplus_is_ln_1p_exp(x in -700.0f64..700.0) {
            let reference = if x > 30.0 { x + (-x).exp() } else { x.exp().ln_1p() };
            prop_assert!((softplus(x) - reference).abs() <= 4e-16 * x.abs().max(1.0));
        }
    }

    #[test]
    fn the_ends_are_tame() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-1e9), 0.0);
        assert!(exp(1e9).is_finite());
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(sigmoid(-1e9), 1.0 / (1.0 + exp(709.0)));
    }
}
