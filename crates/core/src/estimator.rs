//! Fitted estimators as plain data: what a learner gives and a model file holds.

use serde::{Deserialize, Serialize};

/// What a learner has fitted.
#[derive(Debug, Clone, PartialEq)]
pub enum Estimator {
    /// A sum of decision trees.
    Trees(Trees),
    /// A linear model.
    Linear(Linear),
    /// Cluster centres.
    Centroids(Centroids),
    /// A factorisation machine.
    Factorization(Factorization),
}

/// How scores become predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// The score is the prediction.
    Identity,
    /// One score; its sigmoid is the probability of the second class.
    Logistic,
    /// A score per class; their softmax is the probabilities.
    Softmax,
}

/// A sum of decision trees: output `o` is `base[o]` plus tree `o`, `o + outputs`, `o + 2·outputs`, …
#[derive(Debug, Clone, PartialEq)]
pub struct Trees {
    /// The trees, round by round, and in a round by output.
    pub trees: Vec<Tree>,
    /// What each output starts from; its length is the number of outputs.
    pub base: Vec<f32>,
    /// How scores become predictions.
    pub link: Link,
}

/// A binary decision tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    /// Inner nodes; the root is the first, and children come after their parent. Empty for a single leaf.
    pub nodes: Vec<Node>,
    /// The leaves' values; one more than there are nodes.
    pub leaves: Vec<f32>,
}

/// An inner node: a row goes left when its value passes the rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The index of the schema's feature.
    pub feature: u32,
    /// The rule.
    pub rule: Rule,
    /// Where a missing value goes.
    pub missing_left: bool,
    /// Where rows go that pass.
    pub left: Child,
    /// Where the others go.
    pub right: Child,
    /// How much the split lessened the loss; what importances are made of.
    pub gain: f64,
    /// Training rows that came here.
    pub rows: u64,
}

/// The test of an inner node.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// A number at most this large.
    AtMost(f32),
    /// A category among these codes, in ascending order. Unseen categories are not.
    In(Vec<u32>),
}

/// What a branch leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Child {
    /// An inner node, by index.
    Node(u32),
    /// A leaf, by index.
    Leaf(u32),
}

/// How features become the columns of a design matrix; both linear models and centroids are made over it.
/// A number gives `(x − center) · scale`, with `x` replaced by `fill` where it is missing, and then, if asked
/// for, one column that is 1 where it is missing. A category gives a column per value, 1 where it is that
/// value, and then, if asked for, one that is 1 where it is missing. An unseen category is 0 in all. A sparse feature
/// gives a column per index.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// One entry per feature of the schema.
    pub encodings: Vec<Encoding>,
}

/// How one feature enters a design matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Encoding {
    /// A number.
    Number {
        /// Stands in for a missing value.
        fill: f32,
        /// Taken away first.
        center: f32,
        /// Multiplied with then.
        scale: f32,
        /// Whether a column tells where it was missing.
        indicator: bool,
    },
    /// A category.
    Category {
        /// How many values it has.
        values: u32,
        /// Whether a column tells where it was missing.
        indicator: bool,
    },
    /// Numbers by index.
    Sparse {
        /// How many columns there are.
        width: u32,
    },
}

impl Encoding {
    /// How many columns it makes.
    pub fn width(&self) -> usize {
        match *self {
            Self::Number { indicator, .. } => 1 + usize::from(indicator),
            Self::Category { values, indicator } => values as usize + usize::from(indicator),
            Self::Sparse { width } => width as usize,
        }
    }
}

impl Design {
    /// How many columns the matrix has.
    pub fn width(&self) -> usize {
        self.encodings.iter().map(Encoding::width).sum()
    }
}

/// A linear model: score `o` of a row is `intercepts[o] + weights[o] · design(row)`. Weights of sparse features are taken as 32-bit floats.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// How features become columns.
    pub design: Design,
    /// One per output.
    pub intercepts: Vec<f64>,
    /// A row of `design.width()` per output.
    pub weights: Vec<Vec<f64>>,
    /// How scores become predictions.
    pub link: Link,
}

/// A factorisation machine (Rendle 2010): the score of a row `x` of the design matrix is
/// `intercept + Σ w·x + ½ Σ_f ((Σ v_f·x)² − Σ v_f²·x²)`. Each entry of a sparse feature is a term of its own, also where indices meet.
#[derive(Debug, Clone, PartialEq)]
pub struct Factorization {
    /// How features become columns.
    pub design: Design,
    /// The score of a row of zeros.
    pub intercept: f64,
    /// One per column.
    pub weights: Vec<f32>,
    /// A row of `rank` numbers per column.
    pub factors: Vec<f32>,
    /// How many factors a column has, at least 1.
    pub rank: usize,
    /// How scores become predictions; there is one output.
    pub link: Link,
}

/// Cluster centres; a row belongs to the nearest by Euclidean distance over the design matrix, the first of equals.
#[derive(Debug, Clone, PartialEq)]
pub struct Centroids {
    /// How features become columns.
    pub design: Design,
    /// A row of `design.width()` per cluster.
    pub centers: Vec<Vec<f32>>,
}
