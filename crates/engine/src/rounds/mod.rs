//! The round loop that drives every learner: fold tiles, merge blocks, update each, combine, again.
//! What comes out does not depend on the layout: on how many workers and threads fold, and on who folds what.

pub(crate) mod fold;
pub(crate) mod reduce;

use std::sync::{Arc, Mutex, PoisonError};

use quelea_core::block::Block;
use quelea_core::learner::{Fitted, Learner, Progress, Step};
use quelea_core::tile::Tile;

use reduce::AllKept;

use crate::checkpoint::{Checkpoints, Clock};
use crate::distributed::replica;
use crate::{Control, Error, Event, Result};

/// Who folds.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Workers in this process; each owns some of the tiles.
    pub workers: usize,
    /// Threads of each worker.
    pub threads: usize,
    /// Draws the owners of tiles and their order, anew at every boundary of the learner; row state that moves is made
    /// again. Without it owners stay and tiles are folded in order.
    pub shuffle: Option<u64>,
}

impl Layout {
    /// One worker with this many threads.
    pub fn threads(threads: usize) -> Self {
        Self { workers: 1, threads, shuffle: None }
    }
}

/// Runs `learner` over `tiles` to its end, on the current thread pool; after the clocks of `history`, which end at a boundary.
pub(crate) fn run<L: Learner>(
    learner: &L,
    tiles: &[Arc<Tile>],
    layout: Layout,
    (history, checkpoints): (Vec<Clock>, &mut Checkpoints),
    control: &Control,
) -> Result<Fitted> {
    Rounds::new(learner, tiles, layout, control).run(history, checkpoints)
}

struct Rounds<'a, L: Learner> {
    learner: &'a L,
    tiles: &'a [Arc<Tile>],
    layout: Layout,
    control: &'a Control,
    /// Row state by tile; made when it is first needed.
    rows: Vec<Mutex<Option<L::Rows>>>,
    /// The tiles of each worker, in the order in which it folds them.
    owned: Vec<Vec<usize>>,
    boundaries: u64,
}

impl<'a, L: Learner> Rounds<'a, L> {
    fn new(learner: &'a L, tiles: &'a [Arc<Tile>], layout: Layout, control: &'a Control) -> Self {
        let owned = (0..layout.workers).map(|w| (w..tiles.len()).step_by(layout.workers).collect()).collect();
        let rows = tiles.iter().map(|_| Mutex::new(None)).collect();
        Self { learner, tiles, layout, control, rows, owned, boundaries: 0 }
    }

    /// The first round, or the one that the clocks of a checkpoint lead to.
    fn begin(&self, history: Vec<Clock>) -> Result<L::Round> {
        let mut round = self.learner.begin()?;
        let is_new = history.is_empty();
        for candidates in history {
            self.control.check()?;
            round = match self.learner.combine(round, replica::read(&candidates)?)? {
                Step::Next(next) => next,
                Step::Done(_) => return Err(Error::internal("a checkpoint goes beyond the end of its training")),
            };
        }
        if !is_new {
            self.control.tell(Event::Resumed { progress: self.learner.progress(&round) });
        }
        Ok(round)
    }

    fn run(mut self, history: Vec<Clock>, checkpoints: &mut Checkpoints) -> Result<Fitted> {
        let mut round = self.begin(history)?;
        let mut told = None;
        // The clocks since the last boundary.
        let mut since = Vec::new();
        let mut kept = AllKept::<L>::new();
        loop {
            self.control.check()?;
            if let Some(seed) = self.layout.shuffle
                && self.learner.is_boundary(&round)
            {
                self.move_tiles(seed);
            }
            let fold_tile = |tile: usize, to: &mut L::Accumulator| self.fold_tile(&round, tile, to);
            let sums = fold::fold(self.learner, &round, &self.owned, self.layout.threads, fold_tile)?;
            let candidates = reduce::update(self.learner, &round, Block::by_number(sums)?, &mut kept)?;
            let candidates: Vec<L::Candidate> = candidates.into_iter().map(|(_, candidate)| candidate).collect();
            if checkpoints.are_on() {
                since.push(candidates.iter().map(replica::write).collect::<Result<Clock, _>>()?);
            }
            let unit = self.learner.progress(&round).unit;
            round = match self.learner.combine(round, candidates)? {
                Step::Next(next) => next,
                Step::Done(fitted) => {
                    self.tell(fitted.progress(unit), &mut None);
                    return Ok(fitted);
                }
            };
            if self.learner.is_boundary(&round) {
                checkpoints.boundary(since.drain(..));
            }
            let progress = self.learner.progress(&round);
            self.tell(progress, &mut told);
        }
    }

    /// Tells of every finished iteration once.
    fn tell(&self, progress: Progress, told: &mut Option<u64>) {
        if *told != Some(progress.done) {
            *told = Some(progress.done);
            self.control.tell(Event::Training { progress });
        }
    }

    /// Gives every tile a new owner and place; row state of tiles that change hands is dropped.
    fn move_tiles(&mut self, seed: u64) {
        self.boundaries += 1;
        let draws = quelea_core::counter::Draws::new(seed, quelea_core::counter::Purpose::Sample, self.boundaries);
        let mut order: Vec<usize> = (0..self.tiles.len()).collect();
        order.sort_by_key(|&tile| draws.bits(tile as u64, 0));
        let owners = std::mem::replace(&mut self.owned, vec![Vec::new(); self.layout.workers]);
        let mut owner_before = vec![0; self.tiles.len()];
        for (worker, tiles) in owners.iter().enumerate() {
            tiles.iter().for_each(|&tile| owner_before[tile] = worker);
        }
        for tile in order {
            let owner = (draws.bits(tile as u64, 1) % self.layout.workers as u64) as usize;
            if owner != owner_before[tile] {
                *self.rows[tile].get_mut().unwrap_or_else(PoisonError::into_inner) = None;
            }
            self.owned[owner].push(tile);
        }
    }

    fn fold_tile(&self, round: &L::Round, tile: usize, accumulator: &mut L::Accumulator) -> Result<()> {
        self.control.check()?;
        let mut rows = self.rows[tile].lock().unwrap_or_else(PoisonError::into_inner);
        if rows.is_none() {
            *rows = Some(self.learner.rows(round, &self.tiles[tile])?);
        }
        let rows = rows.as_mut().ok_or_else(|| Error::internal("row state was not made"))?;
        Ok(self.learner.fold(round, &self.tiles[tile], rows, accumulator)?)
    }
}
