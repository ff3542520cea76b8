//! Cluster centres: the nearest to each row of a block, and how far it is.

use quelea_core::estimator::{Centroids, Encoding};
use quelea_core::prediction::Predictions;

use super::write::{norms, others, table_of};
use crate::design::Layout;
use crate::design::score::{Number, table_row};
use crate::score::encode::{Features, Rows};
use crate::score::kernel::{Buffers, Kernel};
use crate::score::row::{RowFeatures, RowPrediction};

/// Rows whose scores are kept in registers.
const LANES: usize = 32;

/// Cluster centres made ready.
#[derive(Debug)]
pub struct CentroidsKernel {
    clusters: usize,
    numbers: Vec<(usize, Number)>,
    /// The places of features with an indicator among the numbers.
    indicators: Vec<usize>,
    /// The centres' numbers and indicators, a row per cluster.
    centers: Vec<f64>,
    norms: Vec<f64>,
    categories: Vec<Category>,
}

#[derive(Debug)]
struct Category {
    feature: usize,
    values: u32,
    /// Squared distances over the category's columns: a row by cluster for each value, for missing and for unseen ones.
    squares: Vec<f64>,
}

impl CentroidsKernel {
    /// The kernel of centres that have been checked.
    pub fn new(centroids: &Centroids) -> Self {
        let layout = Layout::of(&centroids.design);
        let clusters = centroids.centers.len();
        let mut numbers = Vec::new();
        let mut indicators = Vec::new();
        for (feature, encoding) in centroids.design.encodings.iter().enumerate() {
            if let Encoding::Number { fill, center, scale, indicator } = *encoding {
                indicators.extend(indicator.then_some(numbers.len()));
                numbers.push((feature, Number { fill, center, scale }));
            }
        }
        let centers: Vec<f32> = centroids.centers.iter().flat_map(|center| layout.numbers.iter().map(|&c| center[c])).collect();
        let norms = if layout.numbers.is_empty() { vec![0.0; clusters] } else { norms(&centers, layout.numbers.len()) };
        let categories = layout.tables.iter().map(|table| {
            let own = table_of(table, centroids);
            let squares = own.iter().zip(others(table, centroids)).map(|(&c, other)| (1.0 - f64::from(c)) * (1.0 - f64::from(c)) + other);
            let mut squares: Vec<f64> = squares.collect();
            // Without an indicator a missing value is looked up where an unseen one is.
            let unseen = squares[squares.len() - clusters..].to_vec();
            squares.extend(unseen);
            squares.truncate((table.values + 2) * clusters);
            Category { feature: table.feature, values: table.values as u32, squares }
        });
        let categories = categories.collect();
        Self { clusters, numbers, indicators, centers: centers.into_iter().map(f64::from).collect(), norms, categories }
    }

    /// The nearest clusters and distances of `count` rows, at most [`LANES`].
    fn lanes(&self, rows: &impl Rows, start: usize, count: usize) -> ([u32; LANES], [f32; LANES]) {
        let design = self.design(rows, start, count);
        let squares = self.squares(rows, start, count);
        let (mut nearest, mut least) = ([0; LANES], [f64::INFINITY; LANES]);
        for cluster in 0..self.clusters {
            let mut scores = [0.0; LANES];
            let center = &self.centers[cluster * design.len()..(cluster + 1) * design.len()];
            pulp::Arch::new().dispatch(Product { design: &design, center, norm: self.norms[cluster], scores: &mut scores });
            for (category, first) in self.categories.iter().zip(squares.chunks_exact(count)) {
                scores.iter_mut().zip(first).for_each(|(score, first)| *score += category.squares[first + cluster]);
            }
            for lane in 0..LANES {
                if scores[lane] < least[lane] {
                    (nearest[lane], least[lane]) = (cluster as u32, scores[lane]);
                }
            }
        }
        let mut distances = [0.0; LANES];
        for lane in 0..count {
            let of_row = squares.iter().skip(lane).step_by(count);
            distances[lane] = self.distance(&design, lane, of_row, nearest[lane] as usize);
        }
        (nearest, distances)
    }

    /// The design's numbers and indicators, column by column.
    fn design(&self, rows: &impl Rows, start: usize, count: usize) -> Vec<[f64; LANES]> {
        let mut design = vec![[0.0; LANES]; self.numbers.len() + self.indicators.len()];
        for ((feature, number), column) in self.numbers.iter().zip(&mut design) {
            column.iter_mut().zip(&rows.numbers(*feature)[start..start + count]).for_each(|(v, &raw)| *v = number.value(raw));
        }
        for (&place, column) in self.indicators.iter().zip(&mut design[self.numbers.len()..]) {
            let raw = &rows.numbers(self.numbers[place].0)[start..start + count];
            column.iter_mut().zip(raw).for_each(|(v, raw)| *v = f64::from(u8::from(raw.is_nan())));
        }
        design
    }

    /// Where each category's squared distances of each row begin, category by category.
    fn squares(&self, rows: &impl Rows, start: usize, count: usize) -> Vec<usize> {
        let mut first = Vec::with_capacity(self.categories.len() * count);
        for category in &self.categories {
            let codes = &rows.codes(category.feature)[start..start + count];
            first.extend(codes.iter().map(|&code| table_row(code, category.values) * self.clusters));
        }
        first
    }

    /// The distance of the row in `lane` to a cluster's centre; `squares` is where its squared distances begin, by category.
    fn distance<'a>(&self, design: &[[f64; LANES]], lane: usize, squares: impl Iterator<Item = &'a usize>, cluster: usize) -> f32 {
        let center = &self.centers[cluster * design.len()..(cluster + 1) * design.len()];
        let mut sum = 0.0;
        for (column, value) in design.iter().zip(center) {
            sum += (column[lane] - value) * (column[lane] - value);
        }
        for (category, first) in self.categories.iter().zip(squares) {
            sum += category.squares[first + cluster];
        }
        sum.sqrt() as f32
    }
}

impl Kernel for CentroidsKernel {
    fn score(&self, batch: &Features<'_>) -> Predictions {
        let (mut nearest, mut distances) = (Vec::with_capacity(batch.rows), Vec::with_capacity(batch.rows));
        for start in (0..batch.rows).step_by(LANES) {
            let count = LANES.min(batch.rows - start);
            let (cluster, distance) = self.lanes(batch, start, count);
            nearest.extend(&cluster[..count]);
            distances.extend(&distance[..count]);
        }
        Predictions::Clusters { nearest, distances }
    }

    fn buffers(&self) -> Buffers {
        Buffers::default()
    }

    fn score_row<'b>(&self, row: &RowFeatures, _: &'b mut Buffers) -> RowPrediction<'b> {
        let (nearest, distance) = self.lanes(row, 0, 1);
        RowPrediction::Cluster { nearest: nearest[0], distance: distance[0] }
    }
}

/// |c|² − 2 c·x over the numbers.
struct Product<'a> {
    design: &'a [[f64; LANES]],
    center: &'a [f64],
    norm: f64,
    scores: &'a mut [f64; LANES],
}

impl pulp::WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let mut sums = [0.0; LANES];
        for (column, value) in self.design.iter().zip(self.center) {
            for (sum, x) in sums.iter_mut().zip(column) {
                *sum += value * x;
            }
        }
        for (score, sum) in self.scores.iter_mut().zip(sums) {
            *score = self.norm - 2.0 * sum;
        }
    }
}
