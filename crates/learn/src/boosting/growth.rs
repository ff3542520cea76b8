//! A tree while it grows: its nodes, which of them are expanded next, and what it is in the end.
//!
//! Trees grow leaf by leaf, the largest gain first (Shi 2007). To save rounds, the best quarter of the leaves that can be
//! split is expanded at once. On a million rows that costs nothing in quality against one by one, where half of the
//! leaves at once cost 0.003 of the area under the curve.

use quelea_core::estimator::{Child, Node, Rule, Tree};

use super::bins::Cuts;
use super::layout::Layout;
use super::parameters::Parameters;
use super::scale::Scale;
use super::split::{Cut, Finder, Split, Sums};

/// Memory for the histograms of a round, in numbers, but for one node.
const MOST_NUMBERS: usize = 8 << 20;

/// The part of the leaves that is expanded in a round is one of this many.
const AT_ONCE: usize = 4;

/// A tree that grows.
#[derive(Debug, Clone)]
pub(super) struct Growth {
    /// The output it is for.
    pub output: usize,
    /// The columns it may split.
    pub layout: Layout,
    /// The units of its sums.
    pub scale: Scale,
    /// Its nodes, children behind their parents.
    pub nodes: Vec<GrowingNode>,
    /// What the current round expands.
    pub expansions: Vec<Expansion>,
}

/// A node of a tree that grows.
#[derive(Debug, Clone)]
pub(super) struct GrowingNode {
    depth: u32,
    /// The sums of its rows; of the root they are not known.
    sums: Option<Sums>,
    /// The best split, if there is any.
    split: Option<Split>,
    /// Left and right child, once it is split.
    children: Option<(usize, usize)>,
}

/// The expansion of a node: its rows are parted, and the histograms of its children are made.
#[derive(Debug, Clone)]
pub(super) struct Expansion {
    /// The node.
    pub node: usize,
    /// Its left child; the right one is the next.
    pub left: usize,
    /// The index of the feature.
    pub feature: usize,
    /// The values that go left.
    pub left_are: Left,
    /// Whether missing values do.
    pub missing_left: bool,
    /// The child whose histogram is made from its rows; that of the other is what is left of the parent's. Without one,
    /// neither child can be split.
    pub counted: Option<usize>,
}

/// The values that go left.
#[derive(Debug, Clone)]
pub(super) enum Left {
    /// Numbers up to this one.
    AtMost(f32),
    /// Codes, by code whether it is one of them; codes behind the last are not.
    Codes(Vec<bool>),
}

impl Growth {
    /// A tree of a single leaf.
    pub(super) fn new(output: usize, layout: Layout, scale: Scale) -> Self {
        let root = GrowingNode { depth: 0, sums: None, split: None, children: None };
        Self { output, layout, scale, nodes: vec![root], expansions: Vec::new() }
    }

    /// Expansions of this round whose children need histograms.
    pub(super) fn counted(&self) -> impl Iterator<Item = &Expansion> {
        self.expansions.iter().filter(|e| e.counted.is_some())
    }

    /// Notes a split of `node`, unless a better one is known.
    pub(super) fn offer(&mut self, node: usize, split: Split) {
        let known = &mut self.nodes[node].split;
        let better = |k: &Split| split.gain > k.gain || (split.gain == k.gain && split.column < k.column);
        if known.as_ref().is_none_or(better) {
            *known = Some(split);
        }
    }

    /// Whether a split of `node` could be allowed.
    pub(super) fn may_split(&self, node: usize, parameters: &Parameters) -> bool {
        let node = &self.nodes[node];
        let finder = Finder { parameters, scale: &self.scale };
        node.depth < parameters.deepest() && node.sums.is_none_or(|sums| finder.allows_two(sums))
    }

    /// Leaves by node number.
    pub(super) fn leaves(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|&n| self.nodes[n].children.is_none())
    }

    /// Chooses what the next round expands. Whether that round makes histograms; if not, the tree is done after it.
    pub(super) fn advance(&mut self, parameters: &Parameters, cuts: &[Cuts]) -> bool {
        self.expansions.clear();
        let mut budget = parameters.num_leaves as usize - self.leaves().count();
        let mut open: Vec<usize> = self.leaves().filter(|&n| self.nodes[n].split.is_some()).collect();
        let gain = |n: usize| self.nodes[n].split.as_ref().map_or(0.0, |s| s.gain);
        open.sort_by(|&a, &b| gain(b).total_cmp(&gain(a)).then(a.cmp(&b)));
        while budget > 0 && !open.is_empty() && self.counted().next().is_none() {
            let take = open.len().div_ceil(AT_ONCE).min(budget).min(self.most_at_once());
            budget -= take;
            for node in open.drain(..take) {
                self.expand(node, budget > 0, parameters, cuts);
            }
        }
        self.counted().next().is_some()
    }

    fn most_at_once(&self) -> usize {
        let numbers: usize = self.layout.groups.iter().map(|g| self.layout.group_len(g)).sum();
        (MOST_NUMBERS / numbers.max(1)).max(1)
    }

    fn expand(&mut self, node: usize, goes_on: bool, parameters: &Parameters, cuts: &[Cuts]) {
        let Some(split) = &self.nodes[node].split else { return };
        let depth = self.nodes[node].depth + 1;
        let left = self.nodes.len();
        let smaller = if split.left.rows <= split.right.rows { left } else { left + 1 };
        let (feature, left_are, missing_left) = (split.feature, left_are(split, &cuts[split.feature]), split.missing_left);
        let children = [split.left, split.right].map(|sums| GrowingNode { depth, sums: Some(sums), split: None, children: None });
        self.nodes.extend(children);
        self.nodes[node].children = Some((left, left + 1));
        let counts = goes_on && (self.may_split(left, parameters) || self.may_split(left + 1, parameters));
        self.expansions.push(Expansion { node, left, feature, left_are, missing_left, counted: counts.then_some(smaller) });
    }

    /// The tree, with these values for [`Growth::leaves`].
    pub(super) fn tree(&self, cuts: &[Cuts], values: Vec<f32>) -> Tree {
        let mut inner = 0;
        let mut leaf = 0;
        let places: Vec<Child> = self
            .nodes
            .iter()
            .map(|node| {
                let count = if node.children.is_some() { &mut inner } else { &mut leaf };
                *count += 1;
                if node.children.is_some() { Child::Node(*count - 1) } else { Child::Leaf(*count - 1) }
            })
            .collect();
        let nodes = self.nodes.iter().filter_map(|node| {
            let (split, (left, right)) = (node.split.as_ref()?, node.children?);
            Some(Node {
                feature: split.feature as u32,
                rule: rule(split, &cuts[split.feature]),
                missing_left: split.missing_left,
                left: places[left],
                right: places[right],
                gain: split.gain,
                rows: (split.left.rows + split.right.rows) as u64,
            })
        });
        Tree { nodes: nodes.collect(), leaves: values }
    }
}

fn left_are(split: &Split, cuts: &Cuts) -> Left {
    match rule(split, cuts) {
        Rule::AtMost(edge) => Left::AtMost(edge),
        Rule::In(codes) => {
            let mut left = vec![false; codes.last().map_or(0, |&last| last as usize + 1)];
            codes.iter().for_each(|&code| left[code as usize] = true);
            Left::Codes(left)
        }
    }
}

fn rule(split: &Split, cuts: &Cuts) -> Rule {
    match (&split.cut, cuts) {
        (Cut::UpTo(bin), Cuts::Number(edges)) => Rule::AtMost(edges[*bin]),
        (Cut::These(bins), Cuts::Category { codes, .. }) => Rule::In(bins.iter().map(|&bin| codes[bin]).collect()),
        _ => unreachable!("a split is of its column's kind"),
    }
}
