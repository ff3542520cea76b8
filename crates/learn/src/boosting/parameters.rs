//! The hyper-parameters of gradient boosting: their names, defaults and ranges.

use quelea_core::schema::Target;
use quelea_core::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The deepest tree that is ever grown.
pub(super) const DEEPEST: u32 = 1_000;
/// The most iterations.
const MOST_TREES: u32 = 1_000_000;
/// The most leaves of a tree.
const MOST_LEAVES: u32 = 65_536;
/// The most bins of a number, so that a bin's number with one for missing values fits 16 bits.
const MOST_BINS: u32 = 65_534;

/// Hyper-parameters of gradient boosting, named as in LightGBM's scikit-learn API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// The loss of a number: "squared_error", "absolute_error" or "quantile". Classes have log loss.
    pub objective: Objective,
    /// The quantile that objective "quantile" predicts, between 0 and 1.
    pub alpha: f64,
    /// Boosting iterations at the most; each makes one tree, or one per class when there are more than two.
    #[schemars(range(min = 1, max = MOST_TREES))]
    pub n_estimators: u32,
    /// What every tree's values are multiplied with.
    pub learning_rate: f64,
    /// Leaves of a tree at the most.
    #[schemars(range(min = 2, max = MOST_LEAVES))]
    pub num_leaves: u32,
    /// Depth of a tree at the most; -1 for no limit but 1000.
    #[schemars(range(min = -1, max = DEEPEST))]
    pub max_depth: i32,
    /// Bins of a number at the most.
    #[schemars(range(min = 2, max = MOST_BINS))]
    pub max_bin: u32,
    /// Rows of a leaf at the least.
    pub min_child_samples: u32,
    /// Sum of second derivatives of a leaf at the least.
    pub min_child_weight: f64,
    /// What a split must gain at the least.
    pub min_split_gain: f64,
    /// L1 penalty on leaf values.
    pub reg_alpha: f64,
    /// L2 penalty on leaf values.
    pub reg_lambda: f64,
    /// The fraction of rows that a tree sees, drawn anew for every iteration.
    pub subsample: f64,
    /// The fraction of columns that a tree sees, drawn anew for every tree.
    pub colsample_bytree: f64,
    /// Iterations without a better validation loss after which training stops, when there are validation rows;
    /// the trees up to the best iteration are kept. 0 never stops and keeps all.
    pub early_stopping_rounds: u32,
    /// Rows that a category needs in a node to be grouped with others, and what smooths its mean there.
    pub cat_smooth: f64,
    /// L2 penalty on splits of grouped categories, beside `reg_lambda`.
    pub cat_l2: f64,
    /// Categories on the smaller side of a split at the most.
    #[schemars(range(min = 1))]
    pub max_cat_threshold: u32,
    /// Rows that a group of categories needs at the least.
    pub min_data_per_group: u32,
}

/// The loss of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Log loss for classes, squared error for numbers.
    #[default]
    Auto,
    /// The squared error; predicts the mean.
    SquaredError,
    /// The absolute error; predicts the median.
    AbsoluteError,
    /// The pinball loss; predicts the quantile `alpha`.
    Quantile,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            objective: Objective::Auto,
            alpha: 0.9,
            n_estimators: 100,
            learning_rate: 0.1,
            num_leaves: 31,
            max_depth: -1,
            max_bin: 255,
            min_child_samples: 20,
            min_child_weight: 1e-3,
            min_split_gain: 0.0,
            reg_alpha: 0.0,
            reg_lambda: 0.0,
            subsample: 1.0,
            colsample_bytree: 1.0,
            early_stopping_rounds: 20,
            cat_smooth: 10.0,
            cat_l2: 10.0,
            max_cat_threshold: 32,
            min_data_per_group: 100,
        }
    }
}

impl Parameters {
    /// Refuses what is out of range; needs no data.
    pub(super) fn check(&self) -> Result<()> {
        whole("n_estimators", self.n_estimators, 1, MOST_TREES)?;
        whole("num_leaves", self.num_leaves, 2, MOST_LEAVES)?;
        whole("max_bin", self.max_bin, 2, MOST_BINS)?;
        whole("max_cat_threshold", self.max_cat_threshold, 1, u32::MAX)?;
        if self.max_depth != -1 && !(1..=DEEPEST as i32).contains(&self.max_depth) {
            return Err(refuse("max_depth", self.max_depth, format!("it is -1 for no limit, or from 1 to {DEEPEST}")));
        }
        number("learning_rate", self.learning_rate, self.learning_rate > 0.0, "it is above 0")?;
        number("subsample", self.subsample, self.subsample > 0.0 && self.subsample <= 1.0, "it is above 0 and at most 1")?;
        let columns = self.colsample_bytree;
        number("colsample_bytree", columns, columns > 0.0 && columns <= 1.0, "it is above 0 and at most 1")?;
        number("alpha", self.alpha, self.alpha > 0.0 && self.alpha < 1.0, "it is between 0 and 1")?;
        for (key, value) in [
            ("min_child_weight", self.min_child_weight),
            ("min_split_gain", self.min_split_gain),
            ("reg_alpha", self.reg_alpha),
            ("reg_lambda", self.reg_lambda),
            ("cat_smooth", self.cat_smooth),
            ("cat_l2", self.cat_l2),
        ] {
            number(key, value, value >= 0.0, "it is 0 or above")?;
        }
        Ok(())
    }

    /// Refuses an objective that does not fit the target.
    pub(super) fn check_target(&self, target: &Target) -> Result<()> {
        let fits = match target {
            Target::None => return Err(Error::Table { problem: "gradient-boosting needs a target: set data.target".into() }),
            Target::Classes { .. } => self.objective == Objective::Auto,
            Target::Number { .. } => true,
        };
        if fits {
            return Ok(());
        }
        Err(refuse(
            "objective",
            serde_json::to_string(&self.objective).unwrap_or_default(),
            "it is for numbers, and the target is classes: leave it out, or set data.task = \"regression\"".into(),
        ))
    }

    /// The depth that no leaf may exceed.
    pub(super) fn deepest(&self) -> u32 {
        u32::try_from(self.max_depth).unwrap_or(DEEPEST)
    }
}

fn whole(key: &str, value: u32, least: u32, most: u32) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(refuse(key, value, format!("it is from {least} to {most}")))
}

fn number(key: &str, value: f64, fits: bool, rule: &str) -> Result<()> {
    if fits && value.is_finite() {
        return Ok(());
    }
    Err(refuse(key, value, rule.into()))
}

fn refuse(key: &str, value: impl ToString, rule: String) -> Error {
    Error::Parameter { key: key.into(), value: value.to_string(), rule }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_refused_by_name() {
        let key_of = |change: fn(&mut Parameters)| {
            let mut parameters = Parameters::default();
            change(&mut parameters);
            match parameters.check() {
                Err(Error::Parameter { key, .. }) => key,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(key_of(|p| p.n_estimators = 0), "n_estimators");
        assert_eq!(key_of(|p| p.learning_rate = f64::NAN), "learning_rate");
        assert_eq!(key_of(|p| p.num_leaves = 1), "num_leaves");
        assert_eq!(key_of(|p| p.max_depth = 0), "max_depth");
        assert_eq!(key_of(|p| p.subsample = 1.5), "subsample");
        assert_eq!(key_of(|p| p.reg_alpha = -1.0), "reg_alpha");
        assert_eq!(key_of(|p| p.alpha = 1.0), "alpha");
        assert_eq!(Parameters::default().check(), Ok(()));
    }

    #[test]
    fn parameters_are_known_by_name() {
        let parse = |text: &str| serde_json::from_str::<Parameters>(text);
        assert_eq!(parse(r#"{"objective": "absolute_error"}"#).unwrap().objective, Objective::AbsoluteError);
        assert!(parse(r#"{"learning_rat": 0.1}"#).unwrap_err().to_string().contains("learning_rate"));
        assert!(parse(r#"{"n_estimators": -1}"#).is_err());
    }
}
