//! The contract that every learner of the registry keeps, whatever it learns.

mod tables;

use std::collections::BTreeMap;

use arrow::array::ArrayRef;
use arrow::record_batch::RecordBatch;
use quelea_core::estimator::{Encoding, Linear, Trees};
use quelea_core::prediction::Predictions;
use quelea_core::schema::{FeatureKind, InputKind};
use quelea_data::Batches;
use quelea_engine::rounds::Layout;
use quelea_engine::{Control, Error, fit_source};
use quelea_job::Draft;
use quelea_job::Job;
use quelea_learn::registry::{Entry, LEARNERS, Targets};
use quelea_model::{Column, Model, Scorer};
use serde_json::json;

use tables::{Table, as_texts};

/// A learner with a task it can be given.
#[derive(Clone, Copy)]
struct Case {
    learner: &'static Entry,
    /// The target's column in [`tables::mixed`].
    target: Option<&'static str>,
}

/// It tells two classes apart, or predicts a number; what it begins with is drawn by the places of columns.
const MACHINE: &str = "factorization-machine";

fn cases() -> Vec<Case> {
    let targets = |learner: &Entry| match learner.targets {
        Targets::None => vec![None],
        Targets::Classes => vec![Some("two"), Some("three")],
        Targets::Any => vec![Some("two"), Some("three"), Some("number")],
    };
    let all = LEARNERS.iter().flat_map(|learner| targets(learner).into_iter().map(move |target| Case { learner, target }));
    all.filter(|case| case.learner.name != MACHINE || case.target != Some("three")).collect()
}

impl Case {
    fn job(&self, keys: &[(&str, serde_json::Value)]) -> Job {
        let mut draft = Draft::default();
        draft.put("data.table", "in memory".into()).unwrap();
        draft.put("model.type", self.learner.name.into()).unwrap();
        draft.put("run.seed", 7.into()).unwrap();
        if let Some(target) = self.target {
            draft.put("data.target", target.into()).unwrap();
        }
        draft.put("data.ignore", json!(self.others())).unwrap();
        for (key, value) in small(self.learner.name) {
            draft.put(key, value).unwrap();
        }
        for (key, value) in keys {
            draft.put(key, value.clone()).unwrap();
        }
        draft.finish().unwrap()
    }

    /// Targets that are not this case's.
    fn others(&self) -> Vec<&'static str> {
        tables::TARGETS.into_iter().filter(|name| Some(*name) != self.target).collect()
    }

    fn fit(&self, table: &Table, keys: &[(&str, serde_json::Value)], layout: Layout) -> Result<Model, Error> {
        fit_source(&self.job(keys), &Batches::new(&[table.batch()])?, layout, &Control::silent())
    }
}

/// Sizes that keep the test quick.
fn small(learner: &str) -> Vec<(&'static str, serde_json::Value)> {
    match learner {
        "gradient-boosting" => vec![("model.n_estimators", 6.into())],
        "k-means" => vec![("model.n_clusters", 5.into()), ("model.max_iter", 8.into())],
        _ => Vec::new(),
    }
}

/// The model's predictions for `batch`, flat.
fn predictions(model: &Model, batch: &RecordBatch) -> Vec<f64> {
    let arrays: Vec<(InputKind, ArrayRef)> =
        model.schema.inputs.iter().map(|input| (input.kind, batch.column_by_name(&input.name).unwrap().clone())).collect();
    let owned: Vec<tables::Owned> = arrays.iter().map(|(kind, array)| tables::Owned::new(*kind, array)).collect();
    let columns: Vec<Column> = owned.iter().map(tables::Owned::column).collect();
    match Scorer::new(model).unwrap().score(&columns).unwrap() {
        Predictions::Numbers(values) => values.into_iter().map(f64::from).collect(),
        Predictions::Classes { probabilities, .. } => probabilities.into_iter().map(f64::from).collect(),
        Predictions::Clusters { distances, .. } => distances.into_iter().map(f64::from).collect(),
    }
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max)
}

#[test]
fn the_same_bytes_for_any_number_of_threads_and_workers() {
    // Fifteen tiles, the last one shorter.
    let table = tables::mixed(60_000);
    for case in cases() {
        let keys = [("data.weight", json!("weight")), ("data.validation", json!(0.2))];
        let bytes = |layout| case.fit(&table, &keys, layout).unwrap().to_bytes().unwrap();
        let expected = bytes(Layout::threads(1));
        for threads in [2, 3, 5] {
            assert!(bytes(Layout::threads(threads)) == expected, "{} on {:?}: {threads} threads", case.learner.name, case.target);
        }
        for workers in [1, 2, 3, 5] {
            let layout = Layout { workers, threads: 2, shuffle: Some(workers as u64) };
            assert!(bytes(layout) == expected, "{} on {:?}: {workers} workers, tiles shuffled", case.learner.name, case.target);
        }
    }
}

#[test]
fn a_file_holds_the_model_and_gives_its_predictions() {
    let table = tables::mixed(3_000);
    for case in cases() {
        let model = case.fit(&table, &[], Layout::threads(2)).unwrap();
        let bytes = model.to_bytes().unwrap();
        let read = Model::from_bytes(&bytes).unwrap();
        assert!(read.to_bytes().unwrap() == bytes, "{}", case.learner.name);
        assert_eq!(predictions(&model, &table.batch()), predictions(&read, &table.batch()), "{}", case.learner.name);
    }
}

#[test]
fn the_order_of_columns_does_not_matter() {
    let table = tables::mixed(10_000);
    let mut turned = table.clone();
    turned.columns.reverse();
    for case in cases().into_iter().filter(|case| case.learner.targets != Targets::None && case.learner.name != MACHINE) {
        let [model, other] = [&table, &turned].map(|table| case.fit(table, &[], Layout::threads(2)).unwrap());
        let difference = largest_difference(&predictions(&model, &table.batch()), &predictions(&other, &table.batch()));
        let bound = if model.estimator.get::<Trees>().is_some() { 0.0 } else { 1e-6 };
        assert!(difference <= bound, "{} on {:?}: predictions differ by {difference}", case.learner.name, case.target);
        if model.estimator.get::<Linear>().is_some() {
            let (a, b) = (weights_by_name(&model), weights_by_name(&other));
            assert!(a.keys().eq(b.keys()), "{} on {:?}", case.learner.name, case.target);
            let [a, b] = [a, b].map(|weights| weights.into_values().collect::<Vec<f64>>());
            let difference = largest_difference(&a, &b);
            assert!(difference <= 1e-9, "{} on {:?}: weights differ by {difference}", case.learner.name, case.target);
        }
    }
}

/// The weights of a linear model by output, feature and what of the feature they are for.
fn weights_by_name(model: &Model) -> BTreeMap<(usize, String, String), f64> {
    let linear: &Linear = model.estimator.get().expect("a linear model");
    let mut columns = Vec::new();
    for (feature, encoding) in model.schema.features.iter().zip(&linear.design.encodings) {
        let (mut parts, indicator) = match (encoding, &feature.kind) {
            (Encoding::Category { indicator, .. }, FeatureKind::Category { values, .. }) => (values.clone(), *indicator),
            (Encoding::Number { indicator, .. }, _) => (vec!["number".to_string()], *indicator),
            _ => panic!("{} is encoded as what it is not", feature.name),
        };
        parts.extend(indicator.then(|| "missing".to_string()));
        columns.extend(parts.into_iter().map(|part| (feature.name.clone(), part)));
    }
    let mut weights = BTreeMap::new();
    for (output, (of_output, &intercept)) in linear.weights.iter().zip(&linear.intercepts).enumerate() {
        assert_eq!(of_output.len(), columns.len());
        weights.insert((output, String::new(), "intercept".into()), intercept);
        weights.extend(columns.iter().zip(of_output).map(|((feature, part), &w)| ((output, feature.clone(), part.clone()), w)));
    }
    weights
}

#[test]
fn columns_without_sense_do_no_harm() {
    let mut table = tables::mixed(5_000);
    let rows = table.rows();
    table.push("constant", tables::numbers(vec![3.5; rows]));
    table.push("all_missing", tables::numbers(vec![f32::NAN; rows]));
    table.push("no_text", as_texts(vec![None; rows]));
    table.push("one_text", as_texts(vec![Some("same"); rows]));
    let twin = table.column("a");
    table.push("twin", twin);
    for case in cases() {
        let model = case.fit(&table, &[], Layout::threads(2)).unwrap();
        let predicted = predictions(&model, &table.batch());
        assert!(predicted.iter().all(|p| p.is_finite()), "{} on {:?}", case.learner.name, case.target);
        Model::from_bytes(&model.to_bytes().unwrap()).unwrap();
    }
}

#[test]
fn one_row_is_enough_or_is_refused_with_a_reason() {
    let table = tables::mixed(1);
    for case in cases() {
        let reasons: &[&str] = match case.target {
            Some("number") | None => &[],
            Some(target) => &[target, "one class"],
        };
        match case.fit(&table, &[], Layout::threads(2)) {
            Ok(model) => {
                assert!(reasons.is_empty(), "{} on {:?} must refuse", case.learner.name, case.target);
                assert!(predictions(&model, &table.batch()).iter().all(|p| p.is_finite()), "{}", case.learner.name);
            }
            Err(error) => {
                let text = error.to_string();
                assert!(error.is_users() && !reasons.is_empty(), "{} on {:?}: {text}", case.learner.name, case.target);
                assert!(reasons.iter().all(|reason| text.contains(reason)), "{} on {:?}: {text}", case.learner.name, case.target);
            }
        }
    }
}

#[test]
fn one_target_a_million_times_the_others_does_not_drown_them() {
    let mut table = tables::mixed(8_000);
    let mut target = table.numbers("number");
    let plain = target.clone();
    target[17] = 1e6 * target.iter().fold(0f32, |most, t| most.max(t.abs()));
    table.replace("number", tables::numbers(target));
    for case in cases().into_iter().filter(|case| case.target == Some("number") && !case.learner.by_steps) {
        // The row with the giant goes to a leaf of its own, if a leaf may have one row.
        let keys = [("model.min_child_samples", json!(1)), ("model.n_estimators", json!(200)), ("model.learning_rate", json!(0.3))];
        let model = case.fit(&table, &keys, Layout::threads(2)).unwrap();
        let predicted = predictions(&model, &table.batch());
        let mean = plain.iter().sum::<f32>() / plain.len() as f32;
        let squares = |of: &dyn Fn(usize) -> f64| (0..plain.len()).filter(|&i| i != 17).map(of).sum::<f64>();
        let left = squares(&|i| (predicted[i] - f64::from(plain[i])).powi(2));
        let before = squares(&|i| f64::from(mean - plain[i]).powi(2));
        assert!(left < 0.5 * before, "{}: {left} of {before} is left", case.learner.name);
    }
}

#[test]
fn a_weight_is_a_number_of_repeated_rows() {
    // Few values of each number and no categories, so that boosting has the same bins and may split anywhere.
    let mut table = tables::mixed(4_000);
    for name in ["a", "b", "c"] {
        let rounded = table.numbers(name).iter().map(|x| (x * 10.0).round() / 10.0).collect();
        table.replace(name, tables::numbers(rounded));
    }
    let weights: Vec<f32> = (0..table.rows()).map(|row| (row % 3 + 1) as f32).collect();
    let repeated = table.repeated(&weights.iter().map(|&w| w as usize).collect::<Vec<_>>());
    let mut weighted = table.clone();
    weighted.replace("weight", tables::numbers(weights));
    // Mini-batches of repeated rows are others than those of weighted ones.
    for case in cases().into_iter().filter(|case| !case.learner.by_steps) {
        let without = |names: &[&str]| json!([&case.others(), names].concat());
        let mut keys = vec![("data.weight", json!("weight")), ("data.ignore", without(&["gaps", "color", "city", "time"]))];
        keys.extend(match case.learner.name {
            "gradient-boosting" => vec![("model.min_child_samples", json!(1)), ("model.min_child_weight", json!(5.0))],
            "k-means" => vec![
                ("model.n_clusters", json!(3)),
                ("model.init", json!([[-1.0, -1.0, 0.0], [1.0, 0.0, 1.0], [0.5, 1.5, -1.0]])),
                ("model.standardize", json!(false)),
            ],
            _ => Vec::new(),
        });
        let model = case.fit(&weighted, &keys, Layout::threads(2)).unwrap();
        keys[0] = ("data.ignore", without(&["weight", "gaps", "color", "city", "time"]));
        keys.remove(1);
        let other = case.fit(&repeated, &keys, Layout::threads(2)).unwrap();
        let difference = largest_difference(&predictions(&model, &table.batch()), &predictions(&other, &table.batch()));
        assert!(difference < 1e-5, "{} on {:?}: {difference}", case.learner.name, case.target);
    }
}
