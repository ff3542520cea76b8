//! Reading: the model in a file that we wrote. What the graph holds is taken from its nodes and constants, the model made
//! of it is checked, and then its graph is built anew and compared: a node that we would not write is an error.

pub mod parts;
mod scan;

use prost::Message;
use quelea_core::schema::{FeatureKind, Schema};
use quelea_core::tile::MISSING;
use serde::de::DeserializeOwned;

use self::parts::Parts;
use crate::graph::{IR_VERSION, ML_OPSET, Names, OPSET};
use crate::proto::{GraphProto, ModelProto, TensorProto, element};
use crate::write::encode::{BUCKET, missing_texts};
use crate::write::{self, ABOUT_KEY, SCHEMA_KEY};
use crate::{Error, Model, Result, check, estimators};

/// The model in `bytes`.
pub fn from_bytes(bytes: &[u8]) -> Result<Model> {
    scan::refuse_bloated(bytes)?;
    let proto = ModelProto::decode(bytes)?;
    operators(&proto)?;
    let mut schema: Schema = metadata(&proto, SCHEMA_KEY)?;
    let about = metadata(&proto, ABOUT_KEY)?;
    let graph = proto.graph.unwrap_or_default();
    let parts = Parts::of(&graph, Names::new(&schema));
    categories(&parts, &mut schema)?;
    let estimator = estimators::read(&parts, &schema)?;
    let model = Model { schema, estimator, about };
    check::model(&model)?;
    compare(&graph, &write::graph(&model)?)?;
    Ok(model)
}

fn operators(proto: &ModelProto) -> Result<()> {
    let known = [OPSET, ML_OPSET];
    let are_known = proto.opset_import.len() == known.len()
        && proto.opset_import.iter().zip(known).all(|(used, (domain, version))| used.domain == domain && used.version == version);
    if are_known && proto.ir_version == IR_VERSION && proto.functions.is_empty() {
        return Ok(());
    }
    let text = |domain: &str, version: i64| format!("{} {version}", if domain.is_empty() { "ai.onnx" } else { domain });
    let mut used: Vec<String> = proto.opset_import.iter().take(8).map(|o| text(&o.domain, o.version)).collect();
    used.push(format!("IR version {}", proto.ir_version));
    used.extend((!proto.functions.is_empty()).then(|| "functions of its own".into()));
    let known = known.map(|(domain, version)| text(domain, version)).join(", ");
    Err(Error::Operators { used: used.join(", "), known: format!("{known}, IR version {IR_VERSION}") })
}

fn metadata<T: DeserializeOwned>(proto: &ModelProto, key: &'static str) -> Result<T> {
    let entry = proto.metadata_props.iter().find(|e| e.key == key);
    let entry = entry.ok_or_else(|| Error::Metadata { key, problem: "is not there".into() })?;
    serde_json::from_str(&entry.value).map_err(|e| Error::Metadata { key, problem: format!("cannot be read: {e}") })
}

/// Takes the values and aliases of categories and the texts of hashed columns from the encoders' keys, which begin with the markers
/// of missing values.
fn categories(parts: &Parts, schema: &mut Schema) -> Result<()> {
    let markers = missing_texts(schema).count();
    let inputs: Vec<&str> = schema.inputs.iter().map(|input| input.name.as_str()).collect();
    for feature in &mut schema.features {
        match &mut feature.kind {
            FeatureKind::Category { values, counts, aliases, .. } => {
                let encoder = parts.names.of_column(&feature.name, "code");
                let mut keys = parts.attribute_strings(&encoder, "LabelEncoder", "keys_tensor")?;
                let others = keys.split_off((markers + counts.len()).min(keys.len()));
                *values = keys.split_off(markers.min(keys.len()));
                let codes = codes(parts.attribute_tensor(&encoder, "LabelEncoder", "values_tensor")?, values.len())?;
                *aliases = others.into_iter().zip(codes.into_iter().skip(markers + values.len())).collect();
            }
            FeatureKind::Sparse { hashed, .. } => hashed.iter_mut().try_for_each(|of_column| {
                let name = inputs.get(of_column.input).ok_or_else(|| parts::wrong("input", &feature.name, "is not there"))?;
                let mut keys = parts.attribute_strings(&parts.names.of_column(name, BUCKET), "LabelEncoder", "keys_tensor")?;
                of_column.values = keys.split_off(markers.min(keys.len()));
                Ok::<_, Error>(())
            })?,
            FeatureKind::Number { .. } => {}
        }
    }
    Ok(())
}

/// The codes of an encoder of `values` categories, which are floats with NaN for missing ones, or integers.
fn codes(tensor: &TensorProto, values: usize) -> Result<Vec<u32>> {
    let known = |code: u32| if (code as usize) < values { code } else { MISSING };
    if tensor.data_type == element::FLOAT {
        return Ok(parts::floats(tensor)?.into_iter().map(|code| if code.is_nan() { MISSING } else { known(code as u32) }).collect());
    }
    Ok(parts::int64s(tensor)?.into_iter().map(|code| u32::try_from(code).map_or(MISSING, known)).collect())
}

/// The first thing in which `found` is not `expected`.
fn compare(found: &GraphProto, expected: &GraphProto) -> Result<()> {
    let differs = |what: &'static str, name: &str| Err(Error::Part { what, name: name.into(), problem: "is not what quelea writes" });
    for (index, node) in found.node.iter().enumerate() {
        if expected.node.get(index) != Some(node) {
            return Err(Error::Node { name: node.name.clone(), op: node.op_type.clone() });
        }
    }
    if let Some(node) = expected.node.get(found.node.len()) {
        return Err(Error::NoNode { name: node.name.clone(), op: node.op_type.clone() });
    }
    for (index, tensor) in found.initializer.iter().enumerate() {
        if expected.initializer.get(index) != Some(tensor) {
            return differs("tensor", &tensor.name);
        }
    }
    if let Some(tensor) = expected.initializer.get(found.initializer.len()) {
        return differs("tensor", &tensor.name);
    }
    for (what, found, expected) in [("input", &found.input, &expected.input), ("output", &found.output, &expected.output)] {
        for index in 0..found.len().max(expected.len()) {
            if found.get(index) != expected.get(index) {
                return differs(what, found.get(index).or(expected.get(index)).map_or("", |v| &v.name));
            }
        }
    }
    if found.name != expected.name {
        return differs("graph", &found.name);
    }
    Ok(())
}
