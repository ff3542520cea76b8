//! Training: a job becomes a model file.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use quelea_core::learner::{Fitted, Learner};
use quelea_core::prediction::Metrics;
use quelea_core::schema::{FeatureKind, InputKind, Target};
use quelea_core::steps::StepLearner;
use quelea_core::tile::Tile;
use quelea_data::Source;
use quelea_job::{Compression, Job, JobError, Sync, Task};
use quelea_learn::importance::importances;
use quelea_learn::registry::{self, Targets, Visitor};
use quelea_model::{About, Model};

use crate::checkpoint::{Checkpoints, Past};
use crate::launcher::Launcher;
use crate::output::Output;
use crate::prepare::columns::Columns;
use crate::prepare::{self, Prepared, Rows};
use crate::rounds::{self, Layout};
use crate::score;
use crate::steps;
use crate::table::Table;
use crate::threads::Threads;
use crate::{Control, Error, Event, Result, distributed};

/// What is told of a job that says how processes wait for each other, and has one alone.
const ALONE: &str = "[sync] and [compression] have no effect without [cluster]: one process waits for nobody and sends nothing";

/// What is said of rows in memory and a job with workers.
const NO_LAUNCHER: &str = "rows in memory are trained on by this process alone; drop [cluster], or train on a table";

/// Trains as `job` says, measures the model on all rows, and writes the model file. A checkpoint that is there already is an error.
pub fn train(job: &Job, launcher: &Arc<dyn Launcher>, control: &Control) -> Result<Model> {
    to_its_end(job, false, launcher, control)
}

/// As [`train`], from where the checkpoint of this job has come to; from the beginning, if there is none. The model is the same.
pub fn resume(job: &Job, launcher: &Arc<dyn Launcher>, control: &Control) -> Result<Model> {
    to_its_end(job, true, launcher, control)
}

fn to_its_end(job: &Job, resume: bool, launcher: &Arc<dyn Launcher>, control: &Control) -> Result<Model> {
    // An output that cannot be written is better known before hours of work than after.
    drop(Output::create(&job.output.model)?);
    // While this process reads and measures, its workers wait.
    let threads = Threads::new(job.run.threads.map(|threads| threads * job.cluster.workers.max(1)))?;
    let before = start_from(job)?;
    let job = &with_markers(job, before.as_ref());
    let start_from = before.as_ref().map(Model::to_bytes).transpose().map_err(Error::internal)?;
    let mut checkpoints = Checkpoints::open(job, start_from.as_deref(), resume, control)?;
    match write_model(job, before, &threads, (&mut checkpoints, launcher), control) {
        Ok(model) => {
            checkpoints.remove();
            Ok(model)
        }
        Err(error) => {
            checkpoints.interrupted();
            Err(error)
        }
    }
}

fn write_model(
    job: &Job,
    before: Option<Model>,
    threads: &Threads,
    (checkpoints, launcher): (&mut Checkpoints, &Arc<dyn Launcher>),
    control: &Control,
) -> Result<Model> {
    let table = threads.wait(prepare::open(&job.data, threads.count))?;
    let (mut model, prepared) = fit(job, &table, before, threads, Layout::threads(threads.count), (checkpoints, Some(launcher)), control)?;
    model.about.metrics = measure(&model, &prepared, threads, control)?;
    let bytes = model.to_bytes().map_err(|source| Error::Model { path: job.output.model.display().to_string(), source })?;
    control.check()?;
    let mut output = Output::create(&job.output.model)?;
    output.write_all(&bytes).map_err(|source| Error::File { action: "write", path: job.output.model.clone(), source })?;
    output.finish()?;
    Ok(model)
}

/// Trains on the rows of `source`; the job's table, its metrics, its output and its checkpoints are left aside. The rows are held in
/// memory.
pub fn train_source(job: &Job, source: &dyn Source, control: &Control) -> Result<Model> {
    let threads = Threads::new(job.run.threads)?;
    fit_table(job, source, &threads, Layout::threads(threads.count), control)
}

/// As [`train_source`], with the rows spread over workers as `layout` says. The model is the same.
pub fn fit_source(job: &Job, source: &dyn Source, layout: Layout, control: &Control) -> Result<Model> {
    let threads = Threads::new(Some(layout.workers * layout.threads))?;
    fit_table(job, source, &threads, layout, control)
}

fn fit_table(job: &Job, source: &dyn Source, threads: &Threads, layout: Layout, control: &Control) -> Result<Model> {
    let before = start_from(job)?;
    let table = Table::of_source(source, threads.count)?;
    let checkpoints = &mut Checkpoints::none(control);
    Ok(fit(&with_markers(job, before.as_ref()), &table, before, threads, layout, (checkpoints, None), control)?.0)
}

/// The model to go on from, if the job names one.
fn start_from(job: &Job) -> Result<Option<Model>> {
    let Some(path) = &job.model.start_from else { return Ok(None) };
    let model = score::read_model(path)?;
    if model.about.learner != job.model.kind {
        let problem = format!(
            "{} holds a {} model, and the job trains {}; only a model of the same type can be gone on from",
            path.display(),
            model.about.learner,
            job.model.kind
        );
        return Err(JobError::Key { key: "model.start_from".into(), problem }.into());
    }
    if let (Some(target), Some(before)) = (&job.data.target, model.schema.target.name())
        && target != before
    {
        let problem = format!("{} predicts {before:?}, and data.target is {target:?}; they must be the same", path.display());
        return Err(JobError::Key { key: "model.start_from".into(), problem }.into());
    }
    refuse_other_kinds(job, path, &model)?;
    refuse_marked_categories(job, &model)?;
    Ok(Some(model))
}

/// What the job says of the target and of columns cannot be other than what the model to go on from holds.
fn refuse_other_kinds(job: &Job, path: &Path, model: &Model) -> Result<()> {
    let predicts = match &model.schema.target {
        Target::Classes { .. } => Some((Task::Classification, "classes")),
        Target::Number { .. } => Some((Task::Regression, "a number")),
        Target::None => None,
    };
    if let (Some(task), Some((before, what))) = (job.data.task, predicts)
        && task != before
    {
        let problem = format!("{} predicts {what}; drop the key, or train anew", path.display());
        return Err(JobError::Key { key: "data.task".into(), problem }.into());
    }
    let is_category = |name: &String| model.schema.inputs.iter().all(|input| input.name != *name || input.kind == InputKind::Text);
    if let Some(name) = job.data.categories.iter().find(|name| !is_category(name)) {
        let problem = format!("{name:?} is a column of numbers in {}; take it out of the list, or train anew", path.display());
        return Err(JobError::Key { key: "data.categories".into(), problem }.into());
    }
    Ok(())
}

/// A text cannot be a category of the model to go on from and missing from now on.
fn refuse_marked_categories(job: &Job, model: &Model) -> Result<()> {
    for feature in &model.schema.features {
        let FeatureKind::Category { values, .. } = &feature.kind else { continue };
        if let Some(marker) = job.data.null_values.iter().find(|marker| values.contains(marker)) {
            let problem = format!("{marker:?} is a category of {:?} in the model to go on from; drop it here, or train anew", feature.name);
            return Err(JobError::Key { key: "data.null_values".into(), problem }.into());
        }
    }
    Ok(())
}

/// The job, with the markers of missing values of the model to go on from unless it has its own.
fn with_markers(job: &Job, before: Option<&Model>) -> Job {
    let mut job = job.clone();
    if let (true, Some(before)) = (job.data.null_values.is_empty(), before) {
        job.data.null_values.clone_from(&before.schema.null_values);
    }
    job
}

fn fit(
    job: &Job,
    table: &Table,
    before: Option<Model>,
    threads: &Threads,
    layout: Layout,
    (checkpoints, launcher): (&mut Checkpoints, Option<&Arc<dyn Launcher>>),
    control: &Control,
) -> Result<(Model, Prepared)> {
    let before_schema = before.as_ref().map(|model| &model.schema);
    // Better known before the table is read than after.
    if let Some(column) = Columns::choose(table, &job.data, before_schema)?.first_sparse() {
        registry::refuse_sparse_column(registry::find(&job.model.kind)?, column)?;
    }
    let prepared = threads.wait(prepare::prepare(job, table, before_schema, threads.count, control))?;
    refuse_number(job, table, &prepared.schema.target)?;
    let past = checkpoints.begin(&prepared.fingerprint)?;
    let fitted = if job.cluster.is_alone() {
        if job.sync != Sync::default() || job.compression != Compression::default() {
            control.warn(ALONE);
        }
        let run = Run { tiles: &prepared.tiles, layout, saved: (past, checkpoints), control };
        let estimator = before.map(|model| model.estimator);
        let learn =
            || registry::with_learner(&job.model.kind, &job.model.parameters, prepared.schema.clone(), job.run.seed, estimator, run);
        threads.run(learn)??
    } else {
        let start_from = before.map(|model| model.to_bytes()).transpose().map_err(Error::internal)?;
        let launcher = launcher.ok_or_else(|| Error::Cluster { problem: NO_LAUNCHER.into() })?;
        distributed::fit(job, &prepared, start_from, threads, (past, checkpoints), launcher.clone(), control)?
    };
    if let Some(warning) = fitted.warning {
        control.warn(warning);
    }
    let about = About {
        learner: job.model.kind.clone(),
        job: job.portable(),
        fingerprint: prepared.fingerprint.clone(),
        metrics: BTreeMap::new(),
        importances: importances(&fitted.estimator, &prepared.schema),
        history: fitted.history,
    };
    Ok((Model { schema: prepared.schema.as_ref().clone(), estimator: fitted.estimator, about }, prepared))
}

/// Refuses a target that turned out to be a number where the learner predicts classes.
fn refuse_number(job: &Job, table: &Table, target: &Target) -> Result<()> {
    let learner = registry::find(&job.model.kind)?;
    let (Targets::Classes, Target::Number { name }) = (learner.targets, target) else { return Ok(()) };
    let problem = format!("it is a number, and {} predicts classes; set data.task = \"classification\" if it is one of few", learner.name);
    Err(Error::Column { table: table.name.clone(), column: name.clone(), problem })
}

struct Run<'a> {
    tiles: &'a [Arc<Tile>],
    layout: Layout,
    saved: (Past, &'a mut Checkpoints),
    control: &'a Control,
}

impl Visitor for Run<'_> {
    type Output = Result<Fitted>;

    fn visit<L: Learner + 'static>(self, learner: L) -> Self::Output {
        let (past, checkpoints) = self.saved;
        rounds::run(&learner, self.tiles, self.layout, (past.clocks, checkpoints), self.control)
    }

    fn visit_steps<L: StepLearner + 'static>(self, learner: L) -> Self::Output {
        let (past, checkpoints) = self.saved;
        steps::run(&learner, self.tiles, (past.cut, checkpoints), self.control)
    }
}

/// The metrics of the model on each part of the rows, computed as scoring computes them.
fn measure(model: &Model, prepared: &Prepared, threads: &Threads, control: &Control) -> Result<BTreeMap<String, Metrics>> {
    let scorer = score::scorer(model)?;
    let parts: [(&str, &Rows); 3] = [("train", &prepared.train), ("validation", &prepared.validation), ("test", &prepared.test)];
    let of: u64 = parts.iter().map(|(_, rows)| rows.len()).sum();
    let mut done = 0;
    let mut metrics = BTreeMap::new();
    for (name, rows) in parts.into_iter().filter(|(_, rows)| rows.len() > 0) {
        control.tell(Event::Scoring { rows: done, of: Some(of) });
        metrics.insert(name.to_string(), threads.run(|| score::measure(&scorer, model, rows, control))?);
        done += rows.len();
    }
    Ok(metrics)
}
