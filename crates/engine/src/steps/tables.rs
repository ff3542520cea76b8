//! The tables of a training in one process, which all threads read together.

use quelea_core::steps::{Fetched, Parameters, Sums};
use quelea_params::run::Saving;
use quelea_params::tables::{Chunk, Keeps, Tables};
use rayon::prelude::*;

use crate::{Error, Result};

/// Keys that are read at once by one thread.
const CHUNK: usize = 8_192;
/// Rows that are collected at once.
const PAGE: usize = 1 << 20;

/// Tables, and how wide their rows are.
pub(super) struct Spread {
    widths: Vec<usize>,
    tables: Tables,
}

impl Spread {
    pub fn new(parameters: &[Parameters]) -> Result<Self> {
        let widths = parameters.iter().map(|parameters| parameters.width).collect();
        Ok(Self { widths, tables: Tables::new(parameters, Keeps::ALL)? })
    }

    /// The rows of the keys of each table.
    pub fn read(&self, keys: &[Vec<u64>]) -> Result<Vec<Vec<f32>>> {
        let read = |(table, keys): (usize, &Vec<u64>)| {
            let read_some = |keys: &[u64]| {
                let mut values = Vec::with_capacity(keys.len() * self.widths[table]);
                self.tables.read(table, keys, &mut values)?;
                Ok::<_, Error>(values)
            };
            let parts: Vec<Vec<f32>> = keys.par_chunks(CHUNK).map(read_some).collect::<Result<_>>()?;
            Ok(parts.concat())
        };
        keys.iter().enumerate().map(read).collect()
    }

    /// Applies the rule of each table, once for each key.
    pub fn apply(&mut self, keys: &[Vec<u64>], sums: Sums, step: u64) -> Result<()> {
        for (table, (keys, of_table)) in keys.iter().zip(&sums.tables).enumerate() {
            self.tables.apply(table, keys, of_table, sums.weight, step)?;
        }
        Ok(())
    }

    /// Takes a part of a cut.
    pub fn load(&mut self, chunk: &Chunk) -> Result<()> {
        Ok(self.tables.load(chunk)?)
    }

    /// All that is known of all rows now, to be saved while they change.
    pub fn pieces(&self) -> Result<impl Iterator<Item = Result<Saving>> + Send + 'static> {
        let mut rest = Some((self.tables.copy()?, 0, 0));
        let widths = self.widths.clone();
        Ok(std::iter::from_fn(move || {
            let (tables, mut table, mut from) = rest.take()?;
            while let Some(width) = widths.get(table) {
                let chunk = match tables.save(table, from, (PAGE / width).max(1)) {
                    Ok(chunk) => chunk,
                    Err(problem) => return Some(Err(problem.into())),
                };
                let next = chunk.keys.last().and_then(|last| last.checked_add(1));
                (table, from) = next.map_or((table + 1, 0), |next| (table, next));
                if !chunk.keys.is_empty() {
                    rest = Some((tables, table, from));
                    return Some(Ok(Saving::Part(chunk)));
                }
            }
            Some(Ok(Saving::End))
        }))
    }

    /// All rows that were ever touched.
    pub fn collect(&self) -> Result<Vec<Fetched>> {
        (0..self.widths.len()).map(|table| self.collect_one(table)).collect()
    }

    fn collect_one(&self, table: usize) -> Result<Fetched> {
        let mut all = Fetched::default();
        let mut from = 0;
        loop {
            let (keys, values) = self.tables.collect(table, from, PAGE)?;
            let Some(next) = keys.last().map(|last| last.checked_add(1)) else { return Ok(all) };
            all.keys.extend(keys);
            all.values.extend(values);
            match next {
                Some(next) => from = next,
                None => return Ok(all),
            }
        }
    }
}
