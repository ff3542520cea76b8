//! Whole trainings by steps, against plain loops written from the papers, and against bad data.

use quelea_core::Error;
use quelea_core::counter::{Draws, Purpose};
use quelea_core::estimator::{Estimator, Linear};
use quelea_core::learner::Fitted;
use quelea_core::schema::FeatureKind;
use quelea_core::tile::{MISSING, Values};

use super::testing::run;
use super::{LinearSvm, Optimizer, Parameters, SparseLogisticRegression};
use crate::registry::Family;
use crate::testing::Table;

fn fit<F: Family<Parameters = Parameters>>(table: &Table, parameters: Parameters) -> Result<Fitted, Error>
where
    F::Learner: quelea_core::steps::StepLearner,
{
    run(&F::learner(parameters, table.schema(), 0, None)?, &table.tiles(), 1, 0)
}

fn linear(fitted: &Fitted) -> &Linear {
    let Estimator::Linear(model) = &fitted.estimator else { panic!("not a linear model") };
    model
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

fn tables() -> Vec<Table> {
    let mut two = Table::mixed(1_000, 2, 7, 1);
    two.train = 800;
    let mut four = Table::mixed(700, 4, 40, 2);
    four.weight = Some((0..700).map(|row| (row % 5) as f32 * 0.3).collect());
    vec![with_sparse(&two, false), with_sparse(&four, true), two, four]
}

#[test]
fn nothing_depends_on_who_folds_what() {
    for table in tables() {
        for optimizer in [Optimizer::Ftrl, Optimizer::Adam] {
            let parameters = Parameters { optimizer, passes: 3, batch_rows: 150, ..Parameters::default() };
            let learner = SparseLogisticRegression::learner(parameters, table.schema(), 0, None).unwrap();
            let plain = run(&learner, &table.tiles(), 1, 0).unwrap();
            for (members, seed) in [(2, 1), (3, 2), (5, 3)] {
                assert_eq!(plain, run(&learner, &table.tiles(), members, seed).unwrap());
            }
        }
    }
}
