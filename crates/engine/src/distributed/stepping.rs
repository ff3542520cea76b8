//! The computing side of a worker whose learner goes by steps: holds tiles, makes mini-batches of their slices, and folds them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quelea_core::steps::{StepLearner, Sums};
use quelea_core::tile::Tile;
use quelea_params::message::Slice;
use quelea_params::{Packet, Problem};

use super::tiles;
use crate::steps::{self, batch_of};

/// A learner by steps, and the tiles of a worker.
pub(super) struct Stepping<L: StepLearner> {
    learner: L,
    tiles: BTreeMap<u32, Arc<Tile>>,
    /// Mini-batches by their slices, which come again in every pass while the worker's tiles stay the same.
    batches: BTreeMap<Vec<(u32, u64)>, Arc<L::Batch>>,
    /// The mini-batch that was made last, and how many parts it has.
    current: Option<(Arc<L::Batch>, usize)>,
}

impl<L: StepLearner> Stepping<L> {
    pub fn new(learner: L) -> Self {
        Self { learner, tiles: BTreeMap::new(), batches: BTreeMap::new(), current: None }
    }

    /// Nothing that is known depends on parameters.
    pub fn restart(&mut self) {
        self.current = None;
    }

    pub fn keep(&mut self, number: u32, bytes: Packet) -> Result<(), Problem> {
        self.tiles.insert(number, Arc::new(tiles::read(bytes)?));
        Ok(())
    }

    /// Forgets all tiles but these, and the mini-batches that others were part of.
    pub fn own(&mut self, tiles: &[u32]) {
        let owned: BTreeSet<u32> = tiles.iter().copied().collect();
        self.tiles.retain(|tile, _| owned.contains(tile));
        self.batches.retain(|slices, _| slices.iter().all(|(tile, _)| owned.contains(tile)));
    }

    /// Makes a mini-batch; what it gives are the keys that are to be pulled.
    pub fn batch(&mut self, slices: &[Slice]) -> Result<Vec<Vec<u64>>, Problem> {
        let of_pass = self.learner.course().slices;
        let parts: Vec<(u32, u64)> = slices.iter().map(|slice| (slice.tile, slice.number % of_pass)).collect();
        let count = parts.len();
        let batch = match self.batches.get(&parts) {
            Some(batch) => batch.clone(),
            None => {
                let find = |&(tile, slice): &(u32, u64)| {
                    let tile = self.tiles.get(&tile).ok_or_else(|| Problem::internal(format!("tile {tile} was never sent")))?;
                    Ok((tile.as_ref(), slice))
                };
                let found = parts.iter().map(find).collect::<Result<Vec<_>, Problem>>()?;
                let batch = Arc::new(batch_of(&self.learner, &found)?);
                // What is asked for differs from pass to pass where tiles come and go; only so many are worth keeping.
                if self.batches.len() as u64 >= of_pass {
                    self.batches.clear();
                }
                self.batches.insert(parts, batch.clone());
                batch
            }
        };
        let keys = self.learner.keys(&batch).to_vec();
        self.current = Some((batch, count));
        Ok(keys)
    }

    /// The sums of the mini-batch that was made last.
    pub fn step(&self, pulled: &[Vec<f32>]) -> Result<Sums, Problem> {
        let (batch, parts) = self.current.as_ref().ok_or_else(|| Problem::internal("a step without a mini-batch"))?;
        Ok(steps::fold(&self.learner, batch, *parts, pulled)?)
    }
}
