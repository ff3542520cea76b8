//! A learner behind the parameter server's trait: what runs and shards hold.

use std::sync::{Arc, Mutex, PoisonError};

use quelea_core::block::Block;
use quelea_core::learner::{Fitted, Iteration, Learner, Progress, Step};
use quelea_core::steps::{Course as Steps, Fetched, Parameters, StepLearner};
use quelea_learn::registry::Visitor;
use quelea_params::{Course, Made, Maker, Packet, Problem, Replica, Stepper};
use rayon::ThreadPool;

use super::plan::Plan;
use crate::rounds::reduce::{AllKept, update};
use crate::steps;

/// Where the end of a training is put.
pub(crate) type Outcome = Arc<Mutex<Option<Fitted>>>;
/// Who is told how far a training has come.
pub(crate) type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// Makes replicas that compute on `pool`, put the result into `outcome`, and tell `on_progress`.
pub(crate) fn maker(pool: Arc<ThreadPool>, outcome: Outcome, on_progress: OnProgress) -> Maker {
    Box::new(move |plan| {
        let mut plan = Plan::read(plan)?;
        let tables = std::mem::take(&mut plan.tables);
        plan.with_learner(Make { pool: pool.clone(), outcome: outcome.clone(), on_progress: on_progress.clone(), tables })?
    })
}

/// The candidate as it travels.
pub(crate) fn write<C: serde::Serialize>(candidate: &C) -> Result<Packet, Problem> {
    Ok(postcard::to_allocvec(candidate).map_err(|e| Problem::internal(e.to_string()))?.into())
}

/// The candidates as the learner takes them.
pub(crate) fn read<C: serde::de::DeserializeOwned>(candidates: &[Packet]) -> Result<Vec<C>, Problem> {
    let read = |packet: &Packet| postcard::from_bytes(packet);
    candidates.iter().map(read).collect::<Result<_, _>>().map_err(|e| Problem::internal(format!("a candidate cannot be read: {e}")))
}

struct Make {
    pool: Arc<ThreadPool>,
    outcome: Outcome,
    on_progress: OnProgress,
    tables: Vec<Parameters>,
}

impl Visitor for Make {
    type Output = Result<Made, Problem>;

    fn visit<L: Learner + 'static>(self, learner: L) -> Self::Output {
        let round = Some(learner.begin()?);
        Ok(Made::Rounds(Box::new(Replicated { learner, round, kept: AllKept::<L>::new(), told: None, of: self })))
    }

    fn visit_steps<L: StepLearner + 'static>(self, learner: L) -> Self::Output {
        Ok(Made::Steps(Box::new(Stepping { learner, history: Vec::new(), of: self })))
    }
}

struct Stepping<L: StepLearner> {
    learner: L,
    history: Vec<Iteration>,
    of: Make,
}

impl<L: StepLearner> Stepper for Stepping<L> {
    fn tables(&self) -> &[Parameters] {
        &self.of.tables
    }

    fn course(&self) -> Steps {
        self.learner.course()
    }

    fn pass(&mut self, totals: Vec<i128>) -> Result<bool, Problem> {
        self.history.push(self.learner.iteration(&totals)?);
        (self.of.on_progress)(steps::progress(&self.learner, &self.history));
        Ok(!self.learner.is_done(&self.history))
    }

    fn finish(&mut self, tables: Vec<Fetched>) -> Result<(), Problem> {
        let fitted = self.learner.finish(tables, std::mem::take(&mut self.history))?;
        *self.of.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(fitted);
        Ok(())
    }
}

struct Replicated<L: Learner> {
    learner: L,
    /// None at the end.
    round: Option<L::Round>,
    kept: AllKept<L>,
    /// The iteration that was told of last.
    told: Option<u64>,
    of: Make,
}

impl<L: Learner> Replica for Replicated<L> {
    fn update(&mut self, parts: Vec<(u32, Vec<Block>)>) -> Result<Vec<(u32, Packet)>, Problem> {
        let round = self.round.as_ref().ok_or_else(over)?;
        let candidates = self.of.pool.install(|| update(&self.learner, round, parts, &mut self.kept))?;
        candidates.iter().map(|(number, candidate)| Ok((*number, write(candidate)?))).collect()
    }

    fn advance(&mut self, candidates: &[Packet]) -> Result<(), Problem> {
        let round = self.round.take().ok_or_else(over)?;
        let unit = self.learner.progress(&round).unit;
        match self.learner.combine(round, read(candidates)?)? {
            Step::Next(round) => {
                self.tell(self.learner.progress(&round));
                self.round = Some(round);
            }
            Step::Done(fitted) => {
                self.told = None;
                self.tell(fitted.progress(unit));
                *self.of.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(fitted);
            }
        }
        Ok(())
    }

    fn course(&self) -> Course {
        Course { boundary: self.round.as_ref().is_some_and(|round| self.learner.is_boundary(round)), done: self.round.is_none() }
    }
}

impl<L: Learner> Replicated<L> {
    fn tell(&mut self, progress: Progress) {
        if self.told != Some(progress.done) {
            self.told = Some(progress.done);
            (self.of.on_progress)(progress);
        }
    }
}

/// A learner has no round any more.
pub(crate) fn over() -> Problem {
    Problem::internal("a round was asked for after the last")
}
