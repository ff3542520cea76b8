//! The penalised loss of logistic regression over a design matrix: its parameters, and its value, gradient and
//! Hessian out of exact sums.

use quelea_core::estimator::{Design, Linear, Link};
use quelea_core::exact::exponent_above;
use quelea_core::schema::{FeatureKind, Schema, Target};
use quelea_core::{Error, Result};

use super::newton::Cholesky;
use super::pass::Products;
use crate::carry_over::{Carried, Number, carried};
use crate::design::{Dense, Matrix};
use crate::moments::Moments;
use crate::sums::{Unit, weight_exponent};

/// What is to be made smallest: `(Σ w·loss + ½/C · Σ coefficient²) / Σ w`.
///
/// A parameter vector has a row of [`Objective::columns`] per output: dense columns, the intercept, categories.
#[derive(Debug, Clone)]
pub struct Objective {
    /// The design.
    pub design: Design,
    /// Its columns.
    pub matrix: Matrix,
    /// One for two classes, else one per class.
    pub outputs: usize,
    /// `1 / C`.
    pub penalty: f64,
    /// The weight of all training rows.
    pub weight: f64,
    /// The exponent that bounds what rows of each column add up to, by their weight; sums are scaled by it.
    exponents: Vec<i32>,
    /// The exponent that bounds a sum of weights.
    weight_exponent: i32,
    /// The mean square of each column.
    squares: Vec<f64>,
    /// The share of each class in the training rows.
    shares: Vec<f64>,
}

/// The objective at a point.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Its value.
    pub value: f64,
    /// Its gradient.
    pub gradient: Vec<f64>,
    /// What was asked for of its Hessian, a lower triangle row by row: nothing, all of it over all parameters, or the
    /// Gram matrix of the columns, divided by the weight of the rows.
    pub products: Vec<f64>,
    /// The mean loss, without the penalty.
    pub loss: f64,
    /// The mean loss of validation rows.
    pub validation_loss: Option<f64>,
}

impl Objective {
    /// The objective over `design`, whose columns have these moments.
    pub fn new(schema: &Schema, design: Design, weight: f64, moments: &[Moments], c: f64) -> Result<Self> {
        let Target::Classes { weights: classes, labels, name } = &schema.target else {
            return Err(Error::Table { problem: "logistic-regression needs a target of classes".into() });
        };
        if labels.len() < 2 {
            return Err(Error::Column { column: name.clone(), problem: "it has one class only; two or more are needed".into() });
        }
        if weight <= 0.0 {
            return Err(Error::Table { problem: "the training rows weigh nothing; give some of them a weight above 0".into() });
        }
        let matrix = Matrix::new(&design);
        let squares = matrix.mean_squares(weight, moments);
        let exponent = |(dense, square): (&Dense, &f64)| match schema.features[dense.feature].kind {
            FeatureKind::Number { min, max, .. } => {
                // Sums are bounded by the mean square too (Cauchy, Schwarz), where one row of little weight is far larger than others.
                exponent_above(dense.content.bound(min, max)).min(exponent_above(square.sqrt()) + 1).max(-200)
            }
            FeatureKind::Category { .. } | FeatureKind::Sparse { .. } => 1,
        };
        let mut exponents: Vec<i32> = matrix.dense.iter().zip(&squares).map(exponent).collect();
        exponents.resize(matrix.columns.len() + 1, 1);
        let total: f64 = classes.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        Ok(Self {
            outputs: if labels.len() == 2 { 1 } else { labels.len() },
            penalty: 1.0 / c,
            weight,
            exponents,
            weight_exponent: weight_exponent(schema.rows, schema.largest_weight) + 1,
            squares,
            shares: classes.iter().map(|w| (w / total).clamp(1e-6, 1.0 - 1e-6)).collect(),
            matrix,
            design,
        })
    }

    /// Columns with the intercept.
    pub fn columns(&self) -> usize {
        self.matrix.columns.len() + 1
    }

    /// Where the intercept is among the columns.
    pub fn intercept(&self) -> usize {
        self.matrix.dense.len()
    }

    /// How many parameters there are.
    pub fn parameters(&self) -> usize {
        self.columns() * self.outputs
    }

    /// How many columns of a row are not zero, with the intercept.
    pub fn entries(&self) -> usize {
        self.matrix.dense.len() + self.matrix.categories.len() + 1
    }

    /// The unit of a gradient's sum for this column.
    pub fn gradient_unit(&self, column: usize) -> Unit {
        Unit::below(self.weight_exponent + self.exponents[column])
    }

    /// The unit of a Hessian's sum for these columns.
    pub fn hessian_unit(&self, row: usize, column: usize) -> Unit {
        Unit::below(self.weight_exponent + self.exponents[row] + self.exponents[column])
    }

    /// Parameters that predict the share of each class for every row.
    pub fn start(&self) -> Vec<f64> {
        let mut start = vec![0.0; self.parameters()];
        let logs: Vec<f64> = self.shares.iter().map(|&share| quelea_core::math::ln(share)).collect();
        if self.outputs == 1 {
            start[self.intercept()] = logs[1] - logs[0];
        } else {
            let mean = logs.iter().sum::<f64>() / logs.len() as f64;
            for (output, log) in logs.iter().enumerate() {
                start[output * self.columns() + self.intercept()] = log - mean;
            }
        }
        start
    }

    /// The parameters of a model over another design of the same features; where both have a column its
    /// coefficient is carried over, elsewhere it is 0.
    pub fn start_from(&self, schema: &Schema, model: &Linear) -> Result<Vec<f64>> {
        if model.weights.len() != self.outputs {
            return Err(Error::Table { problem: "the model in model.start_from has other classes; train without it".into() });
        }
        let features = carried(schema, &model.design, &self.design)?;
        let mut start = vec![0.0; self.parameters()];
        for ((weights, &intercept), row) in model.weights.iter().zip(&model.intercepts).zip(start.chunks_exact_mut(self.columns())) {
            let (weights, shift) = carry_over(&features, weights, self.design.width());
            row[self.intercept()] = intercept + shift;
            for (place, &column) in self.matrix.columns.iter().enumerate() {
                row[place + usize::from(place >= self.intercept())] = weights[column];
            }
        }
        Ok(start)
    }

    /// The penalised value, gradient and Hessian out of sums over rows.
    pub fn evaluate(&self, at: &[f64], loss: f64, mut gradient: Vec<f64>, mut products: Vec<f64>, asked: Products) -> Evaluation {
        let mut square = 0.0;
        for (i, (slope, &parameter)) in gradient.iter_mut().zip(at).enumerate() {
            if i % self.columns() != self.intercept() {
                *slope += self.penalty * parameter;
                square += parameter * parameter;
            }
            *slope /= self.weight;
        }
        if asked == Products::Hessian {
            for i in (0..self.parameters()).filter(|i| i % self.columns() != self.intercept()) {
                products[i * (i + 1) / 2 + i] += self.penalty;
            }
        }
        products.iter_mut().for_each(|h| *h /= self.weight);
        if asked == Products::Hessian {
            self.fix_gauge(&mut products);
        }
        let value = (loss + 0.5 * self.penalty * square) / self.weight;
        Evaluation { value, gradient, products, loss: loss / self.weight, validation_loss: None }
    }

    /// With an output per class, the same number added to all intercepts changes nothing. A penalty on their sum
    /// makes the Hessian regular there; it changes no step, because the gradient has no part in that direction.
    fn fix_gauge(&self, hessian: &mut [f64]) {
        if self.outputs == 1 {
            return;
        }
        let places: Vec<usize> = (0..self.outputs).map(|o| o * self.columns() + self.intercept()).collect();
        for (at, &i) in places.iter().enumerate() {
            for &j in &places[..=at] {
                hessian[i * (i + 1) / 2 + j] += 1.0;
            }
        }
    }

    /// For each output, what `p · (1 − p)` is at the start, where every row has the same probabilities.
    pub fn curvatures(&self) -> Vec<f64> {
        let shares = if self.outputs == 1 { &self.shares[1..] } else { &self.shares };
        shares.iter().map(|share| share * (1.0 - share)).collect()
    }

    /// An estimate of the Hessian's diagonal: that of the start.
    pub fn diagonal(&self) -> Vec<f64> {
        let mut diagonal = Vec::with_capacity(self.parameters());
        for curvature in self.curvatures() {
            for column in 0..self.columns() {
                let intercept = column == self.intercept();
                let square = if intercept { 1.0 } else { self.squares[column - usize::from(column > self.intercept())] };
                let penalty = if intercept { 0.0 } else { self.penalty / self.weight };
                diagonal.push((curvature * square + penalty).max(1e-12));
            }
        }
        diagonal
    }

    /// An estimate of the Hessian but for what couples outputs: that of the start, out of the Gram matrix. It is for
    /// one output with a curvature of 1; the penalty is taken for the mean curvature. `None` if it is not finite.
    pub fn metric(&self, mut gram: Vec<f64>) -> Option<Cholesky> {
        let curvatures = self.curvatures();
        let penalty = self.penalty / self.weight * curvatures.len() as f64 / curvatures.iter().sum::<f64>();
        for i in (0..self.columns()).filter(|&i| i != self.intercept()) {
            gram[i * (i + 1) / 2 + i] += penalty;
        }
        Cholesky::new(&gram)
    }

    /// The model that `parameters` stand for.
    pub fn model(&self, parameters: &[f64]) -> Linear {
        let rows = parameters.chunks_exact(self.columns());
        let weights = rows.clone().map(|row| {
            let mut weights = vec![0.0; self.matrix.columns.len()];
            for (place, &column) in self.matrix.columns.iter().enumerate() {
                weights[column] = row[place + usize::from(place >= self.intercept())];
            }
            weights
        });
        Linear {
            design: self.design.clone(),
            intercepts: rows.clone().map(|row| row[self.intercept()]).collect(),
            weights: weights.collect(),
            link: if self.outputs == 1 { Link::Logistic } else { Link::Softmax },
        }
    }
}

/// Coefficients over an earlier design as coefficients over one of so many columns, and what the change adds to the intercept.
fn carry_over(features: &[Carried], weights: &[f64], width: usize) -> (Vec<f64>, f64) {
    let (mut carried, mut shift) = (vec![0.0; width], 0.0);
    for feature in features {
        if let Some(Number { columns, centers, scales }) = feature.number {
            let slope = weights[columns.0] * scales.0;
            carried[columns.1] = slope / scales.1;
            shift += slope * (centers.1 - centers.0);
        }
        feature.flags.iter().for_each(|&(before, now)| carried[now] = weights[before]);
    }
    (carried, shift)
}
