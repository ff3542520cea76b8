//! Contributions added up key by key, exactly.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::Problem;

/// The rows of sums of some keys of one table: keys ascend, and each has a row.
#[derive(Debug, Clone)]
pub struct Addition<'a> {
    /// The keys.
    pub keys: Cow<'a, [u64]>,
    /// Their sums, row by row.
    pub sums: Cow<'a, [i64]>,
}

impl<'a> Addition<'a> {
    /// These keys and sums.
    pub fn new(keys: &'a [u64], sums: &'a [i64]) -> Self {
        Self { keys: keys.into(), sums: sums.into() }
    }
}

/// The sum of additions to a table whose rows have `width` numbers: the same whatever their order.
/// A sum that leaves 64 bits is an error, and so is an addition whose keys and sums do not fit.
pub fn together<'a>(mut additions: Vec<Addition<'a>>, width: usize) -> Result<Addition<'a>, Problem> {
    for addition in &additions {
        super::check_shape(width, &addition.keys, addition.sums.len())?;
    }
    // In pairs, then in pairs of these, so that no row is copied more often than it must be.
    while additions.len() > 1 {
        let mut rest = additions.into_iter();
        let mut pairs = Vec::with_capacity(rest.len().div_ceil(2));
        while let Some(first) = rest.next() {
            pairs.push(match rest.next() {
                Some(second) => merged(&first, &second, width)?,
                None => first,
            });
        }
        additions = pairs;
    }
    Ok(additions.pop().unwrap_or(Addition::new(&[], &[])))
}

fn merged(a: &Addition<'_>, b: &Addition<'_>, width: usize) -> Result<Addition<'static>, Problem> {
    let mut keys = Vec::with_capacity(a.keys.len() + b.keys.len());
    let mut sums = Vec::with_capacity(a.sums.len() + b.sums.len());
    let (mut i, mut j) = (0, 0);
    while i < a.keys.len() && j < b.keys.len() {
        let (row, other) = (&a.sums[i * width..][..width], &b.sums[j * width..][..width]);
        match a.keys[i].cmp(&b.keys[j]) {
            Ordering::Less => {
                keys.push(a.keys[i]);
                sums.extend_from_slice(row);
                i += 1;
            }
            Ordering::Greater => {
                keys.push(b.keys[j]);
                sums.extend_from_slice(other);
                j += 1;
            }
            Ordering::Equal => {
                keys.push(a.keys[i]);
                add_row(&mut sums, row, other)?;
                i += 1;
                j += 1;
            }
        }
    }
    keys.extend_from_slice(&a.keys[i..]);
    keys.extend_from_slice(&b.keys[j..]);
    sums.extend_from_slice(&a.sums[i * width..]);
    sums.extend_from_slice(&b.sums[j * width..]);
    Ok(Addition { keys: keys.into(), sums: sums.into() })
}

fn add_row(sums: &mut Vec<i64>, row: &[i64], other: &[i64]) -> Result<(), Problem> {
    let mut overflow = false;
    sums.extend(row.iter().zip(other).map(|(a, b)| {
        let (sum, over) = a.overflowing_add(*b);
        overflow |= over;
        sum
    }));
    if overflow {
        return Err(quelea_core::Error::NotFinite { what: "the sum of a mini-batch".into(), place: String::new() }.into());
    }
    Ok(())
}
