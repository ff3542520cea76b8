//! Keys that were renamed: an old one is refused with the new name.

use serde_json::{Map, Value};

use crate::{JobError, Result};

/// Old keys and their new names.
const RENAMED: [(&str, &str); 5] = [
    ("model.passes", "model.epochs"),
    ("traffic.bits", "compression.bits"),
    ("traffic.top", "compression.top_k"),
    ("traffic.significance", "compression.significance_filter"),
    ("traffic", "compression"),
];

/// Refuses an old key. Of those of `model`, only the ones whose new name is among `hyper_parameters` were ever keys.
pub(crate) fn refuse(values: &Map<String, Value>, hyper_parameters: &Map<String, Value>) -> Result<()> {
    let is_given = |key: &str| match key.split_once('.') {
        Some((table, key)) => values.get(table).is_some_and(|table| table.get(key).is_some()),
        None => values.contains_key(key),
    };
    let is_key = |key: &str| key.strip_prefix("model.").is_none_or(|key| hyper_parameters.contains_key(key));
    match RENAMED.into_iter().find(|(old, new)| is_given(old) && is_key(new)) {
        Some((old, new)) => Err(JobError::key(old, format!("the key was renamed; write {new}"))),
        None => Ok(()),
    }
}
