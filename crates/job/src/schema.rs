//! The JSON Schema of job files, made from the job's own types and from those of every learner.

use quelea_learn::registry::{self, Entry};
use schemars::schema_for;
use serde_json::{Map, Value, json};

use crate::Job;

/// The JSON Schema of job files, for editors that complete and check them.
pub fn json_schema() -> Value {
    let mut job = of_job();
    let learners: Vec<Value> = registry::LEARNERS.iter().map(of_model).collect();
    job["$defs"]["Model"] = json!({
        "description": "The learner and its hyper-parameters.",
        "oneOf": learners,
    });
    job["title"] = "Quelea job".into();
    job
}

fn of_model(learner: &Entry) -> Value {
    let mut keys = Map::new();
    keys.insert("type".into(), json!({"const": learner.name, "description": "The learner's name."}));
    keys.insert("start_from".into(), json!({"type": "string", "description": "A model file of the same type to go on from."}));
    keys.extend(properties(&(learner.schema)()));
    json!({
        "title": learner.name,
        "description": learner.about,
        "type": "object",
        "properties": keys,
        "required": ["type"],
        "additionalProperties": false,
    })
}

/// The schema of a job, whatever its learner.
pub(crate) fn of_job() -> Value {
    schema_for!(Job).to_value()
}

/// The keys of one of the job's tables, with their schemas.
pub(crate) fn keys(job: &Value, table: &str) -> Map<String, Value> {
    let reference = job["properties"][table]["$ref"].as_str().or_else(|| job["properties"][table]["allOf"][0]["$ref"].as_str());
    let definition = reference.and_then(|reference| reference.rsplit('/').next()).map(|name| &job["$defs"][name]);
    let properties = definition.and_then(|definition| definition["properties"].as_object());
    properties.cloned().unwrap_or_default()
}

/// The properties of an object's schema.
pub fn properties(schema: &schemars::Schema) -> Map<String, Value> {
    schema.as_value()["properties"].as_object().cloned().unwrap_or_default()
}
