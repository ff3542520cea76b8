//! Small tables for tests of learners, and a round loop that deals tiles out as it is told.

use std::sync::Arc;

use quelea_core::Result;
use quelea_core::block::Block;
use quelea_core::counter::{Draws, Purpose};
use quelea_core::estimator::{Design, Encoding};
use quelea_core::learner::{Fitted, Learner, Step};
use quelea_core::schema::{Feature, FeatureKind, Labels, Schema, Target};
use quelea_core::tile::{MISSING, Role, Tile, Values};

/// A table: columns, classes of the target (none if 0), weights.
#[derive(Clone)]
pub struct Table {
    pub columns: Vec<Values>,
    pub target: Vec<f32>,
    pub classes: usize,
    pub weight: Option<Vec<f32>>,
    /// Rows from here on are for validation.
    pub train: usize,
    pub rows_per_tile: usize,
}

/// How a run deals out its tiles.
#[derive(Clone, Copy)]
pub struct Deal {
    pub accumulators: usize,
    /// Deals anew in every round, and drops row state at boundaries.
    pub shuffle: Option<u64>,
}

pub const PLAIN: Deal = Deal { accumulators: 1, shuffle: None };

impl Table {
    /// Columns of numbers, without a target.
    pub fn numbers(columns: Vec<Vec<f32>>) -> Self {
        let rows = columns[0].len();
        let columns = columns.into_iter().map(|column| Values::Number(column.into())).collect();
        Self { columns, target: Vec::new(), classes: 0, weight: None, train: rows, rows_per_tile: 64 }
    }

    /// Noise in numbers with and without missing values and in categories, and classes that depend on them.
    pub fn mixed(rows: usize, classes: usize, values: u32, seed: u64) -> Self {
        let draws = Draws::new(seed, Purpose::Start, 0);
        let at = |row: usize, what: u64| draws.uniform(row as u64, what) as f32;
        let a: Vec<f32> = (0..rows).map(|r| at(r, 0) * 10.0 + 95.0).collect();
        let b: Vec<f32> = (0..rows).map(|r| if at(r, 1) < 0.2 { f32::NAN } else { at(r, 2) * 1e-3 }).collect();
        let c: Vec<u32> = (0..rows).map(|r| if at(r, 3) < 0.1 { MISSING } else { (at(r, 4) * values as f32) as u32 }).collect();
        let d: Vec<u32> = (0..rows).map(|r| (at(r, 5) * 3.0) as u32).collect();
        let raw = |r: usize| {
            (a[r] - 95.0) / 10.0 + if b[r].is_nan() { 0.5 } else { b[r] * 1e3 } + (c[r] % 3) as f32 + d[r] as f32 + 2.0 * at(r, 6)
        };
        let target = if classes > 0 {
            (0..rows).map(|r| ((raw(r) / 8.0 * classes as f32) as usize).min(classes - 1) as f32).collect()
        } else {
            vec![]
        };
        let columns = vec![Values::Number(a.into()), Values::Number(b.into()), Values::Category(c.into()), Values::Category(d.into())];
        Self { columns, target, classes, weight: None, train: rows, rows_per_tile: 64 }
    }

    pub fn rows(&self) -> usize {
        match &self.columns[0] {
            Values::Number(x) => x.len(),
            Values::Category(codes) => codes.len(),
            Values::Sparse { offsets, .. } => offsets.len() - 1,
        }
    }

    pub fn weight_of(&self, row: usize) -> f32 {
        self.weight.as_ref().map_or(1.0, |w| w[row])
    }

    pub fn schema(&self) -> Arc<Schema> {
        let features = self.columns.iter().enumerate().map(|(input, values)| Feature {
            name: format!("column {input}"),
            input,
            kind: self.kind(values),
        });
        let mut weights = vec![0.0; self.classes];
        if self.classes > 0 {
            (0..self.train).for_each(|row| weights[self.target[row] as usize] += f64::from(self.weight_of(row)));
        }
        let target = match self.classes {
            0 => Target::None,
            n => Target::Classes { name: "y".into(), labels: Labels::Integers((0..n as i64).collect()), weights },
        };
        Arc::new(Schema {
            inputs: vec![],
            features: features.collect(),
            target,
            weight: None,
            largest_weight: (0..self.rows()).map(|row| self.weight_of(row)).fold(0.0, f32::max),
            rows: self.train as u64,
            ..Schema::default()
        })
    }

    fn kind(&self, values: &Values) -> FeatureKind {
        match values {
            Values::Number(x) => {
                let present = x[..self.train].iter().copied().filter(|x| !x.is_nan());
                let (min, max) = (present.clone().reduce(f32::min), present.clone().reduce(f32::max));
                let missing = (self.train - present.count()) as u64;
                FeatureKind::Number { part: None, min: min.unwrap_or(0.0), max: max.unwrap_or(0.0), missing }
            }
            Values::Category(codes) => {
                let codes = &codes[..self.train];
                let most = codes.iter().filter(|&&code| code < u32::MAX - 1).max().map_or(0, |&code| code + 1);
                let count = |of: u32| codes.iter().filter(|&&code| code == of).count() as u64;
                let values = (0..most).map(|code| code.to_string()).collect();
                FeatureKind::Category { values, counts: (0..most).map(count).collect(), missing: count(MISSING), aliases: Vec::new() }
            }
            Values::Sparse { indices, values, .. } => {
                let largest = values.as_ref().map_or(1.0, |values| values.iter().fold(0.0, |most: f32, x| x.abs().max(most)));
                let width = indices.iter().max().map_or(0, |&index| index + 1);
                FeatureKind::Sparse { width, largest, entries: indices.len() as u64, hashed: vec![] }
            }
        }
    }

    pub fn tiles(&self) -> Vec<Arc<Tile>> {
        let parts = [(Role::Train, 0, self.train), (Role::Validation, self.train, self.rows())];
        let part = |(role, from, to): (Role, usize, usize)| {
            let starts = (from..to).step_by(self.rows_per_tile).enumerate();
            starts.map(move |(number, start)| self.tile(number, role, start, to.min(start + self.rows_per_tile))).collect::<Vec<_>>()
        };
        parts.into_iter().flat_map(part).collect()
    }

    fn tile(&self, number: usize, role: Role, from: usize, to: usize) -> Arc<Tile> {
        let slice = |values: &Values| match values {
            Values::Number(x) => Values::Number(x[from..to].to_vec().into()),
            Values::Category(codes) => Values::Category(codes[from..to].to_vec().into()),
            Values::Sparse { offsets, indices, values } => {
                Values::Sparse { offsets: offsets[from..=to].to_vec().into(), indices: indices.clone(), values: values.clone() }
            }
        };
        let target = if self.classes > 0 { self.target[from..to].to_vec() } else { vec![] };
        Arc::new(Tile {
            number: number as u32,
            role,
            rows: to - from,
            features: self.columns.iter().map(slice).collect(),
            target: target.into(),
            weight: self.weight.as_ref().map(|w| w[from..to].to_vec().into()),
        })
    }

    /// A row of the design matrix, all columns of it.
    pub fn design_row(&self, design: &Design, row: usize) -> Vec<f64> {
        let mut columns = Vec::new();
        for (values, encoding) in self.columns.iter().zip(&design.encodings) {
            match (values, *encoding) {
                (Values::Number(x), Encoding::Number { fill, center, scale, indicator }) => {
                    let x = x[row];
                    let filled = if x.is_nan() { fill } else { x };
                    columns.push((f64::from(filled) - f64::from(center)) * scale);
                    columns.extend(indicator.then_some(if x.is_nan() { 1.0 } else { 0.0 }));
                }
                (Values::Category(codes), Encoding::Category { values, indicator }) => {
                    columns.extend((0..values).map(|value| if codes[row] == value { 1.0 } else { 0.0 }));
                    columns.extend(indicator.then_some(if codes[row] == MISSING { 1.0 } else { 0.0 }));
                }
                (Values::Sparse { offsets, indices, values }, Encoding::Sparse { width }) => {
                    let first = columns.len();
                    columns.resize(first + width as usize, 0.0);
                    for entry in offsets[row] as usize..offsets[row + 1] as usize {
                        columns[first + indices[entry] as usize] += values.as_ref().map_or(1.0, |values| f64::from(values[entry]));
                    }
                }
                _ => unreachable!("the design is of this table"),
            }
        }
        columns
    }

    /// The table with each row as often as its weight says, which is a whole number.
    pub fn repeated(&self) -> Self {
        let rows: Vec<usize> = (0..self.rows()).flat_map(|row| std::iter::repeat_n(row, self.weight_of(row) as usize)).collect();
        let pick = |values: &Values| match values {
            Values::Number(x) => Values::Number(rows.iter().map(|&row| x[row]).collect::<Vec<_>>().into()),
            Values::Category(codes) => Values::Category(rows.iter().map(|&row| codes[row]).collect::<Vec<_>>().into()),
            Values::Sparse { .. } => unreachable!("these tables have no sparse columns"),
        };
        let columns = self.columns.iter().map(pick).collect();
        let target = if self.classes > 0 { rows.iter().map(|&row| self.target[row]).collect() } else { vec![] };
        Self { columns, target, weight: None, train: rows.len(), ..*self }
    }
}

/// Runs `learner` over `tiles` to its end.
pub fn run<L: Learner>(learner: &L, tiles: &[Arc<Tile>], deal: Deal) -> Result<Fitted> {
    let mut round = learner.begin()?;
    let mut states: Vec<Option<L::Rows>> = tiles.iter().map(|_| None).collect();
    for number in 0.. {
        let draws = Draws::new(deal.shuffle.unwrap_or(0), Purpose::Sample, number);
        let mut order: Vec<usize> = (0..tiles.len()).collect();
        if deal.shuffle.is_some() {
            order.sort_by_key(|&tile| draws.bits(tile as u64, 0));
        }
        let mut accumulators: Vec<_> = (0..deal.accumulators).map(|_| learner.accumulator(&round)).collect();
        for (turn, tile) in order.into_iter().enumerate() {
            if deal.shuffle.is_some() && learner.is_boundary(&round) && draws.uniform(tile as u64, 1) < 0.5 {
                states[tile] = None;
            }
            if states[tile].is_none() {
                states[tile] = Some(learner.rows(&round, &tiles[tile])?);
            }
            learner.fold(&round, &tiles[tile], states[tile].as_mut().unwrap(), &mut accumulators[turn % deal.accumulators])?;
        }
        let sums: Vec<Vec<Block>> = accumulators.into_iter().map(|a| learner.blocks(&round, a)).collect::<Result<_>>()?;
        let mut kept: Vec<L::Kept> = Vec::new();
        kept.resize_with(sums[0].len(), Default::default);
        let merged = sums.into_iter().rev().reduce(|mut all, other| {
            all.iter_mut().zip(other).for_each(|(block, other)| block.merge(other).unwrap());
            all
        });
        let mut candidates = Vec::new();
        for (index, (mut block, kept)) in merged.unwrap().into_iter().zip(&mut kept).enumerate() {
            block.settle();
            candidates.push(learner.update(&round, index, block, kept)?);
        }
        match learner.combine(round, candidates)? {
            Step::Next(next) => round = next,
            Step::Done(fitted) => return Ok(fitted),
        }
    }
    unreachable!("rounds end")
}
