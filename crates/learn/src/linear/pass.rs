//! One pass over a tile: the loss at some parameters, its gradient and, if asked for, its Hessian.

use quelea_core::Result;
use quelea_core::block::Block;
use quelea_core::exact::ExactSum;
use quelea_core::tile::{Role, Tile};
use quelea_core::{Error, exact};

use super::kernel::{EncodeColumn, Gram, LANES, Logistic, Outer, Softmax};
use super::objective::Objective;
use crate::design::{codes, numbers};
use crate::sums::lane_sum;

/// The most rows of a block.
const ROWS: usize = 128;
/// The most numbers of a block: half a megabyte of them stay in a second-level cache.
const NUMBERS: usize = 65_536;

/// What a pass sums of products of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Products {
    /// Nothing.
    None,
    /// `Σ w · column · column`: the Gram matrix.
    Gram,
    /// The Hessian, pair by pair of outputs.
    Hessian,
}

impl Products {
    fn pairs(self, outputs: usize) -> usize {
        match self {
            Self::None => 0,
            Self::Gram => 1,
            Self::Hessian => outputs * (outputs + 1) / 2,
        }
    }
}

/// Exact sums over tiles, and room to work in.
pub struct Sums {
    products: Products,
    gradient: Vec<i128>,
    hessian: Vec<i128>,
    /// Loss of training rows, loss and weight of validation rows.
    losses: [ExactSum; 3],
    work: Work,
}

/// The sums of one tile and the block at hand.
struct Work {
    /// A block's rows at the most.
    room: usize,
    /// The distance of rows in `z`: dense columns and the intercept, padded.
    stride: usize,
    z: Vec<f64>,
    /// A row per output: scores, then residuals.
    scores: Vec<f64>,
    /// A row per output: probabilities, in the multinomial case.
    probabilities: Vec<f64>,
    /// A value per row each.
    rows: [Vec<f64>; 5],
    /// A row of `stride` per output.
    dense_gradient: Vec<f64>,
    /// A square of `stride` per pair of outputs.
    dense_hessian: Vec<f64>,
    gradient: Vec<f64>,
    /// A square of all columns per pair of outputs; its lower triangle is used.
    hessian: Vec<f64>,
}

impl Sums {
    /// Empty sums.
    pub fn new(objective: &Objective, products: Products) -> Self {
        let (columns, outputs) = (objective.columns(), objective.outputs);
        let stride = (objective.intercept() + 1).next_multiple_of(LANES);
        let room = (NUMBERS / stride / LANES * LANES).clamp(LANES, ROWS);
        let pairs = products.pairs(outputs);
        let work = Work {
            room,
            stride,
            z: vec![0.0; room * stride],
            scores: vec![0.0; outputs * room],
            probabilities: vec![0.0; outputs * room],
            rows: std::array::from_fn(|_| vec![0.0; room]),
            dense_gradient: vec![0.0; outputs * stride],
            dense_hessian: vec![0.0; pairs * stride * stride],
            gradient: vec![0.0; outputs * columns],
            hessian: vec![0.0; pairs * columns * columns],
        };
        let hessian = vec![0; pairs * columns * (columns + 1) / 2];
        Self { products, gradient: vec![0; outputs * columns], hessian, losses: [ExactSum::default(); 3], work }
    }

    /// Adds a tile at these parameters. Validation rows add to their loss only.
    pub fn fold(&mut self, objective: &Objective, parameters: &[f64], tile: &Tile) -> Result<()> {
        let work = &mut self.work;
        let train = tile.role == Role::Train;
        for sums in [&mut work.dense_gradient, &mut work.dense_hessian, &mut work.gradient, &mut work.hessian] {
            sums.fill(0.0);
        }
        let (mut loss, mut weight) = (0.0, 0.0);
        for start in (0..tile.rows).step_by(work.room) {
            let rows = start..tile.rows.min(start + work.room);
            work.score(objective, parameters, tile, rows.clone());
            work.losses(objective, tile, rows.clone());
            loss += lane_sum(&work.rows[LOSS][..rows.len()]);
            weight += lane_sum(&work.rows[WEIGHT][..rows.len()]);
            if train {
                work.add_gradient(objective, tile, rows.clone());
                match self.products {
                    Products::None => {}
                    Products::Gram => work.add_gram(objective, tile, rows),
                    Products::Hessian => work.add_hessian(objective, tile, rows),
                }
            }
        }
        if train {
            work.join_dense(objective);
            self.add_partial(objective)?;
        }
        let [train_loss, validation_loss, validation_weight] = &mut self.losses;
        let added = if train { train_loss.add(loss) } else { validation_loss.add(loss) && validation_weight.add(weight) };
        added.then_some(()).ok_or_else(|| not_finite("the loss"))
    }

    fn add_partial(&mut self, objective: &Objective) -> Result<()> {
        let columns = objective.columns();
        for (i, (sum, &value)) in self.gradient.iter_mut().zip(&self.work.gradient).enumerate() {
            *sum += objective.gradient_unit(i % columns).units(value, "a sum of the gradient")?;
        }
        if self.hessian.is_empty() {
            return Ok(());
        }
        let mut sums = self.hessian.iter_mut();
        for square in self.work.hessian.chunks_exact(columns * columns) {
            for (row, values) in square.chunks_exact(columns).enumerate() {
                for (column, (&value, sum)) in values[..=row].iter().zip(&mut sums).enumerate() {
                    *sum += objective.hessian_unit(row, column).units(value, "a sum of the Hessian")?;
                }
            }
        }
        Ok(())
    }

    /// The sums as blocks: gradient, Hessian, losses.
    pub fn blocks(self) -> Vec<Block> {
        let losses = self.losses.iter().flat_map(|sum| *sum.limbs()).collect();
        vec![Block::Fixed(self.gradient), Block::Fixed(self.hessian), Block::Integers(losses)]
    }
}

/// The numbers that a merged block stands for: the gradient, the lower triangle of the Gram matrix over columns or of
/// the Hessian over all parameters, or the training loss, the validation loss and the weight of validation rows.
pub fn values(objective: &Objective, products: Products, index: usize, block: Block) -> Result<Vec<f64>> {
    let columns = objective.columns();
    match (index, block) {
        (0, Block::Fixed(units)) => {
            Ok(units.into_iter().enumerate().map(|(i, units)| objective.gradient_unit(i % columns).value(units)).collect())
        }
        (1, Block::Fixed(units)) => Ok(match products {
            Products::None => Vec::new(),
            Products::Gram => unpack(objective, &units, 1),
            Products::Hessian => unpack(objective, &units, objective.outputs),
        }),
        (_, Block::Integers(limbs)) => limbs
            .chunks_exact(exact::LIMBS)
            .map(|limbs| ExactSum::from_limbs(limbs).map(|sum| sum.value()).ok_or_else(|| not_finite("the loss")))
            .collect(),
        _ => Err(not_finite("a block of an unknown kind")),
    }
}

/// The lower triangle over the columns of all outputs out of one lower triangle over columns per pair of outputs.
fn unpack(objective: &Objective, units: &[i128], outputs: usize) -> Vec<f64> {
    let (columns, size) = (objective.columns(), objective.columns() * outputs);
    let triangle = columns * (columns + 1) / 2;
    let mut hessian = Vec::with_capacity(size * (size + 1) / 2);
    for i in 0..size {
        let (a, row) = (i / columns, i % columns);
        for j in 0..=i {
            let (b, column) = (j / columns, j % columns);
            let (low, high) = (row.min(column), row.max(column));
            let at = (a * (a + 1) / 2 + b) * triangle + high * (high + 1) / 2 + low;
            hessian.push(objective.hessian_unit(high, low).value(units[at]));
        }
    }
    hessian
}

fn not_finite(what: &str) -> Error {
    Error::NotFinite { what: what.into(), place: String::new() }
}

/// Places in [`Work::rows`].
const WEIGHT: usize = 0;
const CURVATURE: usize = 1;
const LOSS: usize = 2;
const SPARE: usize = 3;

impl Work {
    /// Encodes rows of a tile into `z` and computes their scores.
    fn score(&mut self, objective: &Objective, parameters: &[f64], tile: &Tile, rows: std::ops::Range<usize>) {
        let (columns, intercept, room) = (objective.columns(), objective.intercept(), self.room);
        for (scores, parameters) in self.scores.chunks_exact_mut(room).zip(parameters.chunks_exact(columns)) {
            scores.fill(parameters[intercept]);
        }
        let mut weights = vec![0.0; objective.outputs];
        for (column, dense) in objective.matrix.dense.iter().enumerate() {
            weights.iter_mut().zip(parameters.chunks_exact(columns)).for_each(|(w, parameters)| *w = parameters[column]);
            pulp::Arch::new().dispatch(EncodeColumn {
                x: &numbers(tile, dense.feature)[rows.clone()],
                content: dense.content,
                column,
                stride: self.stride,
                z: &mut self.z,
                weights: &weights,
                scores: &mut self.scores,
                room,
                values: &mut self.rows[SPARE],
            });
        }
        self.z.chunks_exact_mut(self.stride).for_each(|row| row[intercept] = 1.0);
        for category in &objective.matrix.categories {
            let codes = &codes(tile, category.feature)[rows.clone()];
            for (scores, parameters) in self.scores.chunks_exact_mut(room).zip(parameters.chunks_exact(columns)) {
                let coefficients = &parameters[intercept + 1..];
                for (score, &code) in scores.iter_mut().zip(codes) {
                    *score += category.column(code).map_or(0.0, |column| coefficients[column]);
                }
            }
        }
    }

    /// Turns scores into residuals, and computes losses and what the Hessian needs.
    fn losses(&mut self, objective: &Objective, tile: &Tile, rows: std::ops::Range<usize>) {
        let (count, room) = (rows.len(), self.room);
        let target = &tile.target[rows.clone()];
        let [weights, curvature, losses, spare, other] = &mut self.rows;
        for (weight, row) in weights.iter_mut().zip(rows) {
            *weight = f64::from(tile.weight_of(row));
        }
        let weights = &weights[..count];
        if objective.outputs == 1 {
            let scores = &mut self.scores[..count];
            pulp::Arch::new().dispatch(Logistic { scores, target, weights, curvature, losses });
            return;
        }
        pulp::Arch::new().dispatch(Softmax { scores: &mut self.scores, room, target, weights, top: spare, total: other, losses });
        self.probabilities.copy_from_slice(&self.scores);
        for (class, scores) in self.scores.chunks_exact_mut(room).enumerate() {
            for ((residual, &w), &y) in scores.iter_mut().zip(weights).zip(target) {
                *residual = w * (*residual - if y == class as f32 { 1.0 } else { 0.0 });
            }
        }
    }

    /// Adds `Σ residual · column`.
    fn add_gradient(&mut self, objective: &Objective, tile: &Tile, rows: std::ops::Range<usize>) {
        let count = rows.len();
        for (residuals, out) in self.scores.chunks_exact(self.room).zip(self.dense_gradient.chunks_exact_mut(self.stride)) {
            let z = &self.z[..count * self.stride];
            pulp::Arch::new().dispatch(Outer { left: &residuals[..count], room: count, z, stride: self.stride, out });
        }
        let first = objective.intercept() + 1;
        for category in &objective.matrix.categories {
            let codes = &codes(tile, category.feature)[rows.clone()];
            let outputs = self.scores.chunks_exact(self.room).zip(self.gradient.chunks_exact_mut(objective.columns()));
            for (residuals, gradient) in outputs {
                for (&residual, &code) in residuals.iter().zip(codes) {
                    if let Some(column) = category.column(code) {
                        gradient[first + column] += residual;
                    }
                }
            }
        }
    }

    /// Adds `Σ h · column · column`, pair by pair of outputs.
    fn add_hessian(&mut self, objective: &Objective, tile: &Tile, rows: std::ops::Range<usize>) {
        let count = rows.len();
        let mut pair = 0;
        for a in 0..objective.outputs {
            for b in 0..=a {
                if objective.outputs > 1 {
                    self.pair_curvature(a, b, count);
                }
                self.add_products(objective, tile, rows.clone(), pair);
                pair += 1;
            }
        }
    }

    /// Adds `Σ w · column · column`.
    fn add_gram(&mut self, objective: &Objective, tile: &Tile, rows: std::ops::Range<usize>) {
        let [weights, curvature, ..] = &mut self.rows;
        curvature.copy_from_slice(weights);
        self.add_products(objective, tile, rows, 0);
    }

    /// Adds `Σ h · column · column` to the sums of a pair of outputs.
    fn add_products(&mut self, objective: &Objective, tile: &Tile, rows: std::ops::Range<usize>, pair: usize) {
        let out = &mut self.dense_hessian[pair * self.stride * self.stride..][..self.stride * self.stride];
        let (h, z) = (&self.rows[CURVATURE][..rows.len()], &self.z[..rows.len() * self.stride]);
        pulp::Arch::new().dispatch(Gram { h, z, stride: self.stride, out });
        self.add_category_products(objective, tile, rows, pair);
    }

    /// `w · p_a · (1 − p_a)`, or `−w · p_a · p_b` for two outputs.
    fn pair_curvature(&mut self, a: usize, b: usize, count: usize) {
        let [weights, curvature, ..] = &mut self.rows;
        let (p_a, p_b) = (&self.probabilities[a * self.room..], &self.probabilities[b * self.room..]);
        let own = if a == b { 1.0 } else { 0.0 };
        for (((h, &w), &p_a), &p_b) in curvature[..count].iter_mut().zip(&*weights).zip(p_a).zip(p_b) {
            *h = w * p_a * (own - p_b);
        }
    }

    fn add_category_products(&mut self, objective: &Objective, tile: &Tile, rows: std::ops::Range<usize>, pair: usize) {
        let (columns, dense) = (objective.columns(), objective.intercept() + 1);
        let square = &mut self.hessian[pair * columns * columns..][..columns * columns];
        let mut present = Vec::with_capacity(objective.matrix.categories.len());
        if objective.matrix.categories.is_empty() {
            return;
        }
        for (i, row) in rows.enumerate() {
            let h = self.rows[CURVATURE][i];
            let z = &self.z[i * self.stride..][..dense];
            present.clear();
            for category in &objective.matrix.categories {
                let Some(column) = category.column(codes(tile, category.feature)[row]) else { continue };
                present.push(dense + column);
                let sums = &mut square[(dense + column) * columns..][..columns];
                sums.iter_mut().zip(z).for_each(|(sum, &z)| *sum += h * z);
                present.iter().for_each(|&other| sums[other] += h);
            }
        }
    }

    /// Moves the sums over dense columns to their places among all.
    fn join_dense(&mut self, objective: &Objective) {
        let (columns, dense) = (objective.columns(), objective.intercept() + 1);
        for (from, to) in self.dense_gradient.chunks_exact(self.stride).zip(self.gradient.chunks_exact_mut(columns)) {
            to[..dense].copy_from_slice(&from[..dense]);
        }
        let squares = self.dense_hessian.chunks_exact(self.stride * self.stride).zip(self.hessian.chunks_exact_mut(columns * columns));
        for (from, to) in squares {
            for (from, to) in from.chunks_exact(self.stride).zip(to.chunks_exact_mut(columns)).take(dense) {
                to[..dense].copy_from_slice(&from[..dense]);
            }
        }
    }
}
