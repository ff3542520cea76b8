//! The target: told to be classes or a number, its labels found, its rows without a value left out.

use std::collections::{BTreeMap, HashMap};

use arrow::array::Array;
use quelea_core::exact::ExactSum;
use quelea_core::schema::{Labels, Target};
use quelea_core::spec::{Balanced, ClassWeights, Task};

use super::part::{Part, Values};
use crate::{Error, Result, suggest};

/// The most different whole numbers that are taken for classes when the job does not say.
const GUESSED_CLASSES: usize = 20;
/// The most classes.
const MOST_CLASSES: usize = 10_000;

/// What the target is found to be.
pub(crate) struct Truth {
    /// What is predicted.
    pub target: Target,
    /// The factor for the weight of each class; empty when all are 1.
    pub class_factors: Vec<f32>,
}

/// What is asked of the target.
pub(crate) struct Wanted<'a> {
    /// The table, for messages.
    pub table: &'a str,
    /// The target's column.
    pub name: &'a str,
    /// Classes or a number, if the job says.
    pub task: Option<Task>,
    /// Whether the column's type can be guessed to be classes: it holds whole numbers or truth values.
    pub is_whole: bool,
    /// Factors for the weight of each class.
    pub class_weights: Option<&'a ClassWeights>,
    /// The target of the run to go on from.
    pub before: Option<&'a Target>,
}

/// Finds out what the target is from its training rows.
pub(crate) fn fit(wanted: &Wanted, train: &[Part]) -> Result<Truth> {
    let counts = if is_text(train) { text_counts(train).map(Counts::Text) } else { whole_counts(train).map(Counts::Whole) };
    let guessed = match &counts {
        Some(Counts::Text(_)) => true,
        Some(Counts::Whole(counts)) => wanted.is_whole && counts.len() <= GUESSED_CLASSES,
        None => false,
    };
    let is_classes = match (wanted.before, wanted.task) {
        (Some(before), _) => matches!(before, Target::Classes { .. }),
        (None, Some(task)) => task == Task::Classification,
        (None, None) => guessed,
    };
    match (is_classes, counts) {
        (true, Some(counts)) => classes(wanted, train, counts),
        (true, None) => Err(wrong(
            wanted,
            format!(
                "classes are text, truth values or at most {MOST_CLASSES} different whole numbers, and these are not; for a regression set data.task"
            ),
        )),
        (false, Some(Counts::Text(_))) => {
            Err(wrong(wanted, "it is text, which a regression cannot predict; convert the column or set data.task".into()))
        }
        (false, _) => numbers(wanted),
    }
}

enum Counts {
    Text(BTreeMap<String, u64>),
    Whole(BTreeMap<i64, u64>),
}

fn wrong(wanted: &Wanted, problem: String) -> Error {
    Error::Column { table: wanted.table.into(), column: wanted.name.into(), problem }
}

fn is_text(parts: &[Part]) -> bool {
    parts.iter().any(|p| matches!(p.target, Some(Values::Text(..))))
}

fn text_counts(train: &[Part]) -> Option<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for part in train {
        let Some(Values::Text(codes, texts)) = &part.target else { continue };
        let mut of_part = vec![0u64; texts.len()];
        codes.iter().for_each(|&code| of_part[code as usize] += 1);
        for (text, count) in texts.iter().flatten().zip(of_part).filter(|&(_, count)| count > 0) {
            *counts.entry(text.to_string()).or_default() += count;
            if counts.len() > MOST_CLASSES {
                return None;
            }
        }
    }
    Some(counts)
}

/// Rows of each whole number, or nothing when there are other numbers or too many different ones.
fn whole_counts(train: &[Part]) -> Option<BTreeMap<i64, u64>> {
    let mut counts = BTreeMap::new();
    for part in train {
        let Some(Values::Wide(values)) = &part.target else { continue };
        for &value in values {
            if value.fract() != 0.0 || value.abs() >= 2f64.powi(53) {
                return None;
            }
            *counts.entry(value as i64).or_insert(0) += 1;
            if counts.len() > MOST_CLASSES {
                return None;
            }
        }
    }
    Some(counts)
}

fn numbers(wanted: &Wanted) -> Result<Truth> {
    if wanted.class_weights.is_some() {
        return Err(wrong(wanted, "it is a number, so data.class_weights has no meaning; drop the key or set data.task".into()));
    }
    Ok(Truth { target: Target::Number { name: wanted.name.into() }, class_factors: Vec::new() })
}

fn classes(wanted: &Wanted, train: &[Part], counts: Counts) -> Result<Truth> {
    let (labels, counts): (Labels, Vec<u64>) = match counts {
        Counts::Text(counts) => (Labels::Text(counts.keys().cloned().collect()), counts.into_values().collect()),
        Counts::Whole(counts) => (Labels::Integers(counts.keys().copied().collect()), counts.into_values().collect()),
    };
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
    Ok(Truth { target, class_factors: factors })
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

/// What learners and metrics know of each row's target: the number, or the index of its class; NaN for a class that
/// `target` does not have. Empty without a target.
pub(crate) fn truth(target: &Target, part: &Part) -> Vec<f32> {
    match (target, &part.target) {
        (Target::Classes { labels, .. }, Some(values)) => indices(labels, values),
        (Target::Number { .. }, Some(Values::Wide(values))) => values.iter().map(|&v| v as f32).collect(),
        _ => Vec::new(),
    }
}

/// The index of each row's class among `labels`, NaN for another class.
fn indices(labels: &Labels, values: &Values) -> Vec<f32> {
    let index_of: HashMap<String, f32> = (0..labels.len()).map(|i| (labels.text(i), i as f32)).collect();
    match values {
        Values::Text(codes, texts) => {
            let of_code: Vec<f32> = texts.iter().map(|text| text.and_then(|t| index_of.get(t).copied()).unwrap_or(f32::NAN)).collect();
            codes.iter().map(|&code| of_code.get(code as usize).copied().unwrap_or(f32::NAN)).collect()
        }
        Values::Wide(values) => {
            let Labels::Integers(labels) = labels else { return vec![f32::NAN; values.len()] };
            let of = |value: &f64| if value.fract() == 0.0 { labels.binary_search(&(*value as i64)).ok() } else { None };
            values.iter().map(|value| of(value).map_or(f32::NAN, |i| i as f32)).collect()
        }
        Values::Number(_) | Values::Timestamp(_) => Vec::new(),
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
                    let hint = suggest::nearest(label, texts.iter().map(String::as_str))
                        .map_or_else(String::new, |t| format!("; did you mean {t:?}?"));
                    return Err(wrong(wanted, format!("data.class_weights names the class {label:?}, which no row has{hint}")));
                };
                factors[index] = factor as f32;
            }
            Ok(factors)
        }
    }
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
