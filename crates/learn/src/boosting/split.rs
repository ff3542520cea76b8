//! The best split of a node by a column of numbers, and what all splits share: gain, limits, order.

use super::bins::Cuts;
use super::categorical;
use super::layout::{Column, Layout};
use super::parameters::Parameters;
use super::scale::Scale;

/// A gain below this part of the scores it is the difference of is rounding.
const NOISE: f64 = 1e-12;

/// Sums over rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Sums {
    /// Of gradients, in units of the tree's scale.
    pub gradient: i64,
    /// Of hessians.
    pub hessian: i64,
    /// How many there are.
    pub rows: i64,
}

impl std::ops::Add for Sums {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { gradient: self.gradient + other.gradient, hessian: self.hessian + other.hessian, rows: self.rows + other.rows }
    }
}

impl std::ops::Sub for Sums {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self { gradient: self.gradient - other.gradient, hessian: self.hessian - other.hessian, rows: self.rows - other.rows }
    }
}

/// Which bins go left.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Cut {
    /// Those up to this one.
    UpTo(usize),
    /// These, ascending; for categories.
    These(Vec<usize>),
}

/// A way to part a node's rows.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Split {
    /// The index of the feature.
    pub feature: usize,
    /// The place of its column in the order of names; ties go to the first.
    pub column: usize,
    /// How much it lessens the loss (twice, as is usual).
    pub gain: f64,
    /// Which bins go left.
    pub cut: Cut,
    /// Whether missing values do.
    pub missing_left: bool,
    /// Sums of the rows that go left.
    pub left: Sums,
    /// Sums of the others.
    pub right: Sums,
}

/// A part of [`Split`] that is compared within a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found<C> {
    /// The sum of both sides' scores.
    pub score: f64,
    /// Which bins go left.
    pub cut: C,
    /// Whether missing values do.
    pub missing_left: bool,
    /// Sums of the rows that go left.
    pub left: Sums,
}

/// A column's histogram of one node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Histogram<'a> {
    sums: &'a [i64],
}

impl<'a> Histogram<'a> {
    /// The column's part of a node's histogram over its group.
    pub(super) fn of(column: &Column, node: &'a [i64]) -> Self {
        Self { sums: &node[column.sums_at..column.sums_at + 3 * column.bins] }
    }

    /// How many bins there are.
    pub(super) fn len(&self) -> usize {
        self.sums.len() / 3
    }

    /// The sums of a bin.
    #[inline(always)]
    pub(super) fn bin(&self, bin: usize) -> Sums {
        let len = self.len();
        Sums { gradient: self.sums[bin], hessian: self.sums[len + bin], rows: self.sums[2 * len + bin] }
    }

    /// The sums of all bins: of the node.
    pub(super) fn total(&self) -> Sums {
        let of = |field: usize| self.sums[field * self.len()..(field + 1) * self.len()].iter().sum();
        Sums { gradient: of(0), hessian: of(1), rows: of(2) }
    }
}

/// Finds splits of a tree's nodes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finder<'a> {
    /// The limits.
    pub parameters: &'a Parameters,
    /// The units of sums.
    pub scale: &'a Scale,
}

impl Finder<'_> {
    /// The best split of a node by a column of this group, if any is good enough.
    pub(super) fn best(&self, layout: &Layout, cuts: &[Cuts], group: usize, node: &[i64]) -> Option<Split> {
        let mut best: Option<Split> = None;
        for column in layout.groups[group].clone() {
            let of = &layout.columns[column];
            let histogram = Histogram::of(of, node);
            let total = histogram.total();
            let cuts = &cuts[of.feature];
            let found = match cuts {
                Cuts::Number(_) => self.best_number(histogram, total).map(|f| f.map(Cut::UpTo)),
                Cuts::Category { .. } => categorical::best(self, histogram, total, cuts.values()),
            };
            let Some(found) = found else { continue };
            let gain = found.score - self.score(total, 0.0);
            if gain > self.parameters.min_split_gain + NOISE * found.score && best.as_ref().is_none_or(|b| gain > b.gain) {
                let right = total - found.left;
                best = Some(Split {
                    feature: of.feature,
                    column,
                    gain,
                    cut: found.cut,
                    missing_left: found.missing_left,
                    left: found.left,
                    right,
                });
            }
        }
        best
    }

    fn best_number(&self, histogram: Histogram, total: Sums) -> Option<Found<usize>> {
        let missing_bin = histogram.len() - 1;
        let missing = histogram.bin(missing_bin);
        let mut best: Option<Found<usize>> = None;
        let mut below = Sums::default();
        for bin in 0..missing_bin {
            let of_bin = histogram.bin(bin);
            if of_bin.rows == 0 && bin > 0 {
                continue;
            }
            below = below + of_bin;
            if (total - below).rows < i64::from(self.parameters.min_child_samples.max(1)) {
                break;
            }
            self.consider(&mut best, bin, false, below, total);
            if missing.rows > 0 {
                self.consider(&mut best, bin, true, below + missing, total);
            }
        }
        if missing.rows == 0
            && let Some(best) = &mut best
        {
            best.missing_left = best.left.rows >= (total - best.left).rows;
        }
        best
    }

    #[inline(always)]
    fn consider(&self, best: &mut Option<Found<usize>>, bin: usize, missing_left: bool, left: Sums, total: Sums) {
        if !self.allows(left) || !self.allows(total - left) {
            return;
        }
        let score = self.score(left, 0.0) + self.score(total - left, 0.0);
        if best.as_ref().is_none_or(|b| score > b.score) {
            *best = Some(Found { score, cut: bin, missing_left, left });
        }
    }

    /// Whether a leaf with these sums is large enough.
    #[inline(always)]
    pub(super) fn allows(&self, sums: Sums) -> bool {
        sums.rows >= i64::from(self.parameters.min_child_samples.max(1))
            && self.scale.hessian(sums.hessian) >= self.parameters.min_child_weight
    }

    /// Whether two leaves may be made of these sums.
    pub(super) fn allows_two(&self, sums: Sums) -> bool {
        sums.rows >= 2 * i64::from(self.parameters.min_child_samples.max(1))
            && self.scale.hessian(sums.hessian) >= 2.0 * self.parameters.min_child_weight
    }

    /// How much a leaf with these sums lessens the loss (twice): G² / (H + λ), with G shrunk by the L1 penalty.
    #[inline(always)]
    pub(super) fn score(&self, sums: Sums, more_l2: f64) -> f64 {
        let gradient = shrink(self.scale.gradient(sums.gradient), self.parameters.reg_alpha);
        let hessian = self.scale.hessian(sums.hessian) + self.parameters.reg_lambda + more_l2;
        if hessian > 0.0 { gradient * gradient / hessian } else { 0.0 }
    }
}

impl<C> Found<C> {
    fn map<D>(self, f: impl FnOnce(C) -> D) -> Found<D> {
        Found { score: self.score, cut: f(self.cut), missing_left: self.missing_left, left: self.left }
    }
}

/// `x` moved towards zero by at most `by`.
#[inline(always)]
pub(super) fn shrink(x: f64, by: f64) -> f64 {
    if x > by {
        x - by
    } else if x < -by {
        x + by
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boosting::scale::Bounds;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_threshold_is_better(bins in prop::collection::vec((-1_000i64..1_000, 1i64..500, 1i64..60), 2..20), l1 in 0.0f64..3.0, l2 in 0.0f64..3.0, least in 1u32..80, no_missing in any::<bool>()) {
            let mut bins = bins;
            if no_missing { *bins.last_mut().unwrap() = (0, 0, 0); }
            let sums: Vec<i64> = bins.iter().map(|b| b.0).chain(bins.iter().map(|b| b.1)).chain(bins.iter().map(|b| b.2)).collect();
            let parameters = Parameters { reg_alpha: l1, reg_lambda: l2, min_child_samples: least, ..Parameters::default() };
            let scale = Scale::new(Bounds { gradient: 1.0, hessian: 1.0, mean: 1.0 }, 1_000_000);
            let finder = Finder { parameters: &parameters, scale: &scale };
            let histogram = Histogram { sums: &sums };
            let found = finder.best_number(histogram, histogram.total());

            let score = |of: &[(i64, i64, i64)]| {
                let (g, h) = (scale.gradient(of.iter().map(|b| b.0).sum()), scale.hessian(of.iter().map(|b| b.1).sum()));
                (g.abs() - l1).max(0.0).powi(2) / (h + l2)
            };
            let rows = |of: &[(i64, i64, i64)]| of.iter().map(|b| b.2).sum::<i64>();
            let (missing, values) = bins.split_last().unwrap();
            let mut best: Option<f64> = None;
            for at in 1..=values.len() {
                for missing_left in [false, true] {
                    let (mut left, mut right) = (values[..at].to_vec(), values[at..].to_vec());
                    if missing_left { left.push(*missing) } else { right.push(*missing) }
                    if rows(&left) < i64::from(least) || rows(&right) < i64::from(least) { continue; }
                    if scale.hessian(left.iter().map(|b| b.1).sum()) < 1e-3 || scale.hessian(right.iter().map(|b| b.1).sum()) < 1e-3 { continue; }
                    let total = score(&left) + score(&right);
                    best = Some(best.map_or(total, |b: f64| b.max(total)));
                }
            }
            match (found, best) {
                (None, None) => {}
                (Some(found), Some(best)) => prop_assert!((found.score - best).abs() <= 1e-9 * best.max(1.0), "{} {}", found.score, best),
                (found, best) => prop_assert!(false, "{:?} {:?}", found, best),
            }
        }
    }
}
