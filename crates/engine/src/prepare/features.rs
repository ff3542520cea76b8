//! Fits the encoders on the training rows: ranges of numbers, lists of categories, parts of timestamps.

use std::collections::{BTreeMap, HashMap};

use arrow::array::Array;
use quelea_core::schema::{Feature, FeatureKind, InputKind, Schema, TimePart};
use quelea_core::tile::{MISSING, UNSEEN};
use quelea_core::time;
use rayon::prelude::*;

use super::columns::Columns;
use super::part::{Part, Values};

const TIME_PARTS: [(TimePart, &str); 6] = [
    (TimePart::Year, "year"),
    (TimePart::Month, "month"),
    (TimePart::Day, "day"),
    (TimePart::Weekday, "weekday"),
    (TimePart::Hour, "hour"),
    (TimePart::Minute, "minute"),
];

/// The features of the inputs, fitted on the training rows. The categories of an earlier run keep their codes.
pub(crate) fn fit(columns: &Columns, train: &[Part], before: Option<&Schema>) -> Vec<Feature> {
    columns
        .inputs
        .par_iter()
        .enumerate()
        .flat_map_iter(|(index, input)| match input.kind {
            InputKind::Number => vec![Feature { name: input.name.clone(), input: index, kind: number(index, None, train) }],
            InputKind::Text => {
                let known = before.map(|schema| known_values(schema, &input.name)).unwrap_or_default();
                vec![Feature { name: input.name.clone(), input: index, kind: category(index, known, train) }]
            }
            InputKind::Timestamp => TIME_PARTS
                .iter()
                .map(|&(part, name)| Feature {
                    name: format!("{}.{name}", input.name),
                    input: index,
                    kind: number(index, Some(part), train),
                })
                .collect(),
        })
        .collect()
}

/// The number that a timestamp's part is, NaN for a missing one.
pub(crate) fn time_part(micros: i64, part: TimePart) -> f32 {
    if micros == i64::MIN { f32::NAN } else { time::part(micros, part) as f32 }
}

fn number(input: usize, time: Option<TimePart>, train: &[Part]) -> FeatureKind {
    let (mut min, mut max, mut missing) = (f32::INFINITY, f32::NEG_INFINITY, 0);
    let mut see = |value: f32| {
        min = min.min(value);
        max = max.max(value);
        missing += u64::from(value.is_nan());
    };
    for part in train {
        match (&part.inputs[input], time) {
            (Values::Number(values), _) => values.iter().copied().for_each(&mut see),
            (Values::Timestamp(values), Some(part)) => values.iter().for_each(|&v| see(time_part(v, part))),
            _ => {}
        }
    }
    let (min, max) = if min <= max { (min, max) } else { (0.0, 0.0) };
    // Minus zero and zero are one value.
    FeatureKind::Number { part: time, min: min + 0.0, max: max + 0.0, missing }
}

fn category(input: usize, known: Vec<String>, train: &[Part]) -> FeatureKind {
    let mut missing = 0;
    let mut found: BTreeMap<&str, u64> = BTreeMap::new();
    for part in train {
        let Values::Text(codes, texts) = &part.inputs[input] else { continue };
        let mut counts = vec![0u64; texts.len()];
        for &code in codes {
            match code {
                MISSING => missing += 1,
                code => counts[code as usize] += 1,
            }
        }
        for (text, count) in texts.iter().flatten().zip(counts).filter(|&(_, count)| count > 0) {
            *found.entry(text).or_default() += count;
        }
    }
    let mut counts: Vec<u64> = known.iter().map(|value| found.remove(value.as_str()).unwrap_or(0)).collect();
    let mut values = known;
    for (value, count) in found {
        values.push(value.to_string());
        counts.push(count);
    }
    FeatureKind::Category { values, counts, missing }
}

fn known_values(schema: &Schema, name: &str) -> Vec<String> {
    schema
        .features
        .iter()
        .filter(|f| f.name == name)
        .find_map(|f| match &f.kind {
            FeatureKind::Category { values, .. } => Some(values.clone()),
            FeatureKind::Number { .. } => None,
        })
        .unwrap_or_default()
}

/// For each part, the code in `values` of each of the part's own texts.
pub(crate) fn recode(input: usize, values: &[String], parts: &[Part]) -> Vec<Vec<u32>> {
    let codes: HashMap<&str, u32> = values.iter().enumerate().map(|(code, value)| (value.as_str(), code as u32)).collect();
    let of_part = |part: &Part| match &part.inputs[input] {
        Values::Text(_, texts) => texts.iter().map(|text| text.and_then(|t| codes.get(t).copied()).unwrap_or(UNSEEN)).collect(),
        _ => Vec::new(),
    };
    parts.iter().map(of_part).collect()
}
