//! Centres to start from: k-means|| (Bahmani et al. 2012). Passes over the table pick rows in proportion to their
//! squared distance from those picked before; what was picked, weighted by the rows that are nearest to it, is then
//! clustered on its own.

use std::collections::HashSet;

use quelea_core::block::{Block, PickedRow};
use quelea_core::counter::{Draws, Purpose};
use quelea_core::exact::ExactSum;
use quelea_core::math;
use quelea_core::tile::{Role, Tile};
use quelea_core::{Error, Result};

use super::assign::{Work, blocks, keep_farthest};
use super::points::{Points, weighing};
use super::space::{Centers, Space};

/// Passes that pick.
const PICKS: u64 = 5;
/// Passes that pick at the most, should the first ones leave fewer candidates than clusters.
const MOST_PICKS: u64 = 50;
/// Rows picked per pass, as a multiple of the clusters.
const OVERSAMPLING: f64 = 2.0;
/// Steps of Lloyd's algorithm over the candidates.
const STEPS: usize = 20;

/// How far the start has come.
#[derive(Clone)]
pub struct Start {
    seed: u64,
    clusters: usize,
    /// Finished picks.
    picks: u64,
    /// The rows picked so far; the newest begin at `fresh`.
    candidates: Vec<Vec<f32>>,
    fresh: usize,
    /// Those picked before the last pass, and the newest.
    old: Option<Centers>,
    new: Option<Centers>,
    /// The sum of squared distances to the nearest candidate, by weight.
    cost: f64,
    /// The weight of the rows nearest to each candidate.
    weights: Vec<f64>,
    stage: Stage,
}

/// What a pass of the start does.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// Picks one row.
    First,
    /// Measures rows against the newest candidates.
    Measure,
    /// Picks rows by their distance.
    Pick,
}

/// The nearest candidate of each row of a tile, and the squared distance to it.
pub struct Candidates {
    nearest: Vec<u32>,
    squares: Vec<f32>,
}

/// What a thread adds tiles into.
pub struct Picked {
    rows: Vec<PickedRow>,
    cost: ExactSum,
    /// The weight of the rows nearest to each candidate, in units of the space.
    weights: Vec<i64>,
    work: Work,
}

/// What follows a pass of the start.
pub enum AfterStart {
    /// Another.
    Again(Box<Start>),
    /// The centres to start from; fewer than asked for if there are fewer different rows.
    Centers(Vec<Vec<f32>>),
}

impl Start {
    /// Begins.
    pub fn new(seed: u64, clusters: usize) -> Self {
        Self {
            seed,
            clusters,
            picks: 0,
            candidates: Vec::new(),
            fresh: 0,
            old: None,
            new: None,
            cost: 0.0,
            weights: Vec::new(),
            stage: Stage::First,
        }
    }

    fn draws(&self) -> Draws {
        Draws::new(self.seed, Purpose::Start, self.picks)
    }

    /// What is known of a tile before this pass.
    pub fn known(&self, points: &Points, rows: usize) -> Candidates {
        let mut known = Candidates { nearest: vec![0; rows], squares: vec![f32::INFINITY; rows] };
        let mut work = Work::default();
        if let Some(old) = &self.old {
            known.measure(old, 0, points, &mut work);
        }
        if let (Stage::Pick, Some(new)) = (self.stage, &self.new) {
            known.measure(new, self.fresh, points, &mut work);
        }
        known
    }

    /// Nothing picked yet.
    pub fn picked(&self) -> Picked {
        Picked { rows: Vec::new(), cost: ExactSum::default(), weights: vec![0; self.candidates.len()], work: Work::default() }
    }

    /// Adds a tile.
    pub fn fold(&self, space: &Space, tile: &Tile, points: &Points, known: &mut Candidates, picked: &mut Picked) -> Result<()> {
        if tile.role != Role::Train {
            return Ok(());
        }
        match self.stage {
            Stage::First => self.pick_first(space, tile, points, picked),
            Stage::Pick => self.pick(space, tile, points, known, picked),
            Stage::Measure => {
                let Some(new) = &self.new else { return Err(lost("the rows to measure against")) };
                known.measure(new, self.fresh, points, &mut picked.work);
                let mut cost = 0.0;
                for (row, (&nearest, &square)) in known.nearest.iter().zip(&known.squares).enumerate() {
                    let weight = f64::from(tile.weight_of(row));
                    cost += weight * f64::from(square);
                    picked.weights[nearest as usize] += space.units(space.width(), weight);
                }
                if !picked.cost.add(cost) {
                    return Err(Error::NotFinite { what: "the sum of squared distances".into(), place: String::new() });
                }
            }
        }
        Ok(())
    }

    /// One row, by an exponential race: row i wins with probability proportional to its weight.
    fn pick_first(&self, space: &Space, tile: &Tile, points: &Points, picked: &mut Picked) {
        let draws = self.draws();
        let winner = weighing(space, tile, 0..tile.rows as u32)
            .map(|row| {
                let time = -math::ln(1.0 - draws.uniform(u64::from(tile.number), u64::from(row))) / f64::from(tile.weight_of(row as usize));
                (-time as f32, row)
            })
            .reduce(|a, b| if b.0 > a.0 { b } else { a });
        if let Some((key, row)) = winner {
            picked.take(space, tile, points, [(row, key)].into_iter());
            keep_farthest(&mut picked.rows, 1);
        }
    }

    /// Each row on its own, with a probability in proportion to its part of the cost.
    fn pick(&self, space: &Space, tile: &Tile, points: &Points, known: &Candidates, picked: &mut Picked) {
        let draws = self.draws();
        let factor = OVERSAMPLING * self.clusters as f64 / self.cost;
        let chosen = weighing(space, tile, 0..tile.rows as u32).filter_map(|row| {
            let square = known.squares[row as usize];
            let chance = factor * f64::from(tile.weight_of(row as usize)) * f64::from(square);
            (draws.uniform(u64::from(tile.number), u64::from(row)) < chance).then_some((row, square))
        });
        picked.take(space, tile, points, chosen);
    }

    /// Takes what the pass gave, as merged blocks.
    pub fn next(mut self, space: &Space, mut rows: Vec<PickedRow>, counts: &[i64]) -> Result<AfterStart> {
        if self.stage == Stage::Measure {
            self.measured(space, counts)?;
            return Ok(self.pick_or_end(space));
        }
        if self.stage == Stage::First {
            keep_farthest(&mut rows, 1);
        }
        self.picks += 1;
        if rows.is_empty() {
            // By chance a pass picks no row: what was measured before still holds.
            return Ok(self.pick_or_end(space));
        }
        self.fresh = self.candidates.len();
        let fresh: Vec<Vec<f32>> = rows.into_iter().map(|row| row.values[1..].to_vec()).collect();
        self.old = (!self.candidates.is_empty()).then(|| Centers::new(space, self.candidates.clone()));
        self.new = Some(Centers::new(space, fresh.clone()));
        self.candidates.extend(fresh);
        self.stage = Stage::Measure;
        Ok(AfterStart::Again(Box::new(self)))
    }

    fn measured(&mut self, space: &Space, counts: &[i64]) -> Result<()> {
        let (weights, limbs) = counts.split_at(self.candidates.len());
        let cost = ExactSum::from_limbs(limbs).ok_or_else(|| lost("its cost"))?;
        self.cost = cost.value();
        self.weights = weights.iter().map(|&units| space.value(space.width(), units)).collect();
        Ok(())
    }

    /// Another pass that picks, as long as there are rows to pick and they are needed; then the centres.
    fn pick_or_end(mut self, space: &Space) -> AfterStart {
        let enough = self.picks > PICKS && count_distinct(&self.candidates) >= self.clusters;
        if self.cost > 0.0 && !enough && self.picks <= MOST_PICKS {
            self.stage = Stage::Pick;
            return AfterStart::Again(Box::new(self));
        }
        let draws = self.draws();
        AfterStart::Centers(cluster(space, self.candidates, &self.weights, self.clusters, draws))
    }
}

impl Candidates {
    /// Measures rows against `centers`, which are the candidates from `first` on; an earlier one wins among equals.
    fn measure(&mut self, centers: &Centers, first: usize, points: &Points, work: &mut Work) {
        for rows in blocks(self.nearest.len()) {
            for (row, found) in work.find(centers, points, rows) {
                if found.square < self.squares[row] {
                    (self.nearest[row], self.squares[row]) = (first as u32 + found.center, found.square);
                }
            }
        }
    }
}

impl Picked {
    /// Picks rows, each with a key that comes before its point.
    fn take(&mut self, space: &Space, tile: &Tile, points: &Points, chosen: impl Iterator<Item = (u32, f32)>) {
        for (row, key) in chosen {
            let mut values = vec![key];
            values.extend(points.vector(row as usize, space.width()));
            self.rows.push(PickedRow { tile: tile.number, row, values });
        }
    }

    /// As blocks: rows, and weights with the cost.
    pub fn blocks(self) -> Vec<Block> {
        vec![Block::Rows(self.rows), Block::Integers(self.weights.into_iter().chain(*self.cost.limbs()).collect())]
    }
}

/// Clusters weighted vectors: k-means++ (Arthur, Vassilvitskii 2007), then a few steps of Lloyd's algorithm.
fn cluster(space: &Space, vectors: Vec<Vec<f32>>, weights: &[f64], clusters: usize, draws: Draws) -> Vec<Vec<f32>> {
    if vectors.len() <= clusters {
        return distinct(vectors);
    }
    let points = Points::of_vectors(space, &vectors);
    let all: Vec<u32> = (0..vectors.len() as u32).collect();
    let mut centers = plus_plus(space, &vectors, &points, weights, clusters, draws);
    let (mut distances, mut nearest) = (Vec::new(), Vec::new());
    for _ in 0..STEPS {
        Centers::new(space, centers.clone()).find(&points, &all, &mut distances, &mut nearest);
        let mut sums = vec![(0.0, vec![0.0; space.width()]); centers.len()];
        for ((vector, &weight), nearest) in vectors.iter().zip(weights).zip(&nearest) {
            let (total, sum) = &mut sums[nearest.center as usize];
            *total += weight;
            sum.iter_mut().zip(vector).for_each(|(sum, &x)| *sum += weight * f64::from(x));
        }
        for (center, (total, sum)) in centers.iter_mut().zip(sums) {
            if total > 0.0 {
                *center = sum.into_iter().map(|sum| (sum / total) as f32).collect();
            }
        }
    }
    centers
}

/// Vectors far apart: each is drawn in proportion to its weight and its squared distance from those drawn before.
fn plus_plus(space: &Space, vectors: &[Vec<f32>], points: &Points, weights: &[f64], clusters: usize, draws: Draws) -> Vec<Vec<f32>> {
    let all: Vec<u32> = (0..vectors.len() as u32).collect();
    let mut squares = vec![1.0; vectors.len()];
    let mut centers: Vec<Vec<f32>> = Vec::with_capacity(clusters);
    let (mut distances, mut nearest) = (Vec::new(), Vec::new());
    for draw in 0..clusters {
        let parts = squares.iter().zip(weights).map(|(square, weight)| square * weight);
        let mut left = draws.uniform(u64::MAX, draw as u64) * parts.clone().sum::<f64>();
        let drawn = parts.clone().position(|part| {
            left -= part;
            part > 0.0 && left < 0.0
        });
        let Some(drawn) = drawn.or_else(|| parts.clone().collect::<Vec<_>>().iter().rposition(|&part| part > 0.0)) else { break };
        let center = vectors[drawn].clone();
        Centers::new(space, vec![center.clone()]).find(points, &all, &mut distances, &mut nearest);
        for (square, found) in squares.iter_mut().zip(&nearest) {
            *square = if draw == 0 { f64::from(found.square) } else { square.min(f64::from(found.square)) };
        }
        centers.push(center);
    }
    centers
}

fn lost(what: &str) -> Error {
    Error::Internal { what: format!("the start of k-means lost {what}") }
}

/// The vectors without those that are equal to an earlier one.
fn distinct(vectors: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
    let mut seen = HashSet::with_capacity(vectors.len());
    vectors.into_iter().filter(|vector| seen.insert(key(vector))).collect()
}

fn count_distinct(vectors: &[Vec<f32>]) -> usize {
    vectors.iter().map(|vector| key(vector)).collect::<HashSet<_>>().len()
}

/// The same for equal vectors alone.
fn key(vector: &[f32]) -> Vec<u32> {
    // Minus zero and zero are one value.
    vector.iter().map(|x| (x + 0.0).to_bits()).collect()
}
