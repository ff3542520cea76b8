//! The manifest of a checkpoint: whose it is, and of which files it is made. It is one file, written last, so that a
//! checkpoint is there whole or not at all.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use twox_hash::XxHash3_128;

/// The first words of a manifest, and the version of its form.
const MAGIC: &str = "quelea-checkpoint 1";

/// What makes two trainings the same training: with these, the candidates of its clocks lead to the same rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Training {
    /// The version of the program; another may learn otherwise.
    pub version: String,
    /// The job without places, hyper-parameters and seed included.
    pub job: Value,
    /// The checksum of the model file that training goes on from.
    pub start_from: Option<String>,
    /// The fingerprint of schema and rows.
    pub fingerprint: String,
}

/// A checkpoint of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub training: Training,
    pub state: State,
}

/// What is saved of a training; each way to learn has its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// By rounds: the candidates of all clocks up to a boundary, in files that follow each other.
    Log(Vec<Part>),
    /// By steps: a cut.
    Cut(Cut),
}

/// A file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct File {
    pub file: String,
    pub bytes: u64,
    pub checksum: String,
}

/// A file that holds the candidates of some clocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    #[serde(flatten)]
    pub of: File,
    /// The first clock.
    pub from: u64,
    /// The clock after the last.
    pub to: u64,
}

/// The files of a cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cut {
    /// Its number.
    pub number: u64,
    /// Where the training stands.
    pub standing: File,
    /// The rows of its tables.
    pub rows: Vec<File>,
}

/// 128 bits in hexadecimal.
pub(super) fn checksum(bytes: &[u8]) -> String {
    format!("{:032x}", XxHash3_128::oneshot(bytes))
}

impl Manifest {
    /// A line with the checksum of the rest, then JSON.
    pub fn write(&self) -> Vec<u8> {
        let body = serde_json::to_string_pretty(self).expect("a manifest is plain data");
        format!("{MAGIC} {}\n{body}\n", checksum(format!("{body}\n").as_bytes())).into_bytes()
    }

    /// The manifest of these bytes, or what is wrong with them.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let first = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
        let (line, body) = (&bytes[..first], &bytes[(first + 1).min(bytes.len())..]);
        let line = String::from_utf8_lossy(line);
        let Some((MAGIC, expected)) = line.rsplit_once(' ') else {
            return Err(match line.starts_with("quelea-checkpoint ") {
                true => format!("it is of another version of quelea: it begins with {line:?}, and this program writes {MAGIC:?}"),
                false => "it is no checkpoint of quelea".into(),
            });
        };
        if expected != checksum(body) {
            return Err("it is damaged: its checksum is not that of its content".into());
        }
        serde_json::from_slice(body).map_err(|e| format!("it cannot be read: {e}"))
    }
}

impl Training {
    /// What differs from `saved`, in words; nothing if they are the same as far as it is known.
    pub fn difference(&self, saved: &Self) -> Option<String> {
        if self.version != saved.version {
            return Some(format!("it was written by quelea {}, and this is {}", saved.version, self.version));
        }
        if let Some((key, before, now)) = first_difference("", &saved.job, &self.job) {
            return Some(format!("{key} is {now} in the job, and {before} in the checkpoint"));
        }
        if self.start_from != saved.start_from {
            return Some("the model file of model.start_from is another one".into());
        }
        // Not known before the table is read.
        let is_known = !self.fingerprint.is_empty();
        (is_known && self.fingerprint != saved.fingerprint).then(|| "the table holds other rows or columns than it did".into())
    }
}

/// The first key whose values differ, and both.
fn first_difference(key: &str, before: &Value, now: &Value) -> Option<(String, String, String)> {
    if let (Value::Object(old), Value::Object(new)) = (before, now) {
        let keys = old.keys().chain(new.keys());
        let under = |name: &String| if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
        let of = |table: &serde_json::Map<String, Value>, name: &String| table.get(name).cloned().unwrap_or_default();
        return keys.into_iter().find_map(|name| first_difference(&under(name), &of(old, name), &of(new, name)));
    }
    let shown = |value: &Value| if value.is_null() { "not set".into() } else { value.to_string() };
    (before != now).then(|| (key.into(), shown(before), shown(now)))
}
