//! Building an ONNX graph node by node: names that meet no column's, constants, and the operators that we use.

use std::collections::HashSet;

use quelea_core::schema::{Input, InputKind, Schema};

use crate::proto::{
    AttributeProto, DimensionProto, GraphProto, NodeProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
    element, kind,
};

/// The version of the format, and of the two sets of operators: the first with `TreeEnsemble`.
pub const IR_VERSION: i64 = 10;
/// The standard operators.
pub const OPSET: (&str, i64) = ("", 21);
/// The operators of classical machine learning.
pub const ML_OPSET: (&str, i64) = ("ai.onnx.ml", 5);

/// What the input of a graph is called that takes a sparse column's indices.
pub fn indices_of(column: &str) -> String {
    format!("{column}.indices")
}

/// What the input of a graph is called that takes a sparse column's values.
pub fn values_of(column: &str) -> String {
    format!("{column}.values")
}

/// What the inputs of a graph are called that take a column.
pub fn inputs_of(input: &Input) -> Vec<String> {
    match input.kind {
        InputKind::Sparse => vec![indices_of(&input.name), values_of(&input.name)],
        InputKind::Number | InputKind::Text | InputKind::Timestamp | InputKind::Texts => vec![input.name.clone()],
    }
}

/// Names of tensors inside a graph, and of its outputs.
#[derive(Debug, Clone)]
pub struct Names {
    prefix: String,
    inputs: HashSet<String>,
}

impl Names {
    /// Names that are apart from those of the inputs of `schema`.
    pub fn new(schema: &Schema) -> Self {
        let inputs: HashSet<String> = schema.inputs.iter().flat_map(inputs_of).collect();
        let slashes = inputs.iter().map(|name| name.bytes().take_while(|&b| b == b'/').count()).max().unwrap_or(0);
        Self { prefix: "/".repeat(slashes + 1), inputs }
    }

    /// A tensor of the whole model.
    pub fn of(&self, what: &str) -> String {
        format!("{}{what}", self.prefix)
    }

    /// A tensor that belongs to a column.
    pub fn of_column(&self, column: &str, what: &str) -> String {
        format!("{}columns/{column}/{what}", self.prefix)
    }

    /// An output; a column of that name pushes it aside.
    pub fn output(&self, what: &str) -> String {
        let mut name = what.to_owned();
        while self.inputs.contains(&name) {
            name.insert_str(0, "predicted_");
        }
        name
    }
}

/// A graph that is being built. A tensor that is asked for again is not made again.
pub struct Graph {
    /// The names it uses.
    pub names: Names,
    graph: GraphProto,
    made: HashSet<String>,
}

impl Graph {
    /// An empty graph.
    pub fn new(names: Names) -> Self {
        let graph = GraphProto { name: "model".into(), ..GraphProto::default() };
        Self { names, graph, made: HashSet::new() }
    }

    /// The graph.
    pub fn finish(self) -> GraphProto {
        self.graph
    }

    /// Adds an input of one column.
    pub fn input(&mut self, name: &str, element: i32) {
        self.graph.input.push(value_info(name, element, vec![free("rows"), fixed(1)]));
    }

    /// Adds an input of as many columns as there are `entries` in the longest row.
    pub fn wide_input(&mut self, name: &str, element: i32, entries: &str) {
        self.graph.input.push(value_info(name, element, vec![free("rows"), free(entries)]));
    }

    /// Adds an output: a value per row, or as many as `width` says.
    pub fn output(&mut self, name: &str, element: i32, width: Option<usize>) {
        let shape = std::iter::once(free("rows")).chain(width.map(fixed)).collect();
        self.graph.output.push(value_info(name, element, shape));
    }

    /// The tensor `output`, made by an operator of the standard set.
    pub fn op(&mut self, op: &str, inputs: &[&str], output: String) -> String {
        self.op_with(op, inputs, output, Vec::new())
    }

    /// The tensor `output`, made by an operator of the standard set with settings.
    pub fn op_with(&mut self, op: &str, inputs: &[&str], output: String, attribute: Vec<AttributeProto>) -> String {
        self.node(OPSET.0, op, inputs, output, attribute)
    }

    /// The tensor `output`, made by an operator of classical machine learning.
    pub fn ml_op(&mut self, op: &str, inputs: &[&str], output: String, attribute: Vec<AttributeProto>) -> String {
        self.node(ML_OPSET.0, op, inputs, output, attribute)
    }

    fn node(&mut self, domain: &str, op: &str, inputs: &[&str], output: String, attribute: Vec<AttributeProto>) -> String {
        if self.made.insert(output.clone()) {
            self.graph.node.push(NodeProto {
                input: inputs.iter().map(|&i| i.to_owned()).collect(),
                output: vec![output.clone()],
                name: output.clone(),
                op_type: op.into(),
                attribute,
                domain: domain.into(),
                overload: String::new(),
            });
        }
        output
    }

    /// `input` as elements of another type.
    pub fn cast(&mut self, input: &str, element: i32, output: String) -> String {
        self.op_with("Cast", &[input], output, vec![int("to", i64::from(element))])
    }

    /// The constant `name`.
    pub fn constant(&mut self, name: String, mut tensor: TensorProto) -> String {
        if self.made.insert(name.clone()) {
            tensor.name.clone_from(&name);
            self.graph.initializer.push(tensor);
        }
        name
    }

    /// NaN as a constant.
    pub fn nan(&mut self) -> String {
        let name = self.names.of("nan");
        self.constant(name, floats(&[], &[f32::NAN]))
    }

    /// A whole number as a constant.
    pub fn whole(&mut self, value: i64) -> String {
        let name = self.names.of(&format!("whole/{value}"));
        self.constant(name, int64s(&[], &[value]))
    }
}

fn free(name: &str) -> DimensionProto {
    DimensionProto { dim_value: None, dim_param: Some(name.into()) }
}

fn fixed(length: usize) -> DimensionProto {
    DimensionProto { dim_value: Some(length as i64), dim_param: None }
}

fn value_info(name: &str, element: i32, dim: Vec<DimensionProto>) -> ValueInfoProto {
    let shape = TensorShapeProto { dim };
    let tensor = TensorTypeProto { elem_type: element, shape: Some(shape) };
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}

/// An attribute that is a whole number.
pub fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i: Some(value), r#type: kind::INT, ..AttributeProto::default() }
}

/// An attribute that is a list of whole numbers.
pub fn ints(name: &str, values: Vec<i64>) -> AttributeProto {
    AttributeProto { name: name.into(), ints: values, r#type: kind::INTS, ..AttributeProto::default() }
}

/// An attribute that is a tensor.
pub fn tensor(name: &str, tensor: TensorProto) -> AttributeProto {
    AttributeProto { name: name.into(), t: Some(tensor), r#type: kind::TENSOR, ..AttributeProto::default() }
}

fn raw(dims: &[usize], data_type: i32, raw_data: Vec<u8>) -> TensorProto {
    TensorProto { dims: dims.iter().map(|&d| d as i64).collect(), data_type, raw_data, ..TensorProto::default() }
}

/// A tensor of 32-bit floats.
pub fn floats(dims: &[usize], values: &[f32]) -> TensorProto {
    raw(dims, element::FLOAT, values.iter().flat_map(|v| v.to_le_bytes()).collect())
}

/// A tensor of 64-bit floats.
pub fn doubles(dims: &[usize], values: &[f64]) -> TensorProto {
    raw(dims, element::DOUBLE, values.iter().flat_map(|v| v.to_le_bytes()).collect())
}

/// A tensor of 64-bit integers.
pub fn int64s(dims: &[usize], values: &[i64]) -> TensorProto {
    raw(dims, element::INT64, values.iter().flat_map(|v| v.to_le_bytes()).collect())
}

/// A tensor of bytes.
pub fn bytes(values: Vec<u8>) -> TensorProto {
    raw(&[values.len()], element::UINT8, values)
}

/// A tensor of strings.
pub fn strings<'a>(values: impl ExactSizeIterator<Item = &'a str>) -> TensorProto {
    TensorProto {
        dims: vec![values.len() as i64],
        data_type: element::STRING,
        string_data: values.map(|v| v.as_bytes().to_vec()).collect(),
        ..TensorProto::default()
    }
}
