//! Whole clusterings, against plain Lloyd and against bad data.

use proptest::prelude::*;
use pulp::Arch;
use quelea_core::Error;
use quelea_core::counter::{Draws, Purpose};
use quelea_core::estimator::{Centroids, Encoding};
use quelea_core::learner::Fitted;
use quelea_core::tile::{MISSING, Values};

use super::kernel::{FindNearest, GROUP, Nearest, Table as Centers};
use super::points::View;
use super::{Init, KMeans, Parameters};
use crate::registry::Family;
use crate::testing::{Deal, PLAIN, Table, run};

fn raw(centers: Vec<Vec<f32>>, max_iter: u32) -> Parameters {
    Parameters { n_clusters: centers.len() as u32, init: Init::Centers(centers), max_iter, tol: 0.0, standardize: false }
}

fn fit(table: &Table, parameters: Parameters, deal: Deal) -> Result<Fitted, Error> {
    parameters.check()?;
    run(&KMeans::learner(parameters, table.schema(), 0, None)?, &table.tiles(), deal)
}

fn fit_by_seed(table: &Table, clusters: u32, seed: u64) -> Fitted {
    let parameters = Parameters { n_clusters: clusters, standardize: false, ..Parameters::default() };
    run(&KMeans::learner(parameters, table.schema(), seed, None).unwrap(), &table.tiles(), PLAIN).unwrap()
}

fn centroids(fitted: &Fitted) -> &Centroids {
    fitted.estimator.get().expect("a clustering")
}

/// The training rows' squared distances to the nearest of the centres, summed by weight.
fn inertia(table: &Table, model: &Centroids) -> f64 {
    let square = |row: &[f64], center: &Vec<f32>| row.iter().zip(center).map(|(a, &b)| (a - f64::from(b)).powi(2)).sum::<f64>();
    let rows = (0..table.train).map(|row| {
        let z = table.design_row(&model.design, row);
        f64::from(table.weight_of(row)) * model.centers.iter().map(|center| square(&z, center)).fold(f64::INFINITY, f64::min)
    });
    rows.sum()
}

/// Lloyd's algorithm as it is written in books, over columns of whole numbers, where sums are exact. `None` if a
/// cluster became empty.
fn plain_lloyd(columns: &[Vec<f32>], mut centers: Vec<Vec<f32>>, passes: usize) -> Option<Vec<Vec<f32>>> {
    let rows: Vec<Vec<f32>> = (0..columns[0].len()).map(|row| columns.iter().map(|column| column[row]).collect()).collect();
    for _ in 0..passes {
        let mut members = vec![Vec::new(); centers.len()];
        for row in &rows {
            let square = |center: &Vec<f32>| row.iter().zip(center).fold(0.0f32, |sum, (z, c)| (z - c).mul_add(z - c, sum));
            let nearest = (0..centers.len()).reduce(|a, b| if square(&centers[b]) < square(&centers[a]) { b } else { a }).unwrap();
            members[nearest].push(row);
        }
        if members.iter().any(Vec::is_empty) {
            return None;
        }
        for (center, members) in centers.iter_mut().zip(members) {
            for (column, value) in center.iter_mut().enumerate() {
                *value = (members.iter().map(|row| f64::from(row[column])).sum::<f64>() / members.len() as f64) as f32;
            }
        }
    }
    Some(centers)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// The bounds spare distances and change nothing, ties on the grid included.
    #[test]
    fn it_is_plain_lloyd(
        width in 1usize..4, clusters in 1usize..9, side in 3u64..40, passes in 1u32..12, seed in any::<u64>(),
    ) {
        let draws = Draws::new(seed, Purpose::Sample, 0);
        let columns: Vec<Vec<f32>> =
            (0..width).map(|c| (0..300).map(|row| (draws.bits(row, c as u64) % side) as f32 + 1e4).collect()).collect();
        // Each centre starts on a row, so that no cluster is empty at first.
        let mut centers: Vec<Vec<f32>> = (0..clusters).map(|k| columns.iter().map(|column| column[k]).collect()).collect();
        centers.sort_by(|a, b| a.partial_cmp(b).unwrap());
        centers.dedup();
        let fitted = fit(&Table::numbers(columns.clone()), raw(centers.clone(), passes), PLAIN).unwrap();
        let model = centroids(&fitted);
        // Without what the design takes away, the columns are exact still.
        let origin: Vec<f32> = model.design.encodings.iter().map(|encoding| match encoding {
            Encoding::Number { center, scale: 1.0, .. } => *center,
            other => panic!("{other:?}"),
        }).collect();
        let columns: Vec<Vec<f32>> =
            columns.iter().zip(&origin).map(|(column, origin)| column.iter().map(|x| x - origin).collect()).collect();
        centers.iter_mut().for_each(|center| center.iter_mut().zip(&origin).for_each(|(x, origin)| *x -= origin));
        let expected = plain_lloyd(&columns, centers, fitted.history.len());
        prop_assume!(expected.is_some());
        prop_assert_eq!(Some(&model.centers), expected.as_ref());
    }

    /// The instruction set changes no bit, and the answer is that of a search through all.
    #[test]
    fn the_kernel_finds_the_nearest_two(
        z in prop::collection::vec(-10i8..10, 3 * 7), points in prop::collection::vec(-10i8..10, 3 * 37), scale in 0.1f32..3.0,
    ) {
        let z: Vec<f32> = z.into_iter().map(|x| f32::from(x) * scale).collect();
        let (padded, mut values, mut start) = (48, vec![0.0; 3 * 48], vec![f32::INFINITY; 48]);
        start[..37].fill(0.0);
        points.iter().enumerate().for_each(|(at, &x)| values[at / 37 * padded + at % 37] = f32::from(x) * scale);
        let places: Vec<u32> = (0..7).collect();
        let find = |arch: Arch| {
            let mut nearest = vec![Nearest { center: 0, square: 0.0, second: 0.0 }; 7];
            let table = Centers { values: &values, padded, start: &start };
            let points = View { z: &z, dense: 3, slots: &[], categories: 0 };
            let mut distances = vec![0.0; GROUP * padded];
            arch.dispatch(FindNearest { table, points, places: &places, distances: &mut distances, nearest: &mut nearest });
            nearest
        };
        let found = find(Arch::new());
        prop_assert_eq!(&found, &find(Arch::Scalar));
        for (z, found) in z.chunks(3).zip(found) {
            let square = |k: usize| (0..3).fold(0.0f32, |sum, c| (z[c] - values[c * padded + k]).mul_add(z[c] - values[c * padded + k], sum));
            let mut all: Vec<(f32, u32)> = (0..37).map(|k| (square(k), k as u32)).collect();
            all.sort_by(|a, b| a.partial_cmp(b).unwrap());
            prop_assert_eq!((found.square, found.center, found.second), (all[0].0, all[0].1, all[1].0));
        }
    }
}

#[test]
fn nothing_depends_on_who_folds_what() {
    let mut table = Table::mixed(1_500, 0, 7, 1);
    table.train = 1_200;
    let given = Parameters { n_clusters: 12, ..Parameters::default() };
    let few_rows_start_near_each_other = raw((0..9).map(|k| vec![95.0 + k as f32 * 1e-3, 0.0]).collect(), 30);
    let mut numbers = table.clone();
    numbers.columns.truncate(2);
    for (table, parameters) in [(&table, given), (&numbers, few_rows_start_near_each_other)] {
        let plain = fit(table, parameters.clone(), PLAIN).unwrap();
        assert!(plain.history.iter().all(|i| i.validation_loss.is_some()));
        for (accumulators, seed) in [(2, 1), (3, 2), (5, 3)] {
            assert_eq!(plain, fit(table, parameters.clone(), Deal { accumulators, shuffle: Some(seed) }).unwrap());
        }
    }
}

#[test]
fn the_loss_is_the_inertia_and_falls() {
    let mut table = Table::mixed(2_000, 0, 30, 2);
    table.weight = Some((0..2_000).map(|row| (row % 3) as f32 * 0.5).collect());
    let once = fit(&table, Parameters { n_clusters: 9, max_iter: 1, ..Parameters::default() }, PLAIN).unwrap();
    let twice = fit(&table, Parameters { n_clusters: 9, max_iter: 2, ..Parameters::default() }, PLAIN).unwrap();
    let (told, direct) = (twice.history[1].loss.unwrap(), inertia(&table, centroids(&once)));
    // Rows are points of 32 bits in the fit, and exact in the test.
    assert!((told - direct).abs() < 1e-7 * direct, "{told} {direct}");
    let whole = fit(&table, Parameters { n_clusters: 9, ..Parameters::default() }, PLAIN).unwrap();
    assert_eq!(whole.warning, None);
    assert!(whole.history.is_sorted_by(|a, b| a.loss >= b.loss));
}

#[test]
fn a_weight_is_a_number_of_repeated_rows() {
    let mut table = Table::mixed(600, 0, 5, 3);
    table.columns.truncate(2);
    table.weight = Some((0..600).map(|row| (row % 4) as f32).collect());
    let start = raw((0..5).map(|k| vec![95.0 + 2.0 * k as f32, 2e-4 * k as f32]).collect(), 50);
    let weighted = fit(&table, start.clone(), PLAIN).unwrap();
    let repeated = fit(&table.repeated(), start, PLAIN).unwrap();
    for (a, b) in centroids(&weighted).centers.iter().flatten().zip(centroids(&repeated).centers.iter().flatten()) {
        assert!((a - b).abs() <= 1e-6 * b.abs(), "{a} {b}");
    }
}

#[test]
fn the_start_finds_clusters_that_are_there() {
    let draws = Draws::new(4, Purpose::Sample, 0);
    let at = |row: u64, what: u64| draws.uniform(row, what) as f32;
    let corner = |row: u64, axis: u32| (((row % 27) as usize / 3usize.pow(axis)) % 3) as f32 * 10.0;
    let columns = (0..3).map(|axis| (0..5_400).map(|row| corner(row, axis) + at(row, u64::from(axis))).collect()).collect();
    let table = Table::numbers(columns);
    let fitted = fit(&table, Parameters { n_clusters: 27, standardize: false, ..Parameters::default() }, PLAIN).unwrap();
    // Each corner's rows have a variance of 1/12 in each of three columns; a corner without a centre would cost 18,000.
    assert!(inertia(&table, centroids(&fitted)) < 5_400.0 * 0.26, "{}", inertia(&table, centroids(&fitted)));
}

#[test]
fn empty_clusters_go_to_the_farthest_rows() {
    let table = Table::numbers(vec![(0..100).map(|row| if row < 50 { row as f32 } else { row as f32 + 1e3 }).collect()]);
    let fitted = fit(&table, raw(vec![vec![0.0], vec![0.0], vec![0.0], vec![-1e6]], 100), PLAIN).unwrap();
    let model = centroids(&fitted);
    assert_eq!(fitted.warning, None);
    // The farthest rows are all in the upper half: it is split in three, in lines of 16 and 17 rows, and the lower stays whole.
    let line = |rows: f64| rows * (rows * rows - 1.0) / 12.0;
    assert!((inertia(&table, model) - line(50.0) - 2.0 * line(17.0) - line(16.0)).abs() < 1e-6, "{}", inertia(&table, model));
}

#[test]
fn few_different_rows_make_few_clusters() {
    let table = Table::numbers(vec![(0..90).map(|row| (row % 3) as f32).collect()]);
    let fitted = fit(&table, Parameters::default(), PLAIN).unwrap();
    assert_eq!(centroids(&fitted).centers.len(), 3);
    assert!(fitted.warning.as_ref().is_some_and(|w| w.contains("3 clusters instead of 8")));
    assert!(inertia(&table, centroids(&fitted)) < 1e-9);
    let one = Table::mixed(1, 0, 1, 5);
    assert_eq!(centroids(&fit(&one, Parameters::default(), PLAIN).unwrap()).centers.len(), 1);
    let duplicates = fit(&table, raw(vec![vec![1.0]; 5], 50), PLAIN).unwrap();
    assert!(centroids(&duplicates).centers.iter().flatten().all(|c| c.is_finite()));
}

#[test]
fn columns_without_sense_do_no_harm() {
    let rows = 300;
    let mut table = Table::mixed(rows, 0, 7, 6);
    let mut outlier: Vec<f32> = (0..rows).map(|row| (row % 7) as f32).collect();
    outlier[17] = 7e6;
    table.columns.extend([
        table.columns[0].clone(),
        Values::Number(vec![3.0; rows].into()),
        Values::Number(vec![f32::NAN; rows].into()),
        Values::Category(vec![MISSING; rows].into()),
        Values::Number(outlier.into()),
    ]);
    for standardize in [true, false] {
        let fitted = fit(&table, Parameters { standardize, n_clusters: 5, ..Parameters::default() }, PLAIN).unwrap();
        let model = centroids(&fitted);
        assert!(model.centers.iter().flatten().all(|c| c.is_finite()));
        let (told, direct) = (fitted.history.last().unwrap().loss.unwrap(), inertia(&table, model));
        assert!(direct <= told * (1.0 + 1e-7) && direct > 0.0, "{told} {direct}");
    }
    // The outlier has a cluster of its own, and it does not drown the other rows' distances.
    let fitted = fit(&table, Parameters { n_clusters: 2, standardize: false, ..Parameters::default() }, PLAIN).unwrap();
    assert!(inertia(&table, centroids(&fitted)) < 300.0 * 30.0);
}

#[test]
fn clusters_to_start_from_are_gone_on_from_or_refused_by_name() {
    let (small, large) = (Table::mixed(400, 0, 5, 8), Table::mixed(400, 0, 9, 8));
    let five = Parameters { n_clusters: 5, ..Parameters::default() };
    let go_on = |table: &Table, parameters: &Parameters, model: &Fitted| {
        run(&KMeans::learner(parameters.clone(), table.schema(), 0, Some(model.estimator.clone()))?, &table.tiles(), PLAIN)
    };
    let first = fit(&small, five.clone(), PLAIN).unwrap();
    let again = go_on(&small, &five, &first).unwrap();
    assert!(again.history.len() <= 2 && inertia(&small, centroids(&again)) <= inertia(&small, centroids(&first)) * 1.000_001);
    let more = go_on(&large, &five, &first).unwrap();
    assert!(matches!(go_on(&small, &five, &more), Err(Error::Column { column, .. }) if column == "column 2"));
    let six = Parameters { n_clusters: 6, ..five.clone() };
    assert!(matches!(go_on(&small, &six, &first), Err(Error::Parameter { key, .. }) if key == "n_clusters"));
    let given = Parameters { init: Init::Centers(vec![vec![0.0; 4]; 5]), ..five };
    assert!(matches!(go_on(&small, &given, &first), Err(Error::Parameter { key, .. }) if key == "init"));
}

#[test]
fn what_cannot_be_clustered_is_refused_by_name() {
    let table = Table::mixed(50, 0, 3, 7);
    let refused = |parameters: Parameters, key: &str| {
        assert!(matches!(fit(&table, parameters, PLAIN), Err(Error::Parameter { key: k, .. }) if k == key));
    };
    refused(Parameters { n_clusters: 0, ..Parameters::default() }, "n_clusters");
    refused(Parameters { max_iter: 0, ..Parameters::default() }, "max_iter");
    refused(Parameters { tol: f64::NAN, ..Parameters::default() }, "tol");
    refused(Parameters { n_clusters: 3, ..raw(vec![vec![0.0; 4]; 2], 10) }, "init");
    refused(raw(vec![vec![f32::NAN; 4]; 2], 10), "init");
    assert!(matches!(fit(&table, raw(vec![vec![0.0; 4]; 2], 10), PLAIN), Err(Error::Column { column, .. }) if column == "column 2"));
    let numbers = Table::numbers(vec![vec![1.0, 2.0, 1e30]]);
    assert!(matches!(fit(&numbers, raw(vec![vec![0.0, 1.0]], 10), PLAIN), Err(Error::Column { .. })));
    let tiny = Table::numbers(vec![vec![1e-30, 2e-30, -1e-30, 2e-30], vec![1e-32, 0.0, 0.0, 0.0]]);
    let two = Parameters { n_clusters: 2, standardize: false, ..Parameters::default() };
    assert!(matches!(fit(&tiny, two.clone(), PLAIN), Err(Error::Column { column, .. }) if column == "column 0"));
    assert!(fit(&tiny, Parameters { standardize: true, ..two }, PLAIN).is_ok());
    let numbers = Table::numbers(vec![vec![1.0, 2.0, 3.0]]);
    assert!(matches!(fit(&numbers, raw(vec![vec![0.0, 1.0]], 10), PLAIN), Err(Error::Parameter { key, .. }) if key == "init"));
}

/// A pass of the start that picks no row comes by chance, the more often the fewer clusters there are: in 40 % of the runs with one
/// cluster, in 7 % of those with two.
#[test]
fn every_seed_finds_as_many_clusters_as_are_asked_for() {
    let draws = Draws::new(9, Purpose::Sample, 0);
    let uniform = |row: u64, column: u64| draws.uniform(row, column) as f32;
    let table = Table::numbers((0..2).map(|column| (0..300).map(|row| uniform(row, column)).collect()).collect());
    for clusters in 1..=4 {
        let best = (0..40).map(|seed| fit_by_seed(&table, clusters, seed));
        for fitted in best {
            assert_eq!(centroids(&fitted).centers.len(), clusters as usize);
            assert_eq!(fitted.warning, None);
        }
    }
    // However passes fall out, the start is the same for whoever folds what.
    for seed in 0..20 {
        let learner = || KMeans::learner(Parameters { n_clusters: 1, ..Parameters::default() }, table.schema(), seed, None).unwrap();
        let plain = run(&learner(), &table.tiles(), PLAIN).unwrap();
        assert_eq!(plain, run(&learner(), &table.tiles(), Deal { accumulators: 3, shuffle: Some(seed) }).unwrap());
    }
}

#[test]
fn there_are_never_more_clusters_than_different_rows_of_weight() {
    let different = |rows: usize, values: usize| Table::numbers(vec![(0..rows).map(|row| (row % values) as f32).collect()]);
    let mut lone = Table::numbers(vec![(0..50).map(|row| row as f32).collect()]);
    lone.weight = Some((0..50).map(|row| if row == 31 { 0.5 } else { 0.0 }).collect());
    let mut faint = Table::numbers(vec![(0..50).map(|row| row as f32).collect()]);
    faint.weight = Some((0..50).map(|row| if row < 3 { 1.0 } else { 1e-30 }).collect());
    for (table, expected) in
        [(different(90, 3), 3), (different(1_000, 25), 25), (different(40, 1), 1), (different(1, 1), 1), (lone, 1), (faint, 3)]
    {
        for clusters in [1, 2, 8, 20, 26, 1_000, 65_536] {
            for seed in 0..5 {
                let fitted = fit_by_seed(&table, clusters, seed);
                let model = centroids(&fitted);
                assert_eq!(model.centers.len(), expected.min(clusters as usize), "{expected} different rows, {clusters} clusters");
                assert_eq!(fitted.warning.is_some(), expected < clusters as usize, "{:?}", fitted.warning);
                if clusters as usize >= expected {
                    assert!(inertia(&table, model) < 1e-9);
                }
            }
        }
    }
}

/// The inertia of the best clusters is that of the rows without what was added to them, also where it is far smaller.
#[test]
fn rows_that_lie_elsewhere_have_the_same_clusters() {
    let draws = Draws::new(5, Purpose::Sample, 0);
    // Steps of 0.5 are exact up to 4 million.
    let place = |row: u64, axis: u64| (row / (1 + axis) % 2) as f32 * 50.0 + (draws.bits(row, axis) % 9) as f32 * 0.5;
    let shifted = |by: f32| Table::numbers((0..2).map(|axis| (0..400).map(|row| place(row, axis) + by).collect()).collect());
    let best = |table: &Table, standardize| {
        let of = |seed| {
            let parameters = Parameters { n_clusters: 4, standardize, tol: 0.0, ..Parameters::default() };
            let fitted = run(&KMeans::learner(parameters, table.schema(), seed, None).unwrap(), &table.tiles(), PLAIN).unwrap();
            (inertia(table, centroids(&fitted)), fitted.history.last().unwrap().loss.unwrap())
        };
        (0..5).map(of).reduce(|a, b| if b.0 < a.0 { b } else { a }).unwrap()
    };
    for standardize in [false, true] {
        let (here, _) = best(&shifted(0.0), standardize);
        for by in [1e4, 1e6, -1e6, 4e6] {
            let (there, told) = best(&shifted(by), standardize);
            assert!((there - here).abs() < 1e-6 * here, "{by}: {there} {here}");
            assert!((told - here).abs() < 1e-6 * here, "{by}: {told} {here}");
        }
    }
}

/// Where clusters are far smaller than the distances between them, little is left of the rows' distances from their mean.
#[test]
fn the_loss_has_all_its_digits_where_clusters_are_small() {
    let draws = Draws::new(6, Purpose::Sample, 0);
    for radius in [1e-1, 1e-3, 1e-5] {
        let place = |row: u64, axis: u64| (row / (1 + axis) % 2) as f32 * 2.0 - 1.0 + radius * draws.uniform(row, axis) as f32;
        let columns: Vec<Vec<f32>> = (0..2).map(|axis| (0..400).map(|row| place(row, axis)).collect()).collect();
        let table = Table::numbers(columns);
        for standardize in [false, true] {
            let starts = [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]].map(|center| center.to_vec()).to_vec();
            let fitted = fit(&table, Parameters { standardize, ..raw(starts, 10) }, PLAIN).unwrap();
            let (told, direct) = (fitted.history.last().unwrap().loss.unwrap(), inertia(&table, centroids(&fitted)));
            // Rows are points of 32 bits in the fit, and exact in the test.
            assert!((told - direct).abs() < 1e-7 / f64::from(radius) * direct, "{radius}: {told} {direct}");
        }
    }
    let near = [-1.0001f32, -0.9999, 0.9999, 1.0001];
    let exact: f64 = near.chunks(2).map(|pair| (f64::from(pair[1]) - f64::from(pair[0])).powi(2) / 2.0).sum();
    let fitted = fit(&Table::numbers(vec![near.to_vec()]), raw(vec![vec![-1.0], vec![1.0]], 10), PLAIN).unwrap();
    let told = fitted.history.last().unwrap().loss.unwrap();
    assert!((told - exact).abs() < 1e-6 * exact, "{told} {exact}");
}
