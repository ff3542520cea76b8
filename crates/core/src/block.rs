//! Blocks: what workers push. Merging two of them gives the same whatever the order.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A part of a round's sum; the learner numbers its blocks, and each is updated on its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Block {
    /// Integers that add up, position by position: counts, histograms, limbs of exact sums.
    Integers(Vec<i64>),
    /// Fixed-point numbers that add up, position by position; the learner knows their scale.
    Fixed(Vec<i128>),
    /// Numbers in no order, such as a sample of a column.
    Bag(Vec<f32>),
    /// Whole rows that were picked, each under its number.
    Rows(Vec<PickedRow>),
    /// Keys of parameters, in ascending order. They are never merged.
    Keys(Vec<u64>),
    /// Parameters, in the order of their keys. They are never merged.
    Values(Vec<f32>),
}

/// A row of the table that a learner picked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PickedRow {
    /// Its tile.
    pub tile: u32,
    /// Its place in the tile.
    pub row: u32,
    /// What the learner wants of it.
    pub values: Vec<f32>,
}

impl Block {
    /// The sum of parts, of which there must be one at least.
    pub fn sum(parts: Vec<Block>) -> Result<Block> {
        let mut parts = parts.into_iter();
        let mut sum = parts.next().ok_or_else(|| Error::Internal { what: "a block without parts".into() })?;
        parts.try_for_each(|part| sum.merge(part))?;
        Ok(sum)
    }

    /// The parts of each block, out of the blocks of each part; all parts must have the same.
    pub fn by_number(parts: impl IntoIterator<Item = Vec<(u32, Block)>>) -> Result<Vec<(u32, Vec<Block>)>> {
        let mut parts = parts.into_iter();
        let of_first = parts.next().unwrap_or_default();
        let mut of_block: Vec<(u32, Vec<Block>)> = of_first.into_iter().map(|(number, block)| (number, vec![block])).collect();
        for blocks in parts {
            if blocks.len() != of_block.len() || blocks.iter().zip(&of_block).any(|(a, b)| a.0 != b.0) {
                return Err(Error::Internal { what: "parts of a sum have different blocks".into() });
            }
            of_block.iter_mut().zip(blocks).for_each(|((_, parts), (_, block))| parts.push(block));
        }
        Ok(of_block)
    }

    /// Adds `other`, which must be of the same kind and length.
    pub fn merge(&mut self, other: Block) -> Result<()> {
        match (self, other) {
            (Self::Integers(a), Self::Integers(b)) if a.len() == b.len() => {
                for (a, b) in a.iter_mut().zip(b) {
                    *a = a.checked_add(b).ok_or_else(overflow)?;
                }
            }
            (Self::Fixed(a), Self::Fixed(b)) if a.len() == b.len() => {
                for (a, b) in a.iter_mut().zip(b) {
                    *a = a.checked_add(b).ok_or_else(overflow)?;
                }
            }
            (Self::Bag(a), Self::Bag(b)) => a.extend(b),
            (Self::Rows(a), Self::Rows(b)) => a.extend(b),
            (a, b) => {
                return Err(Error::Internal {
                    what: format!("blocks of different shape cannot be merged: {} and {}", a.shape(), b.shape()),
                });
            }
        }
        Ok(())
    }

    /// Brings what has no order of its own into a fixed one. After the last merge it must be done; before, it makes that cheap.
    pub fn settle(&mut self) {
        match self {
            Self::Integers(_) | Self::Fixed(_) | Self::Keys(_) | Self::Values(_) => {}
            // Parts that are settled already are merely merged (unlike by an unstable sort).
            Self::Bag(values) => values.sort_by(f32::total_cmp),
            Self::Rows(rows) => rows.sort_by_key(|r| (r.tile, r.row)),
        }
    }

    fn shape(&self) -> String {
        match self {
            Self::Integers(v) => format!("{} integers", v.len()),
            Self::Fixed(v) => format!("{} fixed-point numbers", v.len()),
            Self::Bag(v) => format!("a bag of {}", v.len()),
            Self::Rows(v) => format!("{} rows", v.len()),
            Self::Keys(v) => format!("{} keys", v.len()),
            Self::Values(v) => format!("{} values", v.len()),
        }
    }
}

fn overflow() -> Error {
    Error::NotFinite { what: "a sum over all rows".into(), place: String::new() }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn settled(mut block: Block) -> Block {
        block.settle();
        block
    }

    /// What a block holds, to the last bit: numbers that are none may differ too.
    fn written(block: Block) -> String {
        match block {
            Block::Bag(values) => format!("{:?}", values.into_iter().map(f32::to_bits).collect::<Vec<_>>()),
            other => format!("{other:?}"),
        }
    }

    fn same_in_any_order(parts: Vec<Block>) {
        let at_the_end = written(settled(Block::sum(parts.clone()).unwrap()));
        let before_too = written(settled(Block::sum(parts.clone().into_iter().map(settled).collect()).unwrap()));
        let backwards = written(settled(Block::sum(parts.into_iter().rev().collect()).unwrap()));
        assert_eq!(at_the_end, before_too);
        assert_eq!(at_the_end, backwards);
    }

    proptest! {
        #[test]
        fn bags_settle_alike_whatever_was_settled_before(parts in vec(vec(any::<u32>().prop_map(f32::from_bits), 0..40), 1..5)) {
            same_in_any_order(parts.into_iter().map(Block::Bag).collect());
        }

        #[test]
        fn picked_rows_settle_alike_whatever_was_settled_before(places in prop::collection::hash_set((0u32..9, 0u32..99), 1..80), parts in 1usize..5) {
            let row = |(tile, row)| PickedRow { tile, row, values: vec![tile as f32, row as f32] };
            let rows: Vec<PickedRow> = places.into_iter().map(row).collect();
            same_in_any_order(rows.chunks(rows.len().div_ceil(parts)).map(|rows| Block::Rows(rows.to_vec())).collect());
        }
    }

    #[test]
    fn parts_have_the_same_blocks() {
        let part = |numbers: &[u32]| numbers.iter().map(|number| (*number, Block::Keys(vec![u64::from(*number)]))).collect::<Vec<_>>();
        let keys = |number: u64| vec![Block::Keys(vec![number]); 2];
        assert_eq!(Block::by_number([part(&[3, 1]), part(&[3, 1])]).unwrap(), [(3, keys(3)), (1, keys(1))]);
        assert!(Block::by_number([]).unwrap().is_empty());
        for other in [&[3][..], &[1, 3], &[3, 1, 2]] {
            assert!(Block::by_number([part(&[3, 1]), part(other)]).is_err());
        }
    }

    #[test]
    fn a_sum_has_parts_of_one_kind() {
        assert!(Block::sum(Vec::new()).is_err());
        let said = Block::sum(vec![Block::Bag(vec![1.0]), Block::Integers(vec![1])]).unwrap_err().to_string();
        assert!(said.contains("a bag of 1") && said.contains("1 integers"), "{said}");
    }
}
