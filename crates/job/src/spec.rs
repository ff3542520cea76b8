//! The keys of a job file as types: what to train, on what, how, and where to put it. Each learner checks its own
//! hyper-parameters.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use quelea_core::hash::MOST_COLUMNS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::duration;

/// A training job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The table and what its columns are for.
    pub data: Data,
    /// The learner and its hyper-parameters.
    pub model: Model,
    /// Where the results go.
    #[serde(default)]
    pub output: Output,
    /// How the work is done; nothing here but the seed changes what comes out.
    #[serde(default)]
    pub run: Run,
    /// Where a training that is cut off goes on from. In mode "bsp" the model does not depend on it.
    #[serde(default)]
    pub checkpoint: Checkpoint,
    /// The processes that train; without it, this one alone. In mode "bsp" and without `compression` the model does not depend on it.
    #[serde(default)]
    pub cluster: Cluster,
    /// Who waits for whom when a learner by stochastic steps trains with several workers.
    #[serde(default)]
    pub sync: Sync,
    /// What workers leave out of what they send when a learner by stochastic steps trains with parameter shards.
    #[serde(default)]
    pub compression: Compression,
    /// How the processes of a cluster talk to each other, and how long they wait.
    #[serde(default)]
    pub transport: Transport,
}

impl Job {
    /// The job as a model file keeps it: without paths, threads, and whatever else does not change the model.
    pub fn portable(&self) -> Value {
        let mut job = self.clone();
        job.data.table = None;
        job.data.tables.clear();
        for part in [&mut job.data.validation, &mut job.data.test] {
            *part = part.take().filter(|part| matches!(part, Part::Fraction(_)));
        }
        job.run.threads = None;
        let is_continued = job.model.start_from.take().is_some();
        let is_lockstep = job.sync == Sync::default();
        let is_whole = job.compression == Compression::default();
        let mut value = serde_json::to_value(job).expect("a job is plain data");
        if let Some(job) = value.as_object_mut() {
            for places in ["output", "checkpoint", "cluster", "transport"] {
                job.remove(places);
            }
            if is_lockstep {
                job.remove("sync");
            }
            if is_whole {
                job.remove("compression");
            }
            if is_continued {
                job.insert("continued".into(), true.into());
            }
        }
        value
    }
}

/// The table and what its columns are for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// A file, a folder or a glob of Parquet, CSV or LibSVM files (the last two also as .gz or .zst). Give this or `query`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// A SQL query over the tables in `tables`. Without a total ORDER BY the order of rows, and with it
    /// the model, may differ between runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Names for tables that `query` reads: a file, folder or glob for each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, String>,
    /// The column to predict; not for k-means. In LibSVM files it is `label` when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What the target is: classes or a number. Guessed from its type when not given: text, booleans and
    /// whole numbers of at most 20 different values are classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// A column of row weights, none negative.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// A factor for the weight of each class: "balanced", or a table from label to factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<ClassWeights>,
    /// The only columns to learn from; all but target and weight when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// Columns to leave out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// Columns of numbers that are categories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// Columns of texts, whole numbers or lists of texts that are hashed into one sparse feature: for columns of very many values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hashed: Vec<String>,
    /// How many buckets they are hashed into, from 2 to 268435456; 1048576 when not given.
    #[schemars(range(min = 2, max = MOST_COLUMNS))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_buckets: Option<u64>,
    /// Texts that stand for a missing value, such as "?".
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub null_values: Vec<String>,
    /// Rows that tell when to stop: a fraction of the table between 0 and 1, or a table of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Part>,
    /// Rows that the final metrics are computed on: a fraction of the table, or a table of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<Part>,
}

/// What a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Classes, two or more.
    Classification,
    /// A number.
    Regression,
}

/// Factors for the weight of each class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected \"balanced\", or a table from label to factor")]
pub enum ClassWeights {
    /// "balanced": rows / (classes · rows of the class), where each row counts by its weight.
    Named(Balanced),
    /// A factor per label; 1 for labels not named.
    PerClass(BTreeMap<String, f64>),
}

/// The one named choice of class weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Balanced {
    /// Every class counts the same in sum.
    Balanced,
}

/// A part of the rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a fraction between 0 and 1, or the path of a table")]
pub enum Part {
    /// A fraction of the table, chosen by a hash of the row number.
    Fraction(f64),
    /// A table of its own.
    Table(String),
}

/// The learner and its hyper-parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Model {
    /// The learner's name.
    #[serde(rename = "type")]
    pub kind: String,
    /// A model file of the same type to go on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_from: Option<PathBuf>,
    /// The learner's own parameters; it checks them.
    #[serde(flatten)]
    pub parameters: serde_json::Map<String, serde_json::Value>,
}

/// Where the results go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Output {
    /// The ONNX file to write.
    pub model: PathBuf,
}

impl Default for Output {
    fn default() -> Self {
        Self { model: PathBuf::from("model.onnx") }
    }
}

/// How the work is done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Run {
    /// Threads to compute with. The model does not depend on it. Each worker that is started here has as many; as many as these
    /// workers together have the shards that are started here, and the run, which reads and measures while workers wait. When not
    /// given, one process alone, a run and each shard use all cores, and the workers share them.
    #[schemars(range(min = 1, max = 1_024))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// What all random choices are drawn from.
    #[schemars(range(max = i64::MAX))]
    pub seed: u64,
}

/// Where and how often the state of a training is saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Checkpoint {
    /// A folder, or s3://BUCKET/PREFIX, for the checkpoint of this training alone; it is removed when the model is written.
    /// `quelea train --resume` goes on from it. Buckets take their address and credentials from the variables AWS_… .
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// How long after a checkpoint the next is written: the most that is lost, beside the iteration under way. They are written in the
    /// background and cost far less than a hundredth of the time, so that a minute is long enough.
    #[serde(with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub every: Duration,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self { to: None, every: Duration::from_secs(60) }
    }
}

/// The processes that train.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// Worker processes to start on this machine, and to end with the run; 1024 at the most. With 0 and shards, workers are those
    /// that are started by hand with `quelea worker`; with neither, this process trains alone.
    #[schemars(range(max = 1_024))]
    pub workers: usize,
    /// Parameter shards: how many to start on this machine, up to 256, or the addresses of those that were started by hand with
    /// `quelea shard`, as they listen: HOST:PORT, or unix:PATH. One, when there are workers and nothing is said. Workers on other
    /// machines need shards that listen beyond this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<Shards>,
    /// How many more shards hold what each shard holds, up to 4, so that one of them can die without the run going back; 0 by default,
    /// because each costs as much memory and traffic again. So many more are started; in a list of addresses, the replicas of all
    /// shards come after all shards, in the same order.
    #[schemars(range(max = 4))]
    #[serde(skip_serializing_if = "is_zero")]
    pub replicas: usize,
    /// Where workers find the run: HOST:PORT, or unix: and an absolute path. Port 0 takes a free one, which the run tells. Beyond
    /// this machine it needs `transport.tls`, which is why the default is of this machine.
    pub listen: String,
}

impl Default for Cluster {
    fn default() -> Self {
        Self { workers: 0, shards: None, replicas: 0, listen: "127.0.0.1:0".into() }
    }
}

impl Cluster {
    /// Whether this process trains alone.
    pub fn is_alone(&self) -> bool {
        self.workers == 0 && self.shards.is_none()
    }
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Who waits for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sync {
    /// "bsp", the default: all for all, and the model is the same for any number of workers. The other modes wait less, are
    /// for learners by stochastic steps alone, and give a model that depends on who was how fast.
    pub mode: Mode,
    /// With mode "quorum": a round is over when so many workers are done; what the others bring later is dropped, and comes again.
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quorum: Option<usize>,
    /// With mode "ssp": how many rounds the fastest worker may be ahead of the slowest; 3 when not given. With 0 they go in step.
    #[schemars(range(max = 1_000_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub staleness: Option<u64>,
}

/// What workers leave out of what they send: for slow networks. What is left out of a push is held back and added to the worker's
/// next push of the same key, and all of it is sent at the end of every epoch. The model then depends on how many workers there are,
/// in every mode, and what a worker that dies holds back is lost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Compression {
    /// How many bits a number takes, in rows that are pulled and in sums that are pushed: 32, the default, for numbers as they are;
    /// 16 for 3 decimal digits, or 8 for 1.
    pub bits: u8,
    /// The share of a mini-batch's rows that is pushed, above 0 and up to 1, those with the largest sums; 1, the default, for all.
    pub top_k: f64,
    /// A row is pushed when its gradient is at least so many times as large as its values; 0, the default, for always.
    pub significance_filter: f64,
}

impl Default for Compression {
    fn default() -> Self {
        Self { bits: 32, top_k: 1.0, significance_filter: 0.0 }
    }
}

/// Modes of synchronisation, from all waiting for all to nobody waiting for anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Bulk synchronous parallel (Valiant 1990): all wait for all.
    #[default]
    Bsp,
    /// All wait for the fastest few.
    Quorum,
    /// Stale synchronous parallel (Ho et al. 2013): the fastest wait when they are too far ahead.
    Ssp,
    /// Asynchronous: nobody waits.
    Asp,
}

/// The parameter shards of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number of shards, or a list of addresses such as [\"127.0.0.1:7101\"]")]
pub enum Shards {
    /// So many, started on this machine.
    Count(usize),
    /// Those that listen at these addresses.
    Addresses(Vec<String>),
}

/// How the processes of a cluster talk to each other, and how long they wait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Transport {
    /// How messages are carried: "rpc", the fastest; "grpc", where only HTTP/2 gets through; "rest", to look in with curl.
    pub protocol: Protocol,
    /// Encryption between processes, in which both sides show a certificate. Without it nothing listens or connects beyond this
    /// machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// How long a connection may take to be made. On a healthy network it takes milliseconds. This and the other times are above 0
    /// and up to "1h".
    #[serde(with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub connect_timeout: Duration,
    /// After so long without an answer a call is made again. It counts once however often it is made, so a short time costs
    /// traffic, not correctness.
    #[serde(with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub request_timeout: Duration,
    /// How often a call is made again before its receiver is given up, up to 1000: with the default times after half a minute, which
    /// most restarts of a switch or a process take less than.
    #[schemars(range(max = 1_000))]
    pub retries: u32,
    /// Nobody is silent for longer than this, even with nothing to say, so that the living are told from the dead; shorter than
    /// `request_timeout` and `lease`. A tenth of the lease costs next to no traffic, and lets several messages be late.
    #[serde(with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub keepalive: Duration,
    /// A worker or shard that is silent for so long is given up: its work is done by others. Longer than `keepalive`, or a
    /// busy machine looks like a dead one.
    #[serde(with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub lease: Duration,
    /// A file with the secret that the processes share, readable by its owner alone. Without it, one that belongs to this
    /// user on this machine is made and used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            protocol: Protocol::Rpc,
            tls: None,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(5),
            retries: 5,
            keepalive: Duration::from_secs(1),
            lease: Duration::from_secs(10),
            token_file: None,
        }
    }
}

/// How the processes of a cluster carry messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Frames over TCP or a Unix socket.
    #[default]
    Rpc,
    /// A gRPC stream per connection.
    Grpc,
    /// HTTP requests.
    Rest,
}

/// The files of a process's encryption, all PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate that this process shows, which names the host that others connect to, and those between it and the
    /// authority.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
    /// The certificate of the authority that all processes have theirs from; whoever has none of it is refused.
    pub authority: PathBuf,
}
