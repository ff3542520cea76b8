//! From the sums of a round to the next: candidates of each block, and what is made of them.

use std::collections::BTreeMap;

use quelea_core::block::Block;
use quelea_core::estimator::{Estimator, Trees};
use quelea_core::learner::{Fitted, Iteration, Step};
use quelea_core::{Error, Result};

use super::Boosting;
use super::bins::{Cuts, edges};
use super::fold::place;
use super::growth::Growth;
use super::layout::Layout;
use super::loss::Loss;
use super::quantile::Search;
use super::round::{Phase, Round};
use super::scale::{Bounds, Scale};
use super::split::{Finder, Split, shrink};
use super::sums;

/// The result of a block's update.
#[derive(serde::Serialize, serde::Deserialize)]
pub enum Candidate {
    /// Sums of doubles.
    Exact(Vec<f64>),
    /// The largest number of a bag.
    Largest(f32),
    /// The bin edges of a column.
    Edges(Vec<f32>),
    /// Counters of a quantile search.
    Counts(Vec<i64>),
    /// The best split of each node, over a group of columns.
    Splits(Vec<(usize, Split)>),
}

/// Histograms of a group of columns, by node; of leaves that may still be split.
#[derive(Debug, Default)]
pub struct Kept {
    nodes: BTreeMap<usize, Vec<i64>>,
}

impl Boosting {
    pub(super) fn candidate(&self, round: &Round, index: usize, sum: Block, kept: &mut Kept) -> Candidate {
        match (&round.phase, sum) {
            (Phase::Sample, Block::Bag(values)) => Candidate::Edges(edges(&values, self.parameters.max_bin as usize)),
            (_, Block::Bag(values)) => Candidate::Largest(values.last().copied().unwrap_or(0.0)),
            (Phase::Root(growth), Block::Integers(sums)) if index < growth.layout.groups.len() => {
                kept.nodes.clear();
                self.splits(round, growth, index, kept, vec![(0, sums)])
            }
            (Phase::Grow(growth), Block::Integers(sums)) => self.split_children(round, growth, index, sums, kept),
            (Phase::Base(_) | Phase::Quantiles(..), Block::Integers(counts)) => Candidate::Counts(counts),
            (_, Block::Integers(limbs)) => Candidate::Exact(sums::values(&limbs)),
            (_, Block::Fixed(_) | Block::Rows(_) | Block::Keys(_) | Block::Values(_)) => unreachable!("boosting makes no such block"),
        }
    }

    /// The histograms of the counted children; those of their siblings are what is left of their parents'.
    fn split_children(&self, round: &Round, growth: &Growth, group: usize, sums: Vec<i64>, kept: &mut Kept) -> Candidate {
        let len = growth.layout.group_len(&growth.layout.groups[group]);
        let mut nodes = Vec::new();
        for (expansion, counted) in growth.counted().zip(sums.chunks_exact(len)) {
            let mut sibling = kept.nodes.remove(&expansion.node).expect("the histogram of an open leaf is kept");
            sibling.iter_mut().zip(counted).for_each(|(all, part)| *all -= part);
            let child = expansion.counted.unwrap_or(expansion.left);
            nodes.push((child, counted.to_vec()));
            nodes.push((2 * expansion.left + 1 - child, sibling));
        }
        self.splits(round, growth, group, kept, nodes)
    }

    fn splits(&self, round: &Round, growth: &Growth, group: usize, kept: &mut Kept, nodes: Vec<(usize, Vec<i64>)>) -> Candidate {
        let finder = Finder { parameters: &self.parameters, scale: &growth.scale };
        let mut splits = Vec::new();
        for (node, sums) in nodes {
            if !growth.may_split(node, &self.parameters) {
                continue;
            }
            splits.extend(finder.best(&growth.layout, &round.cuts, group, &sums).map(|split| (node, split)));
            kept.nodes.insert(node, sums);
        }
        Candidate::Splits(splits)
    }

    pub(super) fn next(&self, mut round: Round, candidates: Vec<Candidate>) -> Result<Step<Round>> {
        match std::mem::replace(&mut round.phase, Phase::Measure) {
            Phase::Sample => self.after_sample(round, candidates),
            Phase::Base(search) => {
                match narrowed(search, candidates) {
                    Ok(base) => round.base = base,
                    Err(search) => round.phase = Phase::Base(search),
                }
                Ok(Step::Next(round))
            }
            Phase::Measure if round.trees.len() < self.old_trees() => {
                self.take_sizes(&mut round, 0, candidates);
                Ok(Step::Next(self.go_on(round)))
            }
            Phase::Measure => {
                let stop = self.take_measures(&mut round, 0, candidates)?;
                if stop || round.course.finished >= self.parameters.n_estimators as usize {
                    return Ok(Step::Done(self.fitted(round, None)));
                }
                Ok(Step::Next(self.begin_tree(round, 0)))
            }
            Phase::Root(mut growth) => {
                let measures = offer_splits(&mut growth, candidates);
                let stop = self.take_measures(&mut round, growth.output, measures)?;
                if stop {
                    return Ok(Step::Done(self.fitted(round, None)));
                }
                Ok(Step::Next(self.advance(round, growth)))
            }
            Phase::Grow(mut growth) => {
                offer_splits(&mut growth, candidates);
                Ok(Step::Next(self.advance(round, growth)))
            }
            Phase::Leaves(growth) => {
                let values = self.leaf_values(&candidates);
                self.finish_tree(round, growth, values)
            }
            Phase::Quantiles(growth, search) => match narrowed(search, candidates) {
                Ok(values) => {
                    let rate = self.parameters.learning_rate;
                    self.finish_tree(round, growth, values.into_iter().map(|v| (f64::from(v) * rate) as f32).collect())
                }
                Err(search) => {
                    round.phase = Phase::Quantiles(growth, search);
                    Ok(Step::Next(round))
                }
            },
        }
    }

    fn after_sample(&self, mut round: Round, candidates: Vec<Candidate>) -> Result<Step<Round>> {
        let mut mean = 0.0;
        let mut found = Vec::new();
        for candidate in candidates {
            match candidate {
                Candidate::Exact(sums) => mean = if sums[1] > 0.0 { sums[0] / sums[1] } else { 0.0 },
                Candidate::Edges(edges) => found.push(edges),
                _ => {}
            }
        }
        round.cuts = self.schema.features.iter().map(|f| Cuts::of_category(f, self.parameters.cat_smooth)).collect();
        for (&feature, edges) in self.numbers.iter().zip(found) {
            round.cuts[feature] = Cuts::Number(edges);
        }
        let all = Layout::new(&self.schema, &round.cuts, 1.0, self.seed, 0);
        round.usable = all.columns.iter().map(|column| column.feature).collect();
        match (&self.start, self.loss) {
            (None, Loss::Squared) => round.base = vec![mean as f32],
            (None, Loss::Quantile { alpha, .. }) => round.phase = Phase::Base(Search::new(1, alpha)),
            _ => {}
        }
        Ok(Step::Next(round))
    }

    /// The trees to go on from, but for their last iteration's: an unbroken run takes the scale of an iteration from
    /// gradients before the last one, and the run that goes on must do the same to find the same trees.
    pub(super) fn measured_trees(&self) -> usize {
        self.old_trees().saturating_sub(self.loss.outputs())
    }

    /// Begins the first tree after those to go on from, of which the last iteration's are not in the round yet.
    fn go_on(&self, mut round: Round) -> Round {
        let last = self.start.iter().flat_map(|start| &start.trees[self.measured_trees()..]);
        for tree in last {
            round.drift_now = tree.leaves.iter().fold(round.drift_now, |most, v| most.max(f64::from(v.abs())));
            round.trees.push(tree.clone());
        }
        self.begin_tree(round, 0)
    }

    /// Takes in sizes of gradients, of all outputs or from `output` on. What was summed exactly is given back.
    fn take_sizes(&self, round: &mut Round, output: usize, candidates: Vec<Candidate>) -> Vec<f64> {
        let mut largest = Vec::new();
        let mut exact = Vec::new();
        for candidate in candidates {
            match candidate {
                Candidate::Exact(values) => exact = values,
                Candidate::Largest(value) => largest.push(f64::from(value)),
                _ => {}
            }
        }
        for (at, sizes) in largest.chunks_exact(2).enumerate() {
            let mean = exact[place::SIZES + output + at] / self.schema.rows.max(1) as f64;
            round.sizes[output + at] = Bounds { gradient: sizes[0], hessian: sizes[1], mean };
        }
        exact
    }

    /// Takes in losses and sizes of gradients, of all outputs or from `output` on. Whether training is to stop.
    fn take_measures(&self, round: &mut Round, output: usize, candidates: Vec<Candidate>) -> Result<bool> {
        let exact = self.take_sizes(round, output, candidates);
        let average = |loss: usize, weight: usize| (exact[weight] > 0.0).then(|| exact[loss] / exact[weight]);
        if output > 0 {
            return Ok(false);
        }
        let finished = (round.trees.len() - self.old_trees()) / self.loss.outputs();
        let validation_loss = average(place::VALIDATION_LOSS, place::VALIDATION_WEIGHT);
        let patience = self.parameters.early_stopping_rounds as usize;
        let stop = round.course.note(finished, validation_loss, patience, self.start.is_some());
        if finished < self.parameters.n_estimators as usize && round.course.history.len() == finished {
            let loss = average(place::LOSS, place::WEIGHT);
            round.course.history.push(Iteration { loss, validation_loss: None });
        }
        Ok(stop)
    }

    fn begin_tree(&self, mut round: Round, output: usize) -> Round {
        if output == 0 {
            round.drift = round.drift_now;
            round.drift_now = 0.0;
        }
        let bounds = self.loss.bounds(round.sizes[output], round.drift, f64::from(self.schema.largest_weight));
        let scale = Scale::new(bounds, self.schema.rows);
        let tree = round.trees.len() as u64;
        let layout = Layout::new(&self.schema, &round.cuts, self.parameters.colsample_bytree, self.seed, tree);
        round.phase = Phase::Root(Growth::new(output, layout, scale));
        round
    }

    fn advance(&self, mut round: Round, mut growth: Growth) -> Round {
        let counts = growth.advance(&self.parameters, &round.cuts);
        round.phase = match self.loss {
            _ if counts => Phase::Grow(growth),
            Loss::Quantile { alpha, .. } => {
                let search = Search::new(growth.leaves().count(), alpha);
                Phase::Quantiles(growth, search)
            }
            _ => Phase::Leaves(growth),
        };
        round
    }

    fn leaf_values(&self, candidates: &[Candidate]) -> Vec<f32> {
        let Some(Candidate::Exact(sums)) = candidates.first() else { return Vec::new() };
        let value = |sums: &[f64]| {
            let hessian = sums[1] + self.parameters.reg_lambda;
            if hessian > 0.0 { (-shrink(sums[0], self.parameters.reg_alpha) / hessian * self.parameters.learning_rate) as f32 } else { 0.0 }
        };
        sums.chunks_exact(2).map(value).collect()
    }

    fn finish_tree(&self, mut round: Round, growth: Growth, values: Vec<f32>) -> Result<Step<Round>> {
        if values.iter().any(|v| !v.is_finite()) {
            return Err(Error::Diverged { what: "the value of a leaf".into(), place: format!(" of tree {}", round.trees.len()) });
        }
        round.drift_now = values.iter().fold(round.drift_now, |most, v| most.max(f64::from(v.abs())));
        round.last_leaves = growth.leaves().zip(values.iter().copied()).collect();
        round.trees.push(growth.tree(&round.cuts, values));
        if growth.output + 1 < self.loss.outputs() {
            return Ok(Step::Next(self.begin_tree(round, growth.output + 1)));
        }
        if self.is_barren(&round) {
            return Ok(Step::Done(self.barren(round)));
        }
        let finished = (round.trees.len() - self.old_trees()) / self.loss.outputs();
        if finished < self.parameters.n_estimators as usize {
            return Ok(Step::Next(self.begin_tree(round, 0)));
        }
        if round.course.validated {
            round.phase = Phase::Measure;
            return Ok(Step::Next(round));
        }
        round.course.finished = finished;
        Ok(Step::Done(self.fitted(round, None)))
    }

    /// Whether the last iteration found nothing to split, and the next would find the same.
    fn is_barren(&self, round: &Round) -> bool {
        let all_seen = self.parameters.subsample >= 1.0 && self.parameters.colsample_bytree >= 1.0;
        all_seen && round.trees[round.trees.len() - self.loss.outputs()..].iter().all(|tree| tree.nodes.is_empty())
    }

    fn barren(&self, mut round: Round) -> Fitted {
        let before = round.trees.len() - self.loss.outputs();
        let finished = (before - self.old_trees()) / self.loss.outputs();
        if before > 0 {
            round.trees.truncate(before);
            round.course.history.truncate(finished);
        }
        round.course.finished = finished;
        let warning = format!(
            "after {finished} iterations no split lessened the loss: lower model.min_child_samples or model.min_split_gain, or look whether the columns tell anything of the target"
        );
        self.fitted(round, Some(warning))
    }

    fn fitted(&self, mut round: Round, warning: Option<String>) -> Fitted {
        if let Some((_, best)) = round.course.best
            && self.parameters.early_stopping_rounds > 0
        {
            round.trees.truncate(self.old_trees() + best * self.loss.outputs());
        }
        let history = round.course.history;
        Fitted { estimator: Estimator::new(Trees { trees: round.trees, base: round.base, link: self.loss.link() }), history, warning }
    }

    /// How many trees the model has that training went on from.
    pub(super) fn old_trees(&self) -> usize {
        self.start.as_ref().map_or(0, |start| start.trees.len())
    }
}

/// Gives the splits to their nodes; the answer is the other candidates.
fn offer_splits(growth: &mut Growth, candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut others = Vec::new();
    for candidate in candidates {
        match candidate {
            Candidate::Splits(splits) => splits.into_iter().for_each(|(node, split)| growth.offer(node, split)),
            other => others.push(other),
        }
    }
    others
}

/// What is found, or the search that goes on.
fn narrowed(mut search: Search, candidates: Vec<Candidate>) -> Result<Vec<f32>, Search> {
    match candidates.into_iter().next() {
        Some(Candidate::Counts(counts)) => search.narrow(&counts).ok_or(search),
        _ => Err(search),
    }
}
