//! Folds tiles: what each phase adds up, and the blocks that come of it.

use quelea_core::block::Block;
use quelea_core::counter::{Draws, Purpose};
use quelea_core::tile::{Tile, Values};
use quelea_core::{Error, Result};

use super::Boosting;
use super::growth::Growth;
use super::histogram::{Histograms, NodeRows, Scratch};
use super::lanes::Sizes;
use super::quantile::{Search, units_of_weight};
use super::round::{Phase, Round};
use super::rows::{Rows, trains};
use super::scale::Packed;
use super::sums::ExactSums;

/// Rows of numbers from which bin edges are read.
const SAMPLE: f64 = 200_000.0;

/// The places of [`Accumulator::exact`] in phases that compute losses.
pub(super) mod place {
    /// Weighted losses of training rows.
    pub const LOSS: usize = 0;
    /// Weights of training rows.
    pub const WEIGHT: usize = 1;
    /// Weighted losses of validation rows.
    pub const VALIDATION_LOSS: usize = 2;
    /// Weights of validation rows.
    pub const VALIDATION_WEIGHT: usize = 3;
    /// From here sizes of gradients, a sum per output.
    pub const SIZES: usize = 4;
}

/// What a thread adds tiles into; a phase uses the parts it needs.
pub struct Accumulator {
    /// Per column of numbers a sample.
    samples: Vec<Vec<f32>>,
    /// Sums of doubles.
    exact: ExactSums,
    /// Per output the largest gradients; empty until a tile is added.
    largest: Vec<Vec<Sizes>>,
    /// Counters of a quantile search.
    counts: Vec<i64>,
    /// Histograms of nodes.
    histograms: Option<Histograms>,
    scratch: Scratch,
    packed: Vec<Packed>,
    rows: Vec<u16>,
}

impl Boosting {
    pub(super) fn empty(&self, round: &Round) -> Accumulator {
        let outputs = self.loss.outputs();
        let (exact, counts) = match &round.phase {
            Phase::Sample => (3, 0),
            Phase::Base(search) | Phase::Quantiles(_, search) => (0, search.counters()),
            Phase::Measure | Phase::Root(_) => (place::SIZES + outputs, 0),
            Phase::Grow(_) => (0, 0),
            Phase::Leaves(growth) => (2 * growth.leaves().count(), 0),
        };
        let histograms = match &round.phase {
            Phase::Root(growth) => Some(Histograms::new(&growth.layout, 1)),
            Phase::Grow(growth) => Some(Histograms::new(&growth.layout, growth.counted().count())),
            _ => None,
        };
        Accumulator {
            samples: vec![Vec::new(); self.numbers.len()],
            exact: ExactSums::new(exact),
            largest: vec![Vec::new(); outputs],
            counts: vec![0; counts],
            histograms,
            scratch: Scratch::default(),
            packed: Vec::new(),
            rows: Vec::new(),
        }
    }

    pub(super) fn add_tile(&self, round: &Round, tile: &Tile, rows: &mut Rows, to: &mut Accumulator) -> Result<()> {
        match &round.phase {
            Phase::Sample if trains(tile) => self.sample(tile, to),
            Phase::Base(search) if trains(tile) => {
                self.count(tile, search, to, (0..tile.rows).map(|row| (0, row, tile.target[row])));
                Ok(())
            }
            Phase::Measure => self.measure(round, tile, rows, to),
            Phase::Root(growth) => self.plant(round, growth, tile, rows, to),
            Phase::Grow(growth) if trains(tile) => {
                self.grow(growth, tile, rows, to);
                Ok(())
            }
            Phase::Leaves(growth) if trains(tile) => {
                rows.part(&growth.expansions, tile, &mut to.rows);
                for (at, leaf) in growth.leaves().enumerate() {
                    let (gradient, hessian) = rows.sums_of(leaf);
                    to.exact.add(2 * at, gradient, "a sum of gradients", tile.number)?;
                    to.exact.add(2 * at + 1, hessian, "a sum of hessians", tile.number)?;
                }
                Ok(())
            }
            Phase::Quantiles(growth, search) if trains(tile) => {
                self.count_residuals((growth, search, round.offset), tile, rows, to);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn sample(&self, tile: &Tile, to: &mut Accumulator) -> Result<()> {
        let fraction = SAMPLE / self.schema.rows.max(1) as f64;
        let draws = Draws::new(self.seed, Purpose::Sample, 0);
        let picks = |row: &usize| fraction >= 1.0 || draws.uniform(u64::from(tile.number), *row as u64) < fraction;
        let picked: Vec<usize> = (0..tile.rows).filter(picks).collect();
        for (&feature, sample) in self.numbers.iter().zip(&mut to.samples) {
            let Values::Number(values) = &tile.features[feature] else { continue };
            // Adding 0 turns −0 into 0.
            sample.extend(picked.iter().map(|&row| values[row] + 0.0).filter(|x| !x.is_nan()));
        }
        let (mut sum, mut weights, mut squares) = (0.0, 0.0, 0.0);
        for row in 0..tile.rows {
            let (weight, y) = (f64::from(tile.weight_of(row)), f64::from(tile.target[row]));
            sum += weight * y;
            weights += weight;
            squares += weight * y * y;
        }
        to.exact.add(0, sum, "the target", tile.number)?;
        to.exact.add(1, weights, "a weight", tile.number)?;
        to.exact.add(2, squares, "the square of the target", tile.number)
    }

    fn count(&self, tile: &Tile, search: &Search, to: &mut Accumulator, rows: impl Iterator<Item = (usize, usize, f32)>) {
        let units = units_of_weight(self.schema.largest_weight, self.schema.rows);
        for (group, row, value) in rows {
            let weight = (f64::from(tile.weight_of(row)) * units) as i64;
            search.count(&mut to.counts, group, value, weight);
        }
    }

    fn count_residuals(&self, (growth, search, offset): (&Growth, &Search, f32), tile: &Tile, rows: &mut Rows, to: &mut Accumulator) {
        if search.is_first() {
            rows.part(&growth.expansions, tile, &mut to.rows);
        }
        for (group, leaf) in growth.leaves().enumerate() {
            let sampled = rows.order[rows.segments[leaf].clone()].iter().map(|&row| usize::from(row));
            let sampled = sampled.filter(|&row| rows.hessians[row].is_sign_positive());
            self.count(tile, search, to, sampled.map(|row| (group, row, (tile.target[row] - offset) - rows.scores[row])));
        }
    }

    fn measure(&self, round: &Round, tile: &Tile, rows: &mut Rows, to: &mut Accumulator) -> Result<()> {
        rows.catch_up(round, tile);
        self.add_losses(round.offset, tile, rows, to)?;
        if trains(tile) {
            for output in 0..self.loss.outputs() {
                let sizes = rows.derive(&self.loss, output, round.offset, tile);
                add_sizes(sizes, output, tile, to)?;
            }
        }
        Ok(())
    }

    fn plant(&self, round: &Round, growth: &Growth, tile: &Tile, rows: &mut Rows, to: &mut Accumulator) -> Result<()> {
        rows.catch_up(round, tile);
        if growth.output == 0 {
            self.add_losses(round.offset, tile, rows, to)?;
        }
        if !trains(tile) {
            return Ok(());
        }
        rows.bin(round, tile);
        let sizes = rows.derive(&self.loss, growth.output, round.offset, tile);
        add_sizes(sizes, growth.output, tile, to)?;
        let tree = round.trees.len();
        rows.sample(self.parameters.subsample, self.seed, (tree / self.loss.outputs()) as u64, tile);
        rows.plant(tree, tile);
        if let Some(histograms) = &mut to.histograms {
            if !growth.scale.wide {
                growth.scale.pack(&rows.gradients, &rows.hessians, &mut to.packed);
                rows.binned.write(&to.packed);
            }
            let of = NodeRows { rows: None, gradients: &rows.gradients, hessians: &rows.hessians };
            histograms.add(&growth.layout, &growth.scale, &rows.binned, 0, &of, &mut to.scratch);
        }
        Ok(())
    }

    fn grow(&self, growth: &Growth, tile: &Tile, rows: &mut Rows, to: &mut Accumulator) {
        rows.part(&growth.expansions, tile, &mut to.rows);
        let Some(histograms) = &mut to.histograms else { return };
        for (at, child) in growth.counted().filter_map(|e| e.counted).enumerate() {
            let of_child = &rows.order[rows.segments[child].clone()];
            let of = NodeRows { rows: Some(of_child), gradients: &rows.gradients, hessians: &rows.hessians };
            histograms.add(&growth.layout, &growth.scale, &rows.binned, at, &of, &mut to.scratch);
        }
    }

    fn add_losses(&self, offset: f32, tile: &Tile, rows: &Rows, to: &mut Accumulator) -> Result<()> {
        let (loss, weight) = self.loss.sum(&rows.scores, offset, tile);
        let (at_loss, at_weight) =
            if trains(tile) { (place::LOSS, place::WEIGHT) } else { (place::VALIDATION_LOSS, place::VALIDATION_WEIGHT) };
        to.exact.add(at_loss, loss, "the loss", tile.number)?;
        to.exact.add(at_weight, weight, "a weight", tile.number)
    }

    pub(super) fn blocks_of(&self, round: &Round, from: Accumulator) -> Vec<Block> {
        let bags = |from: &[Sizes]| {
            let bag = |of: fn(&Sizes) -> f32| Block::Bag(from.iter().map(of).collect());
            [bag(|s| s.gradient), bag(|s| s.hessian)]
        };
        let mut blocks: Vec<Block> = Vec::new();
        if let (Phase::Root(growth) | Phase::Grow(growth), Some(histograms)) = (&round.phase, from.histograms) {
            blocks.extend(histograms.into_sums(&growth.layout).into_iter().map(Block::Integers));
        }
        match &round.phase {
            Phase::Sample => {
                blocks.push(from.exact.into_block());
                blocks.extend(from.samples.into_iter().map(Block::Bag));
            }
            Phase::Base(_) | Phase::Quantiles(..) => blocks.push(Block::Integers(from.counts)),
            Phase::Measure => {
                blocks.push(from.exact.into_block());
                blocks.extend(from.largest.iter().flat_map(|of| bags(of)));
            }
            Phase::Root(growth) => {
                blocks.push(from.exact.into_block());
                blocks.extend(bags(&from.largest[growth.output]));
            }
            Phase::Grow(_) => {}
            Phase::Leaves(_) => blocks.push(from.exact.into_block()),
        }
        blocks
    }
}

fn add_sizes(sizes: Sizes, output: usize, tile: &Tile, to: &mut Accumulator) -> Result<()> {
    if !sizes.gradient.is_finite() || !sizes.hessian.is_finite() {
        return Err(Error::Diverged { what: "a gradient".into(), place: format!(" in tile {}", tile.number) });
    }
    to.exact.add(place::SIZES + output, sizes.sum, "a sum of gradients", tile.number)?;
    let largest = &mut to.largest[output];
    let known = largest.pop().unwrap_or_default();
    largest.push(Sizes { gradient: known.gradient.max(sizes.gradient), hessian: known.hessian.max(sizes.hessian), sum: 0.0 });
    Ok(())
}
