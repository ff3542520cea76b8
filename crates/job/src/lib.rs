//! The job file: its keys as types, read from TOML, changed key by key, and checked before any data is read.
//!
//! ```
//! let mut draft = quelea_job::Draft::default();
//! draft.set("data.table", "adult.parquet")?;
//! draft.set("data.target", "salary")?;
//! draft.set("model.type", "gradient-boosting")?;
//! draft.set("model.learning_rate", "0.05")?;
//! let job = draft.finish()?;
//! assert_eq!(job.model.parameters["learning_rate"], 0.05);
//!
//! let mut draft = quelea_job::Draft::default();
//! draft.set("data.tabel", "adult.parquet")?;
//! draft.set("model.type", "k-means")?;
//! assert!(draft.finish().unwrap_err().to_string().contains("did you mean data.table?"));
//! # Ok::<(), quelea_job::JobError>(())
//! ```

mod check;
mod cluster;
mod draft;
mod duration;
mod error;
mod keys;
mod renamed;
mod schema;
mod spec;
mod types;

pub use draft::Draft;
pub use error::{JobError, Result};
pub use schema::{json_schema, properties};
pub use spec::{
    Balanced, Checkpoint, ClassWeights, Cluster, Compression, Data, Job, Mode, Model, Output, Part, Protocol, Run, Shards, Sync, Task, Tls,
    Transport,
};
