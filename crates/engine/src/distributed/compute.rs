//! The computing side of a worker: holds tiles and what is known of their rows, and folds them as it is told.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quelea_core::block::Block;
use quelea_core::learner::{Learner, Step};
use quelea_core::tile::Tile;
use quelea_learn::registry::Visitor;
use quelea_params::worker::Task;
use quelea_params::{Packet, Problem};
use quelea_wire::Computed;
use rayon::prelude::*;
use tokio::sync::mpsc::UnboundedSender;

use super::plan::Plan;
use super::{replica, tiles};
use crate::rounds::{fold, reduce};
use crate::threads::Threads;

/// Does tasks until none can come any more.
pub(crate) fn compute(tasks: Receiver<Task>, computed: &UnboundedSender<Computed>, threads: &Threads) {
    let mut open = None;
    while let Some(plan) = open.take().or_else(|| next_plan(&tasks)) {
        let follow = Follow { tasks: &tasks, computed, threads };
        match Plan::read(&plan).and_then(|plan| plan.with_learner(follow)) {
            Ok(Ok(next)) => open = next,
            Ok(Err(problem)) | Err(problem) => tell(computed, Computed::Failed(problem)),
        }
    }
}

/// Skips the tasks of a learner that could not go on.
fn next_plan(tasks: &Receiver<Task>) -> Option<Packet> {
    tasks.iter().find_map(|task| match task {
        Task::Open(plan) => Some(plan),
        _ => None,
    })
}

fn tell(computed: &UnboundedSender<Computed>, what: Computed) {
    // Nobody listens any more: the worker ends, and so do its tasks.
    let _ = computed.send(what);
}

struct Follow<'a> {
    tasks: &'a Receiver<Task>,
    computed: &'a UnboundedSender<Computed>,
    threads: &'a Threads,
}

impl Visitor for Follow<'_> {
    /// The plan that comes next, if there is one.
    type Output = Result<Option<Packet>, Problem>;

    fn visit<L: Learner + 'static>(self, learner: L) -> Self::Output {
        let round = learner.begin()?;
        let mut holding = Holding {
            clock: 0,
            start: Start { round: round.clone(), clocks: Vec::new() },
            round: Some(round),
            learner,
            tiles: BTreeMap::new(),
        };
        for task in self.tasks {
            match task {
                Task::Open(plan) => return Ok(Some(plan)),
                Task::Restart => holding.restart()?,
                Task::Advance(candidates) => holding.advance(candidates)?,
                Task::Batch { .. } | Task::Step { .. } => return Err(Problem::internal("learners by steps are not there yet")),
                Task::Keep { tile, bytes } => holding.keep(tile, &bytes)?,
                Task::Own(tiles) => holding.tiles.retain(|tile, _| tiles.contains(tile)),
                Task::Fold { sequence, tiles } => {
                    let blocks = self.threads.run(|| holding.fold(&tiles, self.threads.count))?;
                    tell(self.computed, Computed::Folded { sequence, blocks });
                }
            }
        }
        Ok(None)
    }
}

/// A learner, and the tiles of a worker.
struct Holding<L: Learner> {
    learner: L,
    clock: u64,
    /// None once training is over.
    round: Option<L::Round>,
    start: Start<L>,
    tiles: BTreeMap<u32, Held<L>>,
}

/// The last round at which row state can be made, and the candidates of the clocks since.
struct Start<L: Learner> {
    round: L::Round,
    clocks: Vec<Vec<Packet>>,
}

struct Held<L: Learner> {
    tile: Arc<Tile>,
    /// The clock that the tile is to be folded in next, and its row state as it is then.
    rows: Mutex<Option<(u64, L::Rows)>>,
}

impl<L: Learner> Held<L> {
    fn rows(&self) -> MutexGuard<'_, Option<(u64, L::Rows)>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L: Learner> Holding<L> {
    /// Back to clock 0.
    fn restart(&mut self) -> Result<(), Problem> {
        self.clock = 0;
        self.set(self.learner.begin()?);
        self.tiles.values_mut().for_each(|held| held.rows = Mutex::new(None));
        Ok(())
    }

    fn set(&mut self, round: L::Round) {
        if self.learner.is_boundary(&round) {
            self.start = Start { round: round.clone(), clocks: Vec::new() };
        }
        self.round = Some(round);
    }

    fn advance(&mut self, candidates: Vec<Packet>) -> Result<(), Problem> {
        let round = self.round.take().ok_or_else(replica::over)?;
        self.clock += 1;
        if let Step::Next(next) = self.learner.combine(round, replica::read(&candidates)?)? {
            self.start.clocks.push(candidates);
            self.set(next);
        }
        Ok(())
    }

    fn keep(&mut self, number: u32, bytes: &[u8]) -> Result<(), Problem> {
        let tile = Arc::new(tiles::read(bytes)?);
        self.tiles.insert(number, Held { tile, rows: Mutex::new(None) });
        Ok(())
    }

    fn fold(&self, numbers: &[u32], threads: usize) -> Result<Vec<Block>, Problem> {
        let find = |number| self.tiles.get(number).ok_or_else(|| Problem::internal(format!("tile {number} was never sent")));
        let held: Vec<&Held<L>> = numbers.iter().map(find).collect::<Result<_, _>>()?;
        self.make_rows(&held)?;
        let round = self.round.as_ref().ok_or_else(replica::over)?;
        let owned = [(0..held.len()).collect()];
        let parts = fold::fold(&self.learner, round, &owned, threads, |at, to| {
            let mut known = held[at].rows();
            let (clock, rows) = known.as_mut().ok_or_else(|| Problem::internal("row state was not made"))?;
            *clock = self.clock + 1;
            Ok::<(), Problem>(self.learner.fold(round, &held[at].tile, rows, to)?)
        })?;
        let of_block = reduce::by_block(parts)?;
        Ok(of_block.into_par_iter().with_max_len(1).map(reduce::merge).collect::<Result<_, _>>()?)
    }

    /// Makes the row state of tiles that others have folded so far: as it was at the last boundary, and folded since, for nothing else.
    fn make_rows(&self, held: &[&Held<L>]) -> Result<(), Problem> {
        let is_new = |held: &&&Held<L>| held.rows().as_ref().is_none_or(|(clock, _)| *clock != self.clock);
        let new: Vec<&&Held<L>> = held.iter().filter(is_new).collect();
        if new.is_empty() {
            return Ok(());
        }
        let past = self.past()?;
        new.into_par_iter().with_max_len(1).try_for_each(|held| {
            let mut rows = self.learner.rows(&self.start.round, &held.tile)?;
            for round in &past {
                self.learner.fold(round, &held.tile, &mut rows, &mut self.learner.accumulator(round))?;
            }
            *held.rows() = Some((self.clock, rows));
            Ok(())
        })
    }

    /// The rounds from the last boundary to the one before this.
    fn past(&self) -> Result<Vec<L::Round>, Problem> {
        let mut past = Vec::new();
        let mut round = self.start.round.clone();
        for candidates in &self.start.clocks {
            past.push(round.clone());
            match self.learner.combine(round, replica::read(candidates)?)? {
                Step::Next(next) => round = next,
                Step::Done(_) => return Err(replica::over()),
            }
        }
        Ok(past)
    }
}
