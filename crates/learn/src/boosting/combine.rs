//! From the sums of a round to the next: candidates of each block, and what is made of them.

use std::collections::BTreeMap;

use quelea_core::block::Block;
use quelea_core::estimator::{Estimator, Trees};
use quelea_core::learner::{Fitted, Iteration, Step};
use quelea_core::schema::FeatureKind;
use quelea_core::{Error, Result, math};

use super::Boosting;
use super::bins::{Cuts, edges};
use super::fold::place;
use super::growth::Growth;
use super::layout::Layout;
use super::loss::Loss;
use super::parameters::Parameters;
use super::quantile::Search;
use super::round::{Phase, Round};
use super::scale::{Bounds, Scale};
use super::split::{Finder, Split, shrink};
use super::sums;

/// Standard deviations of the target that a base is away from 0 when scores are kept without it: 4 of their 24 bits would be lost.
const FAR: f64 = 16.0;
/// Memory that the histograms of a tree may take.
const MOST_GIB: f64 = 8.0;
/// A move of scores under log loss, in units of the score, that is looked at: odds change by a factor of 55.
const LONG_MOVE: f64 = 4.0;

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
                    Ok(base) => {
                        round.base = base;
                        self.choose_offset(&mut round);
                    }
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
                Candidate::Exact(sums) if sums[1] > 0.0 => {
                    mean = sums[0] / sums[1];
                    round.variance = (sums[2] / sums[1] - mean * mean).max(0.0);
                }
                Candidate::Edges(edges) => found.push(edges),
                _ => {}
            }
        }
        round.cuts = self.schema.features.iter().map(|f| Cuts::of_category(f, self.parameters.cat_smooth)).collect();
        for (&feature, edges) in self.numbers.iter().zip(found) {
            round.cuts[feature] = Cuts::Number(edges);
        }
        let all = Layout::new(&self.schema, &round.cuts, 1.0, self.seed, 0);
        self.refuse_large_histograms(&all)?;
        round.usable = all.columns.iter().map(|column| column.feature).collect();
        match (&self.start, self.loss) {
            (None, Loss::Squared) => round.base = vec![mean as f32],
            (None, Loss::Quantile { alpha, .. }) => round.phase = Phase::Base(Search::new(1, alpha)),
            _ => {}
        }
        self.choose_offset(&mut round);
        Ok(Step::Next(round))
    }

    /// Beside a base that is far from 0 scores would lose the digits that the trees add, though a model file has them: its trees are
    /// summed before the base is added. So they are kept without it.
    fn choose_offset(&self, round: &mut Round) {
        if let (Loss::Squared | Loss::Quantile { .. }, [base]) = (self.loss, &round.base[..])
            && f64::from(*base).abs() > FAR * round.variance.sqrt()
        {
            round.offset = *base;
        }
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
            if hessian <= 0.0 {
                return 0.0;
            }
            let step = -shrink(sums[0], self.parameters.reg_alpha) / hessian;
            self.damped(step) as f32
        };
        sums.chunks_exact(2).map(value).collect()
    }

    /// How far the scores of a leaf move when Newton's step is `step`. Where the rows of a class have almost no probability yet, log loss
    /// is far from a parabola, and the step overshoots by orders of magnitude: rows of other classes end up with no probability at all,
    /// the next step is longer still, and training diverges. With odds of 1 to n against a class that a leaf holds, the step is about n,
    /// and the leaf's loss is least at a move of ln(n); a long move goes no farther.
    fn damped(&self, step: f64) -> f64 {
        let moved = step * self.parameters.learning_rate;
        match self.loss {
            Loss::Logistic | Loss::Softmax { .. } => {
                let most = LONG_MOVE.max(math::ln(1.0 + step.abs()));
                moved.clamp(-most, most)
            }
            Loss::Squared | Loss::Quantile { .. } => moved,
        }
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
        let warning = self.no_split(&format!("after {finished} iterations no split lessened the loss"));
        self.fitted(round, Some(warning))
    }

    fn fitted(&self, mut round: Round, warning: Option<String>) -> Fitted {
        if let Some((_, best)) = round.course.best
            && self.parameters.early_stopping_rounds > 0
        {
            round.trees.truncate(self.old_trees() + best * self.loss.outputs());
        }
        let new = &round.trees[self.old_trees().min(round.trees.len())..];
        let is_constant = !new.is_empty() && new.iter().all(|tree| tree.nodes.is_empty());
        let warning = warning.or_else(|| is_constant.then(|| self.no_split("no tree has a split")));
        let history = round.course.history;
        Fitted { estimator: Estimator::new(Trees { trees: round.trees, base: round.base, link: self.loss.link() }), history, warning }
    }

    /// What to say where `what` happened because no split was allowed or found.
    fn no_split(&self, what: &str) -> String {
        let Parameters { subsample, .. } = self.parameters;
        let rows = self.schema.rows;
        let raise = match subsample < 1.0 {
            true => format!("raise model.subsample (a tree sees about {:.0} of {rows} rows), ", subsample * rows as f64),
            false => String::new(),
        };
        let has_categories = self.schema.features.iter().any(|feature| matches!(feature.kind, FeatureKind::Category { .. }));
        let of_categories = if has_categories { ", model.min_data_per_group" } else { "" };
        format!(
            "{what}: {raise}lower model.min_child_samples, model.min_child_weight{of_categories} or model.min_split_gain, \
             or look whether the columns tell anything of the target"
        )
    }

    /// Refuses trees whose histograms do not fit into memory: those of all leaves that may still be split are kept.
    fn refuse_large_histograms(&self, layout: &Layout) -> Result<()> {
        let Parameters { num_leaves, max_bin, min_child_samples, .. } = self.parameters;
        let numbers: usize = layout.groups.iter().map(|group| layout.group_len(group)).sum();
        let leaves = u64::from(num_leaves).min(self.schema.rows / u64::from(min_child_samples.max(1)) + 1);
        let gib = (numbers * size_of::<i64>()) as f64 * leaves as f64 / f64::from(1 << 30);
        if gib <= MOST_GIB {
            return Ok(());
        }
        let rule = format!(
            "with model.max_bin = {max_bin} the histograms of a tree take up to {gib:.0} GiB, and {MOST_GIB:.0} are the most; lower one of the two"
        );
        Err(Error::Parameter { key: "num_leaves".into(), value: num_leaves.to_string(), rule })
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
