//! The computing side of a worker: holds tiles and what is known of their rows, and folds them as it is told.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quelea_core::block::Block;
use quelea_core::learner::{Learner, Step};
use quelea_core::steps::StepLearner;
use quelea_core::tile::Tile;
use quelea_learn::registry::Visitor;
use quelea_params::worker::Task;
use quelea_params::{Packet, Problem};
use quelea_wire::Computed;
use rayon::prelude::*;
use tokio::sync::mpsc::UnboundedSender;

use super::plan::Plan;
use super::stepping::Stepping;
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
            ahead: None,
        };
        for task in self.tasks {
            match task {
                Task::Open(plan) => return Ok(Some(plan)),
                Task::Restart => holding.restart()?,
                Task::Advance(candidates) => holding.advance(candidates)?,
                Task::Keep { tile, bytes } => holding.keep(tile, bytes)?,
                Task::Own(tiles) => holding.tiles.retain(|tile, _| tiles.contains(tile)),
                Task::Expect(tiles) => self.threads.run(|| holding.fold_ahead(tiles, self.threads.count))?,
                Task::Fold { sequence, tiles } => {
                    let blocks = match holding.taken_ahead(&tiles) {
                        Some(blocks) => blocks,
                        None => self.threads.run(|| holding.fold(&tiles, self.threads.count))?,
                    };
                    tell(self.computed, Computed::Folded { sequence, blocks });
                }
                Task::Batch { .. } | Task::Step { .. } => return Err(other_kind()),
            }
        }
        Ok(None)
    }

    fn visit_steps<L: StepLearner + 'static>(self, learner: L) -> Self::Output {
        let mut stepping = Stepping::new(learner);
        for task in self.tasks {
            match task {
                Task::Open(plan) => return Ok(Some(plan)),
                Task::Restart => stepping.restart(),
                Task::Keep { tile, bytes } => stepping.keep(tile, bytes)?,
                Task::Own(tiles) => stepping.own(&tiles),
                Task::Batch { sequence, slices } => {
                    let keys = stepping.batch(&slices)?;
                    tell(self.computed, Computed::Wanted { sequence, keys });
                }
                Task::Step { sequence, pulled } => {
                    let sums = self.threads.run(|| stepping.step(&pulled))?;
                    tell(self.computed, Computed::Stepped { sequence, sums });
                }
                Task::Advance(_) | Task::Expect(_) | Task::Fold { .. } => return Err(other_kind()),
            }
        }
        Ok(None)
    }
}

fn other_kind() -> Problem {
    Problem::internal("a task of the other kind of learner")
}

/// A learner by rounds, and the tiles of a worker.
struct Holding<L: Learner> {
    learner: L,
    clock: u64,
    /// None once training is over.
    round: Option<L::Round>,
    start: Start<L>,
    tiles: BTreeMap<u32, Held<L>>,
    ahead: Option<Ahead>,
}

/// The sums of tiles that were folded before it was ordered, in a clock.
struct Ahead {
    clock: u64,
    tiles: Vec<u32>,
    blocks: Vec<Block>,
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
        (self.clock, self.ahead) = (0, None);
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

    fn keep(&mut self, number: u32, bytes: Packet) -> Result<(), Problem> {
        let tile = Arc::new(tiles::read(bytes)?);
        self.tiles.insert(number, Held { tile, rows: Mutex::new(None) });
        Ok(())
    }

    /// Folds tiles that will probably be ordered. At a boundary they may change hands, and row state that has gone ahead in vain
    /// is expensive to make again.
    fn fold_ahead(&mut self, tiles: Vec<u32>, threads: usize) -> Result<(), Problem> {
        if self.round.as_ref().is_some_and(|round| !self.learner.is_boundary(round)) {
            let blocks = self.fold(&tiles, threads)?;
            self.ahead = Some(Ahead { clock: self.clock, tiles, blocks });
        }
        Ok(())
    }

    /// The sums of these tiles, if they were folded ahead. What was folded in vain is forgotten.
    fn taken_ahead(&mut self, tiles: &[u32]) -> Option<Vec<Block>> {
        let ahead = self.ahead.take()?;
        (ahead.clock == self.clock && ahead.tiles == tiles).then_some(ahead.blocks)
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
        let of_block = Block::by_number(parts)?.into_par_iter().with_max_len(1);
        Ok(of_block.map(|(_, parts)| reduce::sum(parts)).collect::<Result<_, _>>()?)
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use quelea_core::schema::{Feature, FeatureKind, Schema, Target};
    use quelea_core::tile::{Role, Values};
    use quelea_params::{Made, Replica};
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    const ROWS: usize = 300;

    fn plan() -> Packet {
        let number = FeatureKind::Number { part: None, min: 0.0, max: 1.0, missing: 0 };
        let schema = Schema {
            inputs: Vec::new(),
            features: vec![Feature { name: "a".into(), input: 0, kind: number }],
            target: Target::Number { name: "y".into() },
            weight: None,
            largest_weight: 1.0,
            rows: 2 * ROWS as u64,
            ..Schema::default()
        };
        let parameters = [("n_estimators".to_string(), 3.into()), ("num_leaves".to_string(), 8.into())].into_iter().collect();
        let learner = "gradient-boosting".into();
        Plan { learner, parameters, schema: schema.into(), seed: 0, start_from: None, tables: Vec::new() }.write().unwrap()
    }

    fn tile(number: u32) -> Packet {
        let of_row = |row: usize| (row * 37 + number as usize * 11) % ROWS;
        let values: Vec<f32> = (0..ROWS).map(|row| of_row(row) as f32 / ROWS as f32).collect();
        let target: Vec<f32> = values.iter().map(|value| (value * 20.0).floor() % 7.0).collect();
        let features = vec![Values::Number(values.into())];
        tiles::write(&Tile { number, role: Role::Train, rows: ROWS, features, target: target.into(), weight: None }).unwrap()
    }

    /// A computing side that holds both tiles.
    fn start() -> (mpsc::Sender<Task>, UnboundedReceiver<Computed>) {
        let (tasks, to_do) = mpsc::channel();
        let (tell, computed) = unbounded_channel();
        std::thread::spawn(move || compute(to_do, &tell, &Threads::new(Some(2)).unwrap()));
        tasks.send(Task::Open(plan())).unwrap();
        (0..2).for_each(|number| tasks.send(Task::Keep { tile: number, bytes: tile(number) }).unwrap());
        (tasks, computed)
    }

    fn folded(computed: &mut UnboundedReceiver<Computed>) -> Result<Vec<Block>, Problem> {
        match computed.blocking_recv().unwrap() {
            Computed::Folded { blocks, .. } => Ok(blocks),
            Computed::Failed(problem) => Err(problem),
            _ => panic!("nothing else was ordered"),
        }
    }

    /// A computing side, and a shard that updates what it folds.
    struct Training {
        tasks: mpsc::Sender<Task>,
        computed: UnboundedReceiver<Computed>,
        shard: Box<dyn Replica>,
    }

    impl Training {
        fn start() -> Self {
            let (tasks, computed) = start();
            let made = replica::maker(Threads::new(Some(1)).unwrap().pool(), Arc::default(), Arc::new(|_| {}))(&plan()).unwrap();
            let Made::Rounds(shard) = made else { panic!("boosting goes by rounds") };
            Self { tasks, computed, shard }
        }

        /// The candidates of the next round. Sums may have the same value and be written otherwise, since threads take tiles in turn.
        fn round(&mut self) -> Vec<Packet> {
            self.tasks.send(Task::Fold { sequence: 0, tiles: vec![0, 1] }).unwrap();
            let sums = folded(&mut self.computed).unwrap();
            let candidates = self.shard.update((0..).zip(sums.into_iter().map(|sum| vec![sum])).collect()).unwrap();
            let candidates: Vec<Packet> = candidates.into_iter().map(|(_, candidate)| candidate).collect();
            self.shard.advance(&candidates).unwrap();
            self.tasks.send(Task::Advance(candidates.clone())).unwrap();
            candidates
        }
    }

    /// The candidates of all rounds, when `expected` is what is expected before each order.
    fn train(expected: &[u32]) -> Vec<Vec<Packet>> {
        let mut training = Training::start();
        let mut candidates = Vec::new();
        while !training.shard.course().done {
            candidates.push(training.round());
            training.tasks.send(Task::Expect(expected.to_vec())).unwrap();
        }
        candidates
    }

    #[test]
    fn candidates_are_the_same_whatever_is_folded_ahead() {
        let expected = train(&[]);
        assert!(expected.len() > 3 * 3);
        assert_eq!(train(&[0, 1]), expected);
        assert_eq!(train(&[1]), expected);
    }

    #[test]
    fn what_is_ordered_is_there_already_if_it_was_expected() {
        for (expected, is_there) in [(vec![0, 1], true), (vec![0], false)] {
            let mut training = Training::start();
            while training.shard.course().boundary {
                training.round();
            }
            training.tasks.send(Task::Expect(expected)).unwrap();
            // Who had to fold it now would miss a tile.
            training.tasks.send(Task::Own(vec![0])).unwrap();
            training.tasks.send(Task::Fold { sequence: 1, tiles: vec![0, 1] }).unwrap();
            assert_eq!(folded(&mut training.computed).is_ok(), is_there);
        }
    }
}
