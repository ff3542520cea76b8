//! The rules once more, for one row and in 64 bits, as their papers write them.

use quelea_core::steps::Rule;

/// One row with all that any of the rules remembers, number by number.
pub struct Paper {
    numbers: Vec<Number>,
    /// How often the row was touched.
    touched: i32,
}

#[derive(Clone, Default)]
struct Number {
    w: f64,
    begin: f64,
    /// Of all gradients that came, for FTRL: gradient and weight before it.
    gradients: Vec<(f64, f64)>,
    before: f64,
    squares: f64,
    m: f64,
    v: f64,
    /// Of an average: all that was added.
    total: f64,
}

impl Paper {
    pub fn new(begin: &[f32]) -> Self {
        let number = |w: f64| Number { w, begin: w, before: w, ..Number::default() };
        Self { numbers: begin.iter().map(|w| number(f64::from(*w))).collect(), touched: 0 }
    }

    pub fn values(&self) -> impl Iterator<Item = f64> {
        self.numbers.iter().map(|number| number.w)
    }

    pub fn step(&mut self, rule: Rule, sums: [f64; 3], weight: f64, step: u64) {
        self.touched += 1;
        if matches!(rule, Rule::Average) {
            return self.average(sums);
        }
        for (number, sum) in self.numbers.iter_mut().zip(sums) {
            match rule {
                Rule::Sum => number.w += sum,
                Rule::Average => {}
                Rule::Sgd { rate, decay, momentum, l2 } => {
                    // Polyak's heavy ball: w' = w − η∇f(w) + μ(w − w before).
                    let rate = rate / (1.0 + decay * step as f64).sqrt();
                    let next = number.w - rate * (sum / weight + l2 * number.w) + momentum * (number.w - number.before);
                    number.before = number.w;
                    number.w = next;
                }
                Rule::Adagrad { rate, l2 } => {
                    let g = sum / weight + l2 * number.w;
                    number.squares += g.powi(2);
                    number.w -= rate * g / (1e-10 + number.squares.sqrt());
                }
                Rule::Adam { rate, beta1, beta2, l2 } => {
                    let g = sum / weight + l2 * number.w;
                    number.m = beta1 * number.m + (1.0 - beta1) * g;
                    number.v = beta2 * number.v + (1.0 - beta2) * g * g;
                    let m_hat = number.m / (1.0 - beta1.powi(self.touched));
                    let v_hat = number.v / (1.0 - beta2.powi(self.touched));
                    number.w -= rate * m_hat / (v_hat.sqrt() + 1e-8);
                }
                Rule::Ftrl { alpha, beta, l1, l2 } => {
                    number.gradients.push((sum / weight, number.w));
                    number.w = leader(number, alpha, beta, l1, l2);
                }
            }
        }
    }

    /// The mean of all that was added; what the row began with counts as often as its last number says.
    fn average(&mut self, sums: [f64; 3]) {
        for (number, sum) in self.numbers.iter_mut().zip(sums) {
            number.total += sum;
        }
        let begin = self.numbers[2].begin;
        let all = begin + self.numbers[2].total;
        for at in 0..2 {
            if all > 0.0 {
                self.numbers[at].w = (self.numbers[at].begin * begin + self.numbers[at].total) / all;
            }
        }
        self.numbers[2].w = all;
    }
}

/// The w that is best for all linearised losses so far, with the regularisers of McMahan et al. 2013:
/// Σ g·w + ½ Σ σ (w − w before)² + l1·|w| + ½ (β/α + l2) w², found where its slope is 0.
fn leader(number: &Number, alpha: f64, beta: f64, l1: f64, l2: f64) -> f64 {
    let (mut slope, mut curvature, mut squares) = (0.0, beta / alpha + l2, 0.0f64);
    if number.begin != 0.0 {
        // As if a first gradient had led to where the row began.
        slope = -curvature * number.begin - l1 * number.begin.signum();
    }
    for (g, w) in &number.gradients {
        let sigma = ((squares + g * g).sqrt() - squares.sqrt()) / alpha;
        squares += g * g;
        slope += g - sigma * w;
        curvature += sigma;
    }
    if slope > l1 {
        (l1 - slope) / curvature
    } else if slope < -l1 {
        (-l1 - slope) / curvature
    } else {
        0.0
    }
}
