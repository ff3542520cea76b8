//! Sets of categories: for each code, a bit per set that has it; a block's bits are those rows turned.

use quelea_core::tile::{MISSING, UNSEEN};

use super::Bits;

/// The most bytes that the sets of a model may take.
pub const MOST_BYTES: usize = 64 << 20;

/// The sets that trees ask a feature for.
#[derive(Debug)]
pub struct Sets {
    /// 64 sets at a time: a word for each code, one for missing values, and one for the unseen.
    groups: Vec<Vec<u64>>,
    values: usize,
}

impl Sets {
    /// Sets over this many values, `count` of them, all empty.
    pub fn new(values: usize, count: usize) -> Self {
        Self { groups: vec![vec![0; values + 2]; count.div_ceil(64)], values }
    }

    /// Bytes that sets take.
    pub fn bytes(values: usize, count: usize) -> usize {
        (values + 2).saturating_mul(count.div_ceil(64)).saturating_mul(8)
    }

    /// Fills set `number`.
    pub fn put(&mut self, number: usize, codes: &[u32], has_missing: bool) {
        let group = &mut self.groups[number / 64];
        codes.iter().for_each(|&code| group[code as usize] |= 1 << (number % 64));
        group[self.values] |= u64::from(has_missing) << (number % 64);
    }

    /// For each set, the rows whose code it has.
    pub fn rows(&self, codes: &[u32], conditions: &mut [Bits]) {
        for (group, conditions) in self.groups.iter().zip(conditions.chunks_mut(64)) {
            for (word, codes) in codes.chunks(64).enumerate() {
                let mut square = [0; 64];
                for (row, &code) in square.iter_mut().zip(codes) {
                    let place = match code {
                        MISSING => self.values,
                        UNSEEN => self.values + 1,
                        code => code as usize,
                    };
                    *row = group[place];
                }
                turn(&mut square);
                conditions.iter_mut().zip(square).for_each(|(condition, rows)| condition.0[word] = rows);
            }
        }
    }
}

/// Turns a square of bits on its diagonal, by swapping ever smaller squares (Warren, "Hacker's Delight", 2003).
fn turn(square: &mut [u64; 64]) {
    let (mut size, mut mask) = (32, 0x0000_0000_ffff_ffffu64);
    while size != 0 {
        for first in (0..64).filter(|row| row & size == 0) {
            let swapped = ((square[first] >> size) ^ square[first + size]) & mask;
            square[first] ^= swapped << size;
            square[first + size] ^= swapped;
        }
        size /= 2;
        mask ^= mask << size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turned_square_has_its_rows_as_columns() {
        let mut square: [u64; 64] = std::array::from_fn(|row| (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let before = square;
        turn(&mut square);
        for (row, before) in before.iter().enumerate() {
            for (column, after) in square.iter().enumerate() {
                assert_eq!(after >> row & 1, before >> column & 1, "{row} {column}");
            }
        }
    }
}
