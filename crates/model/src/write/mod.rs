//! Writing: a model as the bytes of an ONNX file. The same model always gives the same bytes.

pub mod encode;

use prost::Message;
use quelea_core::schema::{FeatureKind, InputKind, Schema};

use crate::graph::{Graph, IR_VERSION, ML_OPSET, Names, OPSET, indices_of, values_of};
use crate::proto::{GraphProto, MOST_BYTES, ModelProto, OperatorSetIdProto, StringStringEntryProto, element};
use crate::{About, Error, Model, Result, check, estimators};

/// The metadata that holds the schema, without the categories and hashed texts, which are in the graph.
pub const SCHEMA_KEY: &str = "quelea.schema";
/// The metadata that holds [`About`].
pub const ABOUT_KEY: &str = "quelea.about";
/// What the file says it was written by.
pub const PRODUCER: &str = "quelea";

/// The file of `model`.
pub fn to_bytes(model: &Model) -> Result<Vec<u8>> {
    check::model(model)?;
    refuse_beyond_limit(least_bytes(model)?)?;
    let proto = ModelProto {
        ir_version: IR_VERSION,
        producer_name: PRODUCER.into(),
        graph: Some(graph(model)?),
        opset_import: [OPSET, ML_OPSET].map(|(domain, version)| OperatorSetIdProto { domain: domain.into(), version }).to_vec(),
        metadata_props: vec![
            StringStringEntryProto { key: SCHEMA_KEY.into(), value: schema_json(&model.schema)? },
            StringStringEntryProto { key: ABOUT_KEY.into(), value: about_json(&model.about)? },
        ],
        functions: Vec::new(),
    };
    refuse_beyond_limit(proto.encoded_len() as u64)?;
    Ok(proto.encode_to_vec())
}

/// The graph of a model that has been checked.
pub fn graph(model: &Model) -> Result<GraphProto> {
    let mut graph = Graph::new(Names::new(&model.schema));
    for input in &model.schema.inputs {
        let name = &input.name;
        match input.kind {
            InputKind::Number => graph.input(name, element::FLOAT),
            InputKind::Text => graph.input(name, element::STRING),
            InputKind::Timestamp => graph.input(name, element::INT64),
            InputKind::Texts => graph.wide_input(name, element::STRING, &entries_of(name)),
            InputKind::Sparse => {
                graph.wide_input(&indices_of(name), element::INT64, &entries_of(name));
                graph.wide_input(&values_of(name), element::FLOAT, &entries_of(name));
            }
        }
    }
    estimators::find(&model.estimator)?.write(&mut graph, &model.schema);
    Ok(graph.finish())
}

/// What the number of a column's entries in the longest row is called.
fn entries_of(column: &str) -> String {
    format!("entries of {column}")
}

fn refuse_beyond_limit(bytes: u64) -> Result<()> {
    if bytes > MOST_BYTES { Err(Error::TooLarge { bytes, limit: MOST_BYTES }) } else { Ok(()) }
}

/// A lower bound of the bytes that a model takes, found without building its graph.
fn least_bytes(model: &Model) -> Result<u64> {
    let text = |values: &[String]| values.iter().map(|v| v.len() as u64 + 2).sum::<u64>();
    let categories: u64 = model
        .schema
        .features
        .iter()
        .map(|f| match &f.kind {
            FeatureKind::Category { values, aliases, .. } => {
                let of_aliases: u64 = aliases.iter().map(|(alias, _)| alias.len() as u64 + 6).sum();
                text(values) + 4 * values.len() as u64 + of_aliases
            }
            FeatureKind::Sparse { hashed, .. } => hashed.iter().map(|of| text(&of.values) + 8 * of.values.len() as u64).sum(),
            FeatureKind::Number { .. } => 0,
        })
        .sum();
    Ok(categories + estimators::find(&model.estimator)?.least_bytes())
}

fn schema_json(schema: &Schema) -> Result<String> {
    let mut stripped = schema.clone();
    for feature in &mut stripped.features {
        match &mut feature.kind {
            FeatureKind::Category { values, aliases, .. } => {
                values.clear();
                aliases.clear();
            }
            FeatureKind::Sparse { hashed, .. } => hashed.iter_mut().for_each(|of_column| of_column.values.clear()),
            FeatureKind::Number { .. } => {}
        }
    }
    serde_json::to_string(&stripped).map_err(|e| Error::Metadata { key: SCHEMA_KEY, problem: e.to_string() })
}

/// The metadata of `about`, which must be readable again: a number that is not finite would not be.
fn about_json(about: &About) -> Result<String> {
    let readable = |json: String| serde_json::from_str::<About>(&json).map(|_| json);
    serde_json::to_string(about).and_then(readable).map_err(|e| Error::Metadata { key: ABOUT_KEY, problem: e.to_string() })
}
