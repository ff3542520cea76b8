//! What happens between passes of Lloyd's algorithm: sums become centres, empty clusters get new ones, and it ends.

use std::sync::Arc;

use quelea_core::block::PickedRow;
use quelea_core::estimator::{Centroids, Estimator};
use quelea_core::exact::{ExactSum, LIMBS};
use quelea_core::learner::{Fitted, Iteration, Step};
use quelea_core::{Error, Result};

use super::Round;
use super::assign::{ClusterSums, keep_farthest};
use super::bounds::Bounds;
use super::parameters::Parameters;
use super::space::{Centers, Space};

/// A pass: centres that rows are assigned to.
#[derive(Clone)]
pub struct Pass {
    /// The space.
    pub space: Arc<Space>,
    /// The centres.
    pub centers: Centers,
    /// Those of the pass before.
    pub before: Option<Centers>,
    /// What spares distances.
    pub bounds: Bounds,
    /// One entry per finished pass.
    pub history: Vec<Iteration>,
    /// The rows of each cluster, as of the pass before.
    sums: ClusterSums,
    /// The squared distances of all rows from their mean, summed by weight.
    scatter: f64,
    /// How many clusters were asked for.
    wanted: usize,
    max_iter: usize,
    /// The sum of squared shifts at which it ends.
    least_shift: f64,
    /// Whether any row changed its cluster in this pass.
    moved: bool,
}

impl Pass {
    /// The first.
    pub fn first(space: Arc<Space>, points: Vec<Vec<f32>>, parameters: &Parameters) -> Self {
        let centers = Centers::new(&space, points);
        let mean_variance = space.scatter / space.weight / space.width().max(1) as f64;
        Self {
            bounds: Bounds::new(None, &centers, space.matrix.dense.len(), space.matrix.categories.len()),
            before: None,
            history: Vec::new(),
            sums: ClusterSums::empty(&space, centers.points.len()),
            scatter: 0.0,
            wanted: parameters.n_clusters as usize,
            max_iter: parameters.max_iter as usize,
            least_shift: parameters.tol * mean_variance,
            moved: true,
            centers,
            space,
        }
    }

    /// Takes how the sums changed, the number of rows that moved, that of validation rows, their distances, and in the first pass
    /// the distances of all rows from their mean.
    pub fn assigned(mut self: Box<Self>, changes: &[i64], counts: &[i64]) -> Result<Step<Round>> {
        let lost = || Error::Internal { what: "a pass lost its counts".into() };
        let [moved, validation_rows, limbs @ ..] = counts else { return Err(lost()) };
        for (sum, change) in self.sums.units.iter_mut().zip(changes) {
            *sum =
                sum.checked_add(*change).ok_or_else(|| Error::NotFinite { what: "the sum of a cluster".into(), place: String::new() })?;
        }
        self.moved = *moved > 0;
        let (validation, scatter) = limbs.split_at_checked(LIMBS).ok_or_else(lost)?;
        let validation = ExactSum::from_limbs(validation).ok_or_else(lost)?.value();
        self.scatter += ExactSum::from_limbs(scatter).ok_or_else(lost)?.value();
        let validation_loss = (*validation_rows > 0).then_some(validation);
        self.history.push(Iteration { loss: Some(self.inertia()), validation_loss });
        let empty = (0..self.centers.points.len()).filter(|&cluster| self.sums.weight(&self.space, cluster) <= 0.0).count();
        if empty > 0 { Ok(Step::Next(Round::Farthest(self, empty))) } else { self.refilled(Vec::new()) }
    }

    /// Takes the rows farthest from their centres to the empty clusters, one each, and goes on.
    pub fn refilled(self: Box<Self>, mut farthest: Vec<PickedRow>) -> Result<Step<Round>> {
        let mut sums = self.sums.clone();
        let empty: Vec<usize> = (0..self.centers.points.len()).filter(|&c| sums.weight(&self.space, c) <= 0.0).collect();
        keep_farthest(&mut farthest, empty.len());
        let refilled = !farthest.is_empty();
        for (row, cluster) in farthest.iter().zip(empty) {
            let [_, from, weight, point @ ..] = row.values.as_slice() else { continue };
            sums.move_point(&self.space, point, *weight, *from as usize, cluster);
        }
        let points = (0..self.centers.points.len()).map(|cluster| self.mean(&sums, cluster)).collect();
        self.step(points, refilled)
    }

    fn step(self: Box<Self>, points: Vec<Vec<f32>>, refilled: bool) -> Result<Step<Round>> {
        let shift: f64 =
            self.centers.points.iter().flatten().zip(points.iter().flatten()).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
        let settled = !refilled && (!self.moved || shift <= self.least_shift);
        if settled || self.history.len() >= self.max_iter {
            return Ok(Step::Done(self.fitted(points, settled)));
        }
        let centers = Centers::new(&self.space, points);
        let matrix = &self.space.matrix;
        let bounds = Bounds::new(Some(&self.centers), &centers, matrix.dense.len(), matrix.categories.len());
        let before = Some(self.centers);
        Ok(Step::Next(Round::Pass(Box::new(Self { centers, before, bounds, ..*self }))))
    }

    /// The mean of a cluster's rows; an empty one stays where it was.
    fn mean(&self, sums: &ClusterSums, cluster: usize) -> Vec<f32> {
        let weight = sums.weight(&self.space, cluster);
        if weight <= 0.0 {
            return self.centers.points[cluster].clone();
        }
        (0..self.space.width()).map(|column| (sums.sum(&self.space, cluster, column) / weight) as f32).collect()
    }

    /// The squared distances of rows to their centres, summed by weight: the scatter around the mean, less what the
    /// centres explain.
    fn inertia(&self) -> f64 {
        let (space, sums) = (&self.space, &self.sums);
        let mut inertia = self.scatter;
        for (cluster, point) in self.centers.points.iter().enumerate() {
            let weight = sums.weight(space, cluster);
            for (column, (&center, &mean)) in point.iter().zip(&space.mean).enumerate() {
                let offset = f64::from(center) - mean;
                inertia += offset * (weight * offset - 2.0 * (sums.sum(space, cluster, column) - weight * mean));
            }
        }
        inertia.max(0.0)
    }

    fn fitted(&self, points: Vec<Vec<f32>>, settled: bool) -> Fitted {
        let warning = if points.len() < self.wanted {
            Some(format!("{} clusters instead of {}: the table has no more different rows", points.len(), self.wanted))
        } else if settled {
            None
        } else {
            Some(format!("not converged after {} passes; raise max_iter or tol", self.history.len()))
        };
        let centers = points.iter().map(|point| self.space.decode_point(point)).collect();
        let estimator = Estimator::new(Centroids { design: self.space.design.clone(), centers });
        Fitted { estimator, history: self.history.clone(), warning }
    }
}
