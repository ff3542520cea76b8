//! Checks cluster centres against the schema.

use quelea_core::estimator::Centroids;
use quelea_core::schema::{Schema, Target};

use crate::check::{matrix, refuse_sparse, wrong};
use crate::{Result, design};

/// Checks `centroids`.
pub fn check(centroids: &Centroids, schema: &Schema) -> Result<()> {
    refuse_sparse(schema, "clusters")?;
    if schema.target != Target::None {
        return Err(wrong("the target", "is given, and clusters are found without one"));
    }
    design::check(&centroids.design, schema)?;
    if centroids.centers.is_empty() {
        return Err(wrong("the centres", "are none"));
    }
    let rows = centroids.centers.iter().map(|row| row.iter().map(|&c| f64::from(c)));
    matrix("the centres", rows, centroids.centers.len(), centroids.design.width())
}
