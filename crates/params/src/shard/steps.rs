//! What a shard keeps of a learner by steps: its part of the tables. It knows no mode: contributions are applied as the
//! run says, together or in turn, and every commit is a cut over all shards.

use std::sync::Arc;

use quelea_core::block::Block;
use quelea_core::steps::Parameters;

use super::serving::Staged;
use crate::message::{After, Apply, FromShard};
use crate::tables::{Addition, Chunk, Keeps, Tables, together};
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
    /// The parts of the cut that the epoch began at that were loaded.
    loaded: u64,
    /// The tables after so many commits, for the run to save.
    copy: Option<(u64, Tables)>,
}

impl Steps {
    /// Tables before anything is loaded into them.
    pub fn new(stepper: &dyn Stepper, keeps: Keeps, after: After) -> Result<Self, Problem> {
        let widths = stepper.tables().iter().map(|Parameters { width, .. }| *width).collect();
        Ok(Self {
            widths,
            tables: Tables::new(stepper.tables(), keeps)?,
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

    /// Keeps a copy of the tables as they are after so many commits.
    pub fn keep_copy(&mut self, commits: u64) -> Result<(), Problem> {
        self.copy = None;
        self.copy = Some((commits, self.tables.copy()?));
        Ok(())
    }

    /// Drops the copy of so many commits.
    pub fn forget(&mut self, commits: u64) {
        self.copy.take_if(|(of, _)| *of == commits);
    }

    /// All that the copy of so many commits knows of rows of a table, from a key on.
    pub fn save(&self, epoch: u32, commits: u64, table: u32, from: u64) -> Result<FromShard, Problem> {
        let Some((_, tables)) = self.copy.as_ref().filter(|(of, _)| *of == commits) else { return Ok(FromShard::Gone) };
        let Chunk { keys, rows, .. } = tables.save(table as usize, from, self.at_once(table))?;
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
