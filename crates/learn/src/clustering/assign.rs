//! One pass of Lloyd's algorithm over a tile: rows go to their nearest centres, and what changed is added up.

use quelea_core::block::{Block, PickedRow};
use quelea_core::exact::ExactSum;
use quelea_core::tile::Tile;
use quelea_core::{Error, Result};

use super::bounds::{Assigned, Bounds, NONE};
use super::kernel::Nearest;
use super::points::{Points, weighing};
use super::space::{Centers, Space};

/// Rows that are looked at together.
const BLOCK: usize = 256;

/// Room to work in.
#[derive(Default)]
pub struct Work {
    places: Vec<u32>,
    /// Places, each with its row's centre.
    own: Vec<(u32, u32)>,
    distances: Vec<f32>,
    nearest: Vec<Nearest>,
}

impl Work {
    /// The nearest centres of the points with these places.
    pub fn find(
        &mut self,
        centers: &Centers,
        points: &Points,
        places: impl Iterator<Item = u32>,
    ) -> impl Iterator<Item = (usize, Nearest)> {
        self.places.clear();
        self.places.extend(places);
        centers.find(points, &self.places, &mut self.distances, &mut self.nearest);
        self.places.iter().map(|&place| place as usize).zip(self.nearest.iter().copied())
    }
}

/// The places of a tile's rows, block by block.
pub fn blocks(rows: usize) -> impl Iterator<Item = std::ops::Range<u32>> {
    (0..rows).step_by(BLOCK).map(move |first| first as u32..rows.min(first + BLOCK) as u32)
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
    pub fn move_row(&mut self, space: &Space, points: &Points, place: usize, weight: f32, from: u32, to: u32) {
        let weight = f64::from(weight);
        let mut add = |column: usize, units: i64| {
            self.units[to as usize * self.width + column] += units;
            if from != NONE {
                self.units[from as usize * self.width + column] -= units;
            }
        };
        for (column, &z) in points.dense_of(place).iter().enumerate() {
            add(column, space.units(column, weight * f64::from(z)));
        }
        for &slot in points.slots_of(place) {
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
    /// The squared distances from the mean of the rows that had no cluster before, summed by weight.
    scatter: ExactSum,
    work: Work,
}

impl Changes {
    /// No changes.
    pub fn none(space: &Space, clusters: usize) -> Self {
        let sums = ClusterSums::empty(space, clusters);
        let (validation, scatter) = (ExactSum::default(), ExactSum::default());
        Self { sums, moved: 0, validation, validation_rows: 0, scatter, work: Work::default() }
    }

    /// Takes a tile's rows to their nearest centres; what was known of them is as of the pass before.
    pub fn fold(&mut self, pass: (&Space, &Centers, &Bounds), tile: &Tile, points: &Points, known: &mut Assigned) -> Result<()> {
        let (space, centers, bounds) = pass;
        let mut scatter = 0.0;
        for rows in blocks(tile.rows) {
            self.doubtful(bounds, known, rows.start as usize..rows.end as usize);
            self.tighten(centers, bounds, points, known);
            let Work { places, distances, nearest, .. } = &mut self.work;
            if places.is_empty() {
                continue;
            }
            centers.find(points, places, distances, nearest);
            for (&place, nearest) in places.iter().zip(&*nearest) {
                let row = place as usize;
                known.upper[row] = bounds.above(nearest.square);
                known.lower[row] = bounds.below(nearest.second);
                let before = std::mem::replace(&mut known.labels[row], nearest.center);
                if before != nearest.center {
                    self.moved += 1;
                    self.sums.move_row(space, points, row, tile.weight_of(row), before, nearest.center);
                    if before == NONE {
                        scatter += f64::from(tile.weight_of(row)) * space.square_from_mean(points, row);
                    }
                }
            }
        }
        self.scatter.add(scatter).then_some(()).ok_or_else(|| not_finite("the squared distances from the mean"))
    }

    /// Collects the rows whose bounds don't tell their centre.
    fn doubtful(&mut self, bounds: &Bounds, known: &mut Assigned, rows: std::ops::Range<usize>) {
        let Work { places, own, .. } = &mut self.work;
        places.clear();
        own.clear();
        let labels = known.labels[rows.clone()].iter();
        let bounds_of_rows = known.upper[rows.clone()].iter_mut().zip(&mut known.lower[rows.clone()]);
        for (row, (&label, (upper, lower))) in rows.zip(labels.zip(bounds_of_rows)) {
            if label == NONE {
                places.push(row as u32);
            } else if !bounds.follow(label, upper, lower) {
                own.push((row as u32, label));
            }
        }
    }

    /// Measures the distance to the own centre first, and keeps the rows of which that does not tell enough.
    fn tighten(&mut self, centers: &Centers, bounds: &Bounds, points: &Points, known: &mut Assigned) {
        let Work { places, own, distances, .. } = &mut self.work;
        centers.measure_own(points, own, distances);
        for (&(row, label), &square) in own.iter().zip(&*distances) {
            let place = row as usize;
            known.upper[place] = bounds.above(square);
            if !bounds.holds(label as usize, known.upper[place], known.lower[place]) {
                places.push(row);
            }
        }
    }

    /// Adds the distances of a tile of validation rows.
    pub fn fold_validation(&mut self, centers: &Centers, tile: &Tile, points: &Points) -> Result<()> {
        let mut total = 0.0;
        for rows in blocks(tile.rows) {
            for (row, nearest) in self.work.find(centers, points, rows) {
                total += f64::from(tile.weight_of(row)) * f64::from(nearest.square);
            }
        }
        self.validation_rows += tile.rows as i64;
        self.validation.add(total).then_some(()).ok_or_else(|| not_finite("the inertia of validation rows"))
    }

    /// The changes as blocks: sums, and counts with the sums of squared distances.
    pub fn blocks(self) -> Vec<Block> {
        let counts = [self.moved, self.validation_rows].into_iter().chain(*self.validation.limbs()).chain(*self.scatter.limbs());
        vec![Block::Integers(self.sums.units), Block::Integers(counts.collect())]
    }
}

fn not_finite(what: &str) -> Error {
    Error::NotFinite { what: what.into(), place: String::new() }
}

/// What is known of rows after all are measured against `centers`.
pub fn assign(centers: &Centers, bounds: &Bounds, points: &Points, rows: usize) -> Assigned {
    let mut work = Work::default();
    let mut known = Assigned::nothing(rows);
    for rows in blocks(rows) {
        for (row, nearest) in work.find(centers, points, rows) {
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
    pub fn fold(&mut self, space: &Space, centers: &Centers, tile: &Tile, points: &Points) {
        for rows in blocks(tile.rows) {
            let least = if self.rows.len() == self.most { self.rows[self.most - 1].values[0] } else { 0.0 };
            for (row, nearest) in self.work.find(centers, points, weighing(space, tile, rows)) {
                if nearest.square > 0.0 && nearest.square >= least {
                    let mut values = vec![nearest.square, nearest.center as f32, tile.weight_of(row)];
                    values.extend(points.vector(row, space.width()));
                    self.rows.push(PickedRow { tile: tile.number, row: row as u32, values });
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
