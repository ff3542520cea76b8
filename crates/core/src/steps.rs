//! Learners by stochastic steps. Their parameters are rows of tables that shards hold under keys: too many for every
//! process to have them all, and few of them touched by a mini-batch.
//!
//! A step is: the rows of the tables that a mini-batch needs are pulled; its gradients are added up; the sums are pushed; the
//! shards apply each table's rule. What a learner gives for a mini-batch are sums of integers, so it does not matter who
//! adds up what in which order.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::learner::{Fitted, Iteration};
use crate::tile::{Role, Tile};
use crate::{Error, Result};

/// Parameters in rows of the same width, each under a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameters {
    /// What people call them: "weights", "factors".
    pub name: Cow<'static, str>,
    /// Numbers in a row, at least 1.
    pub width: usize,
    /// What a row is before anything was added to it.
    pub start: Start,
    /// What becomes of a row when something is added to it.
    pub rule: Rule,
    /// What 1 in a sum stands for, where 1 in the weight of a mini-batch is 1.
    pub unit: f64,
}

/// What a row is before anything was added to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Start {
    /// Zeros. A row appears when it is first touched.
    Zero,
    /// Normally distributed numbers that depend on seed, key and place alone. A row appears when it is first touched.
    Normal {
        /// What they are drawn from.
        seed: u64,
        /// Their standard deviation.
        deviation: f32,
    },
    /// These numbers, row by row, under keys 0, 1, 2, …; all of them are there from the start.
    Rows(#[serde(with = "shared")] Arc<Vec<f32>>),
}

/// What becomes of a row when sums are added to it. A gradient is the sum, in units, by the weight of the mini-batch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Rule {
    /// The sum is added.
    Sum,
    /// The row becomes the mean of all that was ever added: the last number of a row counts what the others are the mean of.
    Average,
    /// Stochastic gradient descent; step t has the rate `rate / sqrt(1 + decay·t)`.
    Sgd {
        /// The first step's rate.
        rate: f64,
        /// How fast it gets smaller.
        decay: f64,
        /// How much of a row's last step is repeated (Polyak 1964).
        momentum: f64,
        /// Penalty on squares, applied to the rows that are touched.
        l2: f64,
    },
    /// Steps get smaller where gradients were large (Duchi, Hazan, Singer 2011).
    Adagrad {
        /// The rate.
        rate: f64,
        /// Penalty on squares, applied to the rows that are touched.
        l2: f64,
    },
    /// Steps by running means of gradients and of their squares (Kingma, Ba 2015).
    Adam {
        /// The rate.
        rate: f64,
        /// How much of the mean gradient stays.
        beta1: f64,
        /// How much of the mean square stays.
        beta2: f64,
        /// Penalty on squares, applied to the rows that are touched.
        l2: f64,
    },
    /// Follow the regularised leader, proximal (McMahan et al. 2013).
    Ftrl {
        /// The rate.
        alpha: f64,
        /// Makes the first steps smaller.
        beta: f64,
        /// Penalty on sizes: rows with little to say are exactly 0.
        l1: f64,
        /// Penalty on squares.
        l2: f64,
    },
}

/// How much there is to do: each tile is cut into `slices`, a slice is a mini-batch's part of a tile, and a pass takes every slice once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    /// Passes at the most.
    pub passes: u64,
    /// Slices of every tile.
    pub slices: u64,
}

/// One tile's part of a mini-batch.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The tile.
    pub tile: &'a Tile,
    /// The slice, from 0 in each pass.
    pub slice: u64,
}

/// What a mini-batch, or part of it, adds up to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sums {
    /// For each of the tables a row of sums for each of its keys, in units.
    pub tables: Vec<Vec<i64>>,
    /// These keys, table by table, where they are not all that were pulled.
    pub keys: Option<Vec<Vec<u64>>>,
    /// The weight of the rows that gradients were taken of.
    pub weight: i64,
    /// What the learner wants to know at the end of a pass: losses, weights.
    pub totals: Vec<i128>,
}

impl Sums {
    /// Adds `other`, which must be of the same mini-batch.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        let overflow = || Error::NotFinite { what: "the sum of a mini-batch".into(), place: String::new() };
        for (sums, others) in self.tables.iter_mut().zip(other.tables) {
            for (sum, other) in sums.iter_mut().zip(others) {
                *sum = sum.checked_add(other).ok_or_else(overflow)?;
            }
        }
        self.weight = self.weight.checked_add(other.weight).ok_or_else(overflow)?;
        for (sum, other) in self.totals.iter_mut().zip(other.totals) {
            *sum = sum.checked_add(other).ok_or_else(overflow)?;
        }
        Ok(())
    }

    /// The sums of some keys of the mini-batch alone, whose keys are `keys`: those at these places.
    pub fn only(mut self, keys: &[Vec<u64>], places: &[Vec<u32>]) -> Self {
        for ((sums, keys), places) in self.tables.iter_mut().zip(keys).zip(places) {
            let width = sums.len().checked_div(keys.len()).unwrap_or(0);
            *sums = places.iter().flat_map(|&place| &sums[place as usize * width..][..width]).copied().collect();
        }
        let picked = |(keys, places): (&Vec<u64>, &Vec<u32>)| places.iter().map(|&place| keys[place as usize]).collect();
        self.keys = Some(keys.iter().zip(places).map(picked).collect());
        self
    }
}

/// All rows of one table that were ever touched.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fetched {
    /// Their keys, in ascending order.
    pub keys: Vec<u64>,
    /// Their numbers, row by row.
    pub values: Vec<f32>,
}

/// A training algorithm by stochastic steps.
pub trait StepLearner: Send + Sync {
    /// The rows of a mini-batch, with the places of their keys among all that it pulls.
    type Batch: Send + Sync;

    /// How much there is to do.
    fn course(&self) -> Course;

    /// The tables of parameters, and what they begin with; `tiles` are all that there are.
    fn begin(&self, tiles: &[Arc<Tile>]) -> Result<Vec<Parameters>>;

    /// A mini-batch of these parts.
    fn batch(&self, parts: &[Part<'_>]) -> Result<Self::Batch>;

    /// The keys that a mini-batch pulls, table by table, each in ascending order.
    fn keys<'a>(&self, batch: &'a Self::Batch) -> &'a [Vec<u64>];

    /// The places of those keys that training rows have, table by table; nothing if it makes no difference. Only these are
    /// pushed: many a rule changes a row to which nothing is added, and validation rows are only looked at.
    fn trained<'a>(&self, batch: &'a Self::Batch) -> Option<&'a [Vec<u32>]>;

    /// Empty sums for a mini-batch.
    fn sums(&self, batch: &Self::Batch) -> Sums;

    /// Adds part number `part` of the mini-batch. `pulled` has, for each table, a row for each key of [`StepLearner::keys`].
    /// Rows of validation tiles add to totals alone.
    fn fold(&self, batch: &Self::Batch, part: usize, pulled: &[Vec<f32>], sums: &mut Sums) -> Result<()>;

    /// What a finished pass was like, out of the totals of its mini-batches.
    fn iteration(&self, totals: &[i128]) -> Result<Iteration>;

    /// Whether enough passes are done.
    fn is_done(&self, history: &[Iteration]) -> bool;

    /// What was fitted; `tables` are the tables of [`StepLearner::begin`].
    fn finish(&self, tables: Vec<Fetched>, history: Vec<Iteration>) -> Result<Fitted>;
}

/// The rows of a slice: a tile's rows are cut into `slices` parts that differ by one row at the most.
pub fn rows_of(tile: &Tile, slice: u64, slices: u64) -> Range<usize> {
    let at = |slice: u64| (tile.rows as u64 * slice / slices.max(1)) as usize;
    at(slice)..at(slice + 1)
}

/// How many slices make mini-batches of about `batch_rows` training rows, when each takes one slice of every tile.
pub fn slices_for(rows: u64, batch_rows: u64) -> u64 {
    rows.div_ceil(batch_rows.max(1)).max(1)
}

impl Part<'_> {
    /// Whether gradients are taken of its rows.
    pub fn is_training(&self) -> bool {
        self.tile.role == Role::Train
    }
}

/// Shared numbers as a message holds them.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(numbers: &Arc<Vec<f32>>, to: S) -> Result<S::Ok, S::Error> {
        numbers.as_ref().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Vec<f32>>, D::Error> {
        Vec::deserialize(from).map(Arc::new)
    }
}
