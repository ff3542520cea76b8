//! `quelea train`: a job file, or its keys as options, becomes a model file.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;
use quelea_core::visible::visible;
use quelea_engine::launcher::Launcher;
use quelea_job::Draft;
use serde_json::json;

use crate::launcher::Program;
use crate::view::View;
use crate::{environment, interrupt, text};

/// Train a model and write it as an ONNX file
#[derive(Args)]
#[command(after_help = "Examples:
  quelea train job.toml
  quelea train job.toml --set model.learning_rate=0.05 --set 'data.ignore=[\"id\"]'
  quelea train job.toml --set checkpoint.to=saved --resume
  quelea train --data adult.parquet --target salary --model gradient-boosting --output adult.onnx
  quelea train --data points.csv --model k-means --set model.n_clusters=12")]
pub struct Arguments {
    /// The job file; its keys can also be given as options
    job: Option<PathBuf>,
    /// Set a key of the job, such as model.num_leaves=63
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// A Parquet, CSV or LibSVM file, a folder or a glob [data.table]
    #[arg(long, value_name = "TABLE")]
    data: Option<String>,
    /// The column to predict [data.target]
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// The learner, such as gradient-boosting, logistic-regression or k-means; `quelea schema` has all of them [model.type]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// The ONNX file to write [output.model]
    #[arg(long, short, value_name = "FILE")]
    output: Option<String>,
    /// Worker processes to start on this machine; without them this process trains alone [cluster.workers]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    workers: Option<String>,
    /// Threads to compute with; all cores when not given. The model does not depend on it [run.threads]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    threads: Option<String>,
    /// Go on from the job's checkpoint, or begin anew if there is none [checkpoint.to]
    #[arg(long)]
    resume: bool,
    /// What all random choices are drawn from [run.seed]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seed: Option<String>,
    /// Print JSON lines for programs
    #[arg(long)]
    pub json: bool,
}

impl Arguments {
    fn draft(self) -> Result<Draft> {
        let mut draft = match &self.job {
            Some(path) => Draft::read(path).map_err(quelea_engine::Error::from)?,
            None if self.data.is_none() && self.set.is_empty() => {
                bail!("name a job file, or a table with --data; `quelea init TABLE` writes a job file")
            }
            None => Draft::default(),
        };
        let texts = [("data.table", self.data), ("data.target", self.target), ("model.type", self.model), ("output.model", self.output)];
        let numbers = [("cluster.workers", self.workers), ("run.threads", self.threads), ("run.seed", self.seed)];
        for (key, text) in texts {
            text.map_or(Ok(()), |text| draft.put(key, text.into())).map_err(quelea_engine::Error::from)?;
        }
        // The key checks them, so that a message is the same as for the job file.
        for (key, number) in numbers {
            number.map_or(Ok(()), |number| draft.set(key, &number)).map_err(quelea_engine::Error::from)?;
        }
        for set in &self.set {
            let Some((key, value)) = set.split_once('=').filter(|(key, _)| !key.trim().is_empty()) else {
                bail!("--set {set}: write KEY=VALUE, such as model.learning_rate=0.05");
            };
            draft.set(key.trim(), value.trim()).map_err(quelea_engine::Error::from)?;
        }
        if let Some(label) = draft.table().and_then(quelea_engine::label_column) {
            draft.set_label(label);
        }
        Ok(draft)
    }
}

/// Trains.
pub fn run(arguments: Arguments, view: &View) -> Result<()> {
    let train = if arguments.resume { quelea_engine::resume } else { quelea_engine::train };
    let mut job = arguments.draft()?.finish().map_err(quelea_engine::Error::from)?;
    if !job.cluster.is_alone() {
        job.transport = environment::with_token(job.transport)?;
    }
    let control = interrupt::stoppable(view.control())?;
    let launcher: Arc<dyn Launcher> = Arc::new(Program::this()?);
    let model = train(&job, &launcher, &control)?;
    view.clear();
    let about = &model.about;
    let path = job.output.model.display().to_string();
    let bytes = std::fs::metadata(&job.output.model).map_or(0, |m| m.len());
    let note = job.data.test.is_none().then(|| text::without_test(&about.metrics));
    let mut answer = json!({"event": "trained", "model": path, "bytes": bytes, "metrics": about.metrics, "importances": about.importances, "fingerprint": about.fingerprint});
    if let Some(note) = &note {
        answer["note"] = note.as_str().into();
    }
    view.result(answer, || {
        let mut out = text::history(about);
        out += &text::metrics(&about.metrics);
        out += &note.map_or_else(String::new, |note| format!("\n{note}\n"));
        out += &text::confusion(&about.metrics, &model.schema.target);
        out += &text::importances(&about.importances, 10);
        out += &format!("\nwrote {} ({})\n", visible(&path), text::bytes(bytes));
        out
    })
}
