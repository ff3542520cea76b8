//! Models as ONNX files and nothing else: written, read back, and scored by kernels of our own.
//!
//! A file's graph takes raw columns in: encoders and the fitted estimator are its nodes, so that any ONNX runtime
//! gives the predictions that [`Scorer`] gives. Only graphs that we write are read.

mod check;
mod column;
mod design;
mod error;
mod estimators;
mod graph;
mod link;
mod proto;
mod read;
mod score;
mod write;

use std::collections::BTreeMap;

use quelea_core::estimator::Estimator;
use quelea_core::learner::Iteration;
use quelea_core::prediction::{Importance, Metrics};
use quelea_core::schema::Schema;
use serde::{Deserialize, Serialize};

pub use column::{Column, Value};
pub use error::{Error, Result};
pub use estimators::estimator_names;
pub use score::Scorer;
pub use score::row::{RowPrediction, RowScratch};

/// A trained model: everything a model file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The raw columns it takes and what is made of them.
    pub schema: Schema,
    /// What was fitted.
    pub estimator: Estimator,
    /// What else is to be known of it.
    pub about: About,
}

/// What a model file tells beside its graph; kept as JSON in the file's metadata.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct About {
    /// The learner's name.
    pub learner: String,
    /// The job that made the model, without paths.
    pub job: serde_json::Value,
    /// The fingerprint of the training data.
    pub fingerprint: String,
    /// How well it fits, by part of the data: "train", "validation", "test".
    pub metrics: BTreeMap<String, Metrics>,
    /// How much its features matter.
    pub importances: Vec<Importance>,
    /// How the training went.
    pub history: Vec<Iteration>,
}

impl Model {
    /// The model as the bytes of an ONNX file. The error names what does not fit together, such as a tree whose
    /// nodes do not form one, or tells that a protobuf message cannot hold the model.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        write::to_bytes(self)
    }

    /// The model in `bytes`, which must be a file that [`Model::to_bytes`] made. Anything else, hostile input included,
    /// is an error that names the part of the graph it does not know. Gains and row counts of tree nodes are not in
    /// a file and come back as 0.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        read::from_bytes(bytes)
    }
}
