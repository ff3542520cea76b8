//! Runs learners by steps in lockstep over tables of parameters in this process, dealing parts out as it is told.

use std::sync::Arc;

use quelea_core::Result;
use quelea_core::counter::{Draws, Purpose};
use quelea_core::learner::Fitted;
use quelea_core::steps::{Fetched, Part, StepLearner, Sums};
use quelea_core::tile::Tile;
use quelea_params::Problem;
use quelea_params::tables::{Addition, Keeps, Tables, together};

fn ours(problem: Problem) -> quelea_core::Error {
    match problem {
        Problem::Learner(error) => error,
        other => panic!("{other}"),
    }
}

/// Runs `learner` to its end with so many members, who get parts by chance.
pub fn run<L: StepLearner>(learner: &L, tiles: &[Arc<Tile>], members: usize, seed: u64) -> Result<Fitted> {
    let parameters = learner.begin(tiles)?;
    let mut tables = Tables::new(&parameters, Keeps::ALL).map_err(ours)?;
    let course = learner.course();
    let (mut history, mut step) = (Vec::new(), 0);
    for pass in 0..course.passes {
        let mut totals: Vec<i128> = Vec::new();
        for slice in 0..course.slices {
            let draws = Draws::new(seed, Purpose::Sample, step);
            let contributions: Vec<(Vec<Vec<u64>>, Sums)> = (0..members)
                .map(|member| {
                    let mine = |at: &usize| draws.bits(*at as u64, 0) % members as u64 == member as u64;
                    let mut parts: Vec<Part<'_>> = (0..tiles.len()).filter(mine).map(|at| Part { tile: &tiles[at], slice }).collect();
                    if draws.bits(member as u64, 1) % 2 == 0 {
                        parts.reverse();
                    }
                    contribute(learner, &parts, &tables)
                })
                .collect::<Result<_>>()?;
            let weight = contributions.iter().map(|(_, sums)| sums.weight).sum();
            for (table, parameters) in parameters.iter().enumerate() {
                let additions = contributions.iter().map(|(keys, sums)| Addition::new(&keys[table], &sums.tables[table])).collect();
                let sum = together(additions, parameters.width).map_err(ours)?;
                tables.apply(table, &sum.keys, &sum.sums, weight, step).map_err(ours)?;
            }
            for (_, sums) in contributions {
                totals.resize(sums.totals.len(), 0);
                totals.iter_mut().zip(sums.totals).for_each(|(total, other)| *total += other);
            }
            step += 1;
        }
        history.push(learner.iteration(&totals)?);
        if pass + 1 == course.passes || learner.is_done(&history) {
            break;
        }
    }
    let fetched = (0..parameters.len()).map(|table| {
        let (keys, values) = tables.collect(table, 0, usize::MAX).unwrap();
        Fetched { keys, values }
    });
    learner.finish(fetched.collect(), history)
}

/// One member's part of a mini-batch, folded in two halves.
fn contribute<L: StepLearner>(learner: &L, parts: &[Part<'_>], tables: &Tables) -> Result<(Vec<Vec<u64>>, Sums)> {
    let batch = learner.batch(parts)?;
    let keys = learner.keys(&batch).to_vec();
    let mut pulled = Vec::new();
    for (table, keys) in keys.iter().enumerate() {
        let mut rows = Vec::new();
        tables.read(table, keys, &mut rows).map_err(ours)?;
        pulled.push(rows);
    }
    let (mut sums, mut others) = (learner.sums(&batch), learner.sums(&batch));
    for part in 0..parts.len() {
        learner.fold(&batch, part, &pulled, if part % 2 == 0 { &mut sums } else { &mut others })?;
    }
    sums.merge(others)?;
    Ok((keys, sums))
}
