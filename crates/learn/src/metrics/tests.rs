//! Metrics against values that scikit-learn gave, and properties that hold for any rows.

use proptest::prelude::*;
use quelea_core::schema::Labels;

use super::*;

fn classes(n: usize) -> Target {
    Target::Classes { name: "y".into(), labels: Labels::Integers((0..n as i64).collect()), weights: vec![1.0; n] }
}

fn number() -> Target {
    Target::Number { name: "y".into() }
}

fn binary(of_second: &[f32]) -> Predictions {
    let probabilities = of_second.iter().flat_map(|&p| [1.0 - p, p]).collect();
    Predictions::Classes { classes: 2, best: of_second.iter().map(|&p| u32::from(p > 0.5)).collect(), probabilities }
}

fn evaluate(target: &Target, predictions: &Predictions, truth: &[f64], weight: Option<&[f32]>) -> Metrics {
    let mut evaluation = Evaluation::new(target, Some(0.25));
    evaluation.add(predictions, truth, weight);
    evaluation.finish()
}

fn names(metrics: &Metrics) -> Vec<&str> {
    metrics.values.iter().map(|m| m.name.as_str()).collect()
}

/// Values within 1e-12 of the expected, under these names in this order.
fn assert_metrics(metrics: &Metrics, expected: &[(&str, f64)]) {
    assert_eq!(names(metrics), expected.iter().map(|e| e.0).collect::<Vec<_>>());
    for (metric, (name, value)) in metrics.values.iter().zip(expected) {
        assert!((metric.value - value).abs() <= 1e-12 * value.abs().max(1.0), "{name}: {} and {value}", metric.value);
    }
}

// The expected values of the next three tests are scikit-learn 1.9's on the same 64-bit numbers.

#[test]
fn two_classes_with_ties_and_weights() {
    let predictions = binary(&[0.125, 0.5, 0.5, 0.75, 0.5, 0.25, 0.875, 0.125]);
    let truth = [0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
    let metrics = evaluate(&classes(2), &predictions, &truth, None);
    assert_metrics(
        &metrics,
        &[
            ("accuracy", 0.625),
            ("log_loss", 0.6251637516890348),
            ("roc_auc", 0.7666666666666667),
            ("average_precision", 0.845),
            ("f1", 0.5714285714285714),
        ],
    );
    assert_eq!(metrics.confusion, Some(vec![vec![3.0, 0.0], vec![3.0, 2.0]]));
    let weights = [1.0, 2.0, 0.5, 1.0, 0.0, 3.0, 1.0, 0.25];
    let metrics = evaluate(&classes(2), &predictions, &truth, Some(&weights));
    assert_metrics(
        &metrics,
        &[
            ("accuracy", 0.7428571428571429),
            ("log_loss", 0.4194879327858275),
            ("roc_auc", 0.9215686274509804),
            ("average_precision", 0.9174603174603175),
            ("f1", 0.64),
        ],
    );
    assert_eq!(metrics.confusion, Some(vec![vec![4.5, 0.0], vec![2.25, 2.0]]));
}

#[test]
fn three_classes() {
    let probabilities = vec![0.5, 0.25, 0.25, 0.125, 0.75, 0.125, 0.25, 0.25, 0.5, 0.625, 0.25, 0.125, 0.125, 0.375, 0.5];
    let predictions = Predictions::Classes { classes: 3, best: vec![0, 1, 2, 0, 2], probabilities };
    let metrics = evaluate(&classes(3), &predictions, &[0.0, 1.0, 2.0, 1.0, 0.0], None);
    assert_metrics(
        &metrics,
        &[
            ("accuracy", 0.6),
            ("log_loss", 1.0279424672742796),
            ("roc_auc", 0.6527777777777778),
            ("average_precision", 0.5499999999999999),
            ("f1", 0.611111111111111),
        ],
    );
}

#[test]
fn numbers_and_clusters() {
    let predictions = Predictions::Numbers(vec![1.5, -2.0, 0.25, 8.0]);
    let metrics = evaluate(&number(), &predictions, &[1.0, -2.5, 0.0, 10.0], Some(&[1.0, 2.0, 0.5, 1.0]));
    assert_metrics(
        &metrics,
        &[("rmse", 1.0307764064044151), ("mae", 0.8055555555555556), ("r2", 0.9546800947867299), ("pinball", 0.3819444444444444)],
    );
    let clusters = Predictions::Clusters { nearest: vec![0, 1], distances: vec![3.0, 0.5] };
    assert_metrics(&evaluate(&Target::None, &clusters, &[], Some(&[1.0, 2.0])), &[("inertia", 9.5)]);
    assert_metrics(&evaluate(&Target::None, &clusters, &[], Some(&[0.0, 0.0])), &[]);
}

#[test]
fn a_number_far_from_zero_is_measured_as_its_difference() {
    // Moved by the same, errors and the spread stay; 32-bit floats are 128 apart at 1.7e9.
    let (truth, errors) = ([0.25f64, -30.5, 17.0, 61.75, 8.5], [64.0f64, -32.0, 0.0, 16.0, 0.0]);
    let of = |offset: f64, weights: Option<&[f32]>| {
        let predictions = Predictions::Numbers(vec![offset as f32; 5]);
        let truth: Vec<f64> = truth.iter().zip(errors).map(|(y, error)| offset + y + error).collect();
        evaluate(&number(), &predictions, &truth, weights)
    };
    for weights in [None, Some(&[1.0f32, 0.3, 2.0, 0.7, 1.1][..])] {
        let near = of(0.0, weights);
        for offset in [1_700_000_000.0, -1.0e12] {
            let far = of(f64::from(offset as f32), weights);
            for (a, b) in near.values.iter().zip(&far.values) {
                assert!((a.value - b.value).abs() <= 1e-9 * a.value.abs(), "{}: {} and {}", a.name, a.value, b.value);
            }
        }
    }
}

#[test]
fn what_the_rows_do_not_define_is_left_out() {
    let none = evaluate(&classes(2), &binary(&[]), &[], None);
    assert_eq!((none.rows, names(&none).len()), (0, 0));
    assert_eq!(names(&evaluate(&classes(2), &binary(&[0.25]), &[0.0], None)), ["accuracy", "log_loss"]);
    assert_eq!(names(&evaluate(&classes(2), &binary(&[0.75]), &[1.0], None)), ["accuracy", "log_loss", "average_precision", "f1"]);
    let constant = evaluate(&number(), &Predictions::Numbers(vec![1.0, 2.0]), &[3.0, 3.0], None);
    assert_eq!(names(&constant), ["rmse", "mae", "pinball"]);
    let weightless = evaluate(&number(), &Predictions::Numbers(vec![1.0, 2.0]), &[3.0, 4.0], Some(&[0.0, 0.0]));
    assert!(names(&weightless).is_empty());
    let infinite = evaluate(&number(), &Predictions::Numbers(vec![f32::INFINITY, 2.0]), &[3.0, 4.0], None);
    assert!(names(&infinite).is_empty());
}

#[test]
fn a_row_without_truth_is_not_counted() {
    let metrics = evaluate(&number(), &Predictions::Numbers(vec![1.0, 5.0]), &[2.0, f64::NAN], None);
    assert_eq!(metrics.rows, 1);
    assert_metrics(&metrics, &[("rmse", 1.0), ("mae", 1.0), ("pinball", 0.25)]);
}

#[test]
fn a_probability_of_nothing_costs_a_finite_amount() {
    let metrics = evaluate(&classes(2), &binary(&[0.0]), &[1.0], None);
    assert_eq!(metrics.values[1].value, -quelea_core::math::ln(f64::EPSILON));
}

#[test]
fn many_classes_keep_what_stays_small() {
    let n = MOST_CLASSES_IN_FULL + 1;
    let predictions = Predictions::Classes { classes: n, best: vec![7, 9], probabilities: vec![1.0 / n as f32; 2 * n] };
    let metrics = evaluate(&classes(n), &predictions, &[7.0, 8.0], None);
    assert_eq!(names(&metrics), ["accuracy", "log_loss", "f1"]);
    assert_eq!(metrics.confusion, None);
}

/// Rows of one task: a score, a truth and a weight each.
fn rows() -> impl Strategy<Value = Vec<(f32, f32, f32)>> {
    let score = prop_oneof![(0u8..8).prop_map(|s| f32::from(s) / 8.0), 0.0f32..1.0];
    prop::collection::vec((score, (0u8..2).prop_map(f32::from), 0.0f32..3.0), 1..60)
}

proptest! {
    #[test]
    fn batches_do_not_matter(rows in rows(), at in 0usize..60, weighted: bool, numbers: bool) {
        let target = if numbers { number() } else { classes(2) };
        let of = |rows: &[(f32, f32, f32)]| {
            let scores: Vec<f32> = rows.iter().map(|r| r.0).collect();
            let truth: Vec<f64> = rows.iter().map(|r| r.1.into()).collect();
            let weights: Vec<f32> = rows.iter().map(|r| r.2).collect();
            let mut evaluation = Evaluation::new(&target, Some(0.9));
            let predictions = if numbers { Predictions::Numbers(scores) } else { binary(&scores) };
            evaluation.add(&predictions, &truth, weighted.then_some(&weights));
            evaluation
        };
        let (head, tail) = rows.split_at(at.min(rows.len()));
        let mut parts = of(head);
        parts.merge(of(tail));
        prop_assert_eq!(parts.finish(), of(&rows).finish());
    }

    #[test]
    fn a_whole_weight_is_that_many_rows(rows in rows()) {
        let scores: Vec<f32> = rows.iter().map(|r| r.0).collect();
        let truth: Vec<f64> = rows.iter().map(|r| r.1.into()).collect();
        let weights: Vec<f32> = rows.iter().map(|r| r.2.floor()).collect();
        let repeated: Vec<usize> = (0..rows.len()).flat_map(|row| vec![row; weights[row] as usize]).collect();
        let again: Vec<f64> = repeated.iter().map(|&row| truth[row]).collect();
        let pick = |of: &[f32]| repeated.iter().map(|&row| of[row]).collect::<Vec<f32>>();
        let once = evaluate(&classes(2), &binary(&scores), &truth, Some(&weights));
        let often = evaluate(&classes(2), &binary(&pick(&scores)), &again, None);
        prop_assert_eq!(once.values, often.values);
    }
}
