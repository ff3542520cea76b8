//! Writes a commented job file for a table, with what can be guessed from its columns.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use arrow::datatypes::DataType;
use quelea_core::schema::InputKind;
use quelea_core::visible::visible;
use quelea_job::{JobError, properties};
use quelea_learn::registry::{self, Targets};
use serde_json::Value;

use crate::output::Output;
use crate::prepare::columns::natural_kind;
use crate::table::Table;
use crate::table::lists::{self, Lists};
use crate::{Error, Result};

/// Writes a job that trains `learner` on `table` to `path`. A file that is there already is left alone unless `replace`.
pub fn init(table: &str, target: Option<&str>, learner: &str, path: &Path, replace: bool) -> Result<()> {
    // A path that cannot be written is refused before --force is suggested.
    let mut output = Output::create(path)?;
    if path.exists() && !replace {
        let source = std::io::Error::new(std::io::ErrorKind::AlreadyExists, "it is there already; name another file or add --force");
        return Err(Error::File { action: "write", path: path.into(), source });
    }
    let opened = Table::open(table, &[], 1)?;
    opened.refuse_to_replace(path)?;
    let learner = registry::find(learner)?;
    check_target(&opened, target, learner)?;
    let mut text = String::from(
        "# A training job. Every line that begins with # shows a default or what else is possible.\n# Train with: quelea train ",
    );
    let _ = writeln!(text, "{}\n", visible(&path.display().to_string()));
    write_data(&mut text, &opened, relative(table, path), target)?;
    write_model(&mut text, learner);
    text.push_str("\n[output]\nmodel = \"model.onnx\"\n\n[run]\n# Everything random is drawn from the seed.\nseed = 0\n# threads = 2  # all cores when not given; the model does not depend on it\n");
    output.write_all(text.as_bytes()).map_err(|source| Error::File { action: "write", path: path.into(), source })?;
    output.finish()
}

/// Columns that a message shows.
const SHOWN_COLUMNS: usize = 20;

fn check_target(table: &Table, target: Option<&str>, learner: &registry::Entry) -> Result<()> {
    let wrong = |problem: String| Err(JobError::Key { key: "--target".into(), problem }.into());
    match (target, learner.targets) {
        (Some(_), Targets::None) => wrong(format!("{} learns without a target; leave the option out", learner.name)),
        (None, Targets::None) => Ok(()),
        (Some(target), _) => table.field(target).map(drop),
        (None, _) => {
            let names: Vec<&str> = table.schema.fields().iter().map(|f| f.name().as_str()).collect();
            let more = if names.len() > SHOWN_COLUMNS { format!(" and {} more", names.len() - SHOWN_COLUMNS) } else { String::new() };
            let shown = names[..names.len().min(SHOWN_COLUMNS)].join(", ");
            wrong(format!("{} needs a column to predict, one of {shown}{more}", learner.name))
        }
    }
}

/// The table as the job file names it: paths in a job file start from its folder.
fn relative(table: &str, path: &Path) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        None => table.into(),
        Some(_) => std::path::absolute(table).map_or_else(|_| table.into(), |path| path.display().to_string()),
    }
}

fn write_data(text: &mut String, table: &Table, name: String, target: Option<&str>) -> Result<()> {
    let _ = writeln!(text, "[data]\ntable = {}", quoted(&name));
    if let Some(target) = target {
        let field = table.field(target)?;
        let guess = match natural_kind(field.data_type()) {
            Some(InputKind::Number) if field.data_type().is_floating() => "regression",
            Some(InputKind::Number) if *field.data_type() != DataType::Boolean => {
                "classification if there are at most 20 different values, else regression"
            }
            _ => "classification",
        };
        let _ = writeln!(text, "target = {}\n# task = \"classification\" or \"regression\"; guessed: {guess}", quoted(target));
        text.push_str(
            "# Fractions of the rows, picked by a hash of the row's number, or the path of another table.\nvalidation = 0.1\ntest = 0.2\n",
        );
        text.push_str("# class_weights = \"balanced\"\n");
    }
    text.push_str("# weight = \"a column of row weights\"\n# ignore = [\"a column that is not learned from\"]\n# categories = [\"a column of numbers that are codes\"]\n");
    text.push_str("# null_values = [\"?\"]\n# Columns and what they are taken for:\n");
    for field in table.schema.fields() {
        let are_texts = lists::of_type(field.data_type()) == Some(Lists::Texts);
        let kind = match natural_kind(field.data_type()).or(are_texts.then_some(InputKind::Texts)) {
            _ if Some(field.name().as_str()) == target => "the target",
            Some(InputKind::Number) => "a number",
            Some(InputKind::Text) => "a category",
            Some(InputKind::Sparse) => "numbers by index",
            Some(InputKind::Timestamp) => "a timestamp: year, month, day, weekday, hour, minute",
            Some(InputKind::Texts) => "lists of texts; name it in hashed or ignore",
            None => "nothing; name it in ignore",
        };
        let _ = writeln!(text, "#   {:?}: {} ({})", field.name(), kind, field.data_type());
    }
    Ok(())
}

fn write_model(text: &mut String, learner: &registry::Entry) {
    let _ = writeln!(text, "\n[model]\n# {}\ntype = {}", learner.about, quoted(learner.name));
    let defaults = (learner.check)(&serde_json::Map::new()).unwrap_or_default();
    for (key, schema) in properties(&(learner.schema)()) {
        for line in schema["description"].as_str().unwrap_or_default().lines() {
            let _ = writeln!(text, "# {line}");
        }
        match defaults.get(&key) {
            None | Some(Value::Null) => {
                let _ = writeln!(text, "# {key} is not set");
            }
            Some(value) => {
                let _ = writeln!(text, "# {key} = {value}");
            }
        }
    }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}
