//! Checks the type of every value of a job against the JSON Schema of its key, so that a message can say what was given
//! and what is accepted in the words of a job file.

use std::ops::RangeInclusive;

use quelea_core::suggest;
use serde_json::{Map, Value};

use crate::{JobError, Result, duration};

/// Refuses the first value whose type its key does not take. `defs` holds the schemas that others refer to.
pub(crate) fn check(table: &str, content: &Map<String, Value>, properties: &Map<String, Value>, defs: &Value) -> Result<()> {
    let schemas = Schemas { defs };
    for (key, value) in content {
        let Some(schema) = properties.get(key).filter(|schema| !schemas.accept(schema, value)) else { continue };
        let what = schemas.describe(schema);
        let problem = format!("{} is not possible; this is {what}{}", shown(value), schemas.meant(schema, value));
        return Err(JobError::key(format!("{table}.{key}"), problem));
    }
    Ok(())
}

/// Characters of a value that a message shows.
const SHOWN: usize = 60;

/// The value as it is written in a job file.
fn shown(value: &Value) -> String {
    let text = toml::Value::try_from(value).map_or_else(|_| value.to_string(), |value| value.to_string());
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SHOWN { line } else { line.chars().take(SHOWN).chain("...".chars()).collect() }
}

struct Schemas<'a> {
    defs: &'a Value,
}

impl<'a> Schemas<'a> {
    /// The schema itself, or the one that it refers to.
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        let name = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
        name.and_then(|name| self.defs.get(name)).unwrap_or(schema)
    }

    /// The alternatives of a schema; itself if there are none. What is left out is not written as null in a job file.
    fn alternatives(&self, schema: &'a Value) -> Vec<&'a Value> {
        let schema = self.resolved(schema);
        match schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
            Some(parts) => parts.iter().flat_map(|part| self.alternatives(part)).filter(|part| part["type"] != "null").collect(),
            None => vec![schema],
        }
    }

    fn accept(&self, schema: &'a Value, value: &Value) -> bool {
        self.alternatives(schema).into_iter().any(|schema| self.accept_one(schema, value))
    }

    fn accept_one(&self, schema: &'a Value, value: &Value) -> bool {
        if let Some(words) = words(schema) {
            return words.contains(&value);
        }
        types(schema).into_iter().any(|name| match name {
            "string" => value.as_str().is_some_and(|text| !duration::is_duration(schema) || duration::parse(text).is_some()),
            "boolean" => value.is_boolean(),
            "number" => value.is_number(),
            "integer" => whole(value).is_some_and(|number| range(schema).contains(&number)),
            "array" => value.as_array().is_some_and(|items| items.iter().all(|item| self.accept(&schema["items"], item))),
            "object" => value.as_object().is_some_and(|keys| {
                let of_keys = &schema["additionalProperties"];
                !of_keys.is_object() || keys.values().all(|value| self.accept(of_keys, value))
            }),
            _ => false,
        }) || types(schema).is_empty()
    }

    fn describe(&self, schema: &'a Value) -> String {
        let alternatives = self.alternatives(schema);
        let words: Vec<String> = alternatives.iter().filter_map(|part| words(part)).flatten().map(Value::to_string).collect();
        let words = match &words[..] {
            [] => None,
            [only] => Some(only.clone()),
            _ => Some(format!("one of {}", words.join(", "))),
        };
        let others: Vec<&Value> = alternatives.into_iter().filter(|part| self::words(part).is_none()).collect();
        let are_several = others.len() > 1;
        let others = others.into_iter().map(|part| match part["description"].as_str().filter(|_| are_several) {
            Some(meaning) => format!("{} ({})", self.describe_one(part), lower_case(meaning.trim_end_matches('.'))),
            None => self.describe_one(part),
        });
        words.into_iter().chain(others).collect::<Vec<_>>().join(", or ")
    }

    fn describe_one(&self, schema: &'a Value) -> String {
        match types(schema).first() {
            Some(&"string") if duration::is_duration(schema) => duration::DESCRIPTION.into(),
            Some(&"string") => "a text".into(),
            Some(&"boolean") => "true or false".into(),
            Some(&"integer") => format!("a whole number from {} to {}", range(schema).start(), range(schema).end()),
            Some(&"number") => "a number".into(),
            Some(&"array") => match self.describe(&schema["items"]).as_str() {
                "a text" => "a list of texts, such as [\"a\", \"b\"]".into(),
                "a number" => "a list of numbers, such as [0.5, 1.0]".into(),
                other => format!("a list, each part of it {other}"),
            },
            Some(&"object") => format!("a table from names to values, each {}", self.describe(&schema["additionalProperties"])),
            _ => "a value of another type".into(),
        }
    }

    /// The word or the duration that was probably meant.
    fn meant(&self, schema: &'a Value, value: &Value) -> String {
        let alternatives = self.alternatives(schema);
        let in_seconds = alternatives.iter().any(|schema| duration::is_duration(schema)).then(|| duration::of_seconds(value)).flatten();
        let words: Vec<&str> = alternatives.into_iter().filter_map(words).flatten().filter_map(Value::as_str).collect();
        let word = value.as_str().and_then(|text| suggest::nearest(text, words)).map(str::to_string);
        in_seconds.or(word).map_or_else(String::new, |word| format!("; did you mean {word:?}?"))
    }
}

/// The text with a small first letter.
fn lower_case(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// The words that are the only values.
fn words(schema: &Value) -> Option<Vec<&Value>> {
    match (schema["enum"].as_array(), schema.get("const")) {
        (Some(words), _) => Some(words.iter().collect()),
        (None, Some(word)) => Some(vec![word]),
        (None, None) => None,
    }
}

/// The types of values, without that of nothing.
fn types(schema: &Value) -> Vec<&str> {
    let names = match &schema["type"] {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        name => Vec::from_iter(name.as_str()),
    };
    names.into_iter().filter(|&name| name != "null").collect()
}

/// The value, if it is a whole number.
fn whole(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from))
}

/// The whole numbers that a schema takes: those of its bounds, within those of its type.
fn range(schema: &Value) -> RangeInclusive<i128> {
    let (least, most) = match schema["format"].as_str() {
        Some("uint8") => (0, u8::MAX.into()),
        Some("uint16") => (0, u16::MAX.into()),
        Some("uint32") => (0, u32::MAX.into()),
        Some("int32") => (i32::MIN.into(), i32::MAX.into()),
        Some("uint" | "uint64") => (0, u64::MAX.into()),
        _ => (i64::MIN.into(), i64::MAX.into()),
    };
    let bound = |name: &str| whole(&schema[name]);
    bound("minimum").map_or(least, |bound| bound.max(least))..=bound("maximum").map_or(most, |bound| bound.min(most))
}
