//! A model file as its parts, without looking into them: what is needed to take parts away and to mix those of two files.

/// An ONNX file; the numbers are those of `onnx.proto`, and a file has no other fields.
#[derive(Clone, PartialEq, prost::Message)]
pub struct File {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(string, tag = "2")]
    producer_name: String,
    #[prost(message, required, tag = "7")]
    graph: Graph,
    #[prost(bytes = "vec", repeated, tag = "8")]
    opset_import: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "14")]
    metadata_props: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Graph {
    #[prost(bytes = "vec", repeated, tag = "1")]
    node: Vec<Vec<u8>>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(bytes = "vec", repeated, tag = "5")]
    initializer: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "11")]
    input: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "12")]
    output: Vec<Vec<u8>>,
}

/// A kind of parts: its name, and where a file keeps them.
type Kind = (&'static str, fn(&mut File) -> &mut Vec<Vec<u8>>);

const KINDS: [Kind; 6] = [
    ("node", |file| &mut file.graph.node),
    ("constant", |file| &mut file.graph.initializer),
    ("input", |file| &mut file.graph.input),
    ("output", |file| &mut file.graph.output),
    ("operator set", |file| &mut file.opset_import),
    ("metadata entry", |file| &mut file.metadata_props),
];

impl File {
    /// Files that lack one part, with what it is.
    pub fn without_each_part(&self) -> impl Iterator<Item = (String, Self)> {
        KINDS.into_iter().flat_map(move |(kind, parts)| {
            let count = parts(&mut self.clone()).len();
            (0..count).map(move |index| {
                let mut file = self.clone();
                parts(&mut file).remove(index);
                (format!("{kind} {index}"), file)
            })
        })
    }

    /// This file with the nodes and constants of another one added to its own.
    pub fn with_parts_of(mut self, other: &Self) -> Self {
        self.graph.node.extend(other.graph.node.iter().cloned());
        self.graph.initializer.extend(other.graph.initializer.iter().cloned());
        self
    }
}
