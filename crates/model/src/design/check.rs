//! Checks a design against its schema.

use quelea_core::estimator::{Design, Encoding};
use quelea_core::schema::{FeatureKind, Schema};

use crate::Result;
use crate::check::{column, wrong};

/// Refuses a design whose encodings do not fit the schema's features.
pub fn check(design: &Design, schema: &Schema) -> Result<()> {
    if design.encodings.len() != schema.features.len() {
        return Err(wrong("the design", format!("has {} encodings for {} features", design.encodings.len(), schema.features.len())));
    }
    for (encoding, feature) in design.encodings.iter().zip(&schema.features) {
        let fits = match (encoding, &feature.kind) {
            (Encoding::Number { fill, center, scale, .. }, FeatureKind::Number { .. }) => {
                fill.is_finite() && center.is_finite() && scale.is_finite()
            }
            (Encoding::Category { values, .. }, FeatureKind::Category { values: known, .. }) => *values as usize == known.len(),
            (Encoding::Sparse { width }, FeatureKind::Sparse { width: known, .. }) => width == known,
            _ => false,
        };
        if !fits {
            return Err(column(&feature.name, "has an encoding that does not fit it"));
        }
    }
    Ok(())
}
