//! A mini-batch's keys: which of them lie on which shard, and which lists of them shards were told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quelea_core::block::Block;

use crate::tables::shard_of;
use crate::{ListName, Problem};

type Blocks = Vec<(u32, Block)>;

/// The keys of each table, by shard.
#[derive(Default)]
pub(super) struct Keys {
    /// How many each table has.
    counts: Vec<usize>,
    parts: Vec<Part>,
}

/// What lies on one shard.
struct Part {
    /// The keys of each table.
    keys: Vec<Vec<u64>>,
    /// Their places among all keys of the table. Empty where there is one shard, which has all.
    places: Vec<Vec<u32>>,
    name: ListName,
}

impl Keys {
    pub fn new(tables: Vec<Vec<u64>>, shards: u32) -> Self {
        let counts = tables.iter().map(Vec::len).collect();
        if shards == 1 {
            return Self { counts, parts: vec![Part { name: ListName::of(&tables), keys: tables, places: Vec::new() }] };
        }
        let mut keys_of = vec![vec![Vec::new(); tables.len()]; shards as usize];
        let mut places_of = vec![vec![Vec::new(); tables.len()]; shards as usize];
        for (table, keys) in tables.iter().enumerate() {
            for (&key, place) in keys.iter().zip(0..) {
                let shard = shard_of(key, shards) as usize;
                keys_of[shard][table].push(key);
                places_of[shard][table].push(place);
            }
        }
        let parts = keys_of.into_iter().zip(places_of).map(|(keys, places)| Part { name: ListName::of(&keys), keys, places });
        Self { counts, parts: parts.collect() }
    }

    /// The name of a shard's list.
    pub fn name(&self, shard: u32) -> Option<ListName> {
        Some(self.parts.get(shard as usize)?.name)
    }

    /// All keys of each table.
    pub fn whole(&self) -> Vec<Vec<u64>> {
        if let [part] = &self.parts[..] {
            return part.keys.clone();
        }
        let mut tables: Vec<Vec<u64>> = self.counts.iter().map(|count| vec![0; *count]).collect();
        for part in &self.parts {
            for ((keys, places), table) in part.keys.iter().zip(&part.places).zip(&mut tables) {
                keys.iter().zip(places).for_each(|(key, place)| table[*place as usize] = *key);
            }
        }
        tables
    }

    /// The keys of a shard as blocks whose numbers are `step` apart.
    pub fn of(&self, shard: u32, step: u32) -> Blocks {
        let keys = self.parts.get(shard as usize).into_iter().flat_map(|part| &part.keys);
        (0..).map(|table| table * step).zip(keys.cloned().map(Block::Keys)).collect()
    }

    /// Whether a shard has any of the keys.
    pub fn are_on(&self, shard: u32) -> bool {
        self.parts.get(shard as usize).is_some_and(|part| part.keys.iter().any(|keys| !keys.is_empty()))
    }

    /// The rows of each table in the order of its keys, out of what the shards gave; why they do not fit, if they do not.
    pub fn joined(&self, parts: Vec<(u32, Arc<Blocks>)>) -> Result<Vec<Vec<f32>>, String> {
        let mut tables = vec![Vec::new(); self.counts.len()];
        for (shard, blocks) in parts {
            if blocks.len() != tables.len() {
                return Err(format!("{} blocks of rows for {} tables", blocks.len(), tables.len()));
            }
            // A shell that sends within the process may still hold the blocks.
            let blocks = Arc::try_unwrap(blocks).unwrap_or_else(|shared| shared.as_ref().clone());
            for (table, (_, block)) in blocks.into_iter().enumerate() {
                let Block::Values(values) = block else { return Err(format!("no rows of table {table}")) };
                self.place(shard, table, values, &mut tables[table])?;
            }
        }
        Ok(tables)
    }

    fn place(&self, shard: u32, table: usize, values: Vec<f32>, into: &mut Vec<f32>) -> Result<(), String> {
        let (all, Some(part)) = (self.counts[table], self.parts.get(shard as usize)) else { return Err("rows of no shard".into()) };
        let count = part.keys[table].len();
        let width = values.len().checked_div(count).unwrap_or(0);
        if values.len() != count * width || count > 0 && (width == 0 || !into.is_empty() && into.len() != all * width) {
            return Err(format!("{} numbers for {count} keys of table {table}", values.len()));
        }
        match part.places.get(table) {
            None => *into = values,
            Some(places) => {
                if into.is_empty() {
                    into.resize(all * width, 0.0);
                }
                for (row, &place) in values.chunks_exact(width.max(1)).zip(places) {
                    into[place as usize * width..][..width].copy_from_slice(row);
                }
            }
        }
        Ok(())
    }

    /// The largest number in each row of each table.
    pub fn sizes(&self, tables: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let of = |(count, values): (&usize, &Vec<f32>)| {
            let width = values.len().checked_div(*count).unwrap_or_default().max(1);
            values.chunks_exact(width).map(|row| row.iter().fold(0.0, |most: f32, value| most.max(value.abs()))).collect()
        };
        self.counts.iter().zip(tables).map(of).collect()
    }

    /// The sums that each shard is to stage: those of table number t as block 2t + 1.
    pub fn parted(&self, tables: Vec<Vec<i64>>) -> Result<Vec<Blocks>, Problem> {
        let fits = |(keys, sums): (&usize, &Vec<i64>)| sums.len().checked_rem(*keys).unwrap_or(sums.len()) == 0;
        if tables.len() != self.counts.len() || !self.counts.iter().zip(&tables).all(fits) {
            return Err(Problem::internal("the sums of a mini-batch do not fit its keys"));
        }
        let numbered = |sums: Vec<Vec<i64>>| (0..).map(|table| 2 * table + 1).zip(sums.into_iter().map(Block::Integers)).collect();
        if let [_] = &self.parts[..] {
            return Ok(vec![numbered(tables)]);
        }
        let of = |part: &Part| numbered(tables.iter().enumerate().map(|(table, sums)| self.picked(part, table, sums)).collect());
        Ok(self.parts.iter().map(of).collect())
    }

    fn picked(&self, part: &Part, table: usize, sums: &[i64]) -> Vec<i64> {
        let width = sums.len().checked_div(self.counts[table]).unwrap_or(0);
        part.places[table].iter().flat_map(|&place| &sums[place as usize * width..][..width]).copied().collect()
    }
}

/// The most names that are remembered for a shard.
const MOST_NAMES: usize = 1 << 16;

/// The lists that shards were told, as far as is known: a shard may have forgotten them.
#[derive(Default)]
pub(super) struct Told(BTreeMap<u32, BTreeSet<ListName>>);

impl Told {
    pub fn note(&mut self, shard: u32, name: ListName) {
        let names = self.0.entry(shard).or_default();
        if names.len() == MOST_NAMES {
            names.clear();
        }
        names.insert(name);
    }

    pub fn has(&self, shard: u32, name: ListName) -> bool {
        self.0.get(&shard).is_some_and(|names| names.contains(&name))
    }

    /// The shard does not know this list.
    pub fn forget(&mut self, shard: u32, name: ListName) {
        if let Some(names) = self.0.get_mut(&shard) {
            names.remove(&name);
        }
    }
}
