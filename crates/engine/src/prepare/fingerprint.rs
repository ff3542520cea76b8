//! A fingerprint of what was trained on: the same for the same rows, whatever files they came from.

use quelea_core::schema::Schema;
use quelea_core::tile::{Tile, Values};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use twox_hash::xxhash3_128::Hasher;

/// 128 bits in hexadecimal over schema and tiles.
pub(crate) fn of(schema: &Schema, tiles: &[Arc<Tile>]) -> String {
    let of_tiles: Vec<u128> = tiles.par_iter().map(|tile| of_tile(tile)).collect();
    let mut hash = Hasher::new();
    // Whether times had a zone is a matter of how they were written.
    let schema = Schema { zoned: BTreeMap::new(), ..schema.clone() };
    hash.write(&serde_json::to_vec(&schema).expect("a schema is plain data"));
    for of_tile in of_tiles {
        hash.write(&of_tile.to_le_bytes());
    }
    format!("{:032x}", hash.finish_128())
}

/// The value, with one kind of NaN for all that is missing.
fn plain(value: f32) -> f32 {
    if value.is_nan() { f32::NAN } else { value }
}

/// Hashes values block by block: a call for each takes ten times as long.
fn write_all<T: Copy>(hash: &mut Hasher, values: &[T], bytes_of: impl Fn(T) -> [u8; 4]) {
    let mut bytes = [0; 4_096];
    for values in values.chunks(bytes.len() / 4) {
        for (bytes, value) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(values) {
            *bytes = bytes_of(*value);
        }
        hash.write(&bytes[..4 * values.len()]);
    }
}

fn write_numbers(hash: &mut Hasher, values: &[f32]) {
    write_all(hash, values, |value| plain(value).to_le_bytes());
}

/// Hashes the entries of a tile's rows, wherever in memory they begin. Values that are not told are 1.
fn write_entries(hash: &mut Hasher, offsets: &[u32], indices: &[u32], values: Option<&[f32]>) {
    const ONES: [f32; 1_024] = [1.0; 1_024];
    let first = offsets.first().copied().unwrap_or(0);
    let entries = first as usize..offsets.last().copied().unwrap_or(0) as usize;
    write_all(hash, offsets, |offset| (offset - first).to_le_bytes());
    write_all(hash, &indices[entries.clone()], u32::to_le_bytes);
    match values {
        Some(values) => write_numbers(hash, &values[entries]),
        None => entries.step_by(ONES.len()).for_each(|at| {
            let left = offsets.last().map_or(0, |&end| end as usize - at);
            write_numbers(hash, &ONES[..left.min(ONES.len())]);
        }),
    }
}

fn of_tile(tile: &Tile) -> u128 {
    let mut hash = Hasher::new();
    hash.write(&[tile.role as u8]);
    for values in &tile.features {
        match values {
            Values::Number(values) => write_numbers(&mut hash, values),
            Values::Category(values) => hash.write(values.inner().as_slice()),
            Values::Sparse { offsets, indices, values } => write_entries(&mut hash, offsets, indices, values.as_deref()),
        }
    }
    hash.write(tile.target.inner().as_slice());
    if let Some(weight) = &tile.weight {
        hash.write(weight.inner().as_slice());
    }
    hash.finish_128()
}
