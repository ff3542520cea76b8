//! What a shard keeps of a learner by steps: its part of the tables. It knows no mode: contributions are applied as the
//! run says, together or in turn, and every commit is a cut over all shards.

use std::sync::Arc;

use quelea_core::block::Block;
use quelea_core::steps::Parameters;

use super::lists::{Keys, Lists};
use super::serving::Staged;
use crate::message::{After, Apply, FromShard};
use crate::tables::{Addition, Chunk, Keeps, Tables, together};
use crate::{Bits, ListName, Problem, Stepper};

/// About how many numbers of a table one message holds.
const COLLECTED_AT_ONCE: usize = 1 << 20;

/// Lists of keys that are remembered: as many as mini-batches of 16 million keys in all have.
const LISTS_BYTES: usize = 128 << 20;

type Blocks = Vec<(u32, Block)>;

/// The tables.
pub(super) struct Steps {
    widths: Vec<usize>,
    tables: Tables,
    lists: Lists,
    /// How often rules were applied so far.
    applied: u64,
    /// Contributions to earlier clocks come too late: a commit has taken all of its clock together.
    pub closed: u64,
    /// The parts of the cut that the epoch began at that were loaded.
    loaded: u64,
    /// The tables after so many commits, for the run to save; or why there is no room for them.
    copy: Option<(u64, Result<Tables, Problem>)>,
}

impl Steps {
    /// Tables before anything is loaded into them.
    pub fn new(stepper: &dyn Stepper, keeps: Keeps, after: After) -> Result<Self, Problem> {
        let widths = stepper.tables().iter().map(|Parameters { width, .. }| *width).collect();
        Ok(Self {
            widths,
            tables: Tables::new(stepper.tables(), keeps)?,
            lists: Lists::new(LISTS_BYTES),
            applied: after.applied,
            closed: after.closed,
            loaded: 0,
            copy: None,
        })
    }

    /// Takes a part of a cut, if it is the next; whether it has it.
    pub fn load(&mut self, part: u64, table: u32, blocks: &[(u32, Block)]) -> Result<bool, Problem> {
        if part == self.loaded {
            let [(0, Block::Keys(keys)), (1, Block::Values(rows))] = blocks else {
                return Err(Problem::internal("a part of a cut is not keys and rows"));
            };
            self.tables.load(&Chunk { table, keys: keys.clone(), rows: rows.clone() })?;
            self.loaded += 1;
        }
        Ok(part < self.loaded)
    }

    /// The keys of a push, which it tells or names, and its sums; or the answer to it, if it cannot be applied.
    pub fn keys_and_sums(&mut self, list: Option<ListName>, weight: i64, blocks: Arc<Blocks>) -> Result<(Keys, Arc<Blocks>), FromShard> {
        let is_of_keys = |(number, _): &(u32, Block)| number % 2 == 0;
        let (keys, sums) = match list {
            Some(name) if !blocks.iter().any(is_of_keys) => (self.lists.get(name).ok_or(FromShard::Unlisted)?, blocks),
            _ => {
                let (keys, sums): (Blocks, Blocks) = owned(blocks).into_iter().partition(is_of_keys);
                (keys_of(keys, 2).map_err(|what| FromShard::Refused { what })?, Arc::new(sums))
            }
        };
        self.check_push(weight, &keys, &sums).map_err(|what| FromShard::Refused { what })?;
        if list.is_some() {
            self.lists.keep(&keys);
        }
        Ok((keys, sums))
    }

    /// Why a push cannot be applied, if it cannot.
    fn check_push(&self, weight: i64, keys: &[Vec<u64>], sums: &Blocks) -> Result<(), String> {
        let tables = self.widths.len();
        if weight < 0 || keys.len() != tables || sums.len() != tables {
            return Err(format!("{} lists of keys and {} of sums of weight {weight} for {tables} tables", keys.len(), sums.len()));
        }
        for (table, keys) in keys.iter().enumerate() {
            let sums = sums_of(sums, table).ok_or_else(|| format!("block {} is not the sums of table {table}", 2 * table + 1))?;
            self.tables.check(table, keys, sums, weight).map_err(|problem| format!("in table {table}, {}", words(problem)))?;
        }
        Ok(())
    }

    /// The keys that a worker names, or tells, in which case they are remembered; or the answer to it.
    pub fn keys_to_read(&mut self, list: Option<ListName>, blocks: Arc<Blocks>) -> Result<Keys, FromShard> {
        if let Some(name) = list {
            return self.lists.get(name).ok_or(FromShard::Unlisted);
        }
        if blocks.len() != self.widths.len() {
            return Err(FromShard::Refused { what: format!("{} blocks of keys for {} tables", blocks.len(), self.widths.len()) });
        }
        let keys = keys_of(owned(blocks), 1).map_err(|what| FromShard::Refused { what })?;
        self.lists.keep(&keys);
        Ok(keys)
    }

    /// The rows that a worker asks for, or why it cannot have them.
    pub fn rows(&self, keys: &[Vec<u64>], bits: Bits) -> Result<Blocks, String> {
        let of = |(table, keys): (usize, &Vec<u64>)| {
            let mut values = Vec::new();
            let read = self.tables.read(table, keys, &mut values);
            read.map_err(|problem| format!("in table {table}, {}", words(problem)))?;
            bits.round_values(&mut values);
            Ok((table as u32, Block::Values(values)))
        };
        keys.iter().enumerate().map(of).collect()
    }

    /// Applies these contributions.
    pub fn commit(&mut self, contributions: &[Staged], apply: Apply) -> Result<(), Problem> {
        match apply {
            Apply::Together => self.apply(contributions),
            Apply::InTurn => contributions.chunks(1).try_for_each(|one| self.apply(one)),
        }
    }

    /// Applies the sum of these contributions.
    fn apply(&mut self, contributions: &[Staged]) -> Result<(), Problem> {
        let weight = contributions.iter().try_fold(0i64, |sum, staged| sum.checked_add(staged.weight));
        let weight = weight.ok_or_else(|| Problem::internal("the weights of a commit leave 64 bits"))?;
        for (table, &width) in self.widths.iter().enumerate() {
            let additions = contributions.iter().filter_map(|staged| addition(staged, table));
            let sum = together(additions.collect(), width)?;
            self.tables.apply(table, &sum.keys, &sum.sums, weight, self.applied)?;
        }
        self.applied += 1;
        Ok(())
    }

    /// Keeps a copy of the tables as they are after so many commits. That there is no room for one is told whoever asks for it.
    pub fn keep_copy(&mut self, commits: u64) {
        self.copy = None;
        self.copy = Some((commits, self.tables.copy()));
    }

    /// Drops the copy of so many commits.
    pub fn forget(&mut self, commits: u64) {
        self.copy.take_if(|(of, _)| *of == commits);
    }

    /// All that the copy of so many commits knows of rows of a table, from a key on.
    pub fn save(&self, epoch: u32, commits: u64, table: u32, from: u64) -> Result<FromShard, Problem> {
        let Some((_, tables)) = self.copy.as_ref().filter(|(of, _)| *of == commits) else { return Ok(FromShard::Gone) };
        let Chunk { keys, rows, .. } = tables.as_ref().map_err(Problem::clone)?.save(table as usize, from, self.at_once(table))?;
        Ok(page(epoch, commits, keys, rows))
    }

    /// Rows of a table from a key on, in the order of their keys.
    pub fn collect(&self, epoch: u32, clock: u64, table: u32, from: u64) -> Result<FromShard, Problem> {
        let (keys, values) = self.tables.collect(table as usize, from, self.at_once(table))?;
        Ok(page(epoch, clock, keys, values))
    }

    fn at_once(&self, table: u32) -> usize {
        let width = self.widths.get(table as usize).copied().unwrap_or(1);
        (COLLECTED_AT_ONCE / width.max(1)).max(1)
    }
}

fn page(epoch: u32, clock: u64, keys: Vec<u64>, rows: Vec<f32>) -> FromShard {
    FromShard::Rows { epoch, clock, blocks: Arc::new(vec![(0, Block::Keys(keys)), (1, Block::Values(rows))]) }
}

/// Blocks without their owner: a shell that sends within the process may still hold them.
fn owned(blocks: Arc<Blocks>) -> Blocks {
    Arc::try_unwrap(blocks).unwrap_or_else(|shared| shared.as_ref().clone())
}

/// The keys of table after table; their blocks' numbers are `step` apart.
fn keys_of(blocks: Blocks, step: usize) -> Result<Keys, String> {
    let of = |(table, (number, block)): (usize, (u32, Block))| match block {
        Block::Keys(keys) if number as usize == table * step => Ok(keys),
        _ => Err(format!("block {number} is not the keys of table {table}")),
    };
    Ok(Arc::new(blocks.into_iter().enumerate().map(of).collect::<Result<_, _>>()?))
}

/// What was pushed for a table.
fn addition(staged: &Staged, table: usize) -> Option<Addition<'_>> {
    Some(Addition::new(staged.keys.get(table)?, sums_of(&staged.blocks, table)?))
}

/// The sums of a table in what was pushed.
fn sums_of(sums: &Blocks, table: usize) -> Option<&[i64]> {
    match sums.get(table)? {
        (number, Block::Integers(sums)) if *number as usize == 2 * table + 1 => Some(sums),
        _ => None,
    }
}

/// A problem that goes into the text of another.
fn words(problem: Problem) -> String {
    match problem {
        Problem::Internal { what } => what,
        other => other.to_string(),
    }
}
