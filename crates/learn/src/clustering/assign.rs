//! One pass of Lloyd's algorithm over a tile: rows go to their nearest centres, and what changed is added up.

use quelea_core::block::{Block, PickedRow};
use quelea_core::exact::ExactSum;
use quelea_core::tile::Tile;
use quelea_core::{Error, Result};

use super::bounds::{Assigned, Bounds, NONE};
use super::kernel::Nearest;
use super::space::{Centers, Rows, Space};

/// Rows that are looked at together.
const BLOCK: usize = 256;

const UNKNOWN: Nearest = Nearest { center: NONE, square: f32::INFINITY, second: f32::INFINITY };

/// Room to work in.
#[derive(Default)]
pub struct Work {
    rows: Rows,
    places: Vec<u32>,
    kept: Vec<u32>,
    distances: Vec<f32>,
    nearest: Vec<Nearest>,
}

impl Work {
    /// Encodes the rows with these places and finds their nearest centres, one after the other.
    pub fn find(
        &mut self,
        space: &Space,
        centers: &Centers,
        tile: &Tile,
        places: impl Iterator<Item = u32>,
    ) -> (&Rows, &[u32], &[Nearest]) {
        self.places.clear();
        self.places.extend(places);
        self.rows.encode(space, tile, &self.places);
        self.measure(centers);
        (&self.rows, &self.places, &self.nearest)
    }

    fn measure(&mut self, centers: &Centers) {
        self.nearest.clear();
        self.nearest.resize(self.places.len(), UNKNOWN);
        centers.find(&self.rows, &mut self.distances, &mut self.nearest);
    }
}

/// The rows of each cluster summed, in units of the space: per cluster a number per column, then the weight. What
/// threads hold of them are changes.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterSums {
    /// Cluster after cluster.
    pub units: Vec<i64>,
    /// The numbers per cluster.
    pub width: usize,
}

impl ClusterSums {
    /// Sums of no rows.
    pub fn empty(space: &Space, clusters: usize) -> Self {
        let width = space.width() + 1;
        Self { units: vec![0; clusters * width], width }
    }

    /// Moves a row to cluster `to`, from cluster `from` unless that is [`NONE`].
    pub fn move_row(&mut self, space: &Space, rows: &Rows, index: usize, weight: f32, from: u32, to: u32) {
        let weight = f64::from(weight);
        let mut add = |column: usize, units: i64| {
            self.units[to as usize * self.width + column] += units;
            if from != NONE {
                self.units[from as usize * self.width + column] -= units;
            }
        };
        for (column, &z) in rows.dense_of(index).iter().enumerate() {
            add(column, space.units(column, weight * f64::from(z)));
        }
        for &slot in rows.slots_of(index) {
            if (slot as usize) < space.width() {
                add(slot as usize, space.units(slot as usize, weight));
            }
        }
        add(space.width(), space.units(space.width(), weight));
    }

    /// Moves a row that is at hand as a point.
    pub fn move_point(&mut self, space: &Space, point: &[f32], weight: f32, from: usize, to: usize) {
        let weight = f64::from(weight);
        for column in 0..self.width {
            let units = space.units(column, point.get(column).map_or(weight, |&x| weight * f64::from(x)));
            self.units[to * self.width + column] += units;
            self.units[from * self.width + column] -= units;
        }
    }

    /// The weight of a cluster.
    pub fn weight(&self, space: &Space, cluster: usize) -> f64 {
        space.value(space.width(), self.units[(cluster + 1) * self.width - 1])
    }

    /// The sum of a cluster's rows in `column`.
    pub fn sum(&self, space: &Space, cluster: usize, column: usize) -> f64 {
        space.value(column, self.units[cluster * self.width + column])
    }
}

/// What a thread adds tiles of a pass into.
pub struct Changes {
    /// How the sums of clusters change.
    pub sums: ClusterSums,
    /// How many rows changed their cluster.
    pub moved: i64,
    /// The squared distances of validation rows, summed by weight.
    pub validation: ExactSum,
    /// Validation rows.
    pub validation_rows: i64,
    work: Work,
}

impl Changes {
    /// No changes.
    pub fn none(space: &Space, clusters: usize) -> Self {
        let sums = ClusterSums::empty(space, clusters);
        Self { sums, moved: 0, validation: ExactSum::default(), validation_rows: 0, work: Work::default() }
    }

    /// Takes a tile's rows to their nearest centres; what was known of them is as of the pass before.
    pub fn fold(&mut self, space: &Space, centers: &Centers, bounds: &Bounds, tile: &Tile, known: &mut Assigned) {
        for first in (0..tile.rows).step_by(BLOCK) {
            self.doubtful(bounds, known, first..tile.rows.min(first + BLOCK));
            if self.work.places.is_empty() {
                continue;
            }
            self.work.rows.encode(space, tile, &self.work.places);
            self.tighten(centers, bounds, known);
            self.work.measure(centers);
            for (index, (&place, nearest)) in self.work.places.iter().zip(&self.work.nearest).enumerate() {
                let row = place as usize;
                known.upper[row] = bounds.above(nearest.square);
                known.lower[row] = bounds.below(nearest.second);
                let before = std::mem::replace(&mut known.labels[row], nearest.center);
                if before != nearest.center {
                    self.moved += 1;
                    self.sums.move_row(space, &self.work.rows, index, tile.weight_of(row), before, nearest.center);
                }
            }
        }
    }

    /// Collects the rows whose bounds don't tell their centre.
    fn doubtful(&mut self, bounds: &Bounds, known: &mut Assigned, rows: std::ops::Range<usize>) {
        let places = &mut self.work.places;
        places.clear();
        let labels = known.labels[rows.clone()].iter();
        let bounds_of_rows = known.upper[rows.clone()].iter_mut().zip(&mut known.lower[rows.clone()]);
        for (row, (&label, (upper, lower))) in rows.zip(labels.zip(bounds_of_rows)) {
            if label == NONE || !bounds.follow(label, upper, lower) {
                places.push(row as u32);
            }
        }
    }

    /// Measures the distance to the own centre first, and keeps the rows of which that does not tell enough.
    fn tighten(&mut self, centers: &Centers, bounds: &Bounds, known: &mut Assigned) {
        let Work { rows, places, kept, .. } = &mut self.work;
        kept.clear();
        for (index, &place) in places.iter().enumerate() {
            let row = place as usize;
            let label = known.labels[row];
            if label != NONE {
                known.upper[row] = bounds.above(centers.distance(rows, index, label as usize));
                if bounds.holds(label as usize, known.upper[row], known.lower[row]) {
                    continue;
                }
            }
            kept.push(index as u32);
        }
        if kept.len() < places.len() {
            rows.keep(kept);
            kept.iter().enumerate().for_each(|(to, &from)| places[to] = places[from as usize]);
            places.truncate(kept.len());
        }
    }

    /// Adds the distances of a tile of validation rows.
    pub fn fold_validation(&mut self, space: &Space, centers: &Centers, tile: &Tile) -> Result<()> {
        let mut total = 0.0;
        for first in (0..tile.rows).step_by(BLOCK) {
            let places = (first..tile.rows.min(first + BLOCK)).map(|row| row as u32);
            let (_, places, nearest) = self.work.find(space, centers, tile, places);
            for (&place, nearest) in places.iter().zip(nearest) {
                total += f64::from(tile.weight_of(place as usize)) * f64::from(nearest.square);
            }
        }
        self.validation_rows += tile.rows as i64;
        let added = self.validation.add(total);
        added.then_some(()).ok_or_else(|| Error::NotFinite { what: "the inertia of validation rows".into(), place: String::new() })
    }

    /// The changes as blocks: sums, and counts with the validation sum.
    pub fn blocks(self) -> Vec<Block> {
        let counts = [self.moved, self.validation_rows].into_iter().chain(*self.validation.limbs()).collect();
        vec![Block::Integers(self.sums.units), Block::Integers(counts)]
    }
}

/// What is known of a tile's rows after all are measured against `centers`.
pub fn assign(space: &Space, centers: &Centers, bounds: &Bounds, tile: &Tile) -> Assigned {
    let mut work = Work::default();
    let mut known = Assigned::nothing(tile.rows);
    for first in (0..tile.rows).step_by(BLOCK) {
        let places = (first..tile.rows.min(first + BLOCK)).map(|row| row as u32);
        let (_, places, nearest) = work.find(space, centers, tile, places);
        for (&place, nearest) in places.iter().zip(nearest) {
            let row = place as usize;
            known.labels[row] = nearest.center;
            known.upper[row] = bounds.above(nearest.square);
            known.lower[row] = bounds.below(nearest.second);
        }
    }
    known
}

/// The rows that are farthest from their centres, the farthest first, at most `most` of all that it is shown.
pub struct Farthest {
    rows: Vec<PickedRow>,
    most: usize,
    work: Work,
}

impl Farthest {
    /// None yet.
    pub fn none(most: usize) -> Self {
        Self { rows: Vec::new(), most, work: Work::default() }
    }

    /// Looks at a tile; picked rows hold the squared distance, the centre, the weight and the point.
    pub fn fold(&mut self, space: &Space, centers: &Centers, tile: &Tile) {
        for first in (0..tile.rows).step_by(BLOCK) {
            let places = super::space::weighing(tile, first..tile.rows.min(first + BLOCK));
            let (rows, places, nearest) = self.work.find(space, centers, tile, places);
            let least = if self.rows.len() == self.most { self.rows[self.most - 1].values[0] } else { 0.0 };
            for (index, (&row, nearest)) in places.iter().zip(nearest).enumerate() {
                if nearest.square > 0.0 && nearest.square >= least {
                    let mut values = vec![nearest.square, nearest.center as f32, tile.weight_of(row as usize)];
                    values.extend(rows.point(index, space.width()));
                    self.rows.push(PickedRow { tile: tile.number, row, values });
                }
            }
            keep_farthest(&mut self.rows, self.most);
        }
    }

    /// The rows as a block.
    pub fn blocks(self) -> Vec<Block> {
        vec![Block::Rows(self.rows)]
    }
}

/// Sorts rows by their first value, the largest first, equals by place, and keeps `most`.
pub fn keep_farthest(rows: &mut Vec<PickedRow>, most: usize) {
    rows.sort_unstable_by(|a, b| b.values[0].total_cmp(&a.values[0]).then((a.tile, a.row).cmp(&(b.tile, b.row))));
    rows.truncate(most);
}
