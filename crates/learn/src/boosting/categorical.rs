//! The best split of a node by a column of categories: one value against the others where they are few, else groups of
//! values in the order of their mean gradient (Fisher 1958), with LightGBM's limits against overfitting.

use super::split::{Cut, Finder, Found, Histogram, Sums};

/// Up to this many values in a node, each is tried alone.
const FEW: usize = 4;

/// The best split by a column with `values` frequent values; rare ones go right.
pub(super) fn best(finder: &Finder, histogram: Histogram, total: Sums, values: usize) -> Option<Found<Cut>> {
    let missing = histogram.len() - 1;
    let used: Vec<usize> = (0..values).chain([missing]).filter(|&bin| histogram.bin(bin).rows > 0).collect();
    let mut search = Search { finder, histogram, total, missing, best: None };
    if used.len() <= FEW {
        search.each_alone(&used)
    } else {
        search.groups(used)
    }
    let mut best = search.best?;
    if histogram.bin(missing).rows == 0 {
        // No row tells where missing values belong: with the most rows.
        best.missing_left = best.left.rows >= (total - best.left).rows;
    }
    Some(best)
}

struct Search<'a> {
    finder: &'a Finder<'a>,
    histogram: Histogram<'a>,
    total: Sums,
    missing: usize,
    best: Option<Found<Cut>>,
}

impl Search<'_> {
    fn each_alone(&mut self, used: &[usize]) {
        let missing = self.missing;
        for &bin in used.iter().filter(|&&bin| bin != missing) {
            self.consider(&[bin], self.histogram.bin(bin), 0.0);
        }
        if used.last() == Some(&self.missing) {
            let seen = &used[..used.len() - 1];
            let left = seen.iter().fold(Sums::default(), |sum, &bin| sum + self.histogram.bin(bin));
            self.consider(seen, left, 0.0);
        }
    }

    fn groups(&mut self, mut used: Vec<usize>) {
        let parameters = self.finder.parameters;
        let smooth = parameters.cat_smooth;
        used.retain(|&bin| self.histogram.bin(bin).rows as f64 >= smooth);
        let mean = |bin: usize| {
            let sums = self.histogram.bin(bin);
            self.finder.scale.gradient(sums.gradient) / (self.finder.scale.hessian(sums.hessian) + smooth).max(f64::MIN_POSITIVE)
        };
        let mut ordered: Vec<(f64, usize)> = used.into_iter().map(|bin| (mean(bin), bin)).collect();
        ordered.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let most = (ordered.len().div_ceil(2)).min(parameters.max_cat_threshold as usize);
        let mut order: Vec<usize> = ordered.into_iter().map(|(_, bin)| bin).collect();
        self.prefixes(&order[..most]);
        order.reverse();
        self.prefixes(&order[..most]);
    }

    /// Tries every beginning of `order` as the left side.
    fn prefixes(&mut self, order: &[usize]) {
        let parameters = self.finder.parameters;
        let least = i64::from(parameters.min_data_per_group);
        let mut left = Sums::default();
        let mut since = 0;
        for (at, &bin) in order.iter().enumerate() {
            let sums = self.histogram.bin(bin);
            left = left + sums;
            since += sums.rows;
            if (self.total - left).rows < least {
                break;
            }
            if since >= least && self.finder.allows(left) {
                since = 0;
                self.consider(&order[..=at], left, parameters.cat_l2);
            }
        }
    }

    fn consider(&mut self, bins: &[usize], left: Sums, more_l2: f64) {
        let right = self.total - left;
        let no_value = bins.iter().all(|&bin| bin == self.missing);
        if no_value || !self.finder.allows(left) || !self.finder.allows(right) {
            return;
        }
        let score = self.finder.score(left, more_l2) + self.finder.score(right, more_l2);
        if self.best.as_ref().is_none_or(|b| score > b.score) {
            let mut these: Vec<usize> = bins.iter().copied().filter(|&bin| bin != self.missing).collect();
            these.sort_unstable();
            let missing_left = these.len() < bins.len();
            self.best = Some(Found { score, cut: Cut::These(these), missing_left, left });
        }
    }
}
