//! Whole trainings by steps, against plain loops written from the papers, and against bad data.

use proptest::prelude::*;
use quelea_core::Error;
use quelea_core::counter::{Draws, Purpose};
use quelea_core::estimator::{Centroids, Estimator, Factorization, Linear};
use quelea_core::learner::Fitted;
use quelea_core::schema::{Schema, Target};
use quelea_core::steps::{Part, StepLearner};
use quelea_core::tile::{MISSING, Role, Values};

use super::places::Marks;
use super::testing::run;
use super::{FactorizationMachine, LinearSvm, MiniBatchKMeans, Optimizer, SparseLogisticRegression};
use super::{FactorizationParameters, KMeansParameters, LinearParameters};
use crate::registry::Family;
use crate::testing::Table;

const ONE_STEP: LinearParameters = LinearParameters {
    optimizer: Optimizer::Sgd,
    learning_rate: Some(1.0),
    beta: 1.0,
    l1: 0.0,
    l2: 0.0,
    momentum: 0.0,
    decay: 0.0,
    epochs: 1,
    batch_rows: Some(1_000_000),
    tol: 0.0,
    patience: 0,
};

fn fit<F: Family>(table: &Table, parameters: F::Parameters) -> Result<Fitted, Error>
where
    F::Learner: StepLearner,
{
    F::check(&parameters)?;
    run(&F::learner(parameters, table.schema(), 0, None)?, &table.tiles(), 1, 0)
}

fn linear(fitted: &Fitted) -> &Linear {
    fitted.estimator.get().expect("a linear model")
}

fn machine(fitted: &Fitted) -> &Factorization {
    fitted.estimator.get().expect("a factorisation machine")
}

fn centroids(fitted: &Fitted) -> &Centroids {
    fitted.estimator.get().expect("a clustering")
}

/// `table` with a sparse feature of indices below 50, some of them twice in a row, in place of its third column.
fn with_sparse(table: &Table, valued: bool) -> Table {
    let mut table = table.clone();
    let draws = Draws::new(3, Purpose::Sample, 0);
    let (mut offsets, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    for row in 0..table.rows() as u64 {
        let mut of_row: Vec<u32> = (0..draws.bits(row, 0) % 5).map(|entry| (draws.bits(row, entry + 1) % 50) as u32).collect();
        of_row.sort_unstable();
        values.extend((0..of_row.len() as u64).map(|entry| draws.uniform(row, entry + 9) as f32 * 4.0 - 2.0));
        indices.extend(of_row);
        offsets.push(indices.len() as u32);
    }
    let values = valued.then(|| values.into());
    table.columns[2] = Values::Sparse { offsets: offsets.into(), indices: indices.into(), values };
    table
}

fn tables(classes: usize) -> Vec<Table> {
    let mut plain = Table::mixed(1_000, classes, 7, 1);
    plain.train = 800;
    let mut weighted = Table::mixed(700, classes, 40, 2);
    weighted.weight = Some((0..700).map(|row| (row % 5) as f32 * 0.3).collect());
    vec![with_sparse(&plain, false), with_sparse(&weighted, true), plain, weighted]
}

fn check_any_split<L: StepLearner>(learner: L, table: &Table) {
    let plain = run(&learner, &table.tiles(), 1, 0).unwrap();
    assert_eq!(plain.history.iter().all(|pass| pass.validation_loss.is_some()), table.train < table.rows());
    for (members, seed) in [(2, 1), (3, 2), (5, 3)] {
        assert_eq!(plain, run(&learner, &table.tiles(), members, seed).unwrap());
    }
}

#[test]
fn nothing_depends_on_who_folds_what() {
    for classes in [2, 4] {
        for table in tables(classes) {
            for optimizer in [Optimizer::Ftrl, Optimizer::Adam] {
                let parameters = LinearParameters { optimizer, epochs: 3, batch_rows: Some(150), ..LinearParameters::default() };
                check_any_split(SparseLogisticRegression::learner(parameters, table.schema(), 0, None).unwrap(), &table);
            }
            let parameters = LinearParameters { epochs: 3, batch_rows: Some(150), ..LinearParameters::default() };
            check_any_split(LinearSvm::learner(parameters, table.schema(), 0, None).unwrap(), &table);
        }
    }
    for table in tables(2) {
        let parameters = FactorizationParameters { epochs: 3, batch_rows: Some(150), factors: 3, ..FactorizationParameters::default() };
        check_any_split(FactorizationMachine::learner(parameters, table.schema(), 5, None).unwrap(), &table);
        if !table.columns.iter().any(|column| matches!(column, Values::Sparse { .. })) {
            let parameters = KMeansParameters { n_clusters: 5, batch_rows: Some(150), ..KMeansParameters::default() };
            check_any_split(MiniBatchKMeans::learner(parameters, table.schema(), 5, None).unwrap(), &table);
        }
    }
}

/// `table` must have rows of both kinds, and `epochs` not depend on losses.
fn check_validation_rows<L: StepLearner>(learner: L, table: &Table) {
    let tiles = table.tiles();
    let training: Vec<_> = tiles.iter().filter(|tile| tile.role == Role::Train).cloned().collect();
    assert!(training.len() < tiles.len());
    let without = run(&learner, &training, 1, 0).unwrap();
    for members in [1, 3] {
        assert_eq!(run(&learner, &tiles, members, 1).unwrap().estimator, without.estimator);
    }
}

#[test]
fn validation_rows_are_only_looked_at() {
    let of =
        |optimizer| LinearParameters { optimizer, l2: 0.1, epochs: 3, patience: 0, batch_rows: Some(40), ..LinearParameters::default() };
    for table in tables(2).into_iter().filter(|table| table.train < table.rows()) {
        for parameters in
            [of(Optimizer::Ftrl), of(Optimizer::Adagrad), of(Optimizer::Adam), LinearParameters { momentum: 0.5, ..of(Optimizer::Sgd) }]
        {
            check_validation_rows(SparseLogisticRegression::learner(parameters, table.schema(), 0, None).unwrap(), &table);
        }
        let parameters =
            FactorizationParameters { epochs: 3, patience: 0, batch_rows: Some(40), factors: 3, ..FactorizationParameters::default() };
        check_validation_rows(FactorizationMachine::learner(parameters, table.schema(), 5, None).unwrap(), &table);
    }
}

/// A row of the design with each entry of its own: (column, value).
fn entries(table: &Table, model: &quelea_core::estimator::Design, row: usize) -> Vec<(usize, f64)> {
    table.design_row(model, row).into_iter().enumerate().filter(|&(_, z)| z != 0.0).collect()
}

/// FTRL-Proximal as in algorithm 1 of McMahan et al. 2013, with all gradients of a mini-batch summed, over the rows that
/// slices of tiles of 64 rows give.
fn plain_ftrl(
    table: &Table,
    design: &quelea_core::estimator::Design,
    [alpha, beta, l1, l2]: [f64; 4],
    slices: u64,
    epochs: usize,
) -> Vec<f64> {
    let width = design.width();
    let (mut z, mut n, mut w) = (vec![0.0; width + 1], vec![0.0; width + 1], vec![0.0; width + 1]);
    let ones = table.target.iter().sum::<f32>() as f64;
    w[width] = (ones / (table.rows() as f64 - ones)).ln();
    z[width] = -w[width] * beta / alpha;
    for _ in 0..epochs {
        for slice in 0..slices {
            let mut gradient = vec![0.0; width + 1];
            let mut rows = 0.0;
            for tile in table.tiles() {
                for row in quelea_core::steps::rows_of(&tile, slice, slices) {
                    let row = tile.number as usize * 64 + row;
                    let mut x = entries(table, design, row);
                    x.push((width, 1.0));
                    let p = 1.0 / (1.0 + (-x.iter().map(|&(i, x)| w[i] * x).sum::<f64>()).exp());
                    x.into_iter().for_each(|(i, x)| gradient[i] += (p - f64::from(table.target[row])) * x);
                    rows += 1.0;
                }
            }
            for i in 0..=width {
                let g = gradient[i] * (table.rows() as f64 / slices as f64) / rows;
                let (l1, l2) = if i < width { (l1, l2) } else { (0.0, 0.0) };
                let sigma = ((n[i] + g * g).sqrt() - f64::sqrt(n[i])) / alpha;
                z[i] += g - sigma * w[i];
                n[i] += g * g;
                w[i] = if f64::abs(z[i]) <= l1 { 0.0 } else { -(z[i] - l1.copysign(z[i])) / ((beta + n[i].sqrt()) / alpha + l2) };
            }
        }
    }
    w
}

#[test]
fn it_is_the_papers_ftrl() {
    let base = Table::mixed(900, 2, 7, 4);
    for table in [with_sparse(&base, true), with_sparse(&base, false), base] {
        let parameters = LinearParameters {
            learning_rate: Some(0.2),
            l1: 8.0,
            l2: 0.7,
            epochs: 3,
            patience: 0,
            batch_rows: Some(100),
            ..LinearParameters::default()
        };
        let fitted = fit::<SparseLogisticRegression>(&table, parameters).unwrap();
        let model = linear(&fitted);
        let expected = plain_ftrl(&table, &model.design, [0.2, 1.0, 8.0, 0.7], 9, 3);
        for (a, b) in model.weights[0].iter().chain(&model.intercepts).zip(&expected) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
        assert!(model.weights[0].contains(&0.0) && model.weights[0].iter().filter(|w| **w != 0.0).count() > 3);
    }
}

/// The mean loss of a model's scores, by its definition.
fn mean_loss(table: &Table, of: impl Fn(&[f64], usize) -> f64, scores: impl Fn(usize) -> Vec<f64>) -> f64 {
    let rows = 0..table.train;
    let weight: f64 = rows.clone().map(|row| f64::from(table.weight_of(row))).sum();
    rows.map(|row| f64::from(table.weight_of(row)) * of(&scores(row), table.target[row] as usize)).sum::<f64>() / weight
}

fn log_loss(scores: &[f64], class: usize) -> f64 {
    match scores {
        [score] => (1.0 + (if class == 1 { -score } else { *score }).exp()).ln(),
        _ => scores.iter().map(|s| s.exp()).sum::<f64>().ln() - scores[class],
    }
}

fn hinge(scores: &[f64], class: usize) -> f64 {
    match scores {
        [score] => (1.0 - if class == 1 { *score } else { -score }).max(0.0),
        _ => scores.iter().enumerate().map(|(k, s)| (1.0 - if k == class { *s } else { -s }).max(0.0)).sum(),
    }
}

fn scores_of(table: &Table, model: &Linear, row: usize) -> Vec<f64> {
    let x = table.design_row(&model.design, row);
    model.weights.iter().zip(&model.intercepts).map(|(w, b)| b + w.iter().zip(&x).map(|(w, x)| w * x).sum::<f64>()).collect()
}

/// One step of rate 1 from zeros is the gradient there: it is the slope of the loss along every column.
#[test]
fn gradients_are_slopes_of_the_loss() {
    for classes in [2, 4] {
        for mut table in tables(classes) {
            table.train = table.rows();
            for (is_hinge, of) in [(false, log_loss as fn(&[f64], usize) -> f64), (true, hinge)] {
                let fitted = match is_hinge {
                    true => fit::<LinearSvm>(&table, ONE_STEP),
                    false => fit::<SparseLogisticRegression>(&table, ONE_STEP),
                };
                let fitted = fitted.unwrap();
                let step = linear(&fitted);
                // Where the intercepts began.
                let mut start = Linear { weights: vec![vec![0.0; step.design.width()]; step.weights.len()], ..step.clone() };
                let learner = SparseLogisticRegression::learner(ONE_STEP, table.schema(), 0, None).unwrap();
                let quelea_core::steps::Start::Rows(first) = &learner.begin(&table.tiles()).unwrap()[1].start else { panic!() };
                start.intercepts = first.iter().map(|&x| if is_hinge { 0.0 } else { f64::from(x) }).collect();
                for output in 0..step.weights.len() {
                    for column in 0..step.design.width() {
                        let at = |x: f64| {
                            let mut model = start.clone();
                            model.weights[output][column] = x;
                            mean_loss(&table, of, |row| scores_of(&table, &model, row))
                        };
                        let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                        assert!((step.weights[output][column] + slope).abs() < 1e-6, "{} {slope}", step.weights[output][column]);
                    }
                }
            }
        }
    }
}

fn score_of(table: &Table, model: &Factorization, row: usize) -> f64 {
    let x = table.design_row(&model.design, row);
    let mut score = model.intercept + x.iter().zip(&model.weights).map(|(x, w)| x * f64::from(*w)).sum::<f64>();
    for i in 0..x.len() {
        for j in 0..i {
            let product: f64 =
                (0..model.rank).map(|f| f64::from(model.factors[i * model.rank + f]) * f64::from(model.factors[j * model.rank + f])).sum();
            score += product * x[i] * x[j];
        }
    }
    score
}

#[test]
fn gradients_of_factors_are_slopes_of_the_loss() {
    let mut table = Table::mixed(400, 2, 7, 6);
    table.weight = Some((0..400).map(|row| (row % 3) as f32 * 0.5).collect());
    let parameters = FactorizationParameters {
        factors: 3,
        init_deviation: 0.3,
        optimizer: Optimizer::Sgd,
        learning_rate: Some(1e-9),
        batch_rows: Some(1_000_000),
        epochs: 1,
        ..FactorizationParameters::default()
    };
    let stepped = |rate| {
        machine(&fit::<FactorizationMachine>(&table, FactorizationParameters { learning_rate: Some(rate), ..parameters }).unwrap()).clone()
    };
    let (start, after) = (stepped(1e-9), stepped(1.0));
    for at in 0..start.factors.len() {
        let loss = |change: f32| {
            let mut model = start.clone();
            model.factors[at] += change;
            mean_loss(&table, log_loss, |row| vec![score_of(&table, &model, row)])
        };
        let slope = (loss(1e-2) - loss(-1e-2)) / 2e-2;
        let step = f64::from(after.factors[at] - start.factors[at]);
        assert!((step + slope).abs() < 2e-4, "{step} {slope}");
    }
}

#[test]
fn a_machine_learns_products_that_no_line_can() {
    let rows = 4_000;
    let draws = Draws::new(8, Purpose::Sample, 0);
    let sign = |row: u64, what: u64| if draws.bits(row, what).is_multiple_of(2) { 1.0 } else { -1.0 };
    let mut table = Table::numbers((0..3).map(|c| (0..rows).map(|row| sign(row, c)).collect()).collect());
    let product = |row: usize| sign(row as u64, 0) * sign(row as u64, 1);
    table.classes = 2;
    table.target = (0..rows as usize).map(|row| if product(row) > 0.0 { 1.0 } else { 0.0 }).collect();
    let parameters =
        FactorizationParameters { batch_rows: Some(200), epochs: 20, learning_rate: Some(0.1), ..FactorizationParameters::default() };
    let fitted = fit::<FactorizationMachine>(&table, parameters).unwrap();
    assert!((0..rows as usize).all(|row| (score_of(&table, machine(&fitted), row) > 0.0) == (product(row) > 0.0)));
    // The same as numbers far from 0.
    let target: Vec<f32> = (0..rows as usize).map(|row| 1e6 + 2e3 * product(row)).collect();
    let tiles = table.tiles().into_iter().map(|tile| {
        let from = tile.number as usize * 64;
        let tile = quelea_core::tile::Tile { target: target[from..from + tile.rows].to_vec().into(), ..(*tile).clone() };
        std::sync::Arc::new(tile)
    });
    let schema = Schema { target: Target::Number { name: "y".into() }, ..(*table.schema()).clone() };
    let learner = FactorizationMachine::learner(parameters, schema.into(), 0, None).unwrap();
    let fitted = run(&learner, &tiles.collect::<Vec<_>>(), 2, 0).unwrap();
    for (row, y) in target.iter().enumerate() {
        let score = score_of(&table, machine(&fitted), row);
        assert!((score - f64::from(*y)).abs() < 200.0, "{score} {y}");
    }
}

#[test]
fn mini_batches_find_clusters_that_are_there() {
    let draws = Draws::new(4, Purpose::Sample, 0);
    let corner = |row: u64, axis: u32| (((row % 27) as usize / 3usize.pow(axis)) % 3) as f32 * 10.0;
    let columns: Vec<Vec<f32>> =
        (0..3).map(|axis| (0..5_400).map(|row| corner(row, axis) + draws.uniform(row, u64::from(axis)) as f32).collect()).collect();
    let table = Table::numbers(columns.clone());
    for standardize in [true, false] {
        let parameters = KMeansParameters { n_clusters: 27, standardize, batch_rows: Some(500), ..KMeansParameters::default() };
        let fitted = fit::<MiniBatchKMeans>(&table, parameters).unwrap();
        let model = centroids(&fitted);
        let square = |row: usize, center: &Vec<f32>| {
            table.design_row(&model.design, row).iter().zip(center).map(|(a, &b)| (a - f64::from(b)).powi(2)).sum::<f64>()
        };
        let nearest = |row: usize| {
            (0..27).reduce(|a, b| if square(row, &model.centers[b]) < square(row, &model.centers[a]) { b } else { a }).unwrap()
        };
        // Rows of a corner have a centre of their own.
        let of_corner: Vec<usize> = (0..27).map(nearest).collect();
        assert!((0..5_400).all(|row| nearest(row) == of_corner[row % 27]));
        assert_eq!(of_corner.iter().collect::<std::collections::BTreeSet<_>>().len(), 27);
    }
    let few = Table::numbers(vec![(0..90).map(|row| (row % 3) as f32).collect()]);
    let fitted = fit::<MiniBatchKMeans>(&few, KMeansParameters::default()).unwrap();
    assert_eq!(centroids(&fitted).centers.len(), 3);
    assert!(fitted.warning.is_some_and(|warning| warning.contains("3 clusters instead of 8")));
}

#[test]
fn columns_without_sense_do_no_harm() {
    let rows = 300;
    let mut table = with_sparse(&Table::mixed(rows, 2, 7, 7), true);
    let mut outlier: Vec<f32> = (0..rows).map(|row| (row % 7) as f32).collect();
    outlier[17] = 7e6;
    let nothing = Values::Sparse { offsets: vec![0; rows + 1].into(), indices: vec![].into(), values: None };
    let huge = vec![3e38; rows];
    let large = Values::Sparse {
        offsets: (0..=rows as u32).collect::<Vec<_>>().into(),
        indices: (0..rows as u32).map(|row| row % 3).collect::<Vec<_>>().into(),
        values: Some((0..rows).map(|row| if row % 2 == 0 { 1e4 } else { -1e4 }).collect::<Vec<_>>().into()),
    };
    table.columns.extend([
        Values::Number(vec![3.0; rows].into()),
        Values::Number(vec![f32::NAN; rows].into()),
        Values::Category(vec![MISSING; rows].into()),
        Values::Number(outlier.into()),
        Values::Number((0..rows).map(|row| if row == 0 { f32::MAX } else { f32::MIN }).collect::<Vec<_>>().into()),
        Values::Number((0..rows).map(|row| f32::MIN_POSITIVE * row as f32).collect::<Vec<_>>().into()),
        Values::Number(huge.into()),
        nothing,
        large,
    ]);
    for optimizer in [Optimizer::Ftrl, Optimizer::Adagrad] {
        let parameters = LinearParameters { optimizer, batch_rows: Some(50), ..LinearParameters::default() };
        let fitted = fit::<SparseLogisticRegression>(&table, parameters).unwrap();
        assert!(linear(&fitted).weights.iter().flatten().all(|w| w.is_finite()));
        fit::<LinearSvm>(&table, parameters).unwrap();
    }
}

#[test]
fn little_is_fitted_or_refused_by_name() {
    let mut table = Table::mixed(1, 2, 1, 8);
    assert!(linear(&fit::<SparseLogisticRegression>(&table, LinearParameters::default()).unwrap()).intercepts[0].is_finite());
    fit::<FactorizationMachine>(&table, FactorizationParameters::default()).unwrap();
    assert_eq!(centroids(&fit::<MiniBatchKMeans>(&table, KMeansParameters::default()).unwrap()).centers.len(), 1);
    (table.classes, table.target) = (1, vec![0.0]);
    assert!(matches!(fit::<LinearSvm>(&table, LinearParameters::default()), Err(Error::Column { .. })));
    assert!(matches!(fit::<FactorizationMachine>(&table, FactorizationParameters::default()), Err(Error::Column { .. })));
    let mut weightless = Table::mixed(50, 2, 3, 9);
    weightless.weight = Some(vec![0.0; 50]);
    assert!(matches!(fit::<SparseLogisticRegression>(&weightless, LinearParameters::default()), Err(Error::Table { .. })));
    assert!(matches!(fit::<MiniBatchKMeans>(&weightless, KMeansParameters::default()), Err(Error::Table { .. })));
    let tiny = Table::numbers(vec![vec![0.0; 40], (0..40).map(|row| row as f32 * 1e-30).collect()]);
    let four = |standardize| KMeansParameters { n_clusters: 4, standardize, ..KMeansParameters::default() };
    assert!(matches!(fit::<MiniBatchKMeans>(&tiny, four(false)), Err(Error::Column { column, .. }) if column == "column 1"));
    assert_eq!(centroids(&fit::<MiniBatchKMeans>(&tiny, four(true)).unwrap()).centers.len(), 4);
    let diverging = LinearParameters {
        optimizer: Optimizer::Sgd,
        learning_rate: Some(1e6),
        l2: 1e6,
        batch_rows: Some(10),
        patience: 0,
        epochs: 100,
        ..LinearParameters::default()
    };
    assert!(matches!(fit::<SparseLogisticRegression>(&Table::mixed(500, 2, 3, 9), diverging), Err(Error::Diverged { .. })));
}

#[test]
fn parameters_out_of_range_are_refused_by_name() {
    let good = LinearParameters::default();
    for (wrong, key) in [
        (LinearParameters { learning_rate: Some(0.0), ..good }, "learning_rate"),
        (LinearParameters { beta: -1.0, ..good }, "beta"),
        (LinearParameters { l1: f64::NAN, ..good }, "l1"),
        (LinearParameters { optimizer: Optimizer::Sgd, l1: 1.0, ..good }, "l1"),
        (LinearParameters { momentum: 0.5, ..good }, "momentum"),
        (LinearParameters { epochs: 0, ..good }, "epochs"),
        (LinearParameters { batch_rows: Some(0), ..good }, "batch_rows"),
        (LinearParameters { tol: -1.0, ..good }, "tol"),
    ] {
        assert!(matches!(wrong.check(), Err(Error::Parameter { key: k, .. }) if k == key), "{key}");
    }
}

#[test]
fn a_model_to_start_from_is_where_training_goes_on() {
    for table in [with_sparse(&Table::mixed(900, 2, 7, 4), true), Table::mixed(900, 3, 7, 4)] {
        let parameters = LinearParameters { batch_rows: Some(100), epochs: 8, patience: 0, ..LinearParameters::default() };
        let first = fit::<SparseLogisticRegression>(&table, parameters).unwrap();
        let learner = SparseLogisticRegression::learner(parameters, table.schema(), 0, Some(first.estimator.clone())).unwrap();
        let again = run(&learner, &table.tiles(), 1, 0).unwrap();
        assert!(again.history[0].loss.unwrap() < first.history[1].loss.unwrap());
        let model = Centroids { design: linear(&first).design.clone(), centers: vec![] };
        assert!(matches!(
            SparseLogisticRegression::learner(parameters, table.schema(), 0, Some(Estimator::new(model))),
            Err(Error::Table { .. })
        ));
    }
}

proptest! {
    /// A bitmap and a sorted list number columns alike.
    #[test]
    fn places_are_ranks(columns in prop::collection::vec(0u64..5_000, 1..200)) {
        let mut expected = columns.clone();
        expected.sort_unstable();
        expected.dedup();
        for width in [5_000, u64::MAX] {
            let mut marks = Marks::new(width, columns.len());
            marks.mark(columns.iter().copied());
            let (places, distinct) = marks.rank();
            prop_assert_eq!(&distinct, &expected);
            for &column in &columns {
                prop_assert_eq!(distinct[places.of(column) as usize], column);
            }
        }
    }
}

#[test]
fn a_tile_of_another_schema_is_refused() {
    let table = Table::mixed(100, 2, 7, 1);
    let learner = SparseLogisticRegression::learner(LinearParameters::default(), table.schema(), 0, None).unwrap();
    let other = &with_sparse(&table, false).tiles()[0];
    assert!(matches!(learner.batch(&[Part { tile: other, slice: 0 }]), Err(Error::Internal { .. })));
}

#[test]
fn training_that_ends_too_early_is_warned_of() {
    let column: Vec<f32> = (0..300).map(|row| f32::from(u8::from(row % 3 == 0))).collect();
    let table = Table { classes: 2, target: column.clone(), ..Table::numbers(vec![column]) };
    let fit = |epochs| {
        let of_line = LinearParameters { epochs, ..LinearParameters::default() };
        let of_machine = FactorizationParameters { epochs, ..FactorizationParameters::default() };
        [
            fit::<SparseLogisticRegression>(&table, of_line).unwrap(),
            fit::<LinearSvm>(&table, of_line).unwrap(),
            fit::<FactorizationMachine>(&table, of_machine).unwrap(),
        ]
    };
    for early in fit(5) {
        assert!(early.warning.is_some_and(|warning| warning.contains("model.epochs")));
    }
    for late in fit(1_000) {
        assert_eq!(late.warning, None);
    }
}
