//! k-means: Lloyd's algorithm with exact bounds, from k-means|| or from given centres.

mod assign;
mod bounds;
mod init;
mod kernel;
mod lloyd;
mod parameters;
mod points;
mod space;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use quelea_core::block::Block;
use quelea_core::estimator::{Centroids, Estimator};
use quelea_core::learner::{Learner, Progress, Step};
use quelea_core::schema::Schema;
use quelea_core::tile::{Role, Tile};
use quelea_core::{Error, Result};

use crate::carry_over::{carried, start_as};
use crate::design::design;
use crate::moments::{Moments, MomentsFit};
use crate::registry::{Family, Targets};
use assign::{Changes, Farthest, assign};
use bounds::Assigned;
use init::{AfterStart, Candidates, Picked, Start};
use lloyd::Pass;
pub use parameters::{Init, Method, Parameters};
use points::Points;
use space::Space;

/// The family of k-means clusterings.
pub struct KMeans;

impl Family for KMeans {
    const NAME: &'static str = "k-means";
    const ABOUT: &'static str = "clusters by their centres";
    const TARGETS: Targets = Targets::None;
    type Parameters = Parameters;
    type Learner = KMeansLearner;

    fn check(parameters: &Parameters) -> Result<()> {
        parameters.check()
    }

    fn learner(parameters: Parameters, schema: Arc<Schema>, seed: u64, start_from: Option<Estimator>) -> Result<KMeansLearner> {
        let start_from = start_as::<Centroids>(start_from, "a clustering")?;
        if let Some(model) = &start_from {
            parameters.check_against(model.centers.len())?;
        }
        Ok(KMeansLearner { parameters, schema, seed, start_from })
    }
}

/// k-means on one table.
pub struct KMeansLearner {
    parameters: Parameters,
    schema: Arc<Schema>,
    seed: u64,
    start_from: Option<Arc<Centroids>>,
}

/// What a round asks of the tiles.
#[derive(Clone)]
pub enum Round {
    /// The moments of every column.
    Moments(Box<MomentsFit>),
    /// Candidates for centres.
    Start(Box<(Arc<Space>, Start)>),
    /// The nearest centres of all rows.
    Pass(Box<Pass>),
    /// The rows farthest from their centres, to take the place of so many empty clusters.
    Farthest(Box<Pass>, usize),
}

/// What a worker holds for a tile: its rows as points, once the space is known, and what is known of them.
pub struct Rows {
    points: Option<Points>,
    known: Known,
}

/// What is known of a tile's rows.
enum Known {
    /// Nothing.
    Nothing,
    /// Their nearest candidates.
    Candidates(Candidates),
    /// Their centres, with bounds.
    Assigned(Assigned),
}

/// What a thread adds tiles into.
pub enum Accumulator {
    /// Sums of moments.
    Moments(Vec<i128>),
    /// What the start picked and measured.
    Start(Box<Picked>),
    /// What changed in a pass.
    Pass(Box<Changes>),
    /// The farthest rows.
    Farthest(Box<Farthest>),
}

/// What a merged block comes to.
#[derive(serde::Serialize, serde::Deserialize)]
pub enum Candidate {
    /// The weight of all rows and the moments of every column.
    Moments(f64, Vec<Moments>),
    /// The block itself.
    Sum(Block),
}

impl Learner for KMeansLearner {
    type Round = Round;
    type Rows = Rows;
    type Accumulator = Accumulator;
    type Kept = ();
    type Candidate = Candidate;

    fn begin(&self) -> Result<Round> {
        Ok(Round::Moments(Box::new(MomentsFit::new(&self.schema))))
    }

    fn rows(&self, round: &Round, tile: &Arc<Tile>) -> Result<Rows> {
        let points = round.space().map(|space| Points::of_tile(space, tile));
        let known = match (round, &points) {
            (Round::Pass(pass), Some(points)) if tile.role == Role::Train => match &pass.before {
                None => Known::Nothing,
                Some(before) => Known::Assigned(assign(before, &pass.bounds, points, tile.rows)),
            },
            (Round::Farthest(pass, _), Some(points)) if tile.role == Role::Train => {
                Known::Assigned(assign(&pass.centers, &pass.bounds, points, tile.rows))
            }
            (Round::Start(start), Some(points)) => Known::Candidates(start.1.known(points, tile.rows)),
            _ => Known::Nothing,
        };
        Ok(Rows { points, known })
    }

    fn is_boundary(&self, _: &Round) -> bool {
        true
    }

    fn accumulator(&self, round: &Round) -> Accumulator {
        match round {
            Round::Moments(fit) => Accumulator::Moments(fit.empty()),
            Round::Start(start) => Accumulator::Start(Box::new(start.1.picked())),
            Round::Pass(pass) => Accumulator::Pass(Box::new(Changes::none(&pass.space, pass.centers.points.len()))),
            Round::Farthest(_, most) => Accumulator::Farthest(Box::new(Farthest::none(*most))),
        }
    }

    fn fold(&self, round: &Round, tile: &Tile, rows: &mut Rows, accumulator: &mut Accumulator) -> Result<()> {
        let space = match (round.space(), round, &mut *accumulator) {
            (Some(space), ..) => space,
            (None, Round::Moments(fit), Accumulator::Moments(sums)) => return fit.fold(tile, sums),
            _ => return Err(mixed_up()),
        };
        let points = &*rows.points.get_or_insert_with(|| Points::of_tile(space, tile));
        match (round, accumulator) {
            (Round::Start(start), Accumulator::Start(picked)) => {
                if !matches!(rows.known, Known::Candidates(_)) {
                    rows.known = Known::Candidates(start.1.known(points, tile.rows));
                }
                let Known::Candidates(known) = &mut rows.known else { return Err(mixed_up()) };
                start.1.fold(space, tile, points, known, picked)
            }
            (Round::Pass(pass), Accumulator::Pass(changes)) if tile.role == Role::Validation => {
                changes.fold_validation(&pass.centers, tile, points)
            }
            (Round::Pass(pass), Accumulator::Pass(changes)) => {
                if !matches!(rows.known, Known::Assigned(_)) {
                    rows.known = Known::Assigned(Assigned::nothing(tile.rows));
                }
                let Known::Assigned(known) = &mut rows.known else { return Err(mixed_up()) };
                changes.fold((space, &pass.centers, &pass.bounds), tile, points, known)
            }
            (Round::Farthest(pass, _), Accumulator::Farthest(farthest)) => {
                if tile.role == Role::Train {
                    farthest.fold(space, &pass.centers, tile, points);
                }
                Ok(())
            }
            _ => Err(mixed_up()),
        }
    }

    fn blocks(&self, _: &Round, accumulator: Accumulator) -> Result<Vec<Block>> {
        Ok(match accumulator {
            Accumulator::Moments(sums) => vec![Block::Fixed(sums)],
            Accumulator::Start(picked) => picked.blocks(),
            Accumulator::Pass(changes) => changes.blocks(),
            Accumulator::Farthest(farthest) => farthest.blocks(),
        })
    }

    fn update(&self, round: &Round, _: usize, sum: Block, _: &mut ()) -> Result<Candidate> {
        match round {
            Round::Moments(fit) => fit.finish(sum).map(|(weight, moments)| Candidate::Moments(weight, moments)),
            _ => Ok(Candidate::Sum(sum)),
        }
    }

    fn combine(&self, round: Round, candidates: Vec<Candidate>) -> Result<Step<Round>> {
        let mut candidates = candidates.into_iter();
        match (round, candidates.next(), candidates.next()) {
            (Round::Moments(fit), Some(Candidate::Moments(weight, moments)), None) => match fit.narrowed(&moments) {
                Some(narrower) => Ok(Step::Next(Round::Moments(Box::new(narrower)))),
                None => self.first_round(weight, &moments),
            },
            (Round::Start(start), Some(Candidate::Sum(Block::Rows(rows))), Some(Candidate::Sum(Block::Integers(counts)))) => {
                let (space, start) = *start;
                Ok(Step::Next(match start.next(&space, rows, &counts)? {
                    AfterStart::Again(start) => Round::Start(Box::new((space, *start))),
                    AfterStart::Centers(points) => self.first_pass(space, points),
                }))
            }
            (Round::Pass(pass), Some(Candidate::Sum(Block::Integers(changes))), Some(Candidate::Sum(Block::Integers(counts)))) => {
                pass.assigned(&changes, &counts)
            }
            (Round::Farthest(pass, _), Some(Candidate::Sum(Block::Rows(rows))), None) => pass.refilled(rows),
            _ => Err(mixed_up()),
        }
    }

    fn progress(&self, round: &Round) -> Progress {
        let history = match round {
            Round::Moments(_) | Round::Start(_) => &[][..],
            Round::Pass(pass) | Round::Farthest(pass, _) => &pass.history,
        };
        let last = history.last().copied().unwrap_or_default();
        Progress { done: history.len() as u64, of: u64::from(self.parameters.max_iter), unit: "iteration", last }
    }
}

impl Round {
    /// The space, once it is known.
    fn space(&self) -> Option<&Space> {
        match self {
            Self::Moments(_) => None,
            Self::Start(start) => Some(&start.0),
            Self::Pass(pass) | Self::Farthest(pass, _) => Some(&pass.space),
        }
    }
}

impl KMeansLearner {
    fn first_round(&self, weight: f64, moments: &[Moments]) -> Result<Step<Round>> {
        let design = design(&self.schema, moments, self.parameters.standardize);
        let space = Arc::new(Space::new(&self.schema, design, weight, moments)?);
        let points = match (&self.start_from, &self.parameters.init) {
            (Some(model), _) => {
                let features = carried(&self.schema, &model.design, &space.design)?;
                Some(model.centers.iter().map(|center| space.carry_over(&features, center)).collect())
            }
            (None, Init::Centers(centers)) => {
                Some(centers.iter().map(|center| space.encode_point(&self.schema, center)).collect::<Result<_>>()?)
            }
            (None, Init::Method(Method::Parallel)) => None,
        };
        Ok(Step::Next(match points {
            Some(points) => self.first_pass(space, points),
            None => Round::Start(Box::new((space, Start::new(self.seed, self.parameters.n_clusters as usize)))),
        }))
    }

    fn first_pass(&self, space: Arc<Space>, points: Vec<Vec<f32>>) -> Round {
        Round::Pass(Box::new(Pass::first(space, points, &self.parameters)))
    }
}

fn mixed_up() -> Error {
    Error::Internal { what: "the parts of different rounds were mixed up".into() }
}
