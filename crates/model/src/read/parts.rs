//! The nodes and constants of a graph by name, and what they hold.

use std::collections::HashMap;

use crate::graph::Names;
use crate::proto::{AttributeProto, GraphProto, NodeProto, TensorProto, element};
use crate::{Error, Result};

/// A graph's parts.
pub struct Parts<'a> {
    /// How its tensors are named.
    pub names: Names,
    nodes: HashMap<&'a str, &'a NodeProto>,
    constants: HashMap<&'a str, &'a TensorProto>,
}

impl<'a> Parts<'a> {
    /// The parts of `graph`.
    pub fn of(graph: &'a GraphProto, names: Names) -> Self {
        let nodes = graph.node.iter().map(|n| (n.name.as_str(), n)).collect();
        let constants = graph.initializer.iter().map(|t| (t.name.as_str(), t)).collect();
        Self { names, nodes, constants }
    }

    /// Whether there is a node of this name.
    pub fn has_node(&self, name: &str) -> bool {
        self.nodes.contains_key(name)
    }

    /// Whether there is a constant of this name.
    pub fn has_constant(&self, name: &str) -> bool {
        self.constants.contains_key(name)
    }

    /// A constant.
    pub fn constant(&self, name: &str) -> Result<&'a TensorProto> {
        self.constants.get(name).copied().ok_or_else(|| wrong("tensor", name, "is not there"))
    }

    fn attribute(&self, node: &str, op: &str, name: &str) -> Result<&'a AttributeProto> {
        let missing = || Error::NoNode { name: node.into(), op: op.into() };
        let node = self.nodes.get(node).filter(|n| n.op_type == op).ok_or_else(missing)?;
        node.attribute.iter().find(|a| a.name == name).ok_or_else(|| wrong("attribute", name, "is not there"))
    }

    /// A list of whole numbers.
    pub fn attribute_ints(&self, node: &str, op: &str, name: &str) -> Result<&'a [i64]> {
        Ok(&self.attribute(node, op, name)?.ints)
    }

    /// A tensor.
    pub fn attribute_tensor(&self, node: &str, op: &str, name: &str) -> Result<&'a TensorProto> {
        self.attribute(node, op, name)?.t.as_ref().ok_or_else(|| wrong("attribute", name, "is not a tensor"))
    }

    /// A tensor of strings.
    pub fn attribute_strings(&self, node: &str, op: &str, name: &str) -> Result<Vec<String>> {
        let strings = &self.attribute_tensor(node, op, name)?.string_data;
        let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).map_err(|_| wrong("attribute", name, "is not valid UTF-8"));
        strings.iter().map(text).collect()
    }
}

/// A part that is not what it should be.
pub fn wrong(what: &'static str, name: &str, problem: &'static str) -> Error {
    Error::Part { what, name: name.into(), problem }
}

fn raw<const SIZE: usize, T>(tensor: &TensorProto, data_type: i32, from: fn([u8; SIZE]) -> T) -> Result<Vec<T>> {
    let (chunks, rest) = tensor.raw_data.as_chunks::<SIZE>();
    if tensor.data_type != data_type || !rest.is_empty() {
        return Err(wrong("tensor", &tensor.name, "has elements of another type or is cut short"));
    }
    Ok(chunks.iter().map(|&c| from(c)).collect())
}

/// The elements of a tensor of 32-bit floats.
pub fn floats(tensor: &TensorProto) -> Result<Vec<f32>> {
    raw(tensor, element::FLOAT, f32::from_le_bytes)
}

/// The elements of a tensor of 64-bit floats.
pub fn doubles(tensor: &TensorProto) -> Result<Vec<f64>> {
    raw(tensor, element::DOUBLE, f64::from_le_bytes)
}

/// The elements of a tensor of 64-bit integers.
pub fn int64s(tensor: &TensorProto) -> Result<Vec<i64>> {
    raw(tensor, element::INT64, i64::from_le_bytes)
}
