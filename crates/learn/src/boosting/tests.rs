//! Whole trainings over small tables: what must hold whatever the data.

use std::sync::Arc;

use quelea_core::counter::{Draws, Purpose};
use quelea_core::estimator::{Child, Estimator, Rule, Tree, Trees};
use quelea_core::learner::{Fitted, Learner, Step};
use quelea_core::schema::{Feature, FeatureKind, Labels, Schema, Target};
use quelea_core::tile::{MISSING, Role, Tile, Values};

use super::GradientBoosting;
use super::parameters::{Objective, Parameters};
use crate::registry::Family;

/// A table: named columns, target, weights.
#[derive(Clone)]
struct Table {
    columns: Vec<(String, Values)>,
    target: Vec<f32>,
    classes: usize,
    weight: Option<Vec<f32>>,
    /// Rows from here on are for validation.
    validation_from: usize,
    rows_per_tile: usize,
}

impl Table {
    fn schema(&self) -> Schema {
        let rows = 0..self.validation_from;
        let features = self.columns.iter().enumerate().map(|(input, (name, values))| {
            let kind = match values {
                Values::Number(v) => {
                    let missing = v[rows.clone()].iter().filter(|x| x.is_nan()).count() as u64;
                    FeatureKind::Number { part: None, min: 0.0, max: 0.0, missing }
                }
                Values::Category(v) => {
                    let most = v.iter().filter(|&&c| c != MISSING).max().map_or(0, |&c| c + 1);
                    let count = |code: u32| v[rows.clone()].iter().filter(|&&c| c == code).count() as u64;
                    let values = (0..most).map(|c| format!("{c:05}")).collect();
                    FeatureKind::Category { values, counts: (0..most).map(count).collect(), missing: count(MISSING), aliases: Vec::new() }
                }
                Values::Sparse { .. } => unreachable!("these tables have no sparse columns"),
            };
            Feature { name: name.clone(), input, kind }
        });
        let weight_of = |row: usize| self.weight.as_ref().map_or(1.0, |w| w[row]);
        let mut weights = vec![0.0; self.classes];
        if self.classes > 0 {
            rows.clone().for_each(|row| weights[self.target[row] as usize] += f64::from(weight_of(row)));
        }
        let target = match self.classes {
            0 => Target::Number { name: "y".into() },
            n => Target::Classes { name: "y".into(), labels: Labels::Integers((0..n as i64).collect()), weights },
        };
        let largest_weight = (0..self.target.len()).map(weight_of).fold(0.0, f32::max);
        Schema {
            inputs: vec![],
            features: features.collect(),
            target,
            weight: None,
            largest_weight,
            rows: self.validation_from as u64,
            ..Schema::default()
        }
    }

    fn tiles(&self) -> Vec<Arc<Tile>> {
        let part = |role: Role, from: usize, to: usize| {
            let starts = (from..to).step_by(self.rows_per_tile).enumerate();
            starts.map(move |(number, start)| self.tile(number, role, start, to.min(start + self.rows_per_tile))).collect::<Vec<_>>()
        };
        let mut tiles = part(Role::Train, 0, self.validation_from);
        tiles.extend(part(Role::Validation, self.validation_from, self.target.len()));
        tiles
    }

    fn tile(&self, number: usize, role: Role, from: usize, to: usize) -> Arc<Tile> {
        let slice = |values: &Values| match values {
            Values::Number(v) => Values::Number(v[from..to].to_vec().into()),
            Values::Category(v) => Values::Category(v[from..to].to_vec().into()),
            Values::Sparse { .. } => unreachable!("these tables have no sparse columns"),
        };
        Arc::new(Tile {
            number: number as u32,
            role,
            rows: to - from,
            features: self.columns.iter().map(|(_, values)| slice(values)).collect(),
            target: self.target[from..to].to_vec().into(),
            weight: self.weight.as_ref().map(|w| w[from..to].to_vec().into()),
        })
    }
}

/// Noise in columns of all kinds, and a target of them.
fn table(rows: usize, classes: usize, seed: u64) -> Table {
    let draws = Draws::new(seed, Purpose::Start, 0);
    let at = |row: usize, what: u64| draws.uniform(row as u64, what) as f32;
    let a: Vec<f32> = (0..rows).map(|r| at(r, 0) * 10.0 - 5.0).collect();
    let b: Vec<f32> = (0..rows).map(|r| if at(r, 1) < 0.2 { f32::NAN } else { (at(r, 2) * 6.0).floor() }).collect();
    let c: Vec<u32> = (0..rows).map(|r| if at(r, 3) < 0.1 { MISSING } else { (at(r, 4) * at(r, 5) * 20.0) as u32 }).collect();
    let raw = |r: usize| {
        let of_b = if b[r].is_nan() { 2.0 } else { b[r] * 0.3 };
        a[r].abs() + of_b + if c[r] % 3 == 1 { 1.5 } else { 0.0 } + at(r, 6)
    };
    let target = (0..rows).map(|r| if classes > 0 { ((raw(r) * classes as f32 / 9.0) as usize).min(classes - 1) as f32 } else { raw(r) });
    let target = target.collect();
    let columns = vec![
        ("a".to_string(), Values::Number(a.clone().into())),
        ("b".into(), Values::Number(b.into())),
        ("c".into(), Values::Category(c.into())),
        ("constant".into(), Values::Number(vec![3.0; rows].into())),
        ("empty".into(), Values::Number(vec![f32::NAN; rows].into())),
        ("copy".into(), Values::Number(a.into())),
    ];
    Table { columns, target, classes, weight: None, validation_from: rows, rows_per_tile: 700 }
}

fn quick() -> Parameters {
    Parameters { n_estimators: 8, num_leaves: 12, ..Parameters::default() }
}

fn fit(table: &Table, parameters: &Parameters) -> Fitted {
    fit_with(table, parameters, 1, false, None)
}

/// Trains with this many accumulators; if `moved`, in reverse order and with all row state dropped at every boundary.
fn fit_with(table: &Table, parameters: &Parameters, accumulators: usize, moved: bool, start: Option<Estimator>) -> Fitted {
    let learner = GradientBoosting::learner(parameters.clone(), Arc::new(table.schema()), 5, start).unwrap();
    let mut tiles = table.tiles();
    if moved {
        tiles.reverse();
    }
    let mut round = learner.begin().unwrap();
    let mut rows: Vec<Option<_>> = tiles.iter().map(|_| None).collect();
    let mut kept = Vec::new();
    loop {
        if moved && learner.is_boundary(&round) {
            rows.iter_mut().for_each(|rows| *rows = None);
        }
        let mut sums: Option<Vec<_>> = None;
        for thread in 0..accumulators {
            let mut accumulator = learner.accumulator(&round);
            for at in (thread..tiles.len()).step_by(accumulators) {
                let rows = rows[at].get_or_insert_with(|| learner.rows(&round, &tiles[at]).unwrap());
                learner.fold(&round, &tiles[at], rows, &mut accumulator).unwrap();
            }
            let blocks = learner.blocks(&round, accumulator).unwrap();
            match &mut sums {
                None => sums = Some(blocks),
                Some(sums) => sums.iter_mut().zip(blocks).for_each(|(sum, block)| sum.merge(block).unwrap()),
            }
        }
        let sums = sums.unwrap();
        kept.resize_with(sums.len().max(kept.len()), Default::default);
        let candidates = sums.into_iter().enumerate().map(|(index, mut sum)| {
            sum.settle();
            learner.update(&round, index, sum, &mut kept[index]).unwrap()
        });
        let candidates = candidates.collect();
        round = match learner.combine(round, candidates).unwrap() {
            Step::Next(next) => next,
            Step::Done(fitted) => return fitted,
        };
    }
}

fn trees(fitted: &Fitted) -> &Trees {
    fitted.estimator.get().expect("trees")
}

/// The leaf that a row of the table comes to.
fn leaf(tree: &Tree, table: &Table, row: usize) -> usize {
    let mut at = if tree.nodes.is_empty() { Child::Leaf(0) } else { Child::Node(0) };
    loop {
        let node = match at {
            Child::Leaf(leaf) => return leaf as usize,
            Child::Node(node) => &tree.nodes[node as usize],
        };
        let left = match (&node.rule, &table.columns[node.feature as usize].1) {
            (Rule::AtMost(edge), Values::Number(v)) => {
                if v[row].is_nan() {
                    node.missing_left
                } else {
                    v[row] <= *edge
                }
            }
            (Rule::In(these), Values::Category(v)) => {
                if v[row] == MISSING {
                    node.missing_left
                } else {
                    these.contains(&v[row])
                }
            }
            _ => panic!("a rule of the wrong kind"),
        };
        at = if left { node.left } else { node.right };
    }
}

fn scores(trees: &Trees, table: &Table, output: usize) -> Vec<f64> {
    let of_output = || trees.trees.iter().skip(output).step_by(trees.base.len());
    (0..table.target.len())
        .map(|row| f64::from(trees.base[output]) + of_output().map(|t| f64::from(t.leaves[leaf(t, table, row)])).sum::<f64>())
        .collect()
}

fn rmse(trees: &Trees, table: &Table) -> f64 {
    let errors = scores(trees, table, 0).into_iter().zip(&table.target).map(|(s, &y)| (s - f64::from(y)).powi(2));
    (errors.sum::<f64>() / table.target.len() as f64).sqrt()
}

/// One of each kind of training.
fn kinds() -> Vec<(Table, Parameters)> {
    let objective = |objective| Parameters { objective, ..quick() };
    let mut validated = table(6_000, 2, 3);
    validated.validation_from = 4_000;
    let mut weighted = table(5_000, 0, 4);
    weighted.weight = Some((0..5_000).map(|r| 0.5 + (r % 7) as f32).collect());
    vec![
        (table(20_000, 2, 1), Parameters { n_estimators: 4, ..quick() }),
        (table(3_000, 0, 2), quick()),
        (table(3_000, 0, 2), objective(Objective::Quantile)),
        (weighted, objective(Objective::AbsoluteError)),
        (table(3_000, 4, 2), Parameters { subsample: 0.7, colsample_bytree: 0.5, ..quick() }),
        (validated, Parameters { early_stopping_rounds: 2, n_estimators: 30, learning_rate: 0.7, ..quick() }),
    ]
}

#[test]
fn a_model_does_not_depend_on_who_folds_what() {
    for (table, parameters) in kinds() {
        let one = fit(&table, &parameters);
        assert!(trees(&one).trees.iter().any(|t| t.nodes.len() > 3));
        for (accumulators, moved) in [(2, false), (3, true), (1, true)] {
            assert_eq!(one, fit_with(&table, &parameters, accumulators, moved, None));
        }
    }
}

#[test]
fn permuting_columns_changes_nothing() {
    for (mut table, parameters) in kinds() {
        let named = |fitted: &Fitted, table: &Table| {
            let named = |tree: &Tree| {
                let nodes = tree
                    .nodes
                    .iter()
                    .map(|n| (table.columns[n.feature as usize].0.clone(), n.rule.clone(), n.missing_left, n.left, n.right));
                (nodes.collect::<Vec<_>>(), tree.leaves.clone())
            };
            trees(fitted).trees.iter().map(named).collect::<Vec<_>>()
        };
        let before = named(&fit(&table, &parameters), &table);
        assert!(before.iter().flat_map(|t| &t.0).all(|n| n.0 != "copy" || parameters.colsample_bytree < 1.0));
        table.columns.reverse();
        table.columns.swap(1, 4);
        assert_eq!(before, named(&fit(&table, &parameters), &table));
    }
}

#[test]
fn leaves_are_large_enough_and_hold_means() {
    let table = table(9_000, 0, 8);
    let parameters = Parameters { n_estimators: 1, min_child_samples: 150, reg_lambda: 2.0, learning_rate: 0.5, ..quick() };
    let fitted = fit(&table, &parameters);
    let model = trees(&fitted);
    let mut of_leaf = vec![(0.0, 0); model.trees[0].leaves.len()];
    for row in 0..table.target.len() {
        let leaf = &mut of_leaf[leaf(&model.trees[0], &table, row)];
        leaf.0 += f64::from(table.target[row] - model.base[0]);
        leaf.1 += 1;
    }
    assert!(of_leaf.len() == 12);
    for (&value, (sum, rows)) in model.trees[0].leaves.iter().zip(of_leaf) {
        assert!(rows >= 150);
        assert!((f64::from(value) - 0.5 * sum / (f64::from(rows) + 2.0)).abs() < 1e-6);
    }
}

#[test]
fn leaves_of_the_absolute_error_hold_medians() {
    let table = table(4_001, 0, 9);
    let parameters = Parameters { n_estimators: 1, objective: Objective::AbsoluteError, learning_rate: 1.0, ..quick() };
    let fitted = fit(&table, &parameters);
    let model = trees(&fitted);
    let median = |mut values: Vec<f32>| {
        values.sort_by(f32::total_cmp);
        values[(values.len() - 1) / 2]
    };
    assert_eq!(model.base, [median(table.target.clone())]);
    for (at, &value) in model.trees[0].leaves.iter().enumerate() {
        let rows = (0..table.target.len()).filter(|&row| leaf(&model.trees[0], &table, row) == at);
        assert_eq!(value, median(rows.map(|row| table.target[row] - model.base[0]).collect()));
    }
}

#[test]
fn trees_lessen_the_loss() {
    for (table, parameters) in kinds() {
        let history = fit(&table, &parameters).history;
        let loss = |at: usize| history[at].loss.unwrap();
        assert!(loss(history.len() - 1) < 0.9 * loss(0), "{history:?}");
    }
}

#[test]
fn one_target_a_million_times_the_others_does_not_drown_them() {
    let mut table = table(20_000, 0, 10);
    let parameters = Parameters { n_estimators: 40, min_child_samples: 1, num_leaves: 31, ..Parameters::default() };
    let calm = rmse(trees(&fit(&table, &parameters)), &table);
    table.target[777] = 1e7;
    let fitted = fit(&table, &parameters);
    let mut others = table.clone();
    others.target[777] = scores(trees(&fitted), &table, 0)[777] as f32;
    // The mean of the target is 500 too high at first, and 40 trees take away all but 1.5 % of what is told apart.
    let wild = rmse(trees(&fitted), &others);
    assert!(wild < calm + 500.0 * 0.9f64.powi(40) * 1.5, "{wild} {calm}");
}

#[test]
fn classes_of_a_few_rows_do_not_make_training_diverge() {
    let mut table = table(20_000, 0, 12);
    let at = |table: &Table, row: usize| match &table.columns[0].1 {
        Values::Number(values) => values[row],
        _ => f32::NAN,
    };
    // Two classes have about a dozen rows each, of 20,000.
    let class = |a: f32| {
        if a > 4.994 {
            3.0
        } else if a < -4.994 {
            2.0
        } else {
            f32::from(a > 0.0)
        }
    };
    table.target = (0..20_000).map(|row| class(at(&table, row))).collect();
    table.classes = 4;
    for learning_rate in [0.1, 0.3, 1.0] {
        let parameters = Parameters { n_estimators: 60, learning_rate, ..Parameters::default() };
        let losses: Vec<f64> = fit(&table, &parameters).history.iter().filter_map(|iteration| iteration.loss).collect();
        assert!(losses.windows(2).all(|pair| pair[1] < pair[0] + 0.05), "{learning_rate}: {losses:?}");
        assert!(losses[59] < 0.02, "{learning_rate}: {losses:?}");
    }
}

#[test]
fn a_target_far_from_zero_is_fitted_as_one_near_it() {
    let near = table(3_000, 0, 13);
    for offset in [1e6, -3e6] {
        let mut far = near.clone();
        far.target.iter_mut().for_each(|y| *y += offset);
        for (objective, learning_rate) in [(Objective::Auto, 0.1), (Objective::Auto, 0.01), (Objective::AbsoluteError, 0.1)] {
            let parameters = Parameters { objective, learning_rate, n_estimators: 150, ..Parameters::default() };
            let fitted = fit(&far, &parameters);
            let (of_near, of_far) = (rmse(trees(&fit(&near, &parameters)), &near), rmse(trees(&fitted), &far));
            // The target itself is rounded to a quarter, and the base too.
            assert!(of_far < of_near * 1.2 + 0.15, "{offset} {objective:?} {learning_rate}: {of_far} and {of_near}");
            if objective == Objective::Auto {
                let told = fitted.history.last().and_then(|iteration| iteration.loss).unwrap().sqrt();
                assert!((told - of_far).abs() < 0.02 * of_far, "{offset} {learning_rate}: {told} is told, {of_far} is true");
            }
        }
    }
}

#[test]
fn histograms_that_would_fill_the_memory_are_refused_in_advance() {
    let table = table(40_000, 0, 14);
    let large = Parameters { num_leaves: 65_536, max_bin: 65_534, min_child_samples: 1, ..Parameters::default() };
    let learner = GradientBoosting::learner(large, Arc::new(table.schema()), 5, None).unwrap();
    let tiles = table.tiles();
    let mut round = learner.begin().unwrap();
    let mut accumulator = learner.accumulator(&round);
    for tile in &tiles {
        let mut rows = learner.rows(&round, tile).unwrap();
        learner.fold(&round, tile, &mut rows, &mut accumulator).unwrap();
    }
    let blocks = learner.blocks(&round, accumulator).unwrap();
    let candidates = blocks.into_iter().enumerate().map(|(index, mut sum)| {
        sum.settle();
        learner.update(&round, index, sum, &mut Default::default()).unwrap()
    });
    let candidates = candidates.collect();
    let error = match learner.combine(std::mem::replace(&mut round, learner.begin().unwrap()), candidates) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it is not refused"),
    };
    assert!(error.contains("model.num_leaves = 65536") && error.contains("model.max_bin") && error.contains("GiB"), "{error}");
}

#[test]
fn a_sample_without_rows_is_warned_of() {
    let parameters = Parameters { subsample: 1e-9, ..quick() };
    let warning = fit(&table(3_000, 2, 15), &parameters).warning.unwrap();
    assert!(warning.contains("model.subsample"), "{warning}");
}

#[test]
fn weights_are_repeated_rows() {
    let mut weighted = table(2_000, 2, 11);
    let times = |row: usize| 1 + row % 3;
    weighted.weight = Some((0..2_000).map(|row| times(row) as f32).collect());
    let mut repeated = weighted.clone();
    let again: Vec<usize> = (0..2_000).flat_map(|row| std::iter::repeat_n(row, times(row))).collect();
    repeated.weight = None;
    repeated.target = again.iter().map(|&row| weighted.target[row]).collect();
    repeated.validation_from = again.len();
    for (_, values) in &mut repeated.columns {
        *values = match values {
            Values::Number(v) => Values::Number(again.iter().map(|&row| v[row]).collect()),
            Values::Category(v) => Values::Category(again.iter().map(|&row| v[row]).collect()),
            Values::Sparse { .. } => unreachable!("these tables have no sparse columns"),
        };
    }
    // Limits that count rows see the difference; and with as many bins as values, so do edges.
    let parameters =
        Parameters { min_child_samples: 1, min_child_weight: 20.0, max_bin: 4_000, cat_smooth: 0.0, min_data_per_group: 1, ..quick() };
    let (a, b) = (fit(&weighted, &parameters), fit(&repeated, &parameters));
    let (a, b) = (scores(trees(&a), &weighted, 0), scores(trees(&b), &weighted, 0));
    a.iter().zip(&b).for_each(|(a, b)| assert!((a - b).abs() < 1e-5, "{a} {b}"));
}

#[test]
fn training_that_goes_on_gives_the_model_of_an_unbroken_run() {
    for (table, parameters) in kinds() {
        let parameters = Parameters { early_stopping_rounds: 0, n_estimators: parameters.n_estimators.min(6), ..parameters };
        let whole = fit(&table, &parameters);
        for first in [1, parameters.n_estimators / 2] {
            let part = |n_estimators| Parameters { n_estimators, ..parameters.clone() };
            let before = fit(&table, &part(first)).estimator;
            let second = fit_with(&table, &part(parameters.n_estimators - first), 3, true, Some(before));
            assert_eq!(second.estimator, whole.estimator);
        }
    }
}

#[test]
fn the_best_iteration_is_kept() {
    let mut noise = table(3_000, 2, 12);
    let draws = Draws::new(1, Purpose::Start, 9);
    noise.target.iter_mut().enumerate().filter(|(row, _)| row % 3 == 0).for_each(|(row, y)| *y = (draws.bits(row as u64, 0) & 1) as f32);
    noise.validation_from = 1_000;
    let fitted =
        fit(&noise, &Parameters { learning_rate: 0.5, n_estimators: 200, early_stopping_rounds: 5, min_child_samples: 5, ..quick() });
    let losses: Vec<f64> = fitted.history.iter().filter_map(|i| i.validation_loss).collect();
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(losses[trees(&fitted).trees.len() - 1], best);
    assert_eq!(losses.len(), trees(&fitted).trees.len() + 5);
}

#[test]
fn small_and_empty_tables_give_sane_models() {
    for (rows, classes) in [(1, 0), (1, 2), (2, 0), (25, 3), (41, 2)] {
        for objective in [Objective::Auto, Objective::AbsoluteError, Objective::Quantile] {
            if classes > 0 && objective != Objective::Auto {
                continue;
            }
            let table = table(rows, classes, 13);
            let fitted = fit(&table, &Parameters { objective, subsample: 0.5, ..quick() });
            let model = trees(&fitted);
            assert!(!model.trees.is_empty());
            assert!(scores(model, &table, 0).iter().all(|s| s.is_finite()), "{rows} {classes} {objective:?}");
        }
    }
    let mut constant = table(500, 0, 14);
    constant.target.fill(7.25);
    let fitted = fit(&constant, &quick());
    assert_eq!(scores(trees(&fitted), &constant, 0), vec![7.25; 500]);
    assert!(fitted.warning.is_some());
}

#[test]
fn infinite_targets_are_named() {
    let mut table = table(500, 0, 15);
    table.target[3] = f32::MAX;
    table.target[4] = f32::MAX;
    let fitted = fit(&table, &quick());
    assert!(scores(trees(&fitted), &table, 0).iter().all(|s| s.is_finite()));
}

#[test]
fn thousands_of_categories_are_told_apart() {
    let rows = 60_000;
    let draws = Draws::new(3, Purpose::Start, 0);
    let codes: Vec<u32> = (0..rows).map(|r| (draws.bits(r, 0) % 3_000) as u32).collect();
    let target = codes.iter().map(|&c| (draws.bits(u64::from(c), 7) % 2) as f32).collect();
    let columns = vec![("c".to_string(), Values::Category(codes.into()))];
    let table = Table { columns, target, classes: 2, weight: None, validation_from: rows as usize, rows_per_tile: 20_000 };
    let parameters = Parameters { cat_smooth: 1.0, cat_l2: 1.0, max_cat_threshold: 4_000, learning_rate: 0.5, n_estimators: 10, ..quick() };
    let fitted = fit(&table, &parameters);
    let scores = scores(trees(&fitted), &table, 0);
    let right = scores.iter().zip(&table.target).filter(|(s, y)| (**s > 0.0) == (**y > 0.5)).count();
    assert!(right as f64 > 0.98 * rows as f64, "{right}");
}
