//! The target: told to be classes or a number, its labels found, its rows without a value left out.

use std::collections::{BTreeMap, HashMap};

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
    let counts = if is_text(train) { text_counts(wanted, train) } else { whole_counts(train) };
    let guessed = match &counts {
        Counts::Text(_) | Counts::ManyTexts => true,
        Counts::Whole(counts) => counts.len() <= GUESSED_CLASSES,
        Counts::ManyWhole | Counts::TooLarge(_) | Counts::Fractions => false,
    };
    let is_classes = match (wanted.before, wanted.task) {
        (Some(before), _) => matches!(before, Target::Classes { .. }),
        (None, Some(task)) => task == Task::Classification,
        (None, None) => guessed,
    };
    let is_told = wanted.before.is_some() || wanted.task.is_some();
    match counts {
        Counts::TooLarge(value) if wanted.kind == Kind::Integer && (is_classes || !is_told) => Err(too_large(wanted, value)),
        Counts::Text(_) | Counts::ManyTexts if !is_classes => Err(wrong(
            wanted,
            "it is text, which a regression cannot predict; convert it to numbers, or set data.task = \"classification\"".into(),
        )),
        Counts::Text(counts) => classes(wanted, train, Labels::Text(counts.keys().cloned().collect()), counts.into_values().collect()),
        Counts::Whole(counts) if is_classes => {
            let warning = (wanted.kind == Kind::Float && !is_told).then(|| guessed_classes(wanted, counts.len()));
            let labels = Labels::Integers(counts.keys().copied().collect());
            Ok(Truth { warning, ..classes(wanted, train, labels, counts.into_values().collect())? })
        }
        Counts::Whole(_) | Counts::ManyWhole if !is_classes => numbers(wanted, guessed_number(wanted, &counts).filter(|_| !is_told)),
        _ if !is_classes => numbers(wanted, None),
        _ => Err(wrong(
            wanted,
            format!(
                "classes are text, truth values or whole numbers, at most {MOST_CLASSES} different ones, and these are not; for a regression set data.task = \"regression\""
            ),
        )),
    }
}

/// The rows of each value, or why they are not counted.
enum Counts {
    Text(BTreeMap<String, u64>),
    ManyTexts,
    Whole(BTreeMap<i64, u64>),
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
fn guessed_number(wanted: &Wanted, counts: &Counts) -> Option<String> {
    let (different, if_not) = match counts {
        Counts::Whole(counts) if wanted.kind != Kind::Float || counts.len() <= DOUBTFUL_CLASSES => {
            (counts.len().to_string(), ", or to \"classification\" if they are classes")
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

/// Rows of each text; however a CSV file writes truth values, they are "true" and "false".
fn text_counts(wanted: &Wanted, train: &[Part]) -> Counts {
    let label = |text: &str| truth_label(text).filter(|_| wanted.kind == Kind::Truth).unwrap_or(text).to_string();
    let mut counts = BTreeMap::new();
    for part in train {
        let Some(Values::Text(codes, texts)) = &part.target else { continue };
        let mut of_part = vec![0u64; texts.len()];
        codes.iter().for_each(|&code| of_part[code as usize] += 1);
        for (text, count) in texts.iter().flatten().zip(of_part).filter(|&(_, count)| count > 0) {
            *counts.entry(label(text)).or_default() += count;
            if counts.len() > MOST_CLASSES {
                return Counts::ManyTexts;
            }
        }
    }
    Counts::Text(counts)
}

/// Rows of each whole number.
fn whole_counts(train: &[Part]) -> Counts {
    let mut counts = BTreeMap::new();
    let (mut are_many, mut too_large) = (false, None);
    for part in train {
        let Some(Values::Wide(values)) = &part.target else { continue };
        for &value in values {
            if value.fract() != 0.0 {
                return Counts::Fractions;
            }
            if value.abs() >= 2f64.powi(53) {
                too_large = too_large.or(Some(value));
            } else if !are_many {
                *counts.entry(value as i64).or_insert(0) += 1;
                are_many = counts.len() > MOST_CLASSES;
            }
        }
    }
    match (too_large, are_many) {
        (Some(value), _) => Counts::TooLarge(value),
        (None, true) => Counts::ManyWhole,
        (None, false) => Counts::Whole(counts),
    }
}

fn numbers(wanted: &Wanted, warning: Option<String>) -> Result<Truth> {
    if wanted.class_weights.is_some() {
        let problem = "it is a number, so data.class_weights has no meaning; drop the key, or set data.task = \"classification\"";
        return Err(wrong(wanted, problem.into()));
    }
    Ok(Truth { target: Target::Number { name: wanted.name.into() }, class_factors: Vec::new(), warning })
}

fn classes(wanted: &Wanted, train: &[Part], labels: Labels, counts: Vec<u64>) -> Result<Truth> {
    let (labels, counts) = match wanted.before {
        Some(Target::Classes { labels: before, .. }) => (before.clone(), counts_in(wanted, before, &labels, &counts)?),
        _ => (labels, counts),
    };
    if labels.len() < 2 {
        return Err(wrong(wanted, format!("all rows are of one class, {:?}; there is nothing to tell apart", labels.text(0))));
    }
    let factors = factors(wanted, &labels, &counts)?;
    let weights = class_weights(&labels, train, &factors);
    let target = Target::Classes { name: wanted.name.into(), labels, weights };
    Ok(Truth { target, class_factors: factors, warning: None })
}

fn counts_in(wanted: &Wanted, before: &Labels, labels: &Labels, counts: &[u64]) -> Result<Vec<u64>> {
    let mut of_label: HashMap<String, u64> = (0..labels.len()).map(|i| (labels.text(i), counts[i])).collect();
    let known = (0..before.len()).map(|i| of_label.remove(&before.text(i)).unwrap_or(0)).collect();
    match of_label.keys().min() {
        None => Ok(known),
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

fn factors(wanted: &Wanted, labels: &Labels, counts: &[u64]) -> Result<Vec<f32>> {
    match wanted.class_weights {
        None => Ok(Vec::new()),
        Some(ClassWeights::Named(Balanced::Balanced)) => {
            let rows: u64 = counts.iter().sum();
            Ok(counts.iter().map(|&count| (rows as f64 / (labels.len() as f64 * count.max(1) as f64)) as f32).collect())
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
fn class_weights(labels: &Labels, train: &[Part], factors: &[f32]) -> Vec<f64> {
    let mut sums = vec![ExactSum::default(); labels.len()];
    for part in train {
        let Some(values) = &part.target else { continue };
        for (row, class) in indices(labels, values).into_iter().enumerate() {
            let weight = part.weight.as_ref().map_or(1.0, |weight| weight[row]);
            assert!(sums[class as usize].add(f64::from(weight)), "weights were checked to be finite");
        }
    }
    let factor = |class: usize| factors.get(class).copied().map_or(1.0, f64::from);
    (0..labels.len()).map(|class| sums[class].value() * factor(class)).collect()
}
