//! Whole fits of logistic regression, against the mathematics and against bad data.

use proptest::prelude::*;
use pulp::Arch;
use quelea_core::Error;
use quelea_core::estimator::Linear;
use quelea_core::learner::Fitted;
use quelea_core::tile::{MISSING, Values};

use super::kernel::{EncodeColumn, Gram, Outer};
use super::{LogisticRegression, Parameters};
use crate::design::Content;
use crate::registry::Family;
use crate::testing::{Deal, PLAIN, Table, run};

const TIGHT: Parameters = Parameters { c: 1.0, max_iter: 500, tol: 1e-10 };

fn fit(table: &Table, parameters: Parameters, deal: Deal) -> Result<Fitted, Error> {
    run(&LogisticRegression::learner(parameters, table.schema(), 0, None)?, &table.tiles(), deal)
}

fn linear(fitted: Fitted) -> Linear {
    fitted.estimator.get::<Linear>().expect("a linear model").clone()
}

fn scores(table: &Table, model: &Linear, row: usize) -> Vec<f64> {
    let z = table.design_row(&model.design, row);
    let outputs = model.weights.iter().zip(&model.intercepts);
    outputs.map(|(weights, intercept)| intercept + weights.iter().zip(&z).map(|(w, z)| w * z).sum::<f64>()).collect()
}

/// The largest component of the gradient of the mean penalised loss, by its definition.
fn gradient(table: &Table, model: &Linear, c: f64) -> f64 {
    let width = model.design.width();
    let mut gradient = vec![vec![0.0; width + 1]; model.weights.len()];
    let mut total = 0.0;
    for row in 0..table.train {
        let (weight, class) = (f64::from(table.weight_of(row)), table.target[row] as usize);
        let scores = scores(table, model, row);
        let probabilities: Vec<f64> = if scores.len() == 1 {
            vec![1.0 / (1.0 + (-scores[0]).exp())]
        } else {
            let sum: f64 = scores.iter().map(|s| s.exp()).sum();
            scores.iter().map(|s| s.exp() / sum).collect()
        };
        total += weight;
        let z = table.design_row(&model.design, row);
        for (output, (slopes, p)) in gradient.iter_mut().zip(&probabilities).enumerate() {
            let hit = if model.weights.len() == 1 { class == 1 } else { class == output };
            let residual = weight * (p - f64::from(u8::from(hit)));
            slopes.iter_mut().zip(z.iter().chain([&1.0])).for_each(|(slope, z)| *slope += residual * z);
        }
    }
    for (slopes, weights) in gradient.iter_mut().zip(&model.weights) {
        slopes.iter_mut().zip(weights).for_each(|(slope, w)| *slope += w / c);
    }
    gradient.iter().flatten().fold(0.0, |most: f64, slope| most.max((slope / total).abs()))
}

#[test]
fn the_gradient_is_zero_at_the_end() {
    for classes in [2, 4] {
        for (values, c) in [(7, 1.0), (7, 1e-3), (7, 1e6), (400, 1.0), (1_500, 1.0)] {
            let mut table = Table::mixed(3_000, classes, values, 1);
            table.weight = Some((0..3_000).map(|row| (row % 5) as f32 * 0.3).collect());
            let fitted = fit(&table, Parameters { c, ..TIGHT }, PLAIN).unwrap();
            assert_eq!(fitted.warning, None, "{classes} classes, {values} values, C = {c}");
            let slope = gradient(&table, &linear(fitted), c);
            assert!(slope < 1e-9, "{classes} classes, {values} values, C = {c}: {slope:.1e}");
        }
    }
}

#[test]
fn newton_takes_few_steps() {
    let fitted = fit(&Table::mixed(3_000, 2, 7, 2), TIGHT, PLAIN).unwrap();
    assert!(fitted.history.len() < 9, "{}", fitted.history.len());
    let losses: Vec<f64> = fitted.history.iter().map(|i| i.loss.unwrap()).collect();
    assert!(losses.is_sorted_by(|a, b| a >= b), "{losses:?}");
}

/// The mean penalised loss, by its definition, of a model for two classes.
fn loss(table: &Table, model: &Linear, c: f64) -> f64 {
    let weight: f64 = (0..table.train).map(|row| f64::from(table.weight_of(row))).sum();
    let of_row = |row| {
        let score = scores(table, model, row)[0];
        f64::from(table.weight_of(row)) * ((1.0 + (-score.abs()).exp()).ln() + score.max(0.0) - f64::from(table.target[row]) * score)
    };
    let squares: f64 = model.weights[0].iter().map(|w| w * w).sum();
    ((0..table.train).map(of_row).sum::<f64>() + 0.5 / c * squares) / weight
}

#[test]
fn rare_categories_are_learned_under_large_weights() {
    let mut table = Table::mixed(800, 2, 200, 10);
    table.weight = Some(vec![1_740.0; 800]);
    let [near, exact] =
        [Parameters::default(), TIGHT].map(|parameters| loss(&table, &linear(fit(&table, parameters, PLAIN).unwrap()), 1.0));
    assert!((0.0..3e-6).contains(&(near - exact)), "{near} {exact}");
}

#[test]
fn the_scale_of_weights_is_that_of_the_penalty() {
    let mut table = Table::mixed(1_000, 3, 7, 11);
    table.weight = Some((0..1_000).map(|row| (row % 5) as f32).collect());
    let plain = fit(&table, Parameters::default(), PLAIN).unwrap();
    table.weight = Some((0..1_000).map(|row| (row % 5) as f32 * 4_096.0).collect());
    let scaled = fit(&table, Parameters { c: 1.0 / 4_096.0, ..Parameters::default() }, PLAIN).unwrap();
    assert_eq!(plain, scaled);
}

#[test]
fn nothing_depends_on_who_folds_what() {
    for (classes, values) in [(2, 7), (3, 7), (2, 1_500)] {
        let mut table = Table::mixed(1_000, classes, values, 3);
        table.train = 800;
        let plain = fit(&table, TIGHT, PLAIN).unwrap();
        assert!(plain.history.iter().all(|i| i.validation_loss.is_some()));
        for (accumulators, seed) in [(2, 1), (3, 2), (5, 3)] {
            assert_eq!(plain, fit(&table, TIGHT, Deal { accumulators, shuffle: Some(seed) }).unwrap());
        }
    }
}

#[test]
fn the_order_of_columns_does_not_matter() {
    for classes in [2, 3] {
        let table = Table::mixed(1_000, classes, 7, 4);
        let mut turned = table.clone();
        turned.columns.reverse();
        let (a, b) = (linear(fit(&table, TIGHT, PLAIN).unwrap()), linear(fit(&turned, TIGHT, PLAIN).unwrap()));
        for row in 0..table.train {
            let pairs = scores(&table, &a, row).into_iter().zip(scores(&turned, &b, row));
            pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-9, "{a} {b}"));
        }
    }
}

#[test]
fn a_weight_is_a_number_of_repeated_rows() {
    let mut table = Table::mixed(500, 3, 7, 5);
    table.weight = Some((0..500).map(|row| (row % 4) as f32).collect());
    let repeated = table.repeated();
    let (a, b) = (linear(fit(&table, TIGHT, PLAIN).unwrap()), linear(fit(&repeated, TIGHT, PLAIN).unwrap()));
    for (a, b) in a.weights.iter().flatten().zip(b.weights.iter().flatten()) {
        // Whether a column of missing values is made depends on rows of no weight too, but not here.
        assert!((a - b).abs() < 1e-8, "{a} {b}");
    }
}

#[test]
fn a_model_to_start_from_is_the_end_if_nothing_changed() {
    let table = Table::mixed(500, 2, 7, 6);
    let first = fit(&table, TIGHT, PLAIN).unwrap();
    let learner = LogisticRegression::learner(Parameters { tol: 1e-8, ..TIGHT }, table.schema(), 0, Some(first.estimator.clone())).unwrap();
    let again = run(&learner, &table.tiles(), PLAIN).unwrap();
    assert!(again.history.is_empty());
    assert_eq!(again.estimator, first.estimator);
}

#[test]
fn a_model_to_start_from_keeps_what_it_knows_of_a_table_with_more_categories() {
    for classes in [2, 3] {
        let mut more = Table::mixed(500, classes, 8, 6);
        let Values::Category(codes) = &more.columns[2] else { panic!("categories") };
        // What a table of 7 categories lacks; its rows change nothing, for they weigh nothing.
        more.weight = Some(codes.iter().map(|&code| f32::from(u8::from(code != 7))).collect());
        let mut less = more.clone();
        less.columns[2] = Values::Category(codes.iter().map(|&code| if code == 7 { 0 } else { code }).collect::<Vec<_>>().into());
        let first = fit(&less, TIGHT, PLAIN).unwrap();
        let go_on = |table: &Table, model: &Fitted| {
            let parameters = Parameters { tol: 1e-8, ..TIGHT };
            run(&LogisticRegression::learner(parameters, table.schema(), 0, Some(model.estimator.clone()))?, &table.tiles(), PLAIN)
        };
        let again = go_on(&more, &first).unwrap();
        assert!(again.history.is_empty(), "{} steps", again.history.len());
        assert!(matches!(go_on(&less, &again), Err(Error::Column { column, .. }) if column == "column 2"));
    }
}

#[test]
fn columns_without_sense_do_no_harm() {
    let rows = 300;
    let table = Table::mixed(rows, 2, 7, 7);
    let mut odd = table.clone();
    let twin = odd.columns[0].clone();
    let mut outlier: Vec<f32> = (0..rows).map(|row| (row % 7) as f32).collect();
    outlier[17] = 7e6;
    odd.columns.extend([
        twin,
        Values::Number(vec![3.0; rows].into()),
        Values::Number(vec![f32::NAN; rows].into()),
        Values::Category(vec![MISSING; rows].into()),
        Values::Number(outlier.into()),
        Values::Number((0..rows).map(|row| if row == 0 { f32::MAX } else { f32::MIN }).collect::<Vec<_>>().into()),
        Values::Number((0..rows).map(|row| f32::MIN_POSITIVE * row as f32).collect::<Vec<_>>().into()),
    ]);
    for c in [1.0, 1e12] {
        let model = linear(fit(&odd, Parameters { c, ..TIGHT }, PLAIN).unwrap());
        assert!(model.weights.iter().flatten().chain(&model.intercepts).all(|w| w.is_finite()));
        let slope = gradient(&odd, &model, c);
        assert!(slope < 1e-8, "C = {c}: {slope:.1e}");
    }
}

#[test]
fn the_largest_numbers_are_fitted_like_others() {
    let small = Table::mixed(300, 2, 7, 12);
    let mut large = small.clone();
    let Values::Number(x) = &small.columns[0] else { panic!("a column of numbers") };
    // 95 … 105 becomes −3e38 … 3e38.
    large.columns[0] = Values::Number(x.iter().map(|x| (x - 100.0) * 6e37).collect::<Vec<_>>().into());
    let [a, b] = [&small, &large].map(|table| fit(table, TIGHT, PLAIN).unwrap());
    assert_eq!((a.warning.as_ref(), b.warning.as_ref()), (None, None));
    let (a, b) = (linear(a), linear(b));
    for row in 0..300 {
        let (a, b) = (scores(&small, &a, row)[0], scores(&large, &b, row)[0]);
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
}

#[test]
fn separable_rows_end_in_something_finite() {
    let x: Vec<f32> = (0..200).map(|row| row as f32 - 99.5).collect();
    let mut table = Table::numbers(vec![x.clone(), x.iter().map(|x| -x).collect()]);
    (table.classes, table.target) = (2, x.iter().map(|&x| f32::from(u8::from(x > 0.0))).collect());
    let model = linear(fit(&table, Parameters { c: 1e20, ..TIGHT }, PLAIN).unwrap());
    for row in 0..200 {
        let score = scores(&table, &model, row)[0];
        assert!(score.is_finite() && (score > 0.0) == (table.target[row] > 0.5));
    }
}

#[test]
fn a_single_row_and_rows_of_one_class_are_fitted_or_refused() {
    let mut table = Table::mixed(1, 2, 1, 8);
    let model = linear(fit(&table, Parameters::default(), PLAIN).unwrap());
    assert!(model.intercepts[0].is_finite());
    table.classes = 1;
    table.target = vec![0.0];
    assert!(matches!(fit(&table, Parameters::default(), PLAIN), Err(Error::Column { .. })));
    let mut weightless = Table::mixed(50, 2, 3, 9);
    weightless.weight = Some(vec![0.0; 50]);
    assert!(matches!(fit(&weightless, Parameters::default(), PLAIN), Err(Error::Table { .. })));
}

#[test]
fn parameters_out_of_range_are_refused_by_name() {
    for (wrong, key) in [
        (Parameters { c: 0.0, ..TIGHT }, "C"),
        (Parameters { c: f64::NAN, ..TIGHT }, "C"),
        (Parameters { max_iter: 0, ..TIGHT }, "max_iter"),
        (Parameters { tol: -1.0, ..TIGHT }, "tol"),
    ] {
        assert!(matches!(wrong.check(), Err(Error::Parameter { key: k, .. }) if k == key));
    }
}

proptest! {
    /// The instruction set changes no bit.
    #[test]
    fn kernels_give_the_same_bits_at_every_width(
        x in prop::collection::vec(-1e3f32..1e3, 40),
        h in prop::collection::vec(0.0f64..1.0, 40),
        weight in -2.0f64..2.0,
    ) {
        let stride = 16;
        let kernels = |arch: Arch| {
            let (mut z, mut scores, mut values) = (vec![0.0; 40 * stride], vec![0.5; 40], vec![0.0; 40]);
            for column in 0..11 {
                let content = Content::Value { center: column as f64, scale: 0.37, filled: 0.1 };
                let (z, scores, values) = (&mut z, &mut scores, &mut values);
                arch.dispatch(EncodeColumn { x: &x, content, column, stride, z, weights: &[weight], scores, room: 40, values });
            }
            let (mut outer, mut gram) = (vec![0.0; stride], vec![0.0; stride * stride]);
            arch.dispatch(Outer { left: &h, room: 40, z: &z, stride, out: &mut outer });
            arch.dispatch(Gram { h: &h, z: &z, stride, out: &mut gram });
            [z, scores, outer, gram].concat().into_iter().map(f64::to_bits).collect::<Vec<_>>()
        };
        prop_assert_eq!(kernels(Arch::Scalar), kernels(Arch::new()));
    }
}

/// Their scores are those of a table without the row, however far it lies from the others.
#[test]
fn a_far_row_of_next_to_no_weight_changes_nothing() {
    let near = {
        let mut table = Table::mixed(500, 2, 7, 13);
        let Values::Number(x) = &table.columns[0] else { panic!("a column of numbers") };
        table.columns[0] = Values::Number(x.iter().map(|x| 3.0 + (x - 100.0) * 2e-4).collect::<Vec<_>>().into());
        table
    };
    let expected = linear(fit(&near, TIGHT, PLAIN).unwrap());
    for (weight, far) in [(0.0, 1e9), (0.0, f32::MAX), (1e-30, 1e9), (1e-30, -1e10), (1e-45, 1e15)] {
        let mut table = near.clone();
        let Values::Number(x) = &near.columns[0] else { panic!("a column of numbers") };
        table.columns[0] = Values::Number(x.iter().enumerate().map(|(row, &x)| if row == 77 { far } else { x }).collect::<Vec<_>>().into());
        table.weight = Some((0..500).map(|row| if row == 77 { weight } else { 1.0 }).collect());
        let mut without = near.clone();
        without.weight = Some((0..500).map(|row| if row == 77 { 0.0 } else { 1.0 }).collect());
        let expected = if weight == 0.0 { linear(fit(&without, TIGHT, PLAIN).unwrap()) } else { expected.clone() };
        let found = linear(fit(&table, TIGHT, PLAIN).unwrap());
        for row in (0..500).filter(|&row| row != 77) {
            let (a, b) = (scores(&near, &found, row)[0], scores(&near, &expected, row)[0]);
            // One row of 500 more or less may change a little.
            let room = if weight == 0.0 { 1e-6 } else { 0.1 };
            assert!((a - b).abs() < room, "{weight} at {far}: {a} {b}");
        }
    }
}

/// The smallest floats have few digits, and are told apart all the same.
#[test]
fn the_smallest_numbers_are_fitted_like_others() {
    let plain = Table::mixed(300, 2, 7, 14);
    let Values::Number(x) = &plain.columns[0] else { panic!("a column of numbers") };
    // Whole numbers from −5 to 5.
    let whole: Vec<f32> = x.iter().map(|x| (x - 100.0).round()).collect();
    let scaled = |factor: f32| {
        let mut table = plain.clone();
        table.columns[0] = Values::Number(whole.iter().map(|x| x * factor).collect::<Vec<_>>().into());
        linear(fit(&table, TIGHT, PLAIN).unwrap())
    };
    let model = scaled(1.0);
    let mut table = plain.clone();
    for factor in [1e-30, f32::from_bits(1) * 1e5, f32::from_bits(1)] {
        let found = scaled(factor);
        for row in 0..300 {
            table.columns[0] = Values::Number(whole.clone().into());
            let expected = scores(&table, &model, row)[0];
            table.columns[0] = Values::Number(whole.iter().map(|x| x * factor).collect::<Vec<_>>().into());
            let score = scores(&table, &found, row)[0];
            assert!((score - expected).abs() < 1e-3, "{factor:e}: {score} {expected}");
        }
    }
}
