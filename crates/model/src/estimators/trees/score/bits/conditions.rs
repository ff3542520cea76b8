//! The distinct conditions of all nodes, and the rows of a block that pass each.

use std::collections::HashMap;

use quelea_core::estimator::{Node, Rule, Trees};
use quelea_core::schema::{FeatureKind, Schema};

use super::Bits;
use super::search::Search;
use super::sets::{self, Sets};
use crate::score::encode::Rows;
use crate::score::kernel::BLOCK_ROWS;

/// What a node asks, without its feature: a threshold's bits or a set, and where missing values go.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    AtMost(u32, bool),
    In(Vec<u32>, bool),
}

impl Key {
    fn of(node: &Node) -> Self {
        match &node.rule {
            // Adding zero makes one of the two zeros.
            Rule::AtMost(threshold) => Self::AtMost((threshold + 0.0).to_bits(), node.missing_left),
            Rule::In(codes) => Self::In(codes.clone(), node.missing_left),
        }
    }
}

/// The conditions, feature by feature.
#[derive(Debug)]
pub struct Conditions {
    features: Vec<FeatureConditions>,
    count: usize,
    numbers: HashMap<(u32, Key), u32>,
}

#[derive(Debug)]
struct FeatureConditions {
    feature: usize,
    /// The number of its first condition.
    first: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Numbers { search: Search, conditions: Vec<AtMost> },
    Sets { sets: Sets, count: usize },
}

/// A threshold by its rank among the feature's.
#[derive(Debug, Clone, Copy)]
struct AtMost {
    rank: u32,
    missing_left: bool,
}

/// The bits of a block.
#[derive(Debug)]
pub struct Scratch {
    conditions: Vec<Bits>,
    planes: Vec<Bits>,
    values: Box<[f32; BLOCK_ROWS]>,
}

impl Scratch {
    /// The rows that pass each condition.
    pub fn bits(&self) -> &[Bits] {
        &self.conditions
    }
}

impl Conditions {
    /// The conditions of all nodes; none if their sets would take too much room.
    pub fn of(trees: &Trees, schema: &Schema) -> Option<Self> {
        let mut keys: Vec<(u32, Key)> = trees.trees.iter().flat_map(|t| &t.nodes).map(|n| (n.feature, Key::of(n))).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut conditions = Self { features: Vec::new(), count: keys.len(), numbers: HashMap::new() };
        let mut bytes = 0usize;
        let mut first = 0;
        for group in keys.chunk_by(|a, b| a.0 == b.0) {
            let feature = group[0].0 as usize;
            let kind = match &schema.features[feature].kind {
                FeatureKind::Number { .. } => numbers(group),
                FeatureKind::Category { values, .. } => {
                    bytes = bytes.saturating_add(Sets::bytes(values.len(), group.len()));
                    if bytes > sets::MOST_BYTES {
                        return None;
                    }
                    category_sets(group, values.len())
                }
                FeatureKind::Sparse { .. } => unreachable!("a checked tree asks for no sparse feature"),
            };
            conditions.features.push(FeatureConditions { feature, first, kind });
            first += group.len();
        }
        conditions.numbers = keys.into_iter().zip(0..).collect();
        Some(conditions)
    }

    /// The number of a node's condition.
    pub fn number(&self, node: &Node) -> u32 {
        self.numbers[&(node.feature, Key::of(node))]
    }

    /// Lets go of what [`Conditions::number`] needs.
    pub fn forget_numbers(&mut self) {
        self.numbers = HashMap::new();
    }

    /// Room for the bits of a block.
    pub fn scratch(&self) -> Scratch {
        let planes = self.features.iter().map(|f| if let Kind::Numbers { search, .. } = &f.kind { search.levels() } else { 0 });
        let planes = planes.max().unwrap_or(0);
        Scratch { conditions: vec![Bits::NONE; self.count], planes: vec![Bits::NONE; planes], values: Box::new([0.0; BLOCK_ROWS]) }
    }

    /// Finds the rows that pass each condition.
    pub fn fill(&self, rows: &impl Rows, scratch: &mut Scratch) {
        let words = rows.rows().div_ceil(64);
        for feature in &self.features {
            match &feature.kind {
                Kind::Sets { sets, count } => {
                    sets.rows(rows.codes(feature.feature), &mut scratch.conditions[feature.first..feature.first + count]);
                }
                Kind::Numbers { search, conditions } => {
                    let Scratch { conditions: bits, planes, values } = scratch;
                    let own = rows.numbers(feature.feature);
                    let block = own.as_array::<BLOCK_ROWS>().unwrap_or_else(|| {
                        values[..own.len()].copy_from_slice(own);
                        values
                    });
                    let planes = &mut planes[..search.levels()];
                    search.ranks(block, words, planes);
                    let bits = &mut bits[feature.first..feature.first + conditions.len()];
                    let missing = if conditions.iter().any(|c| c.missing_left) { missing(block) } else { Bits::NONE };
                    pulp::Arch::new().dispatch(Compare { planes, conditions, missing, bits });
                }
            }
        }
    }
}

fn numbers(group: &[(u32, Key)]) -> Kind {
    let thresholds =
        group.iter().filter_map(|(_, key)| if let Key::AtMost(bits, left) = key { Some((f32::from_bits(*bits), *left)) } else { None });
    let thresholds: Vec<(f32, bool)> = thresholds.collect();
    let mut distinct: Vec<f32> = thresholds.iter().map(|(t, _)| *t).collect();
    distinct.sort_unstable_by(f32::total_cmp);
    distinct.dedup();
    let at_most =
        |&(threshold, missing_left): &(f32, bool)| AtMost { rank: distinct.partition_point(|d| *d < threshold) as u32, missing_left };
    Kind::Numbers { conditions: thresholds.iter().map(at_most).collect(), search: Search::new(&distinct) }
}

fn category_sets(group: &[(u32, Key)], values: usize) -> Kind {
    let mut sets = Sets::new(values, group.len());
    for (number, (_, key)) in group.iter().enumerate() {
        if let Key::In(codes, missing_left) = key {
            sets.put(number, codes, *missing_left);
        }
    }
    Kind::Sets { sets, count: group.len() }
}

/// The rows without a value.
fn missing(values: &[f32; BLOCK_ROWS]) -> Bits {
    let word = |rows: &[f32]| rows.iter().enumerate().fold(0, |bits, (row, value)| bits | (u64::from(value.is_nan()) << row));
    Bits(std::array::from_fn(|w| word(&values[w * 64..(w + 1) * 64])))
}

/// Compares all rows' ranks with a threshold's, from the lowest bit up: where the threshold's bit is 1, a row passes that has 0
/// there or has passed below; where it is 0, one that has 0 there and has passed below.
struct Compare<'a> {
    planes: &'a [Bits],
    conditions: &'a [AtMost],
    missing: Bits,
    bits: &'a mut [Bits],
}

impl pulp::WithSimd for Compare<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        for (condition, bits) in self.conditions.iter().zip(self.bits) {
            let mut passes = Bits::ALL;
            for (bit, zeros) in self.planes.iter().rev().enumerate() {
                let own = 0u64.wrapping_sub(u64::from(condition.rank >> bit & 1));
                for (passes, zeros) in passes.0.iter_mut().zip(zeros.0) {
                    *passes = (*passes & zeros) | (own & (*passes | zeros));
                }
            }
            *bits = if condition.missing_left { passes.or(&self.missing) } else { passes };
        }
    }
}
