//! Sums that do not depend on the order of their terms: fixed-point numbers of a known scale,
//! and a long accumulator for values of any scale.

/// Turns `x` into a whole number of units of `2^exponent`, rounding half to even.
/// Values beyond 126 bits, and non-finite ones, give `None`.
pub fn to_fixed(x: f64, exponent: i32) -> Option<i128> {
    if !x.is_finite() {
        return None;
    }
    let bits = x.to_bits();
    let biased = ((bits >> 52) & 0x7ff) as i32;
    let fraction = (bits & ((1 << 52) - 1)) as i128;
    let (mantissa, power) = if biased == 0 { (fraction, -1074) } else { (fraction | (1 << 52), biased - 1075) };
    let shift = power - exponent;
    let magnitude = if shift >= 0 {
        if mantissa != 0 && shift > 126 - 53 {
            return None;
        }
        if mantissa == 0 { 0 } else { mantissa << shift }
    } else {
        round_shift(mantissa, -shift)
    };
    Some(if x < 0.0 { -magnitude } else { magnitude })
}

/// `mantissa / 2^by`, half to even, for a mantissa below 2^54.
fn round_shift(mantissa: i128, by: i32) -> i128 {
    if by > 60 {
        return 0;
    }
    let floor = mantissa >> by;
    let rest = mantissa - (floor << by);
    let half = 1i128 << (by - 1);
    if rest > half || (rest == half && floor & 1 == 1) { floor + 1 } else { floor }
}

/// The value of `units` of `2^exponent`, rounded once to the nearest `f64` (but for subnormal results).
pub fn from_fixed(units: i128, exponent: i32) -> f64 {
    scale(units as f64, exponent)
}

/// `x · 2^exponent` without overflow on the way.
pub fn scale(x: f64, exponent: i32) -> f64 {
    let mut x = x;
    let mut left = exponent;
    while left != 0 {
        let step = left.clamp(-1000, 1000);
        x *= f64::from_bits(((step + 1023) as u64) << 52);
        left -= step;
    }
    x
}

/// The smallest `e` with `|x| < 2^e`; zero and non-finite values give -1074 and 1025.
pub fn exponent_above(x: f64) -> i32 {
    let biased = ((x.to_bits() >> 52) & 0x7ff) as i32;
    match biased {
        0x7ff => 1025,
        0 => {
            let fraction = x.to_bits() & ((1 << 52) - 1);
            -1074 + (64 - fraction.leading_zeros() as i32)
        }
        _ => biased - 1022,
    }
}

/// Limbs of an [`ExactSum`]: 32 bits each, from 2^-1074 up past the largest double, with room for carries.
pub const LIMBS: usize = 68;

/// A sum of doubles without rounding: a long fixed-point number over the whole range of exponents
/// (Kulisch's accumulator, with deferred carries). Adding limbs of two sums adds the sums, so it travels
/// as [`LIMBS`] integers. It holds up to 2^30 terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExactSum {
    limbs: [i64; LIMBS],
}

impl Default for ExactSum {
    fn default() -> Self {
        Self { limbs: [0; LIMBS] }
    }
}

impl ExactSum {
    /// Adds `x`. The answer is false, and nothing is added, when `x` is not finite.
    #[must_use]
    pub fn add(&mut self, x: f64) -> bool {
        if !x.is_finite() {
            return false;
        }
        let bits = x.to_bits();
        let biased = (bits >> 52) & 0x7ff;
        let fraction = bits & ((1 << 52) - 1);
        let (mantissa, position) = if biased == 0 { (fraction, 0) } else { (fraction | (1 << 52), biased - 1) };
        let (limb, offset) = ((position / 32) as usize, position % 32);
        let wide = (mantissa as u128) << offset;
        let sign = if x < 0.0 { -1 } else { 1 };
        for (i, slot) in self.limbs[limb..limb + 3].iter_mut().enumerate() {
            *slot += sign * ((wide >> (32 * i)) as u32 as i64);
        }
        true
    }

    /// Adds the terms of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.limbs.iter_mut().zip(&other.limbs).for_each(|(limb, other)| *limb += other);
    }

    /// The limbs, lowest first.
    pub fn limbs(&self) -> &[i64; LIMBS] {
        &self.limbs
    }

    /// The sum that these limbs stand for; `None` unless there are [`LIMBS`] of them.
    pub fn from_limbs(limbs: &[i64]) -> Option<Self> {
        Some(Self { limbs: limbs.try_into().ok()? })
    }

    /// The sum, rounded once to the nearest double (but for subnormal results).
    pub fn value(&self) -> f64 {
        let (negative, digits) = self.magnitude();
        let Some(top) = digits.iter().rposition(|&d| d != 0) else { return 0.0 };
        let digit = |i: usize| top.checked_sub(i).map_or(0, |at| digits[at] as u128);
        let mut head = (digit(0) << 64) | (digit(1) << 32) | digit(2);
        if top > 2 && digits[..top - 2].iter().any(|&d| d != 0) {
            head |= 1;
        }
        let value = scale(head as f64, 32 * (top as i32 - 2) - 1074);
        if negative { -value } else { value }
    }

    /// Sign and base-2^32 digits, carries done.
    fn magnitude(&self) -> (bool, [u32; LIMBS]) {
        let (digits, carry) = carried(&self.limbs);
        if carry >= 0 {
            return (false, digits);
        }
        let mut negated = self.limbs;
        negated.iter_mut().for_each(|limb| *limb = -*limb);
        (true, carried(&negated).0)
    }
}

/// Propagates carries; the last carry tells the sign.
fn carried(limbs: &[i64; LIMBS]) -> ([u32; LIMBS], i64) {
    let mut digits = [0; LIMBS];
    let mut carry = 0i64;
    for (digit, &limb) in digits.iter_mut().zip(limbs) {
        let total = limb + carry;
        *digit = total as u32;
        carry = total >> 32;
    }
    (digits, carry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_exact_sum_ignores_order_and_cancels(mut terms in prop::collection::vec(-1e300f64..1e300, 1..50), small in -1.0f64..1.0) {
            let mut sum = ExactSum::default();
            prop_assert!(sum.add(small));
            for &t in &terms { prop_assert!(sum.add(t)); }
            terms.reverse();
            for &t in &terms { prop_assert!(sum.add(-t)); }
            prop_assert_eq!(sum.value(), small);
        }

        #[test]
        fn an_exact_sum_of_integers_is_theirs(terms in prop::collection::vec(-(1i64 << 40)..(1i64 << 40), 0..100)) {
            let mut sum = ExactSum::default();
            for &t in &terms { prop_assert!(sum.add(t as f64)); }
            prop_assert_eq!(sum.value(), terms.iter().sum::<i64>() as f64);
        }

        #[test]
        fn fixed_point_is_exact_where_it_can_be(x in any::<i32>(), e in -60i32..0) {
            let units = to_fixed(f64::from(x), e).unwrap();
            prop_assert_eq!(from_fixed(units, e), f64::from(x));
        }
    }

    #[test]
    fn fixed_point_refuses_what_it_cannot_hold() {
        assert_eq!(to_fixed(f64::NAN, 0), None);
        assert_eq!(to_fixed(f64::INFINITY, 0), None);
        assert_eq!(to_fixed(1e300, 0), None);
        assert_eq!(to_fixed(2.5, 0), Some(2));
        assert_eq!(to_fixed(3.5, 0), Some(4));
        assert_eq!(to_fixed(-3.5, 0), Some(-4));
        assert_eq!(to_fixed(0.0, -1000), Some(0));
    }

    #[test]
    fn exponents_bound_their_value() {
        for x in [1.0, 0.75, 1.5, 2.0, 1e-310, 3e300] {
            let e = exponent_above(x);
            assert!(x < scale(1.0, e) || e > 1023, "{x} {e}");
            assert!(x >= scale(1.0, e - 1), "{x} {e}");
        }
    }
}
