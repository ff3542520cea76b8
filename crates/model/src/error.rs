//! The errors of model files and of the columns given to a scorer.

/// What can go wrong between a model, its file and the rows it is to score.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are no protobuf message of the right shape.
    #[error("this is not an ONNX model, or it is damaged: {source}")]
    Protobuf {
        /// What the decoder says.
        #[from]
        source: prost::DecodeError,
    },
    /// The file would unfold to far more memory than it is worth.
    #[error("this is not an ONNX model: {messages} nested messages in {bytes} bytes")]
    Bloated {
        /// Nested messages.
        messages: usize,
        /// The file's length.
        bytes: usize,
    },
    /// A model made for operators of another version.
    #[error("the model uses {used}, and quelea reads only models that it has written itself, with {known}")]
    Operators {
        /// The domains and versions it asks for.
        used: String,
        /// Those that we write.
        known: String,
    },
    /// A part of the graph that we would not write.
    #[error("node {name:?} of type {op:?} is not one that quelea writes; only models trained by quelea can be read")]
    Node {
        /// The node's name.
        name: String,
        /// Its operator.
        op: String,
    },
    /// A node that the model needs and lacks.
    #[error("the graph has no node {name:?} of type {op:?}; it is damaged or was not written by quelea")]
    NoNode {
        /// The node's name.
        name: String,
        /// Its operator.
        op: String,
    },
    /// A tensor, attribute, input or output that is not what the model needs.
    #[error("{what} {name:?} of the model {problem}; the file is damaged or was not written by quelea")]
    Part {
        /// "tensor", "attribute", "input" or "output".
        what: &'static str,
        /// Its name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A graph, or a model in memory, that does not hold exactly one estimator of the registry.
    #[error("the model holds {found}, but must hold one of the estimators {known}; it is damaged, or a later version of quelea made it")]
    UnknownEstimator {
        /// "no known estimator", or the names of several.
        found: String,
        /// The names of all.
        known: String,
    },
    /// Metadata that is missing or cannot be read.
    #[error("the model's metadata {key:?} {problem}; the file is damaged or was not written by quelea")]
    Metadata {
        /// Its key.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A column of the schema that a model cannot have.
    #[error("column {column:?} {problem}")]
    Column {
        /// The input's or feature's name.
        column: String,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// An estimator that does not fit its schema or itself.
    #[error("{place} {problem}")]
    Estimator {
        /// "tree 3, node 5", "the weights".
        place: String,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// More than a protobuf message can hold.
    #[error(
        "the model takes {bytes} bytes, and an ONNX file holds at most {limit}; train fewer or smaller trees, or drop columns with very many categories"
    )]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The most there can be.
        limit: u64,
    },
    /// Columns given to a scorer that are not the model's.
    #[error("the model takes {expected} columns and was given {given}")]
    ColumnCount {
        /// How many inputs the model has.
        expected: usize,
        /// How many were given.
        given: usize,
    },
}

/// A result whose error is [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
