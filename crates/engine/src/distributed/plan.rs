//! What is trained, as it travels to shards and workers: all that makes a learner, and nothing of its data.

use std::sync::Arc;

use quelea_core::schema::Schema;
use quelea_core::steps::Parameters;
use quelea_learn::registry::{self, Keys, Visitor};
use quelea_model::Model;
use quelea_params::{Packet, Problem};
use serde::{Deserialize, Serialize};

/// A learner to be made.
#[derive(Clone)]
pub(crate) struct Plan {
    /// The learner's name.
    pub learner: String,
    /// Its hyper-parameters.
    pub parameters: Keys,
    /// What is known of the table.
    pub schema: Arc<Schema>,
    /// What random choices are drawn from.
    pub seed: u64,
    /// The model file that training goes on from.
    pub start_from: Option<Vec<u8>>,
    /// By steps: the tables of parameters, which begin with what only the run knows.
    pub tables: Vec<Parameters>,
}

/// The parts that JSON can carry; floats come out of it as they went in.
#[derive(Serialize, Deserialize)]
struct Words {
    /// The version of the program; another may learn otherwise.
    version: String,
    learner: String,
    parameters: Keys,
    schema: Schema,
    seed: u64,
}

impl Plan {
    pub fn write(&self) -> Result<Packet, Problem> {
        let words = Words {
            version: env!("CARGO_PKG_VERSION").into(),
            learner: self.learner.clone(),
            parameters: self.parameters.clone(),
            schema: self.schema.as_ref().clone(),
            seed: self.seed,
        };
        let words = serde_json::to_vec(&words).map_err(|e| Problem::internal(e.to_string()))?;
        let bytes = postcard::to_allocvec(&(words, &self.start_from, &self.tables)).map_err(|e| Problem::internal(e.to_string()))?;
        Ok(bytes.into())
    }

    pub fn read(packet: &Packet) -> Result<Self, Problem> {
        let unreadable = |e: &dyn std::fmt::Display| Problem::internal(format!("the run's plan cannot be read: {e}"));
        let read = postcard::from_bytes::<(Vec<u8>, Option<Vec<u8>>, Vec<Parameters>)>(packet);
        let (words, start_from, tables) = read.map_err(|e| unreadable(&e))?;
        let Words { version, learner, parameters, schema, seed } = serde_json::from_slice(&words).map_err(|e| unreadable(&e))?;
        if version != env!("CARGO_PKG_VERSION") {
            return Err(Problem::Version { theirs: version, ours: env!("CARGO_PKG_VERSION").into() });
        }
        Ok(Self { learner, parameters, schema: Arc::new(schema), seed, start_from, tables })
    }

    /// Makes the learner and hands it to `visitor`.
    pub fn with_learner<V: Visitor>(self, visitor: V) -> Result<V::Output, Problem> {
        let estimator = match self.start_from {
            None => None,
            Some(bytes) => Some(Model::from_bytes(&bytes).map_err(|e| Problem::internal(e.to_string()))?.estimator),
        };
        Ok(registry::with_learner(&self.learner, &self.parameters, self.schema, self.seed, estimator, visitor)?)
    }
}
