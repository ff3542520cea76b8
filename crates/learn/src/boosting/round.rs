//! A round of boosting: what workers pull, and what it is to do.

use quelea_core::estimator::Tree;
use quelea_core::learner::Iteration;

use super::bins::Cuts;
use super::growth::Growth;
use super::quantile::Search;
use super::scale::Bounds;

/// What a round is to do.
#[derive(Clone)]
pub enum Phase {
    /// Gather samples of numbers for bin edges, and the mean of the target.
    Sample,
    /// Find the quantile of the target.
    Base(Search),
    /// Compute losses and the sizes of gradients: before the first tree, and after the last if there are validation rows.
    Measure,
    /// Begin a tree: compute gradients, and the histogram of its root. Losses and sizes of gradients come with it.
    Root(Growth),
    /// Part the rows of some leaves, and make the histograms of the new ones.
    Grow(Growth),
    /// Part rows for the last time, and sum up the gradients of the leaves.
    Leaves(Growth),
    /// Part rows for the last time, and find the quantile of each leaf's residuals.
    Quantiles(Growth, Search),
}

/// The parameters of a round.
#[derive(Clone)]
pub struct Round {
    /// What it is to do.
    pub(super) phase: Phase,
    /// What the scores of each output begin with.
    pub(super) base: Vec<f32>,
    /// What scores and targets are relative to: 0, or the base where it is so large that scores would lose digits beside it.
    pub(super) offset: f32,
    /// The variance of the target, where it is a number.
    pub(super) variance: f64,
    /// Where each column is cut.
    pub(super) cuts: Vec<Cuts>,
    /// Features that some tree may split, ordered as layouts are.
    pub(super) usable: Vec<usize>,
    /// The trees so far, those of the model that training went on from first.
    pub(super) trees: Vec<Tree>,
    /// The growing node and the value of each leaf of the last tree.
    pub(super) last_leaves: Vec<(usize, f32)>,
    /// Sizes of each output's gradients, as they were before the last iteration.
    pub(super) sizes: Vec<Bounds>,
    /// How far any score can have moved since then.
    pub(super) drift: f64,
    /// How far any score can move in this iteration, as far as its trees are known.
    pub(super) drift_now: f64,
    /// The course of training.
    pub(super) course: Course,
}

/// The course of training so far.
#[derive(Debug, Default, Clone)]
pub(super) struct Course {
    /// An entry per iteration.
    pub history: Vec<Iteration>,
    /// Finished iterations.
    pub finished: usize,
    /// Whether there are validation rows.
    pub validated: bool,
    /// The least validation loss, and after how many iterations it was.
    pub best: Option<(f64, usize)>,
}

impl Course {
    /// Takes in the losses after `finished` iterations. Whether training is to stop, since the last `patience`
    /// iterations brought nothing; `from_model` is whether no iteration at all can be the best.
    pub(super) fn note(&mut self, finished: usize, validation_loss: Option<f64>, patience: usize, from_model: bool) -> bool {
        self.finished = finished;
        self.validated = validation_loss.is_some();
        let Some(loss) = validation_loss else { return false };
        if let Some(last) = self.history.last_mut() {
            last.validation_loss = Some(loss);
        }
        if (finished > 0 || from_model) && self.best.is_none_or(|(least, _)| loss < least) {
            self.best = Some((loss, finished));
        }
        patience > 0 && self.best.is_some_and(|(_, at)| finished - at >= patience)
    }
}
