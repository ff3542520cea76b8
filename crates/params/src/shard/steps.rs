//! What a shard keeps of a learner by steps: its part of the tables. It knows no mode: contributions are applied as the
//! run says, together or in turn, and every commit is a cut over all shards.

use std::sync::Arc;

use quelea_core::block::Block;
use quelea_core::steps::Parameters;

use super::serving::Staged;
use crate::message::{Apply, FromShard};
use crate::tables::{Addition, Keeps, Tables, together};
use crate::{Problem, Stepper};

/// About how many numbers of a table one message holds.
const COLLECTED_AT_ONCE: usize = 1 << 20;

type Blocks = Vec<(u32, Block)>;

/// The tables.
pub(super) struct Steps {
    widths: Vec<usize>,
    tables: Tables,
    /// How often rules were applied so far.
    applied: u64,
    /// Contributions to earlier clocks come too late: a commit has taken all of its clock together.
    pub closed: u64,
}

impl Steps {
    pub fn new(stepper: &dyn Stepper, keeps: Keeps) -> Result<Self, Problem> {
        let widths = stepper.tables().iter().map(|Parameters { width, .. }| *width).collect();
        Ok(Self { widths, tables: Tables::new(stepper.tables(), keeps)?, applied: 0, closed: 0 })
    }

    /// Why a push cannot be applied, if it cannot.
    pub fn check_push(&self, weight: i64, blocks: &Blocks) -> Result<(), String> {
        if weight < 0 || blocks.len() != 2 * self.widths.len() {
            return Err(format!("{} blocks of weight {weight} for {} tables", blocks.len(), self.widths.len()));
        }
        for table in 0..self.widths.len() {
            let (keys, sums) = addition(blocks, table).ok_or_else(|| format!("the blocks of table {table} are not keys and sums"))?;
            self.tables.check(table, keys, sums, weight).map_err(|problem| format!("in table {table}, {}", words(problem)))?;
        }
        Ok(())
    }

    /// The rows that a worker asks for, or why it cannot have them.
    pub fn rows(&self, blocks: &Blocks) -> Result<Blocks, String> {
        if blocks.len() != self.widths.len() {
            return Err(format!("{} blocks of keys for {} tables", blocks.len(), self.widths.len()));
        }
        let of = |(table, block): (usize, &(u32, Block))| match block {
            (number, Block::Keys(keys)) if *number as usize == table => {
                let mut values = Vec::new();
                let read = self.tables.read(table, keys, &mut values);
                read.map_err(|problem| format!("in table {table}, {}", words(problem)))?;
                Ok((*number, Block::Values(values)))
            }
            _ => Err(format!("block {table} is not the keys of table {table}")),
        };
        blocks.iter().enumerate().map(of).collect()
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
            let additions = contributions.iter().filter_map(|staged| addition(&staged.blocks, table));
            let sum = together(additions.map(|(keys, sums)| Addition::new(keys, sums)).collect(), width)?;
            self.tables.apply(table, &sum.keys, &sum.sums, weight, self.applied)?;
        }
        self.applied += 1;
        Ok(())
    }

    /// Rows of a table from a key on, in the order of their keys.
    pub fn collect(&self, epoch: u32, clock: u64, table: u32, from: u64) -> Result<FromShard, Problem> {
        let width = self.widths.get(table as usize).copied().unwrap_or(1);
        let (keys, values) = self.tables.collect(table as usize, from, (COLLECTED_AT_ONCE / width.max(1)).max(1))?;
        Ok(FromShard::Rows { epoch, clock, blocks: Arc::new(vec![(0, Block::Keys(keys)), (1, Block::Values(values))]) })
    }
}

/// The keys and sums of a table in what was pushed.
fn addition(blocks: &Blocks, table: usize) -> Option<(&[u64], &[i64])> {
    match (blocks.get(2 * table)?, blocks.get(2 * table + 1)?) {
        ((a, Block::Keys(keys)), (b, Block::Integers(sums))) if (*a as usize, *b as usize) == (2 * table, 2 * table + 1) => {
            Some((keys, sums))
        }
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
