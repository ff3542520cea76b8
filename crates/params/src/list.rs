//! The names of lists of keys. A mini-batch that comes again touches the same keys, and a name is shorter than they are.

use quelea_core::hash::wide;
use serde::{Deserialize, Serialize};

/// Stands for the keys of one mini-batch on one shard: their hash, which whoever has the keys can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListName(u128);

impl ListName {
    /// The name of these keys, table by table.
    pub fn of(tables: &[Vec<u64>]) -> Self {
        let parts = tables.iter().flat_map(|keys| [keys.len() as u128, wide(bytemuck::cast_slice(keys))]);
        let parts: Vec<u128> = parts.collect();
        Self(wide(bytemuck::cast_slice(&parts)))
    }
}
