//! Rows as points: their dense columns one after the other, and for each category the column they are 1 in. A tile's
//! are encoded once, row by row, because passes look at few of them, and at all columns of those.

use std::ops::Range;

use quelea_core::tile::Tile;

use super::space::Space;
use crate::design::{codes, numbers};

/// Rows that are encoded together, so that the places they go to stay in the cache.
const BLOCK: usize = 64;

/// The points of a tile, or some others.
#[derive(Debug, Clone)]
pub struct Points {
    z: Vec<f32>,
    slots: Vec<u32>,
    dense: usize,
    categories: usize,
}

/// Points as the kernel reads them.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The dense columns, point by point.
    pub z: &'a [f32],
    /// How many dense columns there are.
    pub dense: usize,
    /// Per point, a row of the centres' table for each category.
    pub slots: &'a [u32],
    /// How many categories there are.
    pub categories: usize,
}

impl Points {
    /// The rows of a tile.
    pub fn of_tile(space: &Space, tile: &Tile) -> Self {
        let matrix = &space.matrix;
        let (dense, categories) = (matrix.dense.len(), matrix.categories.len());
        let mut points = Self { z: vec![0.0; tile.rows * dense], slots: vec![0; tile.rows * categories], dense, categories };
        for first in (0..tile.rows).step_by(BLOCK) {
            points.encode(space, tile, first..tile.rows.min(first + BLOCK));
        }
        points
    }

    fn encode(&mut self, space: &Space, tile: &Tile, rows: Range<usize>) {
        let (dense, categories) = (self.dense, self.categories);
        for (column, of) in space.matrix.dense.iter().enumerate() {
            let z = &mut self.z[rows.start * dense..rows.end * dense];
            for (point, &x) in z.chunks_exact_mut(dense).zip(&numbers(tile, of.feature)[rows.clone()]) {
                point[column] = of.content.of(x) as f32;
            }
        }
        for (index, category) in space.matrix.categories.iter().enumerate() {
            let none = (space.width() + index) as u32;
            let slots = &mut self.slots[rows.start * categories..rows.end * categories];
            for (point, &code) in slots.chunks_exact_mut(categories).zip(&codes(tile, category.feature)[rows.clone()]) {
                point[index] = category.column(code).map_or(none, |column| (dense + column) as u32);
            }
        }
    }

    /// Vectors that were rows: 1 in at most one column of each category, and 0 in the others.
    pub fn of_vectors(space: &Space, vectors: &[Vec<f32>]) -> Self {
        let matrix = &space.matrix;
        let (dense, categories) = (matrix.dense.len(), matrix.categories.len());
        let slot = |vector: &[f32], index: usize| {
            let category = &matrix.categories[index];
            let mut columns = dense + category.first..dense + category.first + category.width();
            columns.find(|&column| vector[column] > 0.0).unwrap_or(space.width() + index) as u32
        };
        Self {
            z: vectors.iter().flat_map(|vector| &vector[..dense]).copied().collect(),
            slots: vectors.iter().flat_map(|vector| (0..categories).map(|index| slot(vector, index))).collect(),
            dense,
            categories,
        }
    }

    /// The points as the kernel reads them.
    pub fn view(&self) -> View<'_> {
        View { z: &self.z, dense: self.dense, slots: &self.slots, categories: self.categories }
    }

    /// The dense columns of a point.
    pub fn dense_of(&self, place: usize) -> &[f32] {
        &self.z[place * self.dense..][..self.dense]
    }

    /// For each category of a point, its row of the centres' table: the column it is 1 in, or one beyond all columns.
    pub fn slots_of(&self, place: usize) -> &[u32] {
        &self.slots[place * self.categories..][..self.categories]
    }

    /// A point as a vector of so many columns.
    pub fn vector(&self, place: usize, width: usize) -> Vec<f32> {
        let mut vector = vec![0.0; width];
        vector[..self.dense].copy_from_slice(self.dense_of(place));
        for &slot in self.slots_of(place) {
            if let Some(value) = vector.get_mut(slot as usize) {
                *value = 1.0;
            }
        }
        vector
    }
}

/// Those of a tile's rows that weigh something, in units of the space: no other row adds to a cluster's weight.
pub fn weighing<'a>(space: &'a Space, tile: &'a Tile, rows: Range<u32>) -> impl Iterator<Item = u32> + 'a {
    rows.filter(|&row| space.units(space.width(), f64::from(tile.weight_of(row as usize))) > 0)
}
