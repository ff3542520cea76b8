//! How much each feature matters to a fitted estimator.

use quelea_core::estimator::Estimator;
use quelea_core::prediction::Importance;
use quelea_core::schema::Schema;

/// How much each feature matters, as shares of 1, the largest first and equal ones by name. What an estimator measures is said
/// where it implements [`Estimator::importances`]; the result is empty if it has no measure.
pub fn importances(estimator: &Estimator, schema: &Schema) -> Vec<Importance> {
    let Some(values) = estimator.importances(schema.features.len()) else { return Vec::new() };
    let total: f64 = values.iter().sum();
    let named = schema.features.iter().zip(values);
    let mut importances: Vec<Importance> = named
        .map(|(feature, value)| Importance { feature: feature.name.clone(), value: if total > 0.0 { value / total } else { 0.0 } })
        .collect();
    importances.sort_by(|a, b| b.value.total_cmp(&a.value).then_with(|| a.feature.cmp(&b.feature)));
    importances
}
