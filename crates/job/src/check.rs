//! Checks of a job that need no data: which keys go together, and the ranges of their values.

use std::time::Duration;

use quelea_core::suggest;
use quelea_learn::registry::{self, Targets};

use crate::duration::shown;
use crate::{Checkpoint, ClassWeights, Data, Job, JobError, Part, Result, Task, cluster};

/// A year: never.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// Refuses what is not possible, and fills in the defaults of the learner's hyper-parameters.
pub(crate) fn check(job: &mut Job) -> Result<()> {
    check_tables(&job.data)?;
    check_columns(&job.data)?;
    check_hashed(&job.data)?;
    check_parts(&job.data)?;
    if let Some(ClassWeights::PerClass(factors)) = &job.data.class_weights
        && let Some((label, factor)) = factors.iter().find(|(_, factor)| !(factor.is_finite() && **factor >= 0.0))
    {
        let problem = format!("{factor} is not possible; a factor is a number from 0 up");
        return Err(JobError::key(format!("data.class_weights.{label}"), problem));
    }
    if !job.output.model.as_os_str().to_ascii_lowercase().as_encoded_bytes().ends_with(b".onnx") {
        let problem = format!("{:?} is no name of a model; name a file that ends in .onnx", job.output.model.display().to_string());
        return Err(JobError::key("output.model", problem));
    }
    check_checkpoint(&job.checkpoint)?;
    cluster::check(job)?;
    check_model(job)
}

fn check_tables(data: &Data) -> Result<()> {
    let problem = match (&data.table, &data.query) {
        (Some(table), None) if table.is_empty() => ("data.table", "it is empty; name a file, a folder or a glob"),
        (None, None) => ("data.table", "the key is missing; it names a file, a folder or a glob (or give data.query)"),
        (Some(_), Some(_)) => ("data.query", "a job has data.table or data.query, not both"),
        (None, Some(_)) if data.tables.is_empty() => {
            ("data.tables", "a query needs names for its tables, such as data.tables.t = \"t.parquet\"")
        }
        (Some(_), None) if !data.tables.is_empty() => ("data.tables", "names of tables are for data.query; drop them"),
        _ => return Ok(()),
    };
    Err(JobError::key(problem.0, problem.1))
}

/// Takes the column that a table has for what is to be predicted as the target, or leaves it out if the learner has none.
pub(crate) fn take_label(job: &mut Job, label: String) {
    let Ok(learner) = registry::find(&job.model.kind) else { return };
    let data = &mut job.data;
    match learner.targets {
        _ if data.target.is_some() => {}
        Targets::None if data.features.contains(&label) || data.ignore.contains(&label) => {}
        Targets::None => data.ignore.push(label),
        Targets::Classes | Targets::Any => data.target = Some(label),
    }
}

fn check_hashed(data: &Data) -> Result<()> {
    for column in &data.hashed {
        let problem = match () {
            () if data.target.as_ref() == Some(column) => format!("{column:?} is data.target; leave it out here"),
            () if data.weight.as_ref() == Some(column) => format!("{column:?} is data.weight; leave it out here"),
            () if data.ignore.contains(column) => format!("{column:?} is also in data.ignore"),
            () if data.categories.contains(column) => format!("{column:?} is also in data.categories; it is either a category or hashed"),
            () if !data.features.is_empty() && !data.features.contains(column) => {
                format!("{column:?} is not in data.features; name it there too, or leave it out here")
            }
            () => continue,
        };
        return Err(JobError::key("data.hashed", problem));
    }
    match data.hash_buckets {
        Some(_) if data.hashed.is_empty() => {
            Err(JobError::key("data.hash_buckets", "buckets are for data.hashed; name columns there, or drop the key"))
        }
        _ => Ok(()),
    }
}

fn check_columns(data: &Data) -> Result<()> {
    for (key, column) in [("data.target", &data.target), ("data.weight", &data.weight)] {
        let Some(column) = column else { continue };
        if data.features.contains(column) {
            return Err(JobError::key("data.features", format!("{column:?} is {key} and cannot be learned from")));
        }
        if data.ignore.contains(column) {
            return Err(JobError::key("data.ignore", format!("{column:?} is {key} and cannot be left out")));
        }
    }
    if data.target.is_some() && data.target == data.weight {
        return Err(JobError::key("data.weight", "this is also data.target; one column cannot be both"));
    }
    if let Some(both) = data.features.iter().find(|column| data.ignore.contains(column)) {
        return Err(JobError::key("data.ignore", format!("{both:?} is also in data.features")));
    }
    for column in &data.categories {
        let problem = match () {
            () if data.target.as_ref() == Some(column) => {
                format!("{column:?} is data.target; leave it out here, and set data.task = \"classification\" if it holds classes")
            }
            () if data.weight.as_ref() == Some(column) => format!("{column:?} is data.weight, which is a number; leave it out here"),
            () if data.ignore.contains(column) => format!("{column:?} is also in data.ignore"),
            () if !data.features.is_empty() && !data.features.contains(column) => {
                format!("{column:?} is not in data.features; name it there too, or leave it out here")
            }
            () => continue,
        };
        return Err(JobError::key("data.categories", problem));
    }
    Ok(())
}

fn check_parts(data: &Data) -> Result<()> {
    let mut sum = 0.0;
    for (key, part) in [("data.validation", &data.validation), ("data.test", &data.test)] {
        if let Some(Part::Fraction(fraction)) = part {
            if !(*fraction > 0.0 && *fraction < 1.0) {
                return Err(JobError::key(key, format!("{fraction} is not possible; a fraction is above 0 and below 1")));
            }
            sum += fraction;
        }
    }
    if sum >= 1.0 {
        return Err(JobError::key("data.test", "data.validation and data.test leave no rows to train on; lower them"));
    }
    Ok(())
}

fn check_checkpoint(checkpoint: &Checkpoint) -> Result<()> {
    let Checkpoint { to, every } = checkpoint;
    if *every > LONGEST {
        let problem = format!("{:?} is not possible; this is a duration up to {:?}", shown(*every), shown(LONGEST));
        return Err(JobError::key("checkpoint.every", problem));
    }
    let is_place = |to: &str| match to.split_once("://") {
        Some((scheme, rest)) => scheme == "s3" && !rest.is_empty() && !rest.starts_with('/'),
        None => !to.is_empty(),
    };
    match to {
        Some(to) if !is_place(to) => {
            Err(JobError::key("checkpoint.to", format!("{to:?} is not possible; this is a folder, or s3://BUCKET/PREFIX")))
        }
        _ => Ok(()),
    }
}

fn check_model(job: &mut Job) -> Result<()> {
    let learner = registry::find(&job.model.kind)?;
    let name = learner.name;
    match (learner.targets, &job.data.target) {
        (Targets::None, Some(_)) => {
            let problem =
                format!("{name} learns without a target; drop the key, and name the column in data.ignore if it is not to be learned from");
            return Err(JobError::key("data.target", problem));
        }
        (Targets::Classes | Targets::Any, None) => {
            return Err(JobError::key("data.target", format!("the key is missing; {name} needs a column to predict")));
        }
        _ => {}
    }
    match (learner.targets, job.data.task) {
        (Targets::Classes, Some(Task::Regression)) => {
            return Err(JobError::key("data.task", format!("{name} predicts classes; for a regression take gradient-boosting")));
        }
        (Targets::None, Some(_)) => return Err(JobError::key("data.task", format!("{name} learns without a target; drop the key"))),
        _ => {}
    }
    if learner.targets == Targets::None && job.data.class_weights.is_some() {
        return Err(JobError::key("data.class_weights", format!("{name} knows no classes; drop the key")));
    }
    job.model.parameters = (learner.check)(&job.model.parameters).map_err(|e| match e {
        quelea_core::Error::Parameter { key, value, rule } => quelea_core::Error::Parameter { key, value, rule: suggest::complete(&rule) },
        other => other,
    })?;
    Ok(())
}
