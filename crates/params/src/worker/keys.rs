//! A mini-batch's keys, and which of them lie on which shard.

use std::sync::Arc;

use quelea_core::block::Block;

use crate::Problem;
use crate::tables::shard_of;

type Blocks = Vec<(u32, Block)>;

/// The keys of each table, whole and by shard.
#[derive(Default)]
pub(super) struct Keys {
    tables: Vec<Vec<u64>>,
    /// By shard and table: the places of its keys among those of the table. Empty where there is one shard, which has all.
    places: Vec<Vec<Vec<u32>>>,
}

impl Keys {
    pub fn new(tables: Vec<Vec<u64>>, shards: u32) -> Self {
        let mut places = Vec::new();
        if shards > 1 {
            places = vec![vec![Vec::new(); tables.len()]; shards as usize];
            for (table, keys) in tables.iter().enumerate() {
                for (&key, place) in keys.iter().zip(0..) {
                    places[shard_of(key, shards) as usize][table].push(place);
                }
            }
        }
        Self { tables, places }
    }

    /// The keys of a shard, block t for table number t.
    pub fn of(&self, shard: u32) -> Blocks {
        let of_table = |table| Block::Keys(self.picked(shard, table));
        (0..self.tables.len()).map(|table| (table as u32, of_table(table))).collect()
    }

    /// Whether a shard has any of the keys.
    pub fn are_on(&self, shard: u32) -> bool {
        let has = |places: &Vec<Vec<u32>>| places.iter().any(|places| !places.is_empty());
        self.places.get(shard as usize).map_or(self.tables.iter().any(|keys| !keys.is_empty()), has)
    }

    /// The rows of each table in the order of its keys, out of what the shards gave; why they do not fit, if they do not.
    pub fn joined(&self, parts: Vec<(u32, Arc<Blocks>)>) -> Result<Vec<Vec<f32>>, String> {
        let mut tables = vec![Vec::new(); self.tables.len()];
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
        let all = self.tables[table].len();
        let count = self.places.get(shard as usize).map_or(all, |places| places[table].len());
        let width = values.len().checked_div(count).unwrap_or(0);
        if values.len() != count * width || count > 0 && (width == 0 || !into.is_empty() && into.len() != all * width) {
            return Err(format!("{} numbers for {count} keys of table {table}", values.len()));
        }
        match self.places.get(shard as usize) {
            None => *into = values,
            Some(places) => {
                if into.is_empty() {
                    into.resize(all * width, 0.0);
                }
                for (row, &place) in values.chunks_exact(width.max(1)).zip(&places[table]) {
                    into[place as usize * width..][..width].copy_from_slice(row);
                }
            }
        }
        Ok(())
    }

    /// What each shard is to stage: for table number t its keys as block 2t and its sums as block 2t + 1.
    pub fn parted(self, tables: Vec<Vec<i64>>, shards: u32) -> Result<Vec<Blocks>, Problem> {
        let fits = |(keys, sums): (&Vec<u64>, &Vec<i64>)| sums.len().checked_rem(keys.len()).unwrap_or(sums.len()) == 0;
        if tables.len() != self.tables.len() || !self.tables.iter().zip(&tables).all(fits) {
            return Err(Problem::internal("the sums of a mini-batch do not fit its keys"));
        }
        if shards == 1 {
            let blocks = self.tables.into_iter().zip(tables).flat_map(|(keys, sums)| [Block::Keys(keys), Block::Integers(sums)]);
            return Ok(vec![(0..).zip(blocks).collect()]);
        }
        let of = |shard: u32| {
            let blocks = tables
                .iter()
                .enumerate()
                .flat_map(|(table, sums)| [Block::Keys(self.picked(shard, table)), Block::Integers(self.picked_sums(shard, table, sums))]);
            (0..).zip(blocks).collect()
        };
        Ok((0..shards).map(of).collect())
    }

    fn picked(&self, shard: u32, table: usize) -> Vec<u64> {
        let keys = &self.tables[table];
        let Some(places) = self.places.get(shard as usize) else { return keys.clone() };
        places[table].iter().map(|&place| keys[place as usize]).collect()
    }

    fn picked_sums(&self, shard: u32, table: usize, sums: &[i64]) -> Vec<i64> {
        let width = sums.len().checked_div(self.tables[table].len()).unwrap_or(0);
        let places = &self.places[shard as usize][table];
        places.iter().flat_map(|&place| &sums[place as usize * width..][..width]).copied().collect()
    }
}
