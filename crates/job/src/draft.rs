//! A job that is put together from a file and single keys, and becomes a [`Job`] when it is complete.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use quelea_core::suggest;
use serde_json::{Map, Value};

use crate::{Job, JobError, Result, check, keys};

/// A job that is still being put together.
#[derive(Debug, Clone)]
pub struct Draft {
    values: Map<String, Value>,
    label: Option<String>,
}

impl Default for Draft {
    fn default() -> Self {
        let empty = |table: &str| (table.to_string(), Value::Object(Map::new()));
        Self { values: ["data", "model"].map(empty).into_iter().collect(), label: None }
    }
}

impl Draft {
    /// Reads a job file. Relative paths in it start from its folder.
    pub fn read(path: &Path) -> Result<Self> {
        let wrong = |problem: String| JobError::Syntax { path: path.into(), problem };
        let text = text_of(path)?;
        let read: toml::Table = toml::from_str(&text).map_err(|e| wrong(described(&e, &text)))?;
        let read = keys_of(read, "")?;
        let mut draft = Self::default();
        draft.values.extend(read);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            keys::rebase(&mut draft.values, folder);
        }
        Ok(draft)
    }

    /// Sets a key such as `model.learning_rate` to a value in TOML's notation; what is none is taken as text.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let parsed = toml::from_str::<toml::Table>(&format!("value = {value}")).ok().and_then(|mut table| table.remove("value"));
        let value = parsed.map_or_else(|| Ok(value.into()), |value| plain(value, key))?;
        self.put(key, value)
    }

    /// Sets a key to a value.
    pub fn put(&mut self, key: &str, value: Value) -> Result<()> {
        let path: Vec<&str> = key.split('.').collect();
        if path.iter().any(|part| part.is_empty()) || path.len() < 2 {
            return Err(JobError::key(key, "not a key; write table.key=value, such as model.learning_rate=0.05"));
        }
        let (last, tables) = path.split_last().expect("a key has two parts or more");
        let mut table = &mut self.values;
        for part in tables {
            table = match table.entry(part.to_string()).or_insert_with(|| Value::Object(Map::new())) {
                Value::Object(table) => table,
                _ => return Err(JobError::key(key, format!("{part} is a value, not a table of keys"))),
            };
        }
        table.insert(last.to_string(), value);
        Ok(())
    }

    /// The table that `data.table` names so far.
    pub fn table(&self) -> Option<&str> {
        self.values["data"]["table"].as_str()
    }

    /// Takes `column` as the target if the draft names none: for tables that hold what is to be predicted in a column of their own,
    /// as LibSVM files do. A learner without a target leaves it out.
    pub fn set_label(&mut self, column: &str) {
        self.label = Some(column.into());
    }

    /// The job, checked as far as that is possible without its data; hyper-parameters that were not given have their defaults.
    pub fn finish(self) -> Result<Job> {
        keys::check(&self.values)?;
        let mut job: Job = serde_path_to_error::deserialize(Value::Object(self.values)).map_err(|e| {
            let key = e.path().to_string();
            JobError::key(key, suggest::complete(&e.into_inner().to_string()))
        })?;
        if let Some(label) = self.label {
            check::take_label(&mut job, label);
        }
        check::check(&mut job)?;
        Ok(job)
    }
}

/// The largest job file, in bytes: whatever is larger is none.
const LARGEST_FILE: u64 = 16 << 20;

/// The text of a job file.
fn text_of(path: &Path) -> Result<String> {
    let unreadable = |source| JobError::Read { path: path.into(), source };
    let wrong = |problem: String| JobError::Syntax { path: path.into(), problem };
    let mut bytes = Vec::new();
    File::open(path).map_err(unreadable)?.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(wrong(format!("it is longer than {LARGEST_FILE} bytes, and no job file; `quelea init TABLE` writes one")));
    }
    String::from_utf8(bytes).map_err(|e| {
        let line = 1 + e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
        wrong(format!("line {line} is not UTF-8 text; save the file as UTF-8"))
    })
}

/// What is wrong with TOML, and where, in one line.
fn described(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or_else(String::new, |before| format!("line {}: ", 1 + before.matches('\n').count()));
    format!("{line}{}", error.message().split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The keys of a table of TOML; `under` is the key of the table with a dot, or nothing.
fn keys_of(table: toml::Table, under: &str) -> Result<Map<String, Value>> {
    table
        .into_iter()
        .map(|(key, value)| {
            let value = plain(value, &format!("{under}{key}"))?;
            Ok((key, value))
        })
        .collect()
}

/// A value of TOML as one that every format has.
fn plain(value: toml::Value, key: &str) -> Result<Value> {
    Ok(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Float(number) if number.is_finite() => number.into(),
        toml::Value::Float(number) => return Err(JobError::key(key, format!("{number} is not possible; this is a finite number"))),
        toml::Value::Datetime(time) => return Err(JobError::key(key, format!("{time} is not possible; put quotes around a text"))),
        toml::Value::Array(items) => items.into_iter().map(|item| plain(item, key)).collect::<Result<Vec<Value>>>()?.into(),
        toml::Value::Table(table) => keys_of(table, &format!("{key}."))?.into(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn draft(keys: &[(&str, &str)]) -> Draft {
        let mut draft = Draft::default();
        for (key, value) in keys {
            draft.set(key, value).unwrap();
        }
        draft
    }

    fn problem(keys: &[(&str, &str)]) -> String {
        draft(keys).finish().unwrap_err().to_string()
    }

    const BASE: [(&str, &str); 3] = [("data.table", "t.parquet"), ("data.target", "y"), ("model.type", "gradient-boosting")];

    fn with(key: &str, value: &str) -> String {
        problem(&[&BASE[..], &[(key, value)]].concat())
    }

    #[test]
    fn values_are_toml_or_text() {
        let job = draft(&[&BASE[..], &[("data.ignore", "[\"a\"]"), ("run.seed", "3"), ("data.weight", "w 1")]].concat()).finish().unwrap();
        assert_eq!((job.data.ignore.as_slice(), job.run.seed, job.data.weight.as_deref()), (&["a".to_string()][..], 3, Some("w 1")));
    }

    #[test]
    fn mistakes_are_named_with_what_is_right() {
        assert!(with("data.tabel", "x").contains("did you mean data.table?"));
        assert!(with("dta.table", "x").contains("did you mean data?"));
        assert!(with("data.learning_rate", "1").contains("did you mean model.learning_rate?"));
        assert!(with("model.type", "gradient-bosting").contains("did you mean \"gradient-boosting\"?"));
        assert!(with("model.learning_rat", "1").contains("did you mean model.learning_rate?"));
        assert!(with("model.learning_rate", "fast").contains("model.learning_rate"));
        assert!(with("data.task", "regresion").contains("did you mean \"regression\"?"));
        assert!(with("data.validation", "[1]").contains("a fraction"));
        assert!(with("data.test", "1.5").contains("data.test"));
        assert!(with("run.threads", "0").contains("run.threads"));
        assert!(problem(&BASE[1..]).contains("data.table"));
        assert!(problem(&BASE[..2]).contains("model.type"));
    }

    #[test]
    fn values_of_another_type_are_told_what_is_accepted() {
        for (key, value, told) in [
            ("data.ignore", "a", "data.ignore: \"a\" is not possible; this is a list of texts"),
            ("data.ignore", "[\"a\", 1]", "a list of texts"),
            ("data.target", "3", "data.target: 3 is not possible; this is a text"),
            ("data.validation", "true", "true is not possible; this is a number (a fraction of the table"),
            ("data.class_weights", "even", "\"even\" is not possible; this is \"balanced\", or a table"),
            ("data.class_weights", "{ a = \"b\" }", "a table from names to values, each a number"),
            ("run.seed", "-1", "run.seed: -1 is not possible; this is a whole number from 0 to 9223372036854775807"),
            ("run.seed", "1.5", "1.5 is not possible; this is a whole number from 0 to 9223372036854775807"),
            ("run.seed", "18446744073709551615", "this is a whole number from 0 to 9223372036854775807"),
            ("run.threads", "many", "\"many\" is not possible; this is a whole number from 1 to 1024"),
            ("run.threads", "0", "run.threads: 0 is not possible; this is a whole number from 1 to 1024"),
            ("cluster.workers", "1025", "1025 is not possible; this is a whole number from 0 to 1024"),
            ("cluster.replicas", "5", "5 is not possible; this is a whole number from 0 to 4"),
            ("data.hash_buckets", "1", "1 is not possible; this is a whole number from 2 to 268435456"),
            ("transport.retries", "1001", "1001 is not possible; this is a whole number from 0 to 1000"),
            ("sync.quorum", "0", "0 is not possible; this is a whole number from 1 to"),
            ("model.n_estimators", "99999999999", "99999999999 is not possible; this is a whole number from 1 to 1000000"),
            ("model.n_estimators", "0", "0 is not possible; this is a whole number from 1 to 1000000"),
            ("model.max_depth", "-2", "-2 is not possible; this is a whole number from -1 to 1000"),
            ("output.model", "1", "output.model: 1 is not possible; this is a text"),
            ("model.num_leaves", "5000000000", "model.num_leaves: 5000000000 is not possible; this is a whole number"),
            ("model.objective", "l3", "this is one of"),
        ] {
            let problem = with(key, value);
            assert!(problem.contains(told), "{key} = {value}: {problem}");
        }
        let at_once = |value| Draft::default().set("model.learning_rate", value).unwrap_err().to_string();
        assert!(at_once("nan").contains("model.learning_rate: NaN is not possible; this is a finite number"));
        assert!(at_once("1979-05-27").contains("put quotes around"));
        let k_means = [("data.table", "t.csv"), ("model.type", "k-means"), ("model.init", "3")];
        assert!(problem(&k_means).contains("model.init: 3 is not possible; this is"), "{}", problem(&k_means));
    }

    #[test]
    fn what_may_be_left_out_is_told() {
        for (key, value, told) in [
            (
                "compression.bits",
                "8",
                "gradient-boosting cannot leave anything out; drop the table, which is for sparse-logistic-regression, ",
            ),
            ("compression.bits", "7", "7 is not possible; this is 32, 16 or 8"),
            ("compression.top_k", "0", "compression.top_k: 0 is not possible; this is a share of the rows"),
            ("compression.significance_filter", "-1", "-1 is not possible; this is a number from 0"),
        ] {
            assert!(with(key, value).contains(told), "{key} = {value}: {}", with(key, value));
        }
        let clusters = [("data.table", "t.csv"), ("model.type", "mini-batch-k-means"), ("compression.bits", "16")];
        assert!(problem(&clusters).contains("mini-batch-k-means cannot leave anything out"));
    }

    #[test]
    fn old_keys_are_refused_with_their_new_names() {
        let by_steps = [("data.table", "t.csv"), ("data.target", "y"), ("model.type", "sparse-logistic-regression")];
        for (old, new) in [
            ("model.passes", "model.epochs"),
            ("traffic.bits", "compression.bits"),
            ("traffic.top", "compression.top_k"),
            ("traffic.significance", "compression.significance_filter"),
            ("traffic.else", "compression"),
        ] {
            let problem = problem(&[&by_steps[..], &[(old, "8")]].concat());
            let table = old.split('.').next().unwrap();
            assert!(problem.starts_with(table) && problem.ends_with(&format!("; write {new}")), "{old}: {problem}");
        }
        let k_means = [("data.table", "t.csv"), ("model.type", "mini-batch-k-means"), ("model.passes", "3")];
        assert_eq!(problem(&k_means), "model.passes: the key was renamed; write model.epochs");
        assert!(with("model.passes", "3").contains("model.passes: there is no such key"), "boosting never had it");
        assert!(problem(&[&by_steps[..], &[("compression.top", "0.1")]].concat()).contains("did you mean compression.top_k?"));
        let renamed =
            [&by_steps[..], &[("model.epochs", "7"), ("compression.top_k", "0.1"), ("compression.significance_filter", "2")]].concat();
        let job = draft(&renamed).finish().unwrap();
        assert_eq!(job.model.parameters["epochs"], 7);
        assert_eq!(job.compression, crate::Compression { bits: 32, top_k: 0.1, significance_filter: 2.0 });
    }

    #[test]
    fn durations_have_units() {
        let all = ["checkpoint.every", "transport.connect_timeout", "transport.request_timeout", "transport.keepalive", "transport.lease"];
        for key in all {
            for (value, told) in [
                ("60", "60 is not possible; this is a duration with its unit (ms, s, m or h), such as \"10s\"; did you mean \"60s\"?"),
                ("0.5", "did you mean \"0.5s\"?"),
                ("\"60\"", "did you mean \"60s\"?"),
                ("-1", "-1 is not possible; this is a duration"),
                ("-1s", "\"-1s\" is not possible; this is a duration"),
                ("soon", "\"soon\" is not possible; this is a duration"),
                ("99999h", "\"359996400s\" is not possible; this is a duration"),
            ] {
                let problem = with(key, value);
                assert!(problem.starts_with(key) && problem.contains(told), "{key} = {value}: {problem}");
            }
        }
        assert!(with("transport.lease", "0s").contains("above \"0s\" and up to \"3600s\""));
        assert!(with("transport.lease", "500ms").contains("\"1s\" is not shorter than transport.lease, which is \"500ms\""));
        let keys = [&BASE[..], &[("checkpoint.every", "2m"), ("transport.keepalive", "250ms"), ("transport.lease", "1h")]].concat();
        let job = draft(&keys).finish().unwrap();
        assert_eq!(job.checkpoint.every, Duration::from_secs(120));
        assert_eq!((job.transport.keepalive, job.transport.lease), (Duration::from_millis(250), Duration::from_secs(3_600)));
        let transport = serde_json::to_value(&job.transport).unwrap();
        assert_eq!(serde_json::from_value::<crate::Transport>(transport).unwrap(), job.transport);
    }

    #[test]
    fn paths_of_a_file_start_from_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("job.toml");
        std::fs::write(&path, "[data]\ntable = \"t.csv\"\ntarget = \"y\"\n[model]\ntype = \"gradient-boosting\"\n").unwrap();
        let mut draft = Draft::read(&path).unwrap();
        draft.set("output.model", "here.onnx").unwrap();
        let job = draft.finish().unwrap();
        assert_eq!(job.data.table.unwrap(), folder.path().join("t.csv").to_str().unwrap());
        assert_eq!(job.output.model, Path::new("here.onnx"));
    }

    #[test]
    fn broken_toml_is_shown_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("job.toml");
        std::fs::write(&path, "[data]\ntable = \n").unwrap();
        let message = Draft::read(&path).unwrap_err().to_string();
        assert!(message.contains("job.toml") && message.contains("line 2"), "{message}");
    }
}
