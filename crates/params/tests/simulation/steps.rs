//! A learner by steps of small integers: what a slice adds to the tables depends on the slice, and in lockstep on what was
//! pulled, so that a wrong pull shows in the tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use quelea_core::steps::{Course, Fetched, Parameters, Rule, Start, Sums};
use quelea_params::message::Slice;
use quelea_params::run::Sync;
use quelea_params::tables::{Keeps, Tables};
use quelea_params::{Bits, Problem, Stepper, Traffic};

use crate::random::mix;
use crate::toy::Journal;

/// Numbers in a row of each table.
pub const WIDTHS: [usize; 2] = [2, 1];

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepPlan {
    pub seed: u64,
    pub course: Course,
    pub sync: Sync,
    /// What workers leave out of what they send: bits, top and significance.
    pub less: Option<(Bits, f64, f64)>,
}

impl StepPlan {
    /// Whether the tables are the same, byte for byte, whoever works.
    pub fn is_exact(&self) -> bool {
        self.sync == Sync::Bsp && self.less.is_none()
    }

    pub fn traffic(&self) -> Traffic {
        let of = |(bits, top, significance)| Traffic { bits, top, significance, units: vec![1.0; WIDTHS.len()] };
        self.less.map(of).unwrap_or_default()
    }

    pub fn parameters(&self) -> Vec<Parameters> {
        let sgd = Rule::Sgd { rate: 0.1, decay: 0.01, momentum: 0.5, l2: 0.001 };
        let rule = if self.is_exact() { sgd } else { Rule::Sum };
        let table = |name: &'static str, width, rule| Parameters { name: name.into(), width, start: Start::Zero, rule, unit: 1.0 };
        vec![table("sums", WIDTHS[0], Rule::Sum), table("ordered", WIDTHS[1], rule)]
    }

    /// Some keys are everybody's, some a tile's, some of few slices. They come again in every pass.
    fn keys_of(&self, slice: Slice) -> [Vec<u64>; 2] {
        let of_pass = slice.number % self.course.slices;
        let rare = 1_000 + mix(self.seed, mix(u64::from(slice.tile), of_pass)) % 40;
        let common = mix(of_pass, u64::from(slice.tile)) % 4;
        [vec![0, 1 + common, 100 + u64::from(slice.tile), rare], vec![7, 8 + common]]
    }

    pub fn keys(&self, slices: &[Slice]) -> Vec<Vec<u64>> {
        let mut keys = [BTreeSet::new(), BTreeSet::new()];
        for slice in slices {
            keys.iter_mut().zip(self.keys_of(*slice)).for_each(|(keys, more)| keys.extend(more));
        }
        keys.map(|keys| keys.into_iter().collect()).into()
    }

    /// The keys that slices pull: some look at rows to which nobody adds anything.
    fn wanted(&self, slices: &[Slice]) -> Vec<Vec<u64>> {
        let mut keys = self.keys(slices);
        let mut looked_at: Vec<u64> =
            slices.iter().filter(|slice| slice.number % 2 == 1).map(|slice| 2_000 + u64::from(slice.tile) % 3).collect();
        looked_at.sort_unstable();
        looked_at.dedup();
        keys[1].extend(looked_at);
        keys
    }

    /// What slices add to the rows of `keys`, which hold `pulled`.
    pub fn sums(&self, slices: &[Slice], keys: &[Vec<u64>], pulled: &[Vec<f32>]) -> Sums {
        let mut tables: Vec<Vec<i64>> = keys.iter().zip(WIDTHS).map(|(keys, width)| vec![0; keys.len() * width]).collect();
        for slice in slices {
            for (table, own) in self.keys_of(*slice).into_iter().enumerate() {
                for key in own {
                    let row = keys[table].binary_search(&key).expect("a key of the batch");
                    for column in 0..WIDTHS[table] {
                        let place = row * WIDTHS[table] + column;
                        let drawn = mix(mix(self.seed, u64::from(slice.tile)), mix(slice.number, key + column as u64));
                        let depends = if self.is_exact() { (pulled[table][place] * 64.0) as i64 } else { 0 };
                        tables[table][place] += (drawn % 201) as i64 - 100 + depends % 50;
                    }
                }
            }
        }
        let totals = vec![slices.len() as i128, slices.iter().map(|slice| i128::from(mix(slice.number, u64::from(slice.tile)))).sum()];
        Sums { tables, keys: None, weight: slices.len() as i64, totals }
    }

    /// The tables that one process comes to.
    pub fn sequential(&self, tiles: u32) -> Vec<Fetched> {
        let mut tables = Tables::new(&self.parameters(), Keeps::ALL).expect("sound parameters");
        for number in 0..self.course.passes * self.course.slices {
            let slices: Vec<Slice> = (0..tiles).map(|tile| Slice { tile, number }).collect();
            let keys = self.keys(&slices);
            let read = |(table, keys): (usize, &Vec<u64>)| {
                let mut rows = Vec::new();
                tables.read(table, keys, &mut rows).expect("all keys are kept");
                rows
            };
            let pulled: Vec<Vec<f32>> = keys.iter().enumerate().map(read).collect();
            let sums = self.sums(&slices, &keys, &pulled);
            for (table, keys) in keys.iter().enumerate() {
                tables.apply(table, keys, &sums.tables[table], sums.weight, number).expect("small numbers");
            }
        }
        let whole = |table| tables.collect(table, 0, usize::MAX).expect("a table");
        (0..WIDTHS.len()).map(whole).map(|(keys, values)| Fetched { keys, values }).collect()
    }

    /// The sums of these slices, added up without any table.
    pub fn added(&self, slices: &[Slice]) -> Vec<Fetched> {
        let keys = self.keys(slices);
        let sums = self.sums(slices, &keys, &[Vec::new(), Vec::new()]);
        let table = |(keys, sums): (Vec<u64>, Vec<i64>)| Fetched { keys, values: sums.into_iter().map(|sum| sum as f32).collect() };
        keys.into_iter().zip(sums.tables).map(table).collect()
    }
}

/// One number for tables. Rows of zeros do not count where they may be left out.
pub fn hash(plan: &StepPlan, tables: &[Fetched]) -> u64 {
    let counted = |(table, width): (&Fetched, usize)| {
        let rows = table.keys.iter().zip(table.values.chunks_exact(width));
        let rows = rows.filter(|(_, row)| plan.less.is_none() || row.iter().any(|value| *value != 0.0));
        let (keys, rows): (Vec<u64>, Vec<&[f32]>) = rows.unzip();
        Fetched { keys, values: rows.concat() }
    };
    tables.iter().zip(WIDTHS).map(counted).fold(1, |hash, table| {
        let hash = table.keys.iter().fold(mix(hash, table.keys.len() as u64), |hash, &key| mix(hash, key));
        table.values.iter().fold(hash, |hash, value| mix(hash, u64::from(value.to_bits())))
    })
}

pub struct StepToy {
    pub plan: StepPlan,
    pub tiles: u32,
    parameters: Vec<Parameters>,
    passed: u64,
    journal: Arc<Mutex<Journal>>,
}

impl StepToy {
    pub fn new(plan: StepPlan, tiles: u32, journal: &Arc<Mutex<Journal>>) -> Self {
        Self { plan, tiles, parameters: plan.parameters(), passed: 0, journal: journal.clone() }
    }
}

impl Stepper for StepToy {
    fn tables(&self) -> &[Parameters] {
        &self.parameters
    }

    fn course(&self) -> Course {
        self.plan.course
    }

    fn pass(&mut self, totals: Vec<i128>) -> Result<bool, Problem> {
        let slices = self.plan.course.slices;
        let all = (0..self.tiles).flat_map(|tile| (0..slices).map(move |slice| (tile, slice)));
        let marks = all.map(|(tile, slice)| i128::from(mix(self.passed * slices + slice, u64::from(tile)))).sum();
        assert_eq!(totals, [i128::from(self.tiles) * i128::from(slices), marks], "the totals of pass {}", self.passed);
        self.passed += 1;
        Ok(true)
    }

    fn finish(&mut self, tables: Vec<Fetched>) -> Result<(), Problem> {
        assert_eq!(self.passed, self.plan.course.passes, "the end comes after all passes");
        self.journal.lock().expect("one thread").model = hash(&self.plan, &tables);
        Ok(())
    }
}

/// The computing side of a worker.
#[derive(Default)]
pub struct StepComputer {
    pub held: BTreeSet<u32>,
    slices: Vec<Slice>,
    wanted: Vec<Vec<u64>>,
}

impl StepComputer {
    pub fn batch(&mut self, plan: StepPlan, slices: Vec<Slice>) -> Vec<Vec<u64>> {
        slices.iter().for_each(|slice| assert!(self.held.contains(&slice.tile), "tile {} is not kept", slice.tile));
        self.wanted = plan.wanted(&slices);
        self.slices = slices;
        self.wanted.clone()
    }

    pub fn step(&self, plan: StepPlan, pulled: &[Vec<f32>]) -> Sums {
        for ((keys, width), rows) in self.wanted.iter().zip(WIDTHS).zip(pulled) {
            assert_eq!(rows.len(), keys.len() * width, "a row for each key");
        }
        let (keys, sums) = (plan.keys(&self.slices), plan.sums(&self.slices, &self.wanted, pulled));
        if keys == self.wanted {
            return sums;
        }
        // The others come last.
        let places: Vec<Vec<u32>> = keys.iter().map(|keys| (0..keys.len() as u32).collect()).collect();
        sums.only(&self.wanted, &places)
    }
}

/// Tables as the sums that were added to them make them.
pub fn tables_of(sums: Vec<BTreeMap<u64, Vec<i64>>>) -> Vec<Fetched> {
    let table = |sums: BTreeMap<u64, Vec<i64>>| {
        let (keys, rows): (Vec<u64>, Vec<Vec<i64>>) = sums.into_iter().unzip();
        Fetched { keys, values: rows.into_iter().flatten().map(|sum| sum as f32).collect() }
    };
    sums.into_iter().map(table).collect()
}

/// The slices of contributions, how often each.
pub fn counted(slices: impl Iterator<Item = Slice>) -> BTreeMap<Slice, usize> {
    let mut counts = BTreeMap::new();
    slices.for_each(|slice| *counts.entry(slice).or_default() += 1);
    counts
}
