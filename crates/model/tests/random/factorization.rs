//! Random factorisation machines, sparse features included.

use quelea_core::estimator::{Estimator, Factorization, Link};
use quelea_core::schema::{Schema, Target};

use super::Random;

/// A factorisation machine and a schema for it.
pub fn generate(random: &mut Random) -> (Schema, Estimator) {
    let mut schema = random.schema(true);
    let design = random.design(&schema);
    let (link, target) = match random.below(2) {
        0 => (Link::Identity, Target::Number { name: "target".into() }),
        _ => (Link::Logistic, random.classes(2)),
    };
    schema.target = target;
    let (width, rank) = (design.width(), [1, 3, 16][random.below(3)]);
    let mut numbers = |count: usize, size: f64| (0..count).map(|_| (random.real() * size) as f32).collect::<Vec<f32>>();
    let (weights, factors) = (numbers(width, 0.01), numbers(width * rank, 0.05));
    (schema, Estimator::new(Factorization { design, intercept: random.real(), weights, factors, rank, link }))
}
