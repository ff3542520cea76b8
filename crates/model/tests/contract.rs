//! The contract of every estimator of the registry: a file gives back the model, a file that lacks any part is refused, and a row's
//! prediction is the same on its own and in any batch. A new estimator needs a generator of random models (`tests/random`), no test.

#![allow(missing_docs)]

use prost::Message;
use quelea_core::estimator::{Estimator, EstimatorKind};
use quelea_core::prediction::Predictions;
use quelea_model::{Model, RowPrediction, Scorer, estimator_names};

use parts::File;
use random::{GENERATORS, Random, Values};

mod parts;
mod random;

/// Random models of an estimator; the seed is for messages.
fn models(name: &str, count: u64) -> impl Iterator<Item = (u64, Random, Model)> {
    (0..count).map(move |seed| {
        let mut random = Random::new(seed);
        let model = random.model_of(name);
        (seed, random, model)
    })
}

#[test]
fn every_estimator_has_a_generator() {
    let mut names: Vec<&str> = GENERATORS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert_eq!(names, estimator_names().collect::<Vec<_>>());
}

#[test]
fn a_file_gives_back_its_model_and_the_same_bytes() {
    for name in estimator_names() {
        for (seed, _, model) in models(name, 60) {
            let bytes = model.to_bytes().unwrap();
            let read = Model::from_bytes(&bytes).unwrap_or_else(|e| panic!("{name}, seed {seed}: {e}"));
            assert!(read == model, "{name}, seed {seed}");
            assert!(read.to_bytes().unwrap() == bytes, "{name}, seed {seed}");
        }
    }
}

#[test]
fn estimators_of_other_kinds_or_values_differ() {
    let of = |name: &str, seed: u64| Random::new(seed).model_of(name).estimator;
    for name in estimator_names() {
        assert!(of(name, 0) == of(name, 0), "{name}");
        assert!(of(name, 0) != of(name, 1), "{name}");
        assert!(estimator_names().all(|other| other == name || of(name, 0) != of(other, 0)), "{name}");
    }
}

#[test]
fn importances_are_one_per_feature_and_not_negative() {
    for name in estimator_names() {
        for (seed, _, model) in models(name, 20) {
            let Some(importances) = model.estimator.importances(model.schema.features.len()) else { continue };
            assert_eq!(importances.len(), model.schema.features.len(), "{name}, seed {seed}");
            assert!(importances.iter().all(|value| *value >= 0.0), "{name}, seed {seed}: {importances:?}");
        }
    }
}

#[test]
fn a_file_without_any_one_of_its_parts_is_refused() {
    for name in estimator_names() {
        for (seed, _, model) in models(name, 12) {
            let file = File::decode(&model.to_bytes().unwrap()[..]).unwrap();
            for (what, damaged) in file.without_each_part() {
                let read = Model::from_bytes(&damaged.encode_to_vec());
                assert!(read.is_err(), "{name}, seed {seed}: without {what}");
            }
        }
    }
}

#[test]
fn a_file_that_is_cut_short_is_refused() {
    for name in estimator_names() {
        for (seed, _, model) in models(name, 4) {
            let bytes = model.to_bytes().unwrap();
            for length in (0..bytes.len()).step_by(1 + bytes.len() / 500) {
                assert!(Model::from_bytes(&bytes[..length]).is_err(), "{name}, seed {seed}: {length} of {} bytes", bytes.len());
            }
        }
    }
}

#[test]
fn a_file_with_the_parts_of_two_estimators_is_refused() {
    let file = |name: &str| {
        let (.., model) = models(name, 1).next().unwrap();
        File::decode(&model.to_bytes().unwrap()[..]).unwrap()
    };
    for name in estimator_names() {
        for other in estimator_names().filter(|other| *other != name) {
            let both = file(name).with_parts_of(&file(other));
            assert!(Model::from_bytes(&both.encode_to_vec()).is_err(), "{name} and {other}");
        }
    }
}

/// The bits of each row's prediction.
fn rows(predictions: &Predictions) -> Vec<Vec<u32>> {
    match predictions {
        Predictions::Numbers(numbers) => numbers.iter().map(|number| vec![number.to_bits()]).collect(),
        Predictions::Clusters { nearest, distances } => nearest.iter().zip(distances).map(|(n, d)| vec![*n, d.to_bits()]).collect(),
        Predictions::Classes { classes, best, probabilities } => {
            let of_row = |(best, own): (&u32, &[f32])| std::iter::once(*best).chain(own.iter().map(|p| p.to_bits())).collect();
            best.iter().zip(probabilities.chunks(*classes)).map(of_row).collect()
        }
    }
}

/// The same of a row that was scored on its own.
fn row(prediction: &RowPrediction) -> Vec<u32> {
    match *prediction {
        RowPrediction::Number(number) => vec![number.to_bits()],
        RowPrediction::Cluster { nearest, distance } => vec![nearest, distance.to_bits()],
        RowPrediction::Class { best, probabilities } => std::iter::once(best).chain(probabilities.iter().map(|p| p.to_bits())).collect(),
    }
}

fn score(scorer: &Scorer, values: &[Values]) -> Vec<Vec<u32>> {
    rows(&scorer.score(&values.iter().map(Values::column).collect::<Vec<_>>()).unwrap())
}

#[test]
fn a_row_is_scored_the_same_on_its_own_and_in_a_batch() {
    for name in estimator_names() {
        for (seed, mut random, model) in models(name, 50) {
            let values = random.rows(&model.schema, 1_100);
            let scorer = Scorer::new(&model).unwrap();
            let all = score(&scorer, &values);
            let mut scratch = scorer.scratch();
            for at in (0..1_100).step_by(37) {
                let texts: Vec<Vec<&str>> = values.iter().map(|values| values.texts(at)).collect();
                let one: Vec<_> = values.iter().zip(&texts).map(|(values, texts)| values.value(at, texts)).collect();
                let one = scorer.score_row(&one, &mut scratch).unwrap();
                assert_eq!(all[at], row(&one), "{name}, seed {seed}, row {at}");
            }
        }
    }
}

#[test]
fn a_batch_is_scored_the_same_in_pieces() {
    for name in estimator_names() {
        for (seed, mut random, model) in models(name, 50) {
            let values = random.rows(&model.schema, 1_100);
            let scorer = Scorer::new(&model).unwrap();
            let all = score(&scorer, &values);
            let mut pieces = Vec::new();
            while pieces.len() < all.len() {
                let length = [0, 1, 2, 31, 63, 64, 65, 511, 512, 513][random.below(10)];
                let piece = pieces.len()..all.len().min(pieces.len() + length);
                pieces.extend(score(&scorer, &values.iter().map(|values| values.piece(piece.clone())).collect::<Vec<_>>()));
            }
            assert!(all == pieces, "{name}, seed {seed}");
        }
    }
}

/// An estimator that no one has put into the registry.
#[derive(Debug, PartialEq)]
struct Stranger;

impl EstimatorKind for Stranger {
    fn equals(&self, other: &Estimator) -> bool {
        other.get() == Some(self)
    }
}

#[test]
fn an_estimator_that_is_not_in_the_registry_is_refused() {
    let (.., mut model) = models("trees", 1).next().unwrap();
    model.estimator = Estimator::new(Stranger);
    let known = estimator_names().collect::<Vec<_>>().join(", ");
    for error in [model.to_bytes().unwrap_err(), Scorer::new(&model).unwrap_err()] {
        assert!(error.to_string().contains(&known), "{error}");
    }
}
