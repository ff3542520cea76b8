//! The rows of a mini-batch: numbers as they are in the table, and for everything else the places of its columns among all
//! that the mini-batch pulls. Batches are kept between passes, so what need not be stored is not.

use std::ops::Range;

use arrow::buffer::ScalarBuffer;
use quelea_core::steps::{Part, Sums, rows_of};
use quelea_core::tile::{MISSING, Tile, Values};
use quelea_core::{Error, Result};

use super::columns::{Column, Columns, Kind};
use super::places::{Marks, Places};
use super::totals::Totals;

/// A mini-batch.
#[derive(Debug)]
pub struct Batch {
    /// The keys that it pulls, table by table; those of the first are the columns of its rows.
    pub keys: Vec<Vec<u64>>,
    /// The places of the keys that training rows have, table by table, if there are other rows.
    pub trained: Option<Vec<Vec<u32>>>,
    /// The places of the columns of numbers.
    pub numbers: Vec<u32>,
    /// Its parts.
    pub parts: Vec<Rows>,
}

/// The rows of one part.
#[derive(Debug)]
pub struct Rows {
    /// The number of their tile.
    pub tile: u32,
    /// Which rows of the tile they are.
    pub range: Range<usize>,
    /// Whether gradients are taken of them.
    pub training: bool,
    /// The numbers, row by row; NaN is missing.
    pub numbers: Vec<f32>,
    /// Where each row's other columns begin, and at the end where the last's end.
    pub offsets: Vec<u32>,
    /// The places of columns other than those of numbers, where rows are not 0.
    pub places: Vec<u32>,
    /// What they hold; nothing if that is 1 everywhere.
    pub values: Vec<f32>,
    /// The targets.
    pub target: ScalarBuffer<f32>,
    /// The weights, if they are not 1.
    weight: Option<ScalarBuffer<f32>>,
}

impl Rows {
    /// How many they are.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// The weight of a row.
    #[inline(always)]
    pub fn weight_of(&self, row: usize) -> f64 {
        self.weight.as_ref().map_or(1.0, |weight| f64::from(weight[row]))
    }

    /// Where a row's columns are in `places` and `values`.
    #[inline(always)]
    pub fn span(&self, row: usize) -> Range<usize> {
        self.offsets[row] as usize..self.offsets[row + 1] as usize
    }
}

impl Batch {
    /// The mini-batch of these parts, where tiles are cut into `slices`. `others` are the keys of all tables but the first.
    pub fn new(columns: &Columns, parts: &[Part<'_>], slices: u64, others: Vec<Vec<u64>>) -> Result<Self> {
        let rows = |part: &Part<'_>| rows_of(part.tile, part.slice, slices);
        parts.iter().try_for_each(|part| check(columns, part.tile, rows(part)))?;
        let (places, keys) = marks(columns, parts, slices).rank();
        let numbers = match keys.is_empty() {
            true => Vec::new(),
            false => columns.numbers.iter().map(|&feature| places.of(columns.features[feature].first)).collect(),
        };
        let trained = parts.iter().any(|part| !part.is_training()).then(|| {
            let training: Vec<Part<'_>> = parts.iter().copied().filter(Part::is_training).collect();
            let (_, keys) = marks(columns, &training, slices).rank();
            let of_others = others.iter().map(|keys| (0..keys.len() as u32).collect());
            [keys.into_iter().map(|key| places.of(key)).collect()].into_iter().chain(of_others).collect()
        });
        let parts = parts.iter().map(|part| encode(columns, &places, part, rows(part))).collect();
        Ok(Self { keys: [keys].into_iter().chain(others).collect(), trained, numbers, parts })
    }
}

impl Batch {
    /// Sums of nothing, for tables of these widths.
    pub fn sums(&self, widths: &[usize]) -> Sums {
        let tables = self.keys.iter().zip(widths).map(|(keys, width)| vec![0; keys.len() * width]).collect();
        Sums { tables, keys: None, weight: 0, totals: Totals::empty() }
    }
}

/// The columns that these parts have.
fn marks(columns: &Columns, parts: &[Part<'_>], slices: u64) -> Marks {
    let rows = |part: &Part<'_>| rows_of(part.tile, part.slice, slices);
    let entries = parts.iter().map(|part| entries(part.tile, rows(part))).sum();
    let mut marks = Marks::new(columns.width, entries);
    for part in parts {
        for (values, &column) in part.tile.features.iter().zip(&columns.features) {
            mark(&mut marks, values, column, rows(part));
        }
    }
    if parts.iter().any(|part| !rows(part).is_empty()) {
        marks.mark(columns.numbers.iter().map(|&feature| columns.features[feature].first));
    }
    marks
}

/// Refuses a tile of another schema, as far as these rows show it.
fn check(columns: &Columns, tile: &Tile, rows: Range<usize>) -> Result<()> {
    let fits = tile.features.len() == columns.features.len()
        && tile.features.iter().zip(&columns.features).all(|(values, column)| match (values, column.kind) {
            (Values::Number(x), Kind::Number { .. }) => x.len() == tile.rows,
            (Values::Category(codes), Kind::Category { .. }) => codes.len() == tile.rows,
            (Values::Sparse { offsets, indices, values }, Kind::Sparse { width }) => {
                offsets.len() == tile.rows + 1
                    && offsets[rows.start..=rows.end].is_sorted()
                    && indices
                        .get(offsets[rows.start] as usize..offsets[rows.end] as usize)
                        .is_some_and(|all| all.iter().all(|&at| at < width))
                    && values.as_ref().is_none_or(|values| values.len() == indices.len())
            }
            _ => false,
        });
    fits.then_some(()).ok_or_else(|| Error::Internal { what: format!("the columns of tile {} differ from the schema's", tile.number) })
}

/// How many columns other than those of numbers rows of a tile may have in all.
fn entries(tile: &Tile, rows: Range<usize>) -> usize {
    let of = |values: &Values| match values {
        Values::Number(_) | Values::Category(_) => rows.len(),
        Values::Sparse { offsets, .. } => (offsets[rows.end] - offsets[rows.start]) as usize,
    };
    tile.features.iter().map(of).sum()
}

/// The column in which a row with this code is 1.
#[inline(always)]
fn column_of(first: u64, values: u32, indicator: bool, code: u32) -> Option<u64> {
    let at = if code == MISSING && indicator { values } else { code };
    (code < values || code == MISSING && indicator).then_some(first + u64::from(at))
}

fn mark(marks: &mut Marks, values: &Values, Column { first, kind }: Column, rows: Range<usize>) {
    match (values, kind) {
        (Values::Number(x), Kind::Number { indicator: true }) => {
            marks.mark(x[rows].iter().filter(|x| x.is_nan()).take(1).map(|_| first + 1));
        }
        (Values::Category(codes), Kind::Category { values, indicator }) => {
            marks.mark(codes[rows].iter().filter_map(|&code| column_of(first, values, indicator, code)));
        }
        (Values::Sparse { offsets, indices, .. }, Kind::Sparse { .. }) => {
            let entries = offsets[rows.start] as usize..offsets[rows.end] as usize;
            marks.mark(indices[entries].iter().map(|&index| first + u64::from(index)));
        }
        _ => {}
    }
}

fn encode(columns: &Columns, places: &Places, part: &Part<'_>, range: Range<usize>) -> Rows {
    let tile = part.tile;
    let only_ones = !tile.features.iter().any(|values| matches!(values, Values::Sparse { values: Some(_), .. }));
    let mut rows = Rows {
        tile: tile.number,
        training: part.is_training(),
        numbers: Vec::with_capacity(range.len() * columns.numbers.len()),
        offsets: Vec::with_capacity(range.len() + 1),
        places: Vec::with_capacity(entries(tile, range.clone())),
        values: Vec::new(),
        target: if tile.target.is_empty() { tile.target.clone() } else { tile.target.slice(range.start, range.len()) },
        weight: tile.weight.as_ref().map(|weight| weight.slice(range.start, range.len())),
        range: range.clone(),
    };
    rows.offsets.push(0);
    for row in range {
        for (values, &column) in tile.features.iter().zip(&columns.features) {
            rows.push(places, values, column, row);
            if !only_ones {
                rows.values.resize(rows.places.len(), 1.0);
            }
        }
        rows.offsets.push(rows.places.len() as u32);
    }
    // Columns that a row does not have took room.
    rows.places.shrink_to_fit();
    rows
}

impl Rows {
    /// Appends what a feature holds in a row of its tile; values that are 1 are left to the caller.
    #[inline(always)]
    fn push(&mut self, places: &Places, values: &Values, Column { first, kind }: Column, row: usize) {
        match (values, kind) {
            (Values::Number(x), Kind::Number { indicator }) => {
                self.numbers.push(x[row]);
                if indicator && x[row].is_nan() {
                    self.places.push(places.of(first + 1));
                }
            }
            (Values::Category(codes), Kind::Category { values, indicator }) => {
                self.places.extend(column_of(first, values, indicator, codes[row]).map(|column| places.of(column)));
            }
            (Values::Sparse { offsets, indices, values }, Kind::Sparse { .. }) => {
                let entries = offsets[row] as usize..offsets[row + 1] as usize;
                self.places.extend(indices[entries.clone()].iter().map(|&index| places.of(first + u64::from(index))));
                if let Some(values) = values {
                    self.values.extend_from_slice(&values[entries]);
                }
            }
            _ => {}
        }
    }
}
