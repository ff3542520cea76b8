//! One table: its rows, where they are, and its rule.
//!
//! Large tables do not fit the processor's caches, so the memory of many keys is asked for at once: first where they are, then
//! their rows, and then comes the work.

use std::sync::OnceLock;

use quelea_core::steps::{Parameters, Start};

use super::index::{Index, NOWHERE};
use super::rows::Rows;
use super::rule::{self, Terms};
use super::{Chunk, Keeps, check_shape, start};
use crate::Problem;

/// Keys whose memory is asked for at once.
const AT_ONCE: usize = 256;

/// The rows of one table that a shard keeps.
#[derive(Debug)]
pub struct Table {
    parameters: Parameters,
    keeps: Keeps,
    index: Index,
    rows: Rows,
    /// All keys in ascending order, since somebody asked and until there are more.
    sorted: OnceLock<Vec<u64>>,
}

impl Table {
    /// The table before anything was added to it.
    pub fn new(parameters: &Parameters, keeps: Keeps) -> Result<Self, Problem> {
        let Parameters { name, width, start, rule, .. } = parameters;
        if *width == 0 {
            return Err(Problem::internal(format!("the rows of {name} have no numbers")));
        }
        let length = width + rule::remembered(rule, *width);
        let mut table =
            Self { parameters: parameters.clone(), keeps, index: Index::new()?, rows: Rows::new(length), sorted: OnceLock::new() };
        if let Start::Rows(rows) = start {
            if rows.len() % width != 0 {
                return Err(Problem::internal(format!("{} numbers are not rows of {width} for {name}", rows.len())));
            }
            for key in (0..(rows.len() / width) as u64).filter(|key| keeps.has(*key)) {
                table.place_of(key)?;
            }
        }
        Ok(table)
    }

    /// A copy.
    pub fn copy(&self) -> Result<Self, Problem> {
        let Self { parameters, keeps, index, rows, sorted } = self;
        let (parameters, sorted) = (parameters.clone(), sorted.clone());
        Ok(Self { parameters, keeps: *keeps, index: index.copy()?, rows: rows.copy()?, sorted })
    }

    /// Appends the values of these keys to `into`.
    pub fn read(&self, keys: &[u64], into: &mut Vec<f32>) -> Result<(), Problem> {
        self.check_keys(keys)?;
        let width = self.parameters.width;
        into.reserve(keys.len() * width);
        for keys in keys.chunks(AT_ONCE) {
            let places = &mut [NOWHERE; AT_ONCE][..keys.len()];
            self.bring_near(keys, places);
            for (key, place) in keys.iter().zip(places) {
                if *place == NOWHERE {
                    let end = into.len();
                    into.resize(end + width, 0.0);
                    start::begin(&self.parameters.start, *key, &mut into[end..]);
                } else {
                    into.extend_from_slice(&self.rows.get(*place)[..width]);
                }
            }
        }
        Ok(())
    }

    /// Whether these sums could be applied to the table.
    pub fn check(&self, keys: &[u64], sums: &[i64], weight: i64) -> Result<(), Problem> {
        check_shape(self.parameters.width, keys, sums.len())?;
        self.check_keys(keys)?;
        if weight < 0 || weight == 0 && rule::takes_gradients(&self.parameters.rule) && sums.iter().any(|sum| *sum != 0) {
            return Err(Problem::internal(format!("gradients of {} have weight {weight}", self.parameters.name)));
        }
        Ok(())
    }

    /// Applies the table's rule once to each of these keys.
    pub fn apply(&mut self, keys: &[u64], sums: &[i64], weight: i64, step: u64) -> Result<(), Problem> {
        self.check(keys, sums, weight)?;
        if weight == 0 && rule::takes_gradients(&self.parameters.rule) {
            return Ok(());
        }
        let width = self.parameters.width;
        let terms = Terms { unit: self.parameters.unit, weight, step };
        for (keys, sums) in keys.chunks(AT_ONCE).zip(sums.chunks(AT_ONCE * width)) {
            let places = &mut [NOWHERE; AT_ONCE][..keys.len()];
            self.bring_near(keys, places);
            for (key, place) in keys.iter().zip(&mut *places).filter(|(_, place)| **place == NOWHERE) {
                *place = self.place_of(*key)?;
            }
            if let Some(bad) = rule::apply(&self.parameters.rule, terms, width, &mut self.rows, places, sums) {
                let (what, place) = (format!("a row of {}", self.parameters.name), format!(" under key {}", keys[bad]));
                return Err(quelea_core::Error::Diverged { what, place }.into());
            }
        }
        Ok(())
    }

    /// The values of up to `most` rows, those with the lowest keys of `from` and above.
    pub fn collect(&self, from: u64, most: usize) -> (Vec<u64>, Vec<f32>) {
        self.page(from, most, self.parameters.width)
    }

    /// Like [`Table::collect`], with what the rule remembers of each row after its values.
    pub fn save(&self, from: u64, most: usize) -> (Vec<u64>, Vec<f32>) {
        self.page(from, most, self.rows.length())
    }

    /// Takes those rows of a chunk that this shard keeps.
    pub fn load(&mut self, chunk: &Chunk) -> Result<(), Problem> {
        let length = self.rows.length();
        check_shape(length, &chunk.keys, chunk.rows.len())?;
        for (key, row) in chunk.keys.iter().zip(chunk.rows.chunks_exact(length)) {
            if self.keeps.has(*key) {
                self.check_keys(&[*key])?;
                let place = self.place_of(*key)?;
                self.rows.get_mut(place).copy_from_slice(row);
            }
        }
        Ok(())
    }

    /// Refuses keys that another shard keeps, and those that are no row of a table whose rows are all there from the start.
    fn check_keys(&self, keys: &[u64]) -> Result<(), Problem> {
        let last = match &self.parameters.start {
            Start::Rows(rows) => ((rows.len() / self.parameters.width) as u64).checked_sub(1),
            Start::Zero | Start::Normal { .. } => Some(u64::MAX),
        };
        match keys.iter().find(|key| !self.keeps.has(**key) || Some(**key) > last) {
            None => Ok(()),
            Some(key) => Err(Problem::internal(format!("this shard keeps no row {key} of {}", self.parameters.name))),
        }
    }

    /// Finds the places of keys and brings their rows near; those that are not there yet are [`NOWHERE`].
    #[inline]
    fn bring_near(&self, keys: &[u64], places: &mut [u32]) {
        keys.iter().for_each(|key| self.index.prefetch(*key));
        for (key, place) in keys.iter().zip(&mut *places) {
            *place = self.index.get(*key);
            if *place != NOWHERE {
                self.rows.prefetch(*place);
            }
        }
    }

    /// The place of a key, whose row begins now if it is not there yet.
    fn place_of(&mut self, key: u64) -> Result<u32, Problem> {
        let place = self.index.get(key);
        if place != NOWHERE {
            return Ok(place);
        }
        let place = self.rows.count();
        let (values, memory) = self.rows.push()?.split_at_mut(self.parameters.width);
        start::begin(&self.parameters.start, key, values);
        rule::begin(&self.parameters.rule, values, memory);
        self.index.insert(key, place)?;
        self.sorted.take();
        Ok(place)
    }

    fn page(&self, from: u64, most: usize, length: usize) -> (Vec<u64>, Vec<f32>) {
        let sorted = self.sorted.get_or_init(|| self.index.sorted_keys());
        let rest = &sorted[sorted.partition_point(|key| *key < from)..];
        let keys = &rest[..most.min(rest.len())];
        let mut numbers = Vec::with_capacity(keys.len() * length);
        for keys in keys.chunks(AT_ONCE) {
            let places = &mut [NOWHERE; AT_ONCE][..keys.len()];
            self.bring_near(keys, places);
            places.iter().for_each(|place| numbers.extend_from_slice(&self.rows.get(*place)[..length]));
        }
        (keys.to_vec(), numbers)
    }
}
