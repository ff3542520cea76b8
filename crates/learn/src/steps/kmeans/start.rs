//! Centres to start from: k-means++ (Arthur, Vassilvitskii 2007) over a sample of rows, of several draws the best each time.

use std::sync::Arc;

use quelea_core::counter::{Draws, Purpose};
use quelea_core::steps::Part;
use quelea_core::tile::{Role, Tile};
use quelea_core::{Error, Result};

use super::nearest::Point;
use crate::steps::batch::Batch;
use crate::steps::columns::Columns;

/// What the columns of a centre are that no row will ever be nearest to.
pub const NOWHERE: f32 = f32::MAX;

/// Rows as lists of their columns that are not 0, with their weights.
pub struct Sample {
    rows: Vec<(Vec<(u32, f64)>, f64)>,
}

impl Sample {
    /// About `most` of the training rows that weigh something; all of them if there are no more.
    pub fn draw(columns: &Columns, tiles: &[Arc<Tile>], standards: &[f32], most: u64, seed: u64) -> Result<Self> {
        let tiles = || tiles.iter().filter(|tile| tile.role == Role::Train);
        let rows: u64 = tiles().map(|tile| tile.rows as u64).sum();
        let draws = Draws::new(seed, Purpose::Sample, 0);
        let chance = most as f64 / rows.max(1) as f64;
        let mut sample = Vec::new();
        let mut point = Point::default();
        for tile in tiles() {
            let batch = Batch::new(columns, &[Part { tile, slice: 0 }], 1, vec![])?;
            let rows = &batch.parts[0];
            let drawn = (0..tile.rows).filter(|&row| tile.weight_of(row) > 0.0 && draws.uniform(tile.number.into(), row as u64) < chance);
            for row in drawn {
                point.load(&batch, &batch.keys[0], rows, row, standards);
                sample.push((point.entries.clone(), rows.weight_of(row)));
            }
        }
        let problem = "no training row weighs anything; give some of them a weight above 0";
        if sample.is_empty() { Err(Error::Table { problem: problem.into() }) } else { Ok(Self { rows: sample }) }
    }

    /// Rows far apart, one after the other, as centres of `width` columns, each followed by a 0. Where there are fewer
    /// different rows than `clusters`, the rest are [`NOWHERE`].
    pub fn centers(&self, width: usize, clusters: usize, seed: u64) -> Vec<f32> {
        let draws = Draws::new(seed, Purpose::Start, 0);
        let tries = 2 + clusters.ilog2() as u64;
        let mut nearest = vec![f64::INFINITY; self.rows.len()];
        let mut centers = Vec::with_capacity(clusters * (width + 1));
        for cluster in 0..clusters as u64 {
            let all: f64 = self.rows.iter().zip(&nearest).map(|((_, weight), square)| weight * square.min(1e300)).sum();
            if cluster > 0 && all <= 0.0 {
                break;
            }
            let tries = if cluster == 0 { 1 } else { tries };
            let best = (0..tries).map(|number| {
                let dense = self.dense(self.pick(&nearest, all * draws.uniform(cluster, number)), width);
                let squares = self.squares(&dense, &nearest);
                (self.rows.iter().zip(&squares).map(|((_, weight), square)| weight * square).sum::<f64>(), dense, squares)
            });
            let Some((_, dense, squares)) = best.reduce(|a, b| if b.0 < a.0 { b } else { a }) else { break };
            nearest = squares;
            centers.extend(dense.iter().map(|&x| x as f32));
            centers.push(0.0);
        }
        while centers.len() < clusters * (width + 1) {
            centers.resize(centers.len() + width, NOWHERE);
            centers.push(0.0);
        }
        centers
    }

    /// The row at which the sum of weighted squares passes `left`; before there are any centres squares do not count.
    fn pick(&self, nearest: &[f64], mut left: f64) -> usize {
        let mut last = 0;
        for (row, ((_, weight), square)) in self.rows.iter().zip(nearest).enumerate() {
            let part = weight * square.min(1e300);
            if part > 0.0 {
                last = row;
                left -= part;
                if left < 0.0 {
                    break;
                }
            }
        }
        last
    }

    fn dense(&self, row: usize, width: usize) -> Vec<f64> {
        let mut dense = vec![0.0; width];
        self.rows[row].0.iter().for_each(|&(column, x)| dense[column as usize] += x);
        dense
    }

    /// The squared distance of each row to its nearest centre, once `center` is one too.
    fn squares(&self, center: &[f64], nearest: &[f64]) -> Vec<f64> {
        let length: f64 = center.iter().map(|c| c * c).sum();
        let to = |entries: &[(u32, f64)]| {
            let more: f64 = entries.iter().map(|&(column, x)| x * (x - 2.0 * center[column as usize])).sum();
            let square = length + more;
            // What is left where rounding is all there is.
            if square <= 1e-13 * length { 0.0 } else { square }
        };
        self.rows.iter().zip(nearest).map(|((entries, _), &nearest)| to(entries).min(nearest)).collect()
    }
}
