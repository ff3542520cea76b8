//! The descent: directions by Newton's method or L-BFGS, steps halved until they lessen the objective enough,
//! an end when the gradient is small. It holds no rows; it is told the objective at the points it asks for.

use quelea_core::learner::Iteration;
use quelea_core::{Error, Result};

use super::lbfgs::{Lbfgs, Metric};
use super::newton::Cholesky;
use super::objective::{Evaluation, Objective};
use super::parameters::Parameters;
use super::pass::Products;
use crate::sums::lane_dot;

/// Newton's method is taken up to this many parameters: a Hessian of 8 MB.
const NEWTON_PARAMETERS: usize = 1_000;
/// And up to this many products of a row's entries and outputs, beyond which a Hessian costs more than the passes it saves.
const NEWTON_ENTRIES: usize = 256;
/// L-BFGS begins from the Gram matrix up to this many columns, of 8 MB; beyond, from a diagonal.
const GRAM_COLUMNS: usize = 1_000;
/// A step is tried at a half, a quarter, … this many times.
const HALVINGS: u32 = 40;
/// How much of the slope a step must yield (Armijo 1966).
const ARMIJO: f64 = 1e-4;
/// What rounding may add to the objective, as a part of it.
const ROUNDING: f64 = 1e-13;
/// The part of `tol` by which Newton's method may still expect to lessen the objective at its end.
const EXPECTED: f64 = 1e-2;

/// How directions are found.
#[derive(Debug, Clone)]
enum Method {
    /// With the last factor of a Hessian.
    Newton(Option<Cholesky>),
    /// From gradients, once there is something to begin from.
    Lbfgs(Option<Lbfgs>),
}

/// A descent under way.
#[derive(Debug, Clone)]
pub struct Search {
    method: Method,
    limits: Parameters,
    base: Option<Base>,
    /// The part of the direction that is tried.
    step: f64,
    halvings: u32,
    /// What is left to do at the last two accepted points, the newest last.
    left: [Left; 2],
    /// What is known of the finished steps.
    pub history: Vec<Iteration>,
}

/// How far a point is from the end.
#[derive(Debug, Clone, Copy)]
struct Left {
    /// The largest component of the gradient.
    gradient: f64,
    /// How much a step is expected to lessen the objective: half of the Newton decrement's square. Unlike the gradient
    /// it does not shrink with the share of rows that a column is about, such as those of a rare category.
    decrease: f64,
}

impl Left {
    /// What is left before any point is known.
    const ALL: Self = Self { gradient: f64::INFINITY, decrease: f64::INFINITY };
}

/// The last accepted point and where to go from it.
#[derive(Debug, Clone)]
struct Base {
    point: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
    direction: Vec<f64>,
    slope: f64,
}

/// What a descent asks for next.
#[derive(Debug)]
pub enum Next {
    /// The objective at a point.
    Evaluate {
        /// The point.
        point: Vec<f64>,
        /// What is needed beside value and gradient.
        products: Products,
    },
    /// Nothing: the descent has ended here.
    Done {
        /// The last point.
        point: Vec<f64>,
        /// What the user should know.
        warning: Option<String>,
    },
}

impl Search {
    /// A descent on `objective`, and what is needed at the start beside value and gradient.
    pub fn new(objective: &Objective, limits: Parameters) -> (Self, Products) {
        let newton = objective.parameters() <= NEWTON_PARAMETERS && objective.entries() * objective.outputs <= NEWTON_ENTRIES;
        let (method, products) = if newton {
            (Method::Newton(None), Products::Hessian)
        } else if objective.columns() <= GRAM_COLUMNS {
            (Method::Lbfgs(None), Products::Gram)
        } else {
            (Method::Lbfgs(Some(Lbfgs::new(Metric::Diagonal(objective.diagonal())))), Products::None)
        };
        (Self { method, limits, base: None, step: 1.0, halvings: 0, left: [Left::ALL; 2], history: Vec::new() }, products)
    }

    /// Takes the objective at `point`.
    pub fn advance(&mut self, objective: &Objective, point: Vec<f64>, evaluation: Evaluation) -> Result<Next> {
        if let Some(base) = &self.base {
            let enough = base.value + ARMIJO * self.step * base.slope + ROUNDING * base.value.abs();
            if evaluation.value.is_nan() || evaluation.value > enough || evaluation.gradient.iter().any(|g| !g.is_finite()) {
                return Ok(self.halve());
            }
        }
        self.accept(objective, point, evaluation)
    }

    fn halve(&mut self) -> Next {
        self.step *= 0.5;
        self.halvings += 1;
        match self.base.take() {
            Some(base) if self.halvings <= HALVINGS => {
                let products = if matches!(self.method, Method::Newton(_)) { Products::Hessian } else { Products::None };
                let next = Next::Evaluate { point: along(&base, self.step), products };
                self.base = Some(base);
                next
            }
            base => {
                let warning = format!("no step lessens the loss any more; the gradient is {:.1e}, not below tol", self.left[1].gradient);
                Next::Done { point: base.map(|base| base.point).unwrap_or_default(), warning: Some(warning) }
            }
        }
    }

    fn accept(&mut self, objective: &Objective, point: Vec<f64>, evaluation: Evaluation) -> Result<Next> {
        let Evaluation { value, gradient, products, loss, validation_loss } = evaluation;
        if !value.is_finite() || gradient.iter().any(|g| !g.is_finite()) {
            return Err(Error::NotFinite { what: "the loss or its gradient".into(), place: String::new() });
        }
        let direction = self.direction(objective, &point, &gradient, products)?;
        let slope = lane_dot(&direction, &gradient);
        let largest = gradient.iter().fold(0.0, |largest: f64, g| largest.max(g.abs()));
        self.left = [self.left[1], Left { gradient: largest, decrease: -0.5 * slope }];
        if self.ends(self.left[1], value) {
            return Ok(Next::Done { point, warning: None });
        }
        if self.history.len() == self.limits.max_iter as usize {
            let warning =
                format!("not converged after {} steps; raise max_iter, or tol (the gradient is {largest:.1e})", self.history.len());
            return Ok(Next::Done { point, warning: Some(warning) });
        }
        self.history.push(Iteration { loss: Some(loss), validation_loss });
        let base = Base { point, value, gradient, direction, slope };
        (self.step, self.halvings) = (1.0, 0);
        let next = Next::Evaluate { point: along(&base, 1.0), products: self.next_products(value) };
        self.base = Some(base);
        Ok(next)
    }

    fn direction(&mut self, objective: &Objective, point: &[f64], gradient: &[f64], products: Vec<f64>) -> Result<Vec<f64>> {
        let missing = || Error::NotFinite { what: "the Hessian".into(), place: String::new() };
        match &mut self.method {
            Method::Newton(factor) => {
                if !products.is_empty() {
                    *factor = Cholesky::new(&products);
                }
                let mut direction = factor.as_ref().ok_or_else(missing)?.solve(gradient);
                direction.iter_mut().for_each(|d| *d = -*d);
                Ok(direction)
            }
            Method::Lbfgs(memory) => {
                if memory.is_none() {
                    let factor = objective.metric(products).ok_or_else(missing)?;
                    *memory = Some(Lbfgs::new(Metric::Shared(factor, objective.curvatures())));
                }
                let memory = memory.as_mut().ok_or_else(missing)?;
                if let Some(base) = &self.base {
                    let difference = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect();
                    memory.learn(difference(point, &base.point), difference(gradient, &base.gradient));
                }
                let direction = memory.direction(gradient);
                if lane_dot(&direction, gradient) < 0.0 {
                    return Ok(direction);
                }
                memory.forget();
                Ok(memory.direction(gradient))
            }
        }
    }

    /// Whether no more than this left is little enough, where the objective is `value`.
    fn ends(&self, left: Left, value: f64) -> bool {
        let expected = (EXPECTED * self.limits.tol).max(ROUNDING * value.abs());
        left.gradient <= self.limits.tol && (matches!(self.method, Method::Lbfgs(_)) || left.decrease <= expected)
    }

    /// A Newton step squares the gradient's last decrease; when that is expected to end the descent, the Hessian at the
    /// end is not needed. Should it not end, the last one serves for another step.
    fn next_products(&self, value: f64) -> Products {
        let [before, now] = self.left;
        let (gradient, decrease) = (now.gradient / before.gradient, now.decrease / before.decrease);
        let next = Left { gradient: now.gradient * gradient * gradient, decrease: now.decrease * decrease * decrease };
        let ends = before.gradient.is_finite() && gradient < 0.5 && self.ends(next, value);
        if matches!(self.method, Method::Newton(_)) && !ends { Products::Hessian } else { Products::None }
    }
}

fn along(base: &Base, step: f64) -> Vec<f64> {
    base.point.iter().zip(&base.direction).map(|(x, d)| x + step * d).collect()
}
