//! The registry: every learner under its name, one line each.

use std::sync::Arc;

use quelea_core::estimator::Estimator;
use quelea_core::learner::Learner;
use quelea_core::schema::{FeatureKind, Schema};
use quelea_core::steps::StepLearner;
use quelea_core::{Error, Result};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Hyper-parameters by key, as a job file gives them.
pub type Keys = Map<String, Value>;

/// What the registry knows of a learner.
pub trait Family {
    /// Its name in job files.
    const NAME: &'static str;
    /// One line for help texts.
    const ABOUT: &'static str;
    /// The targets it can learn.
    const TARGETS: Targets;
    /// Whether it learns from sparse features.
    const TAKES_SPARSE: bool = false;
    /// Its hyper-parameters; every one has a default.
    type Parameters: Serialize + DeserializeOwned + JsonSchema + Default;
    /// The state machine: a [`Learner`] or a [`StepLearner`], as its line in the registry says.
    type Learner: 'static;

    /// Refuses hyper-parameters that are out of range; needs no data.
    fn check(parameters: &Self::Parameters) -> Result<()>;

    /// The quantile that it predicts, if it predicts one.
    fn quantile(_: &Self::Parameters) -> Option<f64> {
        None
    }

    /// A learner for a table of this schema. All random choices are drawn from `seed`;
    /// `start_from` is the fitted estimator of an earlier run, for a warm start.
    fn learner(parameters: Self::Parameters, schema: Arc<Schema>, seed: u64, start_from: Option<Estimator>) -> Result<Self::Learner>;
}

/// The targets a learner can learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Targets {
    /// It takes no target.
    None,
    /// Classes only.
    Classes,
    /// Classes or a number.
    Any,
}

/// What is to be done with a learner once its type is known.
pub trait Visitor {
    /// The result.
    type Output;
    /// Does it with a learner by rounds.
    fn visit<L: Learner + 'static>(self, learner: L) -> Self::Output;
    /// Does it with a learner by stochastic steps.
    fn visit_steps<L: StepLearner + 'static>(self, learner: L) -> Self::Output;
}

/// A learner without its type.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Its name in job files.
    pub name: &'static str,
    /// One line for help texts.
    pub about: &'static str,
    /// The targets it can learn.
    pub targets: Targets,
    /// Whether it learns from sparse features.
    pub takes_sparse: bool,
    /// Whether it learns by stochastic steps, and not by rounds.
    pub by_steps: bool,
    /// The JSON Schema of its hyper-parameters.
    pub schema: fn() -> schemars::Schema,
    /// The quantile that it predicts with these hyper-parameters, if it predicts one.
    pub quantile: fn(&Keys) -> Option<f64>,
    /// Checks hyper-parameters without any data, and gives them back with the defaults filled in.
    pub check: fn(&Keys) -> Result<Keys>,
}

macro_rules! registry {
    ($($kind:ident $family:ty),* $(,)?) => {
        /// Every learner, in the order of this list.
        pub const LEARNERS: &[Entry] = &[$(entry::<$family>(by!($kind, false, true))),*];

        /// Makes the learner called `name` for a table of this schema and hands it to `visitor`.
        /// The error is that of an unknown name, of hyper-parameters out of range, or of a table it cannot learn from.
        pub fn with_learner<V: Visitor>(
            name: &str,
            parameters: &Keys,
            schema: Arc<Schema>,
            seed: u64,
            start_from: Option<Estimator>,
            visitor: V,
        ) -> Result<V::Output> {
            $(if name == <$family>::NAME {
                let parameters = parse::<$family>(parameters)?;
                refuse_sparse(find(name)?, &schema)?;
                let learner = <$family>::learner(parameters, schema, seed, start_from)?;
                return Ok(by!($kind, visitor.visit(learner), visitor.visit_steps(learner)));
            })*
            Err(unknown(name))
        }
    };
}

/// The first for learners by rounds, the second for those by steps.
macro_rules! by {
    (rounds, $rounds:expr, $steps:expr) => {
        $rounds
    };
    (steps, $rounds:expr, $steps:expr) => {
        $steps
    };
}

registry![
    rounds crate::boosting::GradientBoosting,
    rounds crate::linear::LogisticRegression,
    rounds crate::clustering::KMeans,
    steps crate::steps::SparseLogisticRegression,
    steps crate::steps::LinearSvm,
    steps crate::steps::FactorizationMachine,
    steps crate::steps::MiniBatchKMeans,
];

/// The learner called `name`.
pub fn find(name: &str) -> Result<&'static Entry> {
    LEARNERS.iter().find(|e| e.name == name).ok_or_else(|| unknown(name))
}

/// Refuses the first sparse feature of a table for a learner that takes none, and names those that do.
pub fn refuse_sparse(learner: &Entry, schema: &Schema) -> Result<()> {
    let sparse = schema.features.iter().find(|feature| matches!(feature.kind, FeatureKind::Sparse { .. }));
    sparse.map_or(Ok(()), |feature| refuse_sparse_column(learner, &feature.name))
}

/// As [`refuse_sparse`], for a column that is sparse or hashed.
pub fn refuse_sparse_column(learner: &Entry, column: &str) -> Result<()> {
    if learner.takes_sparse {
        return Ok(());
    }
    let others: Vec<&str> = LEARNERS.iter().filter(|other| other.takes_sparse).map(|other| other.name).collect();
    let advice = match others.is_empty() {
        true => "name it in data.ignore".into(),
        false => format!("train one of {}, or name it in data.ignore", others.join(", ")),
    };
    Err(Error::Column {
        column: column.into(),
        problem: format!("{} does not learn from sparse or hashed columns; {advice}", learner.name),
    })
}

const fn entry<F: Family>(by_steps: bool) -> Entry {
    Entry {
        name: F::NAME,
        about: F::ABOUT,
        targets: F::TARGETS,
        takes_sparse: F::TAKES_SPARSE,
        by_steps,
        // Without references, so that definitions of two learners cannot meet.
        schema: || {
            SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true).into_generator().into_root_schema_for::<F::Parameters>()
        },
        quantile: |parameters| F::quantile(&parse::<F>(parameters).ok()?),
        check: |parameters| {
            let Value::Object(filled) = serde_json::to_value(parse::<F>(parameters)?).expect("parameters are plain data") else {
                unreachable!("parameters are a struct")
            };
            Ok(filled)
        },
    }
}

fn parse<F: Family>(parameters: &Keys) -> Result<F::Parameters> {
    let parsed: F::Parameters = serde_path_to_error::deserialize(Value::Object(parameters.clone())).map_err(|e| {
        let key = e.path().to_string();
        let value = parameters.get(&key).map_or_else(String::new, Value::to_string);
        Error::Parameter { key, value, rule: e.into_inner().to_string() }
    })?;
    F::check(&parsed)?;
    Ok(parsed)
}

fn unknown(name: &str) -> Error {
    let names: Vec<&str> = LEARNERS.iter().map(|e| e.name).collect();
    Error::Parameter { key: "type".into(), value: format!("{name:?}"), rule: format!("it is one of {}", names.join(", ")) }
}
