//! Runs learners by steps in lockstep over plain tables of parameters in this process, dealing parts out as it is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use quelea_core::Result;
use quelea_core::counter::{Draws, Purpose};
use quelea_core::learner::Fitted;
use quelea_core::steps::{Fetched, Parameters, Part, Rule, Start, StepLearner, Sums};
use quelea_core::tile::Tile;

/// A table: for each key its numbers and two numbers more for each.
struct Table {
    parameters: Parameters,
    rows: BTreeMap<u64, Vec<[f64; 3]>>,
}

impl Table {
    fn new(parameters: Parameters) -> Self {
        let rows = match &parameters.start {
            Start::Rows(all) => (0..(all.len() / parameters.width) as u64).collect(),
            _ => Vec::new(),
        };
        let mut table = Self { parameters, rows: BTreeMap::new() };
        for key in rows {
            let row = table.row(key);
            table.rows.insert(key, row);
        }
        table
    }

    fn row(&self, key: u64) -> Vec<[f64; 3]> {
        let first = |place: usize| match &self.parameters.start {
            Start::Zero => 0.0,
            // A sum of uniform numbers will do.
            Start::Normal { seed, deviation } => {
                let draws = Draws::new(*seed, Purpose::Start, place as u64);
                f64::from(*deviation) * ((0..12).map(|i| draws.uniform(key, i)).sum::<f64>() - 6.0)
            }
            Start::Rows(all) => f64::from(all[key as usize * self.parameters.width + place]),
        };
        let memory = |w: f64| match self.parameters.rule {
            Rule::Ftrl { alpha, beta, l1, l2 } if w != 0.0 => -w * (beta / alpha + l2) - l1.copysign(w),
            _ => 0.0,
        };
        let of = |place| [first(place), memory(first(place)), 0.0];
        self.rows.get(&key).cloned().unwrap_or_else(|| (0..self.parameters.width).map(of).collect())
    }

    fn apply(&mut self, key: u64, sums: &[i64], weight: i64, step: u64) {
        let mut row = self.row(key);
        let count = row[row.len() - 1][0];
        let added = sums[sums.len() - 1] as f64 * self.parameters.unit;
        for ([w, memory, squares], &sum) in row.iter_mut().zip(sums) {
            let sum = sum as f64 * self.parameters.unit;
            let mut g = sum / weight as f64;
            match self.parameters.rule {
                Rule::Sum => *w += sum,
                Rule::Average if added == 0.0 => {}
                Rule::Average => *w = (*w * count + sum) / (count + added),
                Rule::Sgd { rate, decay, momentum, l2 } => {
                    g += l2 * *w;
                    *memory = momentum * *memory - rate / (1.0 + decay * step as f64).sqrt() * g;
                    *w += *memory;
                }
                Rule::Adagrad { rate, l2 } => {
                    g += l2 * *w;
                    *squares += g * g;
                    *w -= rate * g / (squares.sqrt() + 1e-10);
                }
                Rule::Adam { rate, beta1, beta2, l2 } => {
                    g += l2 * *w;
                    *memory = beta1 * *memory + (1.0 - beta1) * g;
                    *squares = beta2 * *squares + (1.0 - beta2) * g * g;
                    *w -= rate * *memory / (squares.sqrt() + 1e-8);
                }
                Rule::Ftrl { alpha, beta, l1, l2 } => {
                    *memory += g - ((*squares + g * g).sqrt() - squares.sqrt()) / alpha * *w;
                    *squares += g * g;
                    let rest = (memory.abs() - l1).max(0.0).copysign(*memory);
                    *w = -rest / ((beta + squares.sqrt()) / alpha + l2);
                }
            }
            *w = f64::from(*w as f32);
        }
        if self.parameters.rule == Rule::Average {
            row.last_mut().unwrap()[0] = count + added;
        }
        self.rows.insert(key, row);
    }

    fn pull(&self, keys: &[u64]) -> Vec<f32> {
        keys.iter().flat_map(|&key| self.row(key)).map(|[w, ..]| w as f32).collect()
    }
}

/// Runs `learner` to its end with so many members, who get parts by chance.
pub fn run<L: StepLearner>(learner: &L, tiles: &[Arc<Tile>], members: usize, seed: u64) -> Result<Fitted> {
    let mut tables: Vec<Table> = learner.begin(tiles)?.into_iter().map(Table::new).collect();
    let course = learner.course();
    let (mut history, mut step) = (Vec::new(), 0);
    while (history.len() as u64) < course.passes && !learner.is_done(&history) {
        let mut totals: Vec<i128> = Vec::new();
        for slice in 0..course.slices {
            let draws = Draws::new(seed, Purpose::Sample, step);
            let mut all: Vec<BTreeMap<u64, Vec<i64>>> = tables.iter().map(|_| BTreeMap::new()).collect();
            let mut weight = 0;
            for member in 0..members {
                let mine = |at: &usize| draws.bits(*at as u64, 0) % members as u64 == member as u64;
                let mut parts: Vec<Part<'_>> = (0..tiles.len()).filter(mine).map(|at| Part { tile: &tiles[at], slice }).collect();
                if draws.bits(member as u64, 1).is_multiple_of(2) {
                    parts.reverse();
                }
                let (keys, sums) = contribute(learner, &parts, &tables)?;
                weight += sums.weight;
                totals.resize(sums.totals.len(), 0);
                totals.iter_mut().zip(sums.totals).for_each(|(total, other)| *total += other);
                for (table, (keys, sums)) in keys.into_iter().zip(sums.tables).enumerate() {
                    let width = tables[table].parameters.width;
                    for (key, sums) in keys.into_iter().zip(sums.chunks_exact(width)) {
                        let row = all[table].entry(key).or_insert_with(|| vec![0; width]);
                        row.iter_mut().zip(sums).for_each(|(sum, other)| *sum += other);
                    }
                }
            }
            for (table, sums) in tables.iter_mut().zip(all).filter(|_| weight > 0) {
                sums.into_iter().for_each(|(key, sums)| table.apply(key, &sums, weight, step));
            }
            step += 1;
        }
        history.push(learner.iteration(&totals)?);
    }
    let fetched = |table: Table| Fetched {
        keys: table.rows.keys().copied().collect(),
        values: table.rows.values().flatten().map(|[w, ..]| *w as f32).collect(),
    };
    learner.finish(tables.into_iter().map(fetched).collect(), history)
}

/// One member's part of a mini-batch, folded in two halves.
fn contribute<L: StepLearner>(learner: &L, parts: &[Part<'_>], tables: &[Table]) -> Result<(Vec<Vec<u64>>, Sums)> {
    let batch = learner.batch(parts)?;
    let keys = learner.keys(&batch).to_vec();
    let pulled: Vec<Vec<f32>> = tables.iter().zip(&keys).map(|(table, keys)| table.pull(keys)).collect();
    let (mut sums, mut others) = (learner.sums(&batch), learner.sums(&batch));
    for part in 0..parts.len() {
        learner.fold(&batch, part, &pulled, if part % 2 == 0 { &mut sums } else { &mut others })?;
    }
    sums.merge(others)?;
    Ok(match learner.trained(&batch) {
        None => (keys, sums),
        Some(places) => {
            let mut sums = sums.only(&keys, places);
            (sums.keys.take().unwrap_or(keys), sums)
        }
    })
}
