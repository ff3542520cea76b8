//! What becomes of rows when something is added to them. The arithmetic is in 64 bits, what is kept of it in 32.
//!
//! A row's values come first, and after them what its rule remembers: that of Adagrad the sum of squared gradients, and so on.

use quelea_core::steps::Rule;

use super::rows::Rows;

/// Keeps Adagrad from dividing by 0 (the paper's δ).
const ADAGRAD_DELTA: f64 = 1e-10;
/// Keeps Adam from dividing by 0 (the paper's ε).
const ADAM_EPSILON: f64 = 1e-8;
/// Adam's steps of a row are counted up to here, where a 32-bit float stops being able to; the corrections are 1 long before.
const MOST_STEPS: f32 = 16_777_216.0;

/// How sums become gradients in one application.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// What 1 in a sum stands for.
    pub unit: f64,
    /// The weight of the mini-batch, above 0 where there are gradients.
    pub weight: i64,
    /// How many applications there were before.
    pub step: u64,
}

/// Whether the rule takes gradients, which are sums by the weight of the mini-batch.
pub fn takes_gradients(rule: &Rule) -> bool {
    !matches!(rule, Rule::Sum | Rule::Average)
}

/// How many numbers a rule remembers beside a row of `width`.
pub fn remembered(rule: &Rule, width: usize) -> usize {
    match rule {
        Rule::Sum | Rule::Average => 0,
        Rule::Sgd { momentum, .. } if *momentum == 0.0 => 0,
        Rule::Sgd { .. } | Rule::Adagrad { .. } => width,
        Rule::Adam { .. } => 2 * width + 1,
        Rule::Ftrl { .. } => 2 * width,
    }
}

/// Makes what is remembered of a new row, all 0 so far, fit its values.
pub fn begin(rule: &Rule, values: &[f32], memory: &mut [f32]) {
    if let Rule::Ftrl { alpha, beta, l1, l2 } = *rule {
        for (w, z) in values.iter().zip(memory).filter(|(w, _)| **w != 0.0) {
            // Of all z that have this weight, the one with no gradient so far.
            let w = f64::from(*w);
            *z = (-w * (beta / alpha + l2) - l1.copysign(w)) as f32;
        }
    }
}

/// Adds a row of `sums` to each row of `numbers`. What it gives is the place in `numbers` of a row that is not finite now.
pub fn apply(rule: &Rule, terms: Terms, width: usize, rows: &mut Rows, numbers: &[u32], sums: &[i64]) -> Option<usize> {
    let scale = if takes_gradients(rule) { terms.unit / terms.weight as f64 } else { terms.unit };
    let work = Work { width, rows, numbers, sums };
    match *rule {
        Rule::Sum => work.each(|values, _, sums| {
            for (w, sum) in values.iter_mut().zip(sums) {
                *w = (f64::from(*w) + *sum as f64 * scale) as f32;
            }
        }),
        Rule::Average => work.each(|values, _, sums| average(scale, values, sums)),
        Rule::Sgd { rate, decay, momentum, l2 } => {
            let rate = rate / (1.0 + decay * terms.step as f64).sqrt();
            if momentum == 0.0 {
                work.each(|values, _, sums| {
                    for (w, sum) in values.iter_mut().zip(sums) {
                        let gradient = *sum as f64 * scale + l2 * f64::from(*w);
                        *w = (f64::from(*w) - rate * gradient) as f32;
                    }
                })
            } else {
                work.each(|values, last, sums| {
                    for ((w, last), sum) in values.iter_mut().zip(last).zip(sums) {
                        let gradient = *sum as f64 * scale + l2 * f64::from(*w);
                        let step = momentum * f64::from(*last) - rate * gradient;
                        *last = step as f32;
                        *w = (f64::from(*w) + step) as f32;
                    }
                })
            }
        }
        Rule::Adagrad { rate, l2 } => work.each(|values, squares, sums| {
            for ((w, squares), sum) in values.iter_mut().zip(squares).zip(sums) {
                let gradient = *sum as f64 * scale + l2 * f64::from(*w);
                let all = f64::from(*squares) + gradient * gradient;
                *squares = all as f32;
                *w = (f64::from(*w) - rate * gradient / (all.sqrt() + ADAGRAD_DELTA)) as f32;
            }
        }),
        Rule::Adam { rate, beta1, beta2, l2 } => {
            work.each(|values, memory, sums| adam([rate, beta1, beta2, l2], scale, values, memory, sums))
        }
        Rule::Ftrl { alpha, beta, l1, l2 } => work.each(|values, memory, sums| ftrl([alpha, beta, l1, l2], scale, values, memory, sums)),
    }
}

/// The rows of one application, or some of them.
struct Work<'a> {
    width: usize,
    rows: &'a mut Rows,
    numbers: &'a [u32],
    sums: &'a [i64],
}

impl Work<'_> {
    /// Does `change` to each row: its values, what is remembered of it, and its sums.
    #[inline(always)]
    fn each(self, change: impl Fn(&mut [f32], &mut [f32], &[i64])) -> Option<usize> {
        let mut bad = None;
        for (place, (number, sums)) in self.numbers.iter().zip(self.sums.chunks_exact(self.width)).enumerate() {
            let (values, memory) = self.rows.get_mut(*number).split_at_mut(self.width);
            change(values, memory, sums);
            if !values.iter().fold(true, |finite, value| finite & value.is_finite()) {
                bad = bad.or(Some(place));
            }
        }
        bad
    }
}

fn average(scale: f64, values: &mut [f32], sums: &[i64]) {
    let (Some((count, means)), Some((added, sums))) = (values.split_last_mut(), sums.split_last()) else { return };
    let added = *added as f64 * scale;
    let all = f64::from(*count) + added;
    if all > 0.0 {
        for (mean, sum) in means.iter_mut().zip(sums) {
            *mean = (f64::from(*mean) + (*sum as f64 * scale - added * f64::from(*mean)) / all) as f32;
        }
    }
    *count = all as f32;
}

fn adam([rate, beta1, beta2, l2]: [f64; 4], scale: f64, values: &mut [f32], memory: &mut [f32], sums: &[i64]) {
    let (moments, steps) = memory.split_at_mut(2 * values.len());
    let (means, squares) = moments.split_at_mut(values.len());
    steps[0] = (steps[0] + 1.0).min(MOST_STEPS);
    let of_mean = 1.0 - power(beta1, steps[0] as u32);
    let of_square = 1.0 - power(beta2, steps[0] as u32);
    for (((w, mean), square), sum) in values.iter_mut().zip(means).zip(squares).zip(sums) {
        let gradient = *sum as f64 * scale + l2 * f64::from(*w);
        let m = beta1 * f64::from(*mean) + (1.0 - beta1) * gradient;
        let v = beta2 * f64::from(*square) + (1.0 - beta2) * gradient * gradient;
        *mean = m as f32;
        *square = v as f32;
        *w = (f64::from(*w) - rate * (m / of_mean) / ((v / of_square).sqrt() + ADAM_EPSILON)) as f32;
    }
}

fn ftrl([alpha, beta, l1, l2]: [f64; 4], scale: f64, values: &mut [f32], memory: &mut [f32], sums: &[i64]) {
    let (zs, squares) = memory.split_at_mut(values.len());
    for (((w, z), squares), sum) in values.iter_mut().zip(zs).zip(squares).zip(sums) {
        let gradient = *sum as f64 * scale;
        let before = f64::from(*squares);
        let after = before + gradient * gradient;
        let root = after.sqrt();
        let all = f64::from(*z) + gradient - (root - before.sqrt()) / alpha * f64::from(*w);
        *z = all as f32;
        *squares = after as f32;
        let divisor = (beta + root) / alpha + l2;
        *w = if all.abs() <= l1 || divisor == 0.0 { 0.0 } else { (-(all - l1.copysign(all)) / divisor) as f32 };
    }
}

/// `base` to the power of `exponent`, by squaring: the system's differs between machines.
fn power(mut base: f64, mut exponent: u32) -> f64 {
    let mut product = 1.0;
    while exponent > 0 {
        if exponent % 2 == 1 {
            product *= base;
        }
        base *= base;
        exponent /= 2;
    }
    product
}
