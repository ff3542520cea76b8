//! What ends a run, or a member of it.

use serde::{Deserialize, Serialize};

/// Why a run ended without a model, or a worker or shard left it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum Problem {
    /// The learner refused the data or its hyper-parameters.
    #[error(transparent)]
    Learner(#[from] quelea_core::Error),
    /// Somebody did not answer in time.
    #[error("{who} has not answered for {seconds} s")]
    Silent {
        /// Whom the wait was for.
        who: String,
        /// How long.
        seconds: u64,
    },
    /// Somebody is lost again and again.
    #[error("{who} was lost {times} times, and the run came no further; look at its output, and at the memory that it needs")]
    Stuck {
        /// Who.
        who: String,
        /// How often.
        times: u32,
    },
    /// Nobody is there to do the work.
    #[error("no worker has joined for {seconds} s; start one with `quelea worker --run URL`")]
    NoWorkers {
        /// How long.
        seconds: u64,
    },
    /// The shard holds another run.
    #[error("a shard of this run serves another run; stop that one first, or name another shard")]
    Busy,
    /// The run and one of its processes are of different versions.
    #[error("the run is of quelea {theirs}, and a process of it of {ours}; use one version everywhere")]
    Version {
        /// The run's version.
        theirs: String,
        /// This process's.
        ours: String,
    },
    /// Two addresses lead to one shard.
    #[error("shards {shard} and {other} are the same process; name every shard once in cluster.shards")]
    SameShard {
        /// One place.
        shard: u32,
        /// The other.
        other: u32,
    },
    /// A shard could make nothing of what a worker asked.
    #[error("{by} has refused what {who} sent: {what}; this is a defect of quelea, please report it")]
    Refused {
        /// Which shard.
        by: String,
        /// Which worker.
        who: String,
        /// What is wrong.
        what: String,
    },
    /// A shard cannot take more rows of parameters.
    #[error("a shard has no room for {bytes} bytes more of parameters; use more shards, or machines with more memory")]
    Memory {
        /// How many bytes it needed.
        bytes: u64,
    },
    /// A cut that the run is to go back to cannot be had.
    #[error("the checkpoint that the run goes back to cannot be read: {what}")]
    Checkpoint {
        /// Why.
        what: String,
    },
    /// The caller ended the run.
    #[error("the run was stopped")]
    Stopped,
    /// A mistake of ours.
    #[error("{what}; this is a defect of quelea, please report it")]
    Internal {
        /// What happened.
        what: String,
    },
}

impl Problem {
    /// A mistake of ours.
    pub fn internal(what: impl Into<String>) -> Self {
        Self::Internal { what: what.into() }
    }
}
