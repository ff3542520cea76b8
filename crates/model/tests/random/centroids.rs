//! Random cluster centres.

use quelea_core::estimator::{Centroids, Estimator};
use quelea_core::schema::Schema;

use super::Random;

/// Cluster centres and a schema for them.
pub fn generate(random: &mut Random) -> (Schema, Estimator) {
    let schema = random.schema(false);
    let design = random.design(&schema);
    let centers = (0..1 + random.below(20)).map(|_| (0..design.width()).map(|_| (random.real() * 3.0) as f32).collect()).collect();
    (schema, Estimator::new(Centroids { design, centers }))
}
