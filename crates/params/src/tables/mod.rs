//! The tables of parameters that a shard keeps: rows under keys, and the rules by which they change. A row depends only on
//! the sums and weights that were applied to it, in their order, and not on what else the shard keeps.

mod index;
mod memory;
mod rows;
mod rule;
mod start;
mod table;
mod together;

use quelea_core::counter::mix;
use quelea_core::steps::Parameters;
use serde::{Deserialize, Serialize};

use crate::Problem;
pub(crate) use index::{Index, NOWHERE};
use table::Table;
pub use together::{Addition, together};

/// The shard that keeps a key of any table: hot keys are spread evenly.
#[inline(always)]
pub fn shard_of(key: u64, shards: u32) -> u32 {
    (mix(key) % u64::from(shards.max(1))) as u32
}

/// Which keys are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeps {
    /// Those of this shard.
    pub shard: u32,
    /// Of so many.
    pub shards: u32,
}

impl Keeps {
    /// All keys.
    pub const ALL: Self = Self { shard: 0, shards: 1 };

    /// Whether `key` is kept.
    #[inline(always)]
    pub fn has(self, key: u64) -> bool {
        self.shards == 1 || shard_of(key, self.shards) == self.shard
    }
}

/// Rows of a table with all that is known of them, in ascending order of their keys.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Chunk {
    /// The table.
    pub table: u32,
    /// The keys.
    pub keys: Vec<u64>,
    /// For each key its values, and then what the table's rule remembers of it.
    pub rows: Vec<f32>,
}

/// The tables that a shard keeps.
///
/// What a broken caller asks is refused with a [`Problem`], and changes nothing.
#[derive(Debug)]
pub struct Tables {
    tables: Vec<Table>,
}

impl Tables {
    /// The tables before anything was added to them.
    pub fn new(parameters: &[Parameters], keeps: Keeps) -> Result<Self, Problem> {
        Ok(Self { tables: parameters.iter().map(|parameters| Table::new(parameters, keeps)).collect::<Result<_, _>>()? })
    }

    /// A copy, for as much memory again.
    pub fn copy(&self) -> Result<Self, Problem> {
        Ok(Self { tables: self.tables.iter().map(Table::copy).collect::<Result<_, _>>()? })
    }

    /// Appends the rows of `keys`, which may be in any order, to `into`. A row that was never touched is as it starts, and
    /// does not come to be.
    pub fn read(&self, table: usize, keys: &[u64], into: &mut Vec<f32>) -> Result<(), Problem> {
        self.table(table)?.read(keys, into)
    }

    /// Whether [`Tables::apply`] would take this: `keys` ascend, are kept here, and each has a row of `sums`.
    pub fn check(&self, table: usize, keys: &[u64], sums: &[i64], weight: i64) -> Result<(), Problem> {
        self.table(table)?.check(keys, sums, weight)
    }

    /// Applies the table's rule once to each of `keys`; `step` is the number of applications before this one.
    ///
    /// Where gradients have weight 0, there are none, and nothing happens. A row that leaves the range of numbers is an
    /// error after which the tables are of no use. With [`Rule::Sum`](quelea_core::steps::Rule::Sum) and a unit of 1, a row
    /// is the exact sum as long as it stays within ±2^24; beyond, each application rounds it to 24 bits, so that small
    /// additions to a large sum are lost.
    pub fn apply(&mut self, table: usize, keys: &[u64], sums: &[i64], weight: i64, step: u64) -> Result<(), Problem> {
        self.table_mut(table)?.apply(keys, sums, weight, step)
    }

    /// Up to `most` rows in ascending order of their keys, from key `from` on: those that were ever touched, and those that
    /// are there from the start. No rows are the end.
    pub fn collect(&self, table: usize, from: u64, most: usize) -> Result<(Vec<u64>, Vec<f32>), Problem> {
        Ok(self.table(table)?.collect(from, most))
    }

    /// Like [`Tables::collect`], with all that is known of the rows.
    pub fn save(&self, table: usize, from: u64, most: usize) -> Result<Chunk, Problem> {
        let (keys, rows) = self.table(table)?.save(from, most);
        Ok(Chunk { table: table as u32, keys, rows })
    }

    /// Takes what another shard has saved, as far as this one keeps it.
    pub fn load(&mut self, chunk: &Chunk) -> Result<(), Problem> {
        self.table_mut(chunk.table as usize)?.load(chunk)
    }

    fn table(&self, table: usize) -> Result<&Table, Problem> {
        self.tables.get(table).ok_or_else(|| no_table(table))
    }

    fn table_mut(&mut self, table: usize) -> Result<&mut Table, Problem> {
        self.tables.get_mut(table).ok_or_else(|| no_table(table))
    }
}

fn no_table(table: usize) -> Problem {
    Problem::internal(format!("there is no table {table}"))
}

/// Refuses keys that do not ascend, and numbers that are not a row of `length` for each.
fn check_shape(length: usize, keys: &[u64], numbers: usize) -> Result<(), Problem> {
    if keys.len().checked_mul(length) != Some(numbers) {
        return Err(Problem::internal(format!("{} keys have {numbers} numbers, in rows of {length}", keys.len())));
    }
    match keys.windows(2).find(|pair| pair[0] >= pair[1]) {
        None => Ok(()),
        Some(pair) => Err(Problem::internal(format!("key {} comes before key {}", pair[0], pair[1]))),
    }
}
