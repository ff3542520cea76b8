//! What rows are before anything was added to them.

use quelea_core::counter::{Draws, Purpose};
use quelea_core::math::ln;
use quelea_core::steps::Start;

/// Writes the start of the row of `key` to `values`. With [`Start::Rows`], the key must be that of one of them.
pub fn begin(start: &Start, key: u64, values: &mut [f32]) {
    match start {
        Start::Zero => values.fill(0.0),
        Start::Normal { seed, deviation } => {
            let draws = Draws::new(*seed, Purpose::Start, 0);
            for (value, place) in values.iter_mut().zip(0..) {
                // The middles of 2^52 equal parts of [0, 1]: never 0 or 1.
                let uniform = ((draws.bits(key, place) >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64);
                *value = (normal(uniform) * f64::from(*deviation)) as f32;
            }
        }
        Start::Rows(rows) => values.copy_from_slice(&rows[key as usize * values.len()..][..values.len()]),
    }
}

/// The number below which a standard normal number falls with probability `p`, to 9 digits (Acklam 2000).
fn normal(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_690e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [7.784_695_709_041_462e-3, 3.224_671_290_700_398e-1, 2.445_134_137_142_996, 3.754_408_661_907_416, 1.0];
    const LOW: f64 = 0.024_25;
    let tail = |p: f64| {
        let q = (-2.0 * ln(p)).sqrt();
        horner(&C, q) / horner(&D, q)
    };
    if p < LOW {
        tail(p)
    } else if p > 1.0 - LOW {
        -tail(1.0 - p)
    } else {
        let q = p - 0.5;
        horner(&A, q * q) * q / horner(&B, q * q)
    }
}

/// A polynomial by its coefficients, those of high powers first.
fn horner(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, c| sum * x + c)
}
