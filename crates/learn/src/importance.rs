//! How much each feature matters to a fitted estimator.

use quelea_core::estimator::Estimator;
use quelea_core::prediction::Importance;
use quelea_core::schema::Schema;

/// How much each feature matters, as shares of 1, the largest first: of trees the gains of a feature's splits, of linear
/// models and factorisation machines its largest weight on standardised columns. Nothing for clusters.
pub fn importances(estimator: &Estimator, schema: &Schema) -> Vec<Importance> {
    let mut values = vec![0.0; schema.features.len()];
    match estimator {
        Estimator::Trees(trees) => {
            trees.trees.iter().flat_map(|tree| &tree.nodes).for_each(|node| values[node.feature as usize] += node.gain)
        }
        Estimator::Linear(linear) => {
            let mut first = 0;
            for (value, encoding) in values.iter_mut().zip(&linear.design.encodings) {
                let columns = first..first + encoding.width();
                first = columns.end;
                *value =
                    linear.weights.iter().flat_map(|weights| &weights[columns.clone()]).fold(0.0, |most, weight| weight.abs().max(most));
            }
        }
        Estimator::Factorization(machine) => {
            let mut first = 0;
            for (value, encoding) in values.iter_mut().zip(&machine.design.encodings) {
                let columns = first..first + encoding.width();
                first = columns.end;
                *value = machine.weights[columns].iter().fold(0.0, |most, &weight| f64::from(weight.abs()).max(most));
            }
        }
        Estimator::Centroids(_) => return Vec::new(),
    }
    let total: f64 = values.iter().sum();
    let named = schema.features.iter().zip(values);
    let mut importances: Vec<Importance> = named
        .map(|(feature, value)| Importance { feature: feature.name.clone(), value: if total > 0.0 { value / total } else { 0.0 } })
        .collect();
    importances.sort_by(|a, b| b.value.total_cmp(&a.value).then_with(|| a.feature.cmp(&b.feature)));
    importances
}
