//! Texts that a model does not know. A new one now and then is what tables bring; a column of them is more likely written in another way.

use std::collections::HashSet;

use arrow::array::Array;
use quelea_core::schema::{FeatureKind, Schema};
use quelea_core::visible::shortened;

use super::Rows;
use super::part::{Part, Values};
use super::sample;
use crate::Control;

/// Values of a part that are looked at in any case.
const SAMPLE: usize = 256;
/// One more of so many is.
const VALUES_PER_LOOK: usize = 128;

/// What was seen of the texts of each input.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unknown {
    columns: Vec<Tally>,
}

#[derive(Debug, Clone, Default)]
struct Tally {
    values: u64,
    unknown: u64,
    example: Option<String>,
}

impl Unknown {
    /// Looks at some of a part's texts; `knows` tells whether the model knows a text of an input.
    pub fn see(&mut self, part: &Part, knows: impl Fn(usize, &str) -> bool) {
        self.columns.resize_with(part.inputs.len(), Tally::default);
        for (input, tally) in self.columns.iter_mut().enumerate() {
            let (codes, texts): (&[u32], _) = match &part.inputs[input] {
                Values::Text(codes, texts) => (codes, texts),
                Values::Texts(entries, texts) => (&entries.indices, texts),
                _ => continue,
            };
            for at in sample::rows(codes.len(), codes.len().min(SAMPLE + codes.len() / VALUES_PER_LOOK)) {
                // A code beyond the texts is that of a missing one.
                let code = codes[at] as usize;
                if code >= texts.len() {
                    continue;
                }
                let text = texts.value(code);
                tally.values += 1;
                if !knows(input, text) {
                    tally.unknown += 1;
                    tally.example.get_or_insert_with(|| text.to_string());
                }
            }
        }
    }

    /// Adds what was seen of other rows.
    pub fn merge(&mut self, other: Self) {
        self.columns.resize_with(self.columns.len().max(other.columns.len()), Tally::default);
        for (tally, other) in self.columns.iter_mut().zip(other.columns) {
            tally.values += other.values;
            tally.unknown += other.unknown;
            tally.example = tally.example.take().or(other.example);
        }
    }

    /// Warns of the columns of `table` most of whose texts are unknown to a model of `schema`.
    pub fn warn(&self, table: &str, schema: &Schema, control: &Control) {
        for ((index, input), tally) in schema.inputs.iter().enumerate().zip(&self.columns) {
            let Some(example) = tally.example.as_ref().filter(|_| tally.unknown * 2 > tally.values) else { continue };
            let share = 100.0 * tally.unknown as f64 / tally.values as f64;
            let known = known(schema, index).map_or_else(String::new, |known| format!(", which knows {:?} for example", shortened(known)));
            control.warn(format!(
                "{table}: column {:?}: {share:.0} % of its values, such as {:?}, are unknown to the model{known}; write them as the training \
                 table does, or train on them",
                input.name,
                shortened(example)
            ));
        }
    }
}

/// Warns of the columns of a validation or test table most of whose texts no training row has.
pub(crate) fn warn_of(table: &str, rows: &Rows, schema: &Schema, control: &Control) {
    let mut known = vec![HashSet::new(); schema.inputs.len()];
    for feature in &schema.features {
        match &feature.kind {
            FeatureKind::Category { values, aliases, .. } => {
                known[feature.input].extend(values.iter().chain(aliases.iter().map(|(alias, _)| alias)).map(String::as_str));
            }
            FeatureKind::Sparse { hashed, .. } => {
                hashed.iter().for_each(|of_column| known[of_column.input].extend(of_column.values.iter().map(String::as_str)));
            }
            FeatureKind::Number { .. } => {}
        }
    }
    let mut unknown = Unknown::default();
    rows.parts.iter().for_each(|part| unknown.see(part, |input, text| known[input].contains(text)));
    unknown.warn(table, schema, control);
}

/// A text of an input that the model knows.
fn known(schema: &Schema, input: usize) -> Option<&str> {
    let values = schema.features.iter().find_map(|feature| match &feature.kind {
        FeatureKind::Category { values, .. } if feature.input == input => Some(values),
        FeatureKind::Sparse { hashed, .. } => hashed.iter().find(|hashed| hashed.input == input).map(|hashed| &hashed.values),
        _ => None,
    });
    values?.first().map(String::as_str)
}
