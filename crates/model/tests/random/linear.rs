//! Random linear models, sparse features included.

use quelea_core::estimator::{Estimator, Linear};
use quelea_core::schema::Schema;

use super::Random;

/// A linear model and a schema for it.
pub fn generate(random: &mut Random) -> (Schema, Estimator) {
    let mut schema = random.schema(true);
    let design = random.design(&schema);
    let (link, target, outputs) = random.link();
    schema.target = target;
    let weights = (0..outputs).map(|_| (0..design.width()).map(|_| f64::from((random.real() * 0.01) as f32)).collect()).collect();
    let intercepts = (0..outputs).map(|_| random.real()).collect();
    (schema, Estimator::new(Linear { design, intercepts, weights, link }))
}
