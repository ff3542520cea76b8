//! Tiles: fixed-size blocks of encoded rows, the atom of work.

use arrow::buffer::ScalarBuffer;

/// The code of a missing category.
pub const MISSING: u32 = u32::MAX;
/// The code of a category that the encoder has not seen.
pub const UNSEEN: u32 = u32::MAX - 1;
/// The most rows a tile may have; a row's place in its tile fits 16 bits.
pub const MOST_ROWS: usize = 65_536;
const LEAST_ROWS: usize = 4_096;

/// Rows per tile of a table: a 64th of its rows, within 4,096 and 65,536. It depends on the table alone.
pub fn rows_per_tile(rows: u64) -> usize {
    (rows.div_ceil(64)).clamp(LEAST_ROWS as u64, MOST_ROWS as u64) as usize
}

/// Which part of the table a tile was cut from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Rows that the parameters are fitted to.
    Train,
    /// Rows that tell when to stop.
    Validation,
}

/// One feature's values in a tile.
#[derive(Debug, Clone)]
pub enum Values {
    /// A number per row; NaN is missing, infinities do not occur.
    Number(ScalarBuffer<f32>),
    /// A code per row: an index into the feature's values, [`MISSING`] or [`UNSEEN`].
    Category(ScalarBuffer<u32>),
    /// Numbers by index, few of which are not 0. Row `r` has the entries `offsets[r]..offsets[r + 1]`; the first offset need not be 0,
    /// so that tiles can share a column's memory. A row's indices ascend and are below the feature's width. An index that occurs twice
    /// in a row counts twice: that is how columns meet that are hashed into one bucket.
    Sparse {
        /// Where each row's entries begin, and where the last one's end: one more than there are rows.
        offsets: ScalarBuffer<u32>,
        /// The entries' indices.
        indices: ScalarBuffer<u32>,
        /// The entries' values, finite; `None` means 1 everywhere.
        values: Option<ScalarBuffer<f32>>,
    },
}

/// A block of encoded rows.
#[derive(Debug, Clone)]
pub struct Tile {
    /// Its number in row order, from 0 in each role.
    pub number: u32,
    /// The part of the table it belongs to.
    pub role: Role,
    /// How many rows it has, at most [`MOST_ROWS`].
    pub rows: usize,
    /// One entry per feature of the schema, each of `rows` values.
    pub features: Vec<Values>,
    /// The target per row: a number, or the index of a class; empty for learners without target.
    pub target: ScalarBuffer<f32>,
    /// The weight per row, class weights included; `None` means 1 everywhere.
    pub weight: Option<ScalarBuffer<f32>>,
}

impl Tile {
    /// The weight of `row`.
    #[inline(always)]
    pub fn weight_of(&self, row: usize) -> f32 {
        self.weight.as_ref().map_or(1.0, |w| w[row])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tile_size_depends_on_rows_alone() {
        assert_eq!(rows_per_tile(0), 4_096);
        assert_eq!(rows_per_tile(1_000_000), 15_625);
        assert_eq!(rows_per_tile(1_000_000_000), 65_536);
    }
}
