//! Fits the encoders on the training rows: ranges of numbers, lists of categories, parts of timestamps.

use std::collections::{BTreeSet, HashSet};

use arrow::array::{Array, StringArray};
use quelea_core::hash::bucket;
use quelea_core::schema::{Feature, FeatureKind, Hashed, InputKind, Schema, TimePart};
use quelea_core::tile::{MISSING, UNSEEN};
use quelea_core::time;
use rayon::prelude::*;

use super::categories;
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
    let mut features: Vec<Feature> = columns
        .inputs
        .par_iter()
        .enumerate()
        .flat_map_iter(|(index, input)| match input.kind {
            InputKind::Number => vec![Feature { name: input.name.clone(), input: index, kind: number(index, None, train) }],
            InputKind::Sparse => {
                let known = before.and_then(|schema| schema.features.iter().find(|feature| feature.name == input.name));
                vec![Feature { name: input.name.clone(), input: index, kind: sparse(index, known, train) }]
            }
            InputKind::Text | InputKind::Texts if columns.hashed.contains(&input.name) => Vec::new(),
            InputKind::Texts => Vec::new(),
            InputKind::Text => {
                let spelled = columns.spelled.contains(&input.name).then_some(&columns.nulls);
                let kind = categories::fit(index, before.map(|schema| (schema, input.name.as_str())), spelled, train);
                vec![Feature { name: input.name.clone(), input: index, kind }]
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
        .collect();
    features.extend(hashed(columns, train, before));
    features
}

/// The name of the feature that columns are hashed into.
const HASHED: &str = "hashed";

/// The feature of the hashed columns, if there are any.
fn hashed(columns: &Columns, train: &[Part], before: Option<&Schema>) -> Option<Feature> {
    let inputs = columns.inputs.iter().enumerate().filter(|(_, input)| columns.hashed.contains(&input.name));
    let known = before.map_or(&[][..], known_hashed);
    let of_columns: Vec<(Hashed, u64)> = inputs.map(|(input, _)| hashed_column(input, known, train)).collect();
    let first = of_columns.first()?.0.input;
    let mut name = HASHED.to_string();
    while columns.inputs.iter().any(|input| input.name == name) {
        name.push('_');
    }
    let entries = of_columns.iter().map(|(_, entries)| entries).sum();
    let hashed: Vec<Hashed> = of_columns.into_iter().map(|(hashed, _)| hashed).collect();
    let largest = if entries > 0 { 1.0 } else { 0.0 };
    Some(Feature { name, input: first, kind: FeatureKind::Sparse { width: columns.buckets, largest, entries, hashed } })
}

fn known_hashed(schema: &Schema) -> &[Hashed] {
    let kinds = schema.features.iter().map(|feature| &feature.kind);
    let hashed = kinds.filter_map(|kind| if let FeatureKind::Sparse { hashed, .. } = kind { Some(hashed.as_slice()) } else { None });
    hashed.max_by_key(|hashed| hashed.len()).unwrap_or_default()
}

/// The texts of a hashed column, and how many of its values there are.
fn hashed_column(input: usize, known: &[Hashed], train: &[Part]) -> (Hashed, u64) {
    let mut texts: BTreeSet<&str> = known.iter().filter(|of| of.input == input).flat_map(|of| &of.values).map(String::as_str).collect();
    let mut entries = 0;
    for part in train {
        let (codes, all): (&[u32], &StringArray) = match &part.inputs[input] {
            Values::Text(codes, all) => (codes, all),
            Values::Texts(rows, all) => (&rows.indices, all),
            _ => continue,
        };
        let mut is_used = vec![false; all.len()];
        for &code in codes.iter().filter(|&&code| code != MISSING) {
            is_used[code as usize] = true;
            entries += 1;
        }
        texts.extend(all.iter().flatten().zip(is_used).filter(|&(_, is_used)| is_used).map(|(text, _)| text));
    }
    (Hashed { input, values: texts.into_iter().map(str::to_string).collect() }, entries)
}

fn sparse(input: usize, known: Option<&Feature>, train: &[Part]) -> FeatureKind {
    let (mut columns, mut largest, mut entries) = (0, 0.0f32, 0);
    if let Some(Feature { kind: FeatureKind::Sparse { width, .. }, .. }) = known {
        columns = *width;
    }
    for part in train {
        let Values::Sparse(rows) = &part.inputs[input] else { continue };
        columns = rows.indices.iter().fold(columns, |columns, &index| columns.max(index + 1));
        let ones = if rows.indices.is_empty() { 0.0 } else { 1.0 };
        let size = rows.values.as_ref().map_or(ones, |values| values.iter().fold(0.0, |largest, value| value.abs().max(largest)));
        largest = largest.max(size);
        entries += rows.indices.len() as u64;
    }
    FeatureKind::Sparse { width: columns, largest, entries, hashed: Vec::new() }
}

/// For each part, the bucket of each of the part's own texts; [`UNSEEN`] for those that no training row has.
pub(crate) fn buckets(hashed: &Hashed, column: &str, width: u32, parts: &[Part]) -> Vec<Vec<u32>> {
    let known: HashSet<&str> = hashed.values.iter().map(String::as_str).collect();
    let bucket = |text: Option<&str>| text.filter(|text| known.contains(text)).map_or(UNSEEN, |text| bucket(column, text, width));
    let of_part = |part: &Part| match &part.inputs[hashed.input] {
        Values::Text(_, texts) | Values::Texts(_, texts) => texts.iter().map(bucket).collect(),
        _ => Vec::new(),
    };
    parts.iter().map(of_part).collect()
}

/// The number that a timestamp's part is, NaN for a missing one.
pub(crate) fn time_part(micros: i64, part: TimePart) -> f32 {
    if micros == i64::MIN { f32::NAN } else { time::part(micros, part) as f32 }
}

fn number(input: usize, time: Option<TimePart>, train: &[Part]) -> FeatureKind {
    let mut extent = Extent::default();
    for part in train {
        match (&part.inputs[input], time) {
            (Values::Number(values), _) => extent.see(values),
            (Values::Timestamp(values), Some(part)) => {
                extent.see(&values.iter().map(|&v| time_part(v, part)).collect::<Vec<f32>>());
            }
            _ => {}
        }
    }
    let Extent { min, max, missing } = extent;
    let (min, max) = if min <= max { (min, max) } else { (0.0, 0.0) };
    // Minus zero and zero are one value.
    FeatureKind::Number { part: time, min: min + 0.0, max: max + 0.0, missing }
}

/// The smallest and the largest of some numbers, and how many are missing.
struct Extent {
    min: f32,
    max: f32,
    missing: u64,
}

impl Default for Extent {
    fn default() -> Self {
        Self { min: f32::INFINITY, max: f32::NEG_INFINITY, missing: 0 }
    }
}

impl Extent {
    /// Lanes of their own, because one chain of comparisons waits for itself: it took six times as long.
    fn see(&mut self, values: &[f32]) {
        const LANES: usize = 16;
        let (mut low, mut high) = ([self.min; LANES], [self.max; LANES]);
        let mut missing = [0u32; LANES];
        let mut look = |lane: usize, value: f32| {
            low[lane] = if value < low[lane] { value } else { low[lane] };
            high[lane] = if value > high[lane] { value } else { high[lane] };
            missing[lane] += u32::from(value.is_nan());
        };
        let (whole, rest) = values.as_chunks::<LANES>();
        whole.iter().for_each(|values| (0..LANES).for_each(|lane| look(lane, values[lane])));
        rest.iter().enumerate().for_each(|(lane, &value)| look(lane, value));
        self.min = low.into_iter().fold(self.min, f32::min);
        self.max = high.into_iter().fold(self.max, f32::max);
        self.missing += missing.into_iter().map(u64::from).sum::<u64>();
    }
}
