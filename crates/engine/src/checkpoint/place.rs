//! Where checkpoints lie: a folder, or a bucket. Each file of a place appears whole or not at all.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig};
use tokio::runtime::Runtime;

use crate::output::{Output, plain};
use crate::{Error, Result};

/// How temporary files in a folder begin; nothing else may, so that what a killed training leaves can be removed.
const UNFINISHED: &str = ".quelea-checkpoint-";
const BUCKET: &str = "s3://";
/// How long a connection to a bucket may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one request to a bucket may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a request that fails is made again. It keeps nobody waiting but the end of a training.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);
const RETRIES: usize = 5;

/// A place for the files of one training.
pub(super) enum Place {
    /// A folder on this machine.
    Folder(PathBuf),
    /// The keys of a bucket that begin with a prefix.
    Bucket { name: String, store: AmazonS3, prefix: Key, runtime: Runtime },
}

impl Place {
    /// The place that a job names; a folder is made if it is not there. Buckets take address and credentials from the usual
    /// variables, `AWS_…`.
    pub fn open(to: &str) -> Result<Self> {
        let Some(rest) = to.strip_prefix(BUCKET) else {
            let folder = PathBuf::from(to);
            std::fs::create_dir_all(&folder).map_err(|e| {
                let problem = format!("cannot make the folder: {}", plain(e));
                Error::Checkpoint { what: to.into(), problem }
            })?;
            return Ok(Self::Folder(folder));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let unusable = |e: object_store::Error| failed("use", to, plainly(&e));
        let retry = RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
        let client = ClientOptions::new().with_connect_timeout(CONNECT_TIMEOUT).with_timeout(REQUEST_TIMEOUT);
        // Options first: what the environment says of them comes on top.
        let of_environment = std::env::vars().filter(|(name, _)| name.starts_with("AWS_"));
        let mut builder = AmazonS3Builder::new().with_client_options(client).with_retry(retry);
        for (name, value) in of_environment {
            if let Ok(key) = name.to_ascii_lowercase().parse() {
                builder = builder.with_config(key, value);
            }
        }
        let store = builder.with_bucket_name(bucket).build().map_err(unusable)?;
        let prefix = Key::parse(prefix.trim_end_matches('/')).map_err(|e| failed("use", to, e))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::internal)?;
        Ok(Self::Bucket { name: to.trim_end_matches('/').into(), store, prefix, runtime })
    }

    /// Keeps other trainings out for as long as what it gives is there, and its process lives; it gives nothing where nothing
    /// can be locked, as in a bucket.
    pub fn lock(&self) -> Result<Option<File>> {
        let Self::Folder(folder) = self else { return Ok(None) };
        let name = folder.display().to_string();
        let file = File::open(folder).map_err(|e| failed("read", &name, plain(e)))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::Error(_)) => Ok(None),
            Err(TryLockError::WouldBlock) => Err(Error::Checkpoint {
                what: name,
                problem: "another training has its checkpoints here; wait for its end, or name another place in checkpoint.to".into(),
            }),
        }
    }

    /// Finds out whether files can be written, and removes what a killed training has left half-written.
    pub fn probe(&self) -> Result<()> {
        self.write("checkpoint-probe", b"whether files can be written here")?;
        self.remove("checkpoint-probe")?;
        if let Self::Folder(folder) = self {
            for name in self.list()?.iter().filter(|name| name.starts_with(UNFINISHED)) {
                std::fs::remove_file(folder.join(name)).map_err(|e| failed("remove", &self.name_of(name), plain(e)))?;
            }
        }
        Ok(())
    }

    /// Whether what it was told to write may appear later, though it has said that it failed.
    pub fn may_be_late(&self) -> bool {
        matches!(self, Self::Bucket { .. })
    }

    /// What people call a file of this place.
    pub fn name_of(&self, file: &str) -> String {
        match self {
            Self::Folder(folder) => folder.join(file).display().to_string(),
            Self::Bucket { name, .. } => format!("{name}/{file}"),
        }
    }

    /// Writes a file; it is safe from a loss of power when this returns.
    pub fn write(&self, file: &str, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(file);
                let mut output = Output::create_as(&path, UNFINISHED)?;
                output.write_all(bytes).map_err(|e| failed("write", &self.name_of(file), e))?;
                output.finish()?;
                sync(folder).map_err(|e| failed("write", &self.name_of(file), plain(e)))
            }
            Self::Bucket { store, prefix, runtime, .. } => {
                let key = prefix.clone().join(file);
                let put = runtime.block_on(store.put(&key, bytes.to_vec().into()));
                put.map(drop).map_err(|e| failed("write", &self.name_of(file), plainly(&e)))
            }
        }
    }

    /// The bytes of a file; none if it is not there.
    pub fn read(&self, file: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Folder(folder) => match std::fs::read(folder.join(file)) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
                read => read.map(Some).map_err(|e| failed("read", &self.name_of(file), plain(e))),
            },
            Self::Bucket { store, prefix, runtime, .. } => {
                let key = prefix.clone().join(file);
                let read = runtime.block_on(async { store.get(&key).await?.bytes().await });
                match read {
                    Err(e @ object_store::Error::NotFound { .. }) if !is_about_bucket(&e) => Ok(None),
                    read => read.map(|bytes| Some(bytes.to_vec())).map_err(|e| failed("read", &self.name_of(file), plainly(&e))),
                }
            }
        }
    }

    /// Removes a file if it is there.
    pub fn remove(&self, file: &str) -> Result<()> {
        match self {
            Self::Folder(folder) => match std::fs::remove_file(folder.join(file)) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
                removed => removed.map_err(|e| failed("remove", &self.name_of(file), plain(e))),
            },
            Self::Bucket { store, prefix, runtime, .. } => match runtime.block_on(store.delete(&prefix.clone().join(file))) {
                Err(object_store::Error::NotFound { .. }) => Ok(()),
                removed => removed.map_err(|e| failed("remove", &self.name_of(file), plainly(&e))),
            },
        }
    }

    /// The names of all files.
    pub fn list(&self) -> Result<Vec<String>> {
        match self {
            Self::Folder(folder) => {
                let names = std::fs::read_dir(folder)
                    .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned())).collect());
                names.map_err(|e| failed("read", &folder.display().to_string(), plain(e)))
            }
            Self::Bucket { name, store, prefix, runtime } => {
                let list = store.list(Some(prefix)).try_collect::<Vec<_>>();
                let found = runtime.block_on(list).map_err(|e| failed("list", name, plainly(&e)))?;
                let here = found.iter().filter(|object| object.location.prefix_matches(prefix));
                Ok(here.filter_map(|object| object.location.filename().map(String::from)).collect())
            }
        }
    }
}

/// A bucket that is not there and a key that is not there are told apart by the text alone.
fn is_about_bucket(error: &object_store::Error) -> bool {
    error.to_string().contains("NoSuchBucket")
}

/// What a bucket says, without the XML around it.
fn plainly(error: &object_store::Error) -> String {
    let text = error.to_string();
    let of_server = text.split_once("<Message>").and_then(|(_, rest)| rest.split_once("</Message>"));
    match of_server {
        Some((message, _)) => message.into(),
        None if text.contains("builder error") => {
            "its address is none, or begins with http, which needs AWS_ALLOW_HTTP=true (see AWS_ENDPOINT_URL)".into()
        }
        None => text,
    }
}

/// Makes renames in a folder last.
fn sync(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

fn failed(action: &'static str, what: &str, why: impl std::fmt::Display) -> Error {
    Error::Checkpoint { what: what.into(), problem: format!("cannot {action} it: {why}") }
}
