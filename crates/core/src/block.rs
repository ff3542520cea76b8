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

    /// Brings what has no order of its own into a fixed one; done once, after the last merge.
    pub fn settle(&mut self) {
        match self {
            Self::Integers(_) | Self::Fixed(_) | Self::Keys(_) | Self::Values(_) => {}
            Self::Bag(values) => values.sort_unstable_by(f32::total_cmp),
            Self::Rows(rows) => rows.sort_unstable_by_key(|r| (r.tile, r.row)),
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
