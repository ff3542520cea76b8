//! The target: told to be classes or a number, its labels found, its rows without a value left out.

use std::collections::{BTreeSet, HashMap, HashSet};

use arrow::array::Array;
use quelea_core::exact::ExactSum;
use quelea_core::schema::{Labels, Target};
use quelea_core::suggest;
use quelea_core::visible::shortened;
use quelea_job::{Balanced, ClassWeights, Task};

use super::part::{Part, Values};
use super::spelling::truth as truth_value;
use crate::{Error, Result};

/// The most different whole numbers that are taken for classes when the job does not say.
const GUESSED_CLASSES: usize = 20;
/// Up to so many different whole numbers in a column of floats may be classes for all that is known.
const DOUBTFUL_CLASSES: usize = 100;
/// The most classes.
const MOST_CLASSES: usize = 10_000;
/// Labels that a message shows.
const SHOWN_LABELS: usize = 10;

/// What the target is found to be.
pub(crate) struct Truth {
    /// What is predicted.
    pub target: Target,
    /// The factor for the weight of each class; empty when all are 1.
    pub class_factors: Vec<f32>,
    /// What the user should know of it.
    pub warning: Option<String>,
}

/// What is asked of the target.
pub(crate) struct Wanted<'a> {
    /// The table, for messages.
    pub table: &'a str,
    /// The target's column.
    pub name: &'a str,
    /// Classes or a number, if the job says.
    pub task: Option<Task>,
    /// What the column's type tells.
    pub kind: Kind,
    /// Factors for the weight of each class.
    pub class_weights: Option<&'a ClassWeights>,
    /// The target of the run to go on from.
    pub before: Option<&'a Target>,
}

/// What the type of a target's column tells of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text.
    Text,
    /// Truth values.
    Truth,
    /// Whole numbers.
    Integer,
    /// Numbers that may have fractions.
    Float,
    /// Numbers of LibSVM files, where all labels are floats.
    Label,
}

/// Finds out what the target is from its training rows. A few whole numbers are taken for classes, whatever the type that a format
/// gives them.
pub(crate) fn fit(wanted: &Wanted, train: &[Part]) -> Result<Truth> {
    let different = if is_text(train) { different_texts(wanted, train) } else { different_numbers(train) };
    let guessed = match &different {
        Different::Texts(_) | Different::ManyTexts => true,
        Different::Whole(numbers) => numbers.len() <= GUESSED_CLASSES,
        Different::ManyWhole | Different::TooLarge(_) | Different::Fractions => false,
    };
    let is_classes = match (wanted.before, wanted.task) {
        (Some(before), _) => matches!(before, Target::Classes { .. }),
        (None, Some(task)) => task == Task::Classification,
        (None, None) => guessed,
    };
    let is_told = wanted.before.is_some() || wanted.task.is_some();
    match different {
        Different::TooLarge(value) if wanted.kind == Kind::Integer && (is_classes || !is_told) => Err(too_large(wanted, value)),
        Different::Texts(_) | Different::ManyTexts if !is_classes => Err(wrong(
            wanted,
            "it is text, which a regression cannot predict; convert it to numbers, or set data.task = \"classification\"".into(),
        )),
        Different::Texts(texts) => classes(wanted, train, Labels::Text(texts.into_iter().collect())),
        Different::Whole(numbers) if is_classes => {
            let warning = (wanted.kind == Kind::Float && !is_told).then(|| guessed_classes(wanted, numbers.len()));
            Ok(Truth { warning, ..classes(wanted, train, Labels::Integers(numbers.into_iter().collect()))? })
        }
        Different::Whole(_) | Different::ManyWhole if !is_classes => {
            numbers(wanted, guessed_number(wanted, &different).filter(|_| !is_told))
        }
        _ if !is_classes => numbers(wanted, None),
        _ => Err(wrong(
            wanted,
            format!(
                "classes are text, truth values or whole numbers, at most {MOST_CLASSES} different ones, and these are not; for a regression set data.task = \"regression\""
            ),
        )),
    }
}

/// The different values, or why they are not told.
enum Different {
    Texts(BTreeSet<String>),
    ManyTexts,
    Whole(BTreeSet<i64>),
    ManyWhole,
    /// Whole, but two of them may look the same in a 64-bit float.
    TooLarge(f64),
    Fractions,
}

fn too_large(wanted: &Wanted, value: f64) -> Error {
    wrong(
        wanted,
        format!(
            "{value:.0} and other whole numbers from 2^53 up cannot be told apart as 64-bit floats; cast the column to text to predict classes, or set data.task = \"regression\""
        ),
    )
}

/// What to say of numbers that are taken for classes, though their type has fractions.
fn guessed_classes(wanted: &Wanted, different: usize) -> String {
    format!(
        "{}: column {:?}: {different} different whole numbers are taken for classes; set data.task to \"classification\" to say so, or to \"regression\" if they are a number to predict",
        wanted.table, wanted.name
    )
}

/// What to say of whole numbers that are not taken for classes. Many that are floats are numbers beyond doubt.
fn guessed_number(wanted: &Wanted, different: &Different) -> Option<String> {
    let (different, if_not) = match different {
        Different::Whole(numbers) if wanted.kind != Kind::Float || numbers.len() <= DOUBTFUL_CLASSES => {
            (numbers.len().to_string(), ", or to \"classification\" if they are classes")
        }
        _ if wanted.kind == Kind::Float => return None,
        _ => (format!("more than {MOST_CLASSES}"), ""),
    };
    Some(format!(
        "{}: column {:?}: {different} different whole numbers are taken for a number to predict; set data.task to \"regression\" to say so{if_not}",
        wanted.table, wanted.name
    ))
}

fn wrong(wanted: &Wanted, problem: String) -> Error {
    Error::Column { table: wanted.table.into(), column: wanted.name.into(), problem }
}

fn is_text(parts: &[Part]) -> bool {
    parts.iter().any(|p| matches!(p.target, Some(Values::Text(..))))
}

/// The different texts; however a CSV file writes truth values, they are "true" and "false".
fn different_texts(wanted: &Wanted, train: &[Part]) -> Different {
    let label = |text: &str| truth_label(text).filter(|_| wanted.kind == Kind::Truth).unwrap_or(text).to_string();
    let mut different = BTreeSet::new();
    for part in train {
        let Some(Values::Text(codes, texts)) = &part.target else { continue };
        let mut is_used = vec![false; texts.len()];
        codes.iter().for_each(|&code| is_used[code as usize] = true);
        for (text, _) in texts.iter().flatten().zip(is_used).filter(|&(_, is_used)| is_used) {
            different.insert(label(text));
            if different.len() > MOST_CLASSES {
                return Different::ManyTexts;
            }
        }
    }
    Different::Texts(different)
}

fn different_numbers(train: &[Part]) -> Different {
    let mut different = BTreeSet::new();
    let (mut are_many, mut too_large) = (false, None);
    for part in train {
        let Some(Values::Wide(values)) = &part.target else { continue };
        for &value in values {
            if value.fract() != 0.0 {
                return Different::Fractions;
            }
            if value.abs() >= 2f64.powi(53) {
                too_large = too_large.or(Some(value));
            } else if !are_many {
                different.insert(value as i64);
                are_many = different.len() > MOST_CLASSES;
            }
        }
    }
    match (too_large, are_many) {
        (Some(value), _) => Different::TooLarge(value),
        (None, true) => Different::ManyWhole,
        (None, false) => Different::Whole(different),
    }
}

fn numbers(wanted: &Wanted, warning: Option<String>) -> Result<Truth> {
    if wanted.class_weights.is_some() {
        let problem = "it is a number, so data.class_weights has no meaning; drop the key, or set data.task = \"classification\"";
        return Err(wrong(wanted, problem.into()));
    }
    Ok(Truth { target: Target::Number { name: wanted.name.into() }, class_factors: Vec::new(), warning })
}

fn classes(wanted: &Wanted, train: &[Part], labels: Labels) -> Result<Truth> {
    let labels = match wanted.before {
        Some(Target::Classes { labels: before, .. }) => {
            refuse_new_class(wanted, before, &labels)?;
            before.clone()
        }
        _ => labels,
    };
    if labels.len() < 2 {
        return Err(wrong(wanted, format!("all rows are of one class, {:?}; there is nothing to tell apart", labels.text(0))));
    }
    let mut weights = class_weights(&labels, train);
    let factors = factors(wanted, &labels, &weights)?;
    weights.iter_mut().zip(&factors).for_each(|(weight, &factor)| *weight *= f64::from(factor));
    let target = Target::Classes { name: wanted.name.into(), labels, weights };
    Ok(Truth { target, class_factors: factors, warning: None })
}

fn refuse_new_class(wanted: &Wanted, before: &Labels, labels: &Labels) -> Result<()> {
    let known: HashSet<String> = (0..before.len()).map(|i| before.text(i)).collect();
    match (0..labels.len()).map(|i| labels.text(i)).filter(|label| !known.contains(label)).min() {
        None => Ok(()),
        Some(new) => {
            Err(wrong(wanted, format!("the class {new:?} is not one of the model to go on from; train anew, or leave its rows out")))
        }
    }
}

/// What metrics know of each row's target: the number, or the index of its class; NaN for a class that `target` does not have.
/// Empty without a target.
pub(crate) fn truth(target: &Target, values: Option<Values>) -> Vec<f64> {
    match (target, values) {
        (Target::Classes { labels, .. }, Some(values)) => indices(labels, &values),
        (Target::Number { .. }, Some(Values::Wide(values))) => values,
        _ => Vec::new(),
    }
}

/// The label of a truth value in letters of any case.
fn truth_label(text: &str) -> Option<&'static str> {
    truth_value(text).map(|truth| if truth { "true" } else { "false" })
}

/// The index of each row's class among `labels`, NaN for another class. Labels that are truth values are so in any spelling.
fn indices(labels: &Labels, values: &Values) -> Vec<f64> {
    let index_of: HashMap<String, f64> = (0..labels.len()).map(|i| (labels.text(i), i as f64)).collect();
    let are_truths = index_of.keys().all(|label| label == "true" || label == "false");
    match values {
        Values::Text(codes, texts) => {
            let index = |text: &str| {
                let label = truth_label(text).filter(|_| are_truths).unwrap_or(text);
                index_of.get(label).copied()
            };
            let of_code: Vec<f64> = texts.iter().map(|text| text.and_then(index).unwrap_or(f64::NAN)).collect();
            codes.iter().map(|&code| of_code.get(code as usize).copied().unwrap_or(f64::NAN)).collect()
        }
        Values::Wide(values) => {
            let Labels::Integers(labels) = labels else { return vec![f64::NAN; values.len()] };
            let of = |value: &f64| if value.fract() == 0.0 { labels.binary_search(&(*value as i64)).ok() } else { None };
            values.iter().map(|value| of(value).map_or(f64::NAN, |i| i as f64)).collect()
        }
        Values::Number(_) | Values::Timestamp(_) | Values::Sparse(_) | Values::Texts(..) => Vec::new(),
    }
}

/// The factor for the weight of each class, which are of these `weights`.
fn factors(wanted: &Wanted, labels: &Labels, weights: &[f64]) -> Result<Vec<f32>> {
    match wanted.class_weights {
        None => Ok(Vec::new()),
        Some(ClassWeights::Named(Balanced::Balanced)) => {
            let (all, classes) = (weights.iter().sum::<f64>(), labels.len() as f64);
            Ok(weights.iter().map(|&weight| if weight > 0.0 { (all / (classes * weight)) as f32 } else { 1.0 }).collect())
        }
        Some(ClassWeights::PerClass(named)) => {
            let mut factors = vec![1.0; labels.len()];
            let texts: Vec<String> = (0..labels.len()).map(|i| labels.text(i)).collect();
            for (label, &factor) in named {
                let Some(index) = texts.iter().position(|t| t == label) else {
                    let meant = suggest::nearest(label, texts.iter().map(String::as_str))
                        .map_or_else(String::new, |t| format!("did you mean {t:?}? "));
                    let problem =
                        format!("data.class_weights names the class {label:?}, which no row has; {meant}there are {}", listed(&texts));
                    return Err(wrong(wanted, problem));
                };
                factors[index] = factor as f32;
            }
            Ok(factors)
        }
    }
}

/// The first of these labels.
fn listed(labels: &[String]) -> String {
    let more = labels.len().saturating_sub(SHOWN_LABELS);
    let shown = labels.iter().take(SHOWN_LABELS).map(|label| shortened(label)).collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// The weighted rows of each class.
fn class_weights(labels: &Labels, train: &[Part]) -> Vec<f64> {
    let mut sums = vec![ExactSum::default(); labels.len()];
    for part in train {
        let Some(values) = &part.target else { continue };
        for (row, class) in indices(labels, values).into_iter().enumerate() {
            assert!(sums[class as usize].add(f64::from(part.weight_of(row))), "weights were checked to be finite");
        }
    }
    sums.iter().map(ExactSum::value).collect()
}
