//! The keys of a job file: which are known, which are like an unknown one, which hold paths.

use std::path::Path;

use quelea_core::suggest;
use quelea_core::visible::shortened;
use quelea_learn::registry;
use serde_json::{Map, Value};

use crate::{JobError, Result, renamed, schema, types};

/// The tables of a job file.
const TABLES: [&str; 9] = ["data", "model", "output", "run", "checkpoint", "cluster", "sync", "compression", "transport"];

/// Refuses unknown keys and says which were probably meant, and values of a type that their key does not take.
pub(crate) fn check(values: &Map<String, Value>) -> Result<()> {
    renamed::refuse(values, &values.get("model").and_then(Value::as_object).map(of_learner).unwrap_or_default())?;
    for (table, content) in values {
        if !TABLES.contains(&table.as_str()) {
            let meant = suggest::nearest(table, TABLES);
            let advice = if meant.is_some() { did_you_mean(meant) } else { format!("; there are {}", TABLES.join(", ")) };
            return Err(JobError::key(shortened(table), format!("there is no such table of keys{advice}")));
        }
        if !content.is_object() {
            return Err(JobError::key(table, format!("this is a table of keys; write them below a line [{table}]")));
        }
    }
    let known = known(values)?;
    let job = schema::of_job();
    for (table, content) in values {
        let (Some((_, keys)), Value::Object(content)) = (known.iter().find(|(name, _)| name == table), content) else { continue };
        if let Some(unknown) = content.keys().find(|key| !keys.contains(key)) {
            let problem = format!("there is no such key{}", suggestion(table, unknown, keys, &known));
            return Err(JobError::key(format!("{table}.{}", shortened(unknown)), problem));
        }
        let of_learner = if table == "model" { of_learner(content) } else { Map::new() };
        types::check(table, content, &of_learner, &Value::Null)?;
        types::check(table, content, &schema::keys(&job, table), &job["$defs"])?;
    }
    Ok(())
}

/// The schemas of the hyper-parameters of the learner that a job's `model` names.
fn of_learner(model: &Map<String, Value>) -> Map<String, Value> {
    let learner = model.get("type").and_then(Value::as_str).and_then(|kind| registry::find(kind).ok());
    learner.map(|learner| schema::properties(&(learner.schema)())).unwrap_or_default()
}

/// The tables of a job and their keys; those of `model` are of the learner that `values` names.
fn known(values: &Map<String, Value>) -> Result<Vec<(String, Vec<String>)>> {
    let job = schema::of_job();
    let mut known: Vec<(String, Vec<String>)> = ["data", "output", "run", "checkpoint", "cluster", "sync", "compression", "transport"]
        .map(|table| (table.to_string(), schema::keys(&job, table).keys().cloned().collect()))
        .into();
    let kind = values.get("model").and_then(|model| model.get("type"));
    let names = || registry::LEARNERS.iter().map(|learner| learner.name);
    let list = || names().collect::<Vec<_>>().join(", ");
    let Some(kind) = kind else {
        return Err(JobError::key("model.type", format!("the key is missing; it names the learner: {}", list())));
    };
    let kind = kind.as_str().ok_or_else(|| JobError::key("model.type", format!("this is a text, one of {}", list())))?;
    let learner = registry::find(kind).map_err(|_| {
        let meant = suggest::nearest(kind, names()).map_or_else(String::new, |name| format!("did you mean {name:?}? "));
        JobError::key("model.type", format!("there is no learner {kind:?}; {meant}there are {}", list()))
    })?;
    let mut keys = vec!["type".to_string(), "start_from".into()];
    keys.extend(schema::properties(&(learner.schema)()).keys().cloned());
    known.push(("model".into(), keys));
    Ok(known)
}

fn suggestion(table: &str, unknown: &str, keys: &[String], known: &[(String, Vec<String>)]) -> String {
    if let Some(elsewhere) = known.iter().find(|(_, keys)| keys.iter().any(|key| key == unknown)) {
        return did_you_mean(Some(&format!("{}.{unknown}", elsewhere.0)));
    }
    match suggest::nearest(unknown, keys.iter().map(String::as_str)) {
        Some(key) => did_you_mean(Some(&format!("{table}.{key}"))),
        None => format!("; {table} has {}", keys.join(", ")),
    }
}

fn did_you_mean(word: Option<&str>) -> String {
    word.map_or_else(String::new, |word| format!("; did you mean {word}?"))
}

/// Puts `folder` before every relative path in a job.
pub(crate) fn rebase(values: &mut Map<String, Value>, folder: &Path) {
    let rebase = |value: Option<&mut Value>| {
        // A URL does not start from a folder.
        if let Some(Value::String(path)) = value
            && !path.contains("://")
        {
            *path = folder.join(path.as_str()).to_string_lossy().into_owned();
        }
    };
    let paths = [
        ("data", &["table", "validation", "test"][..]),
        ("output", &["model"]),
        ("model", &["start_from"]),
        ("checkpoint", &["to"]),
        ("transport", &["token_file"]),
    ];
    for (table, keys) in paths {
        for key in keys {
            rebase(values.get_mut(table).and_then(|table| table.get_mut(key)));
        }
    }
    // Tables in which every value is a path.
    for (table, paths) in [("data", "tables"), ("transport", "tls")] {
        if let Some(Value::Object(paths)) = values.get_mut(table).and_then(|table| table.get_mut(paths)) {
            paths.values_mut().for_each(|path| rebase(Some(path)));
        }
    }
}
