//! `quelea inspect`: what a model file or a table holds.

use std::path::Path;

use anyhow::Result;
use clap::Args;
use quelea_core::schema::{Feature, FeatureKind, InputKind, Target};
use quelea_core::visible::visible;
use quelea_engine::inspect::{ColumnSummary, TableSummary};
use quelea_model::Model;
use serde_json::json;

use crate::view::View;
use crate::{interrupt, text};

/// Show what a model or a table holds
#[derive(Args)]
#[command(after_help = "Examples:\n  quelea inspect adult.onnx\n  quelea inspect 'logs/*.csv.gz' --null-value '?'")]
pub struct Arguments {
    /// An ONNX file, or a table: a Parquet, CSV or LibSVM file, a folder or a glob
    name: String,
    /// A text that stands for a missing value in a table; may be given several times
    #[arg(long, value_name = "TEXT")]
    null_value: Vec<String>,
    /// Print JSON for programs
    #[arg(long)]
    pub json: bool,
}

/// Inspects.
pub fn run(arguments: Arguments, view: &View) -> Result<()> {
    let path = Path::new(&arguments.name);
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx")) {
        let model = quelea_engine::read_model(path)?;
        return view.result(json!({"event": "model", "schema": model.schema, "about": model.about}), || of_model(&model));
    }
    let control = interrupt::stoppable(view.control())?;
    let summary = quelea_engine::inspect::table(&arguments.name, &arguments.null_value, None, &control)?;
    view.clear();
    view.result(json!({"event": "table", "summary": summary}), || of_table(&summary))
}

fn of_model(model: &Model) -> String {
    let (schema, about) = (&model.schema, &model.about);
    let predicts = match &schema.target {
        Target::None => "clusters".to_string(),
        Target::Number { name } => format!("{}, a number", visible(name)),
        Target::Classes { name, labels, .. } => {
            let shown: Vec<String> = (0..labels.len().min(10)).map(|class| labels.text(class)).collect();
            let more = if labels.len() > shown.len() { format!(", … {} classes", labels.len()) } else { String::new() };
            format!("{}, one of {}{more}", visible(name), visible(&shown.join(", ")))
        }
    };
    let mut out = format!("{} trained on {} rows, predicts {predicts}\n", visible(&about.learner), text::count(schema.rows));
    out += &format!("data fingerprint {}\n\n", visible(&about.fingerprint));
    let rows = schema.features.iter().map(|feature| {
        let input = &schema.inputs[feature.input];
        vec![feature.name.clone(), kind(input.kind).into(), encoder(feature)]
    });
    out += &text::table(&["feature", "input", "encoder"], rows);
    out += &text::history(about);
    out += &text::metrics(&about.metrics);
    out += &text::confusion(&about.metrics, &schema.target);
    out += &text::importances(&about.importances, 20);
    out += &format!("\njob\n{}", text::job(&about.job));
    out
}

fn encoder(feature: &Feature) -> String {
    match &feature.kind {
        FeatureKind::Number { part, min, max, missing } => {
            let part = part.map_or(String::new(), |part| format!("{part:?} of it, ").to_lowercase());
            format!("{part}{min} to {max}{}", missing_text(*missing))
        }
        FeatureKind::Category { values, missing, .. } => {
            let shown: Vec<&str> = values.iter().take(4).map(String::as_str).collect();
            let more = if values.len() > shown.len() { ", …" } else { "" };
            format!("{} values: {}{more}{}", values.len(), shown.join(", "), missing_text(*missing))
        }
        FeatureKind::Sparse { width, entries, hashed, .. } => {
            let texts: usize = hashed.iter().map(|of_column| of_column.values.len()).sum();
            let made = if hashed.is_empty() { String::new() } else { format!(", {texts} texts of {} columns hashed", hashed.len()) };
            format!("{width} columns, {entries} entries{made}")
        }
    }
}

fn missing_text(missing: u64) -> String {
    if missing == 0 { String::new() } else { format!(", {} missing", text::count(missing)) }
}

fn of_table(summary: &TableSummary) -> String {
    let mut out = format!(
        "{}: {} rows in {} file{}\n\n",
        visible(&summary.table),
        text::count(summary.rows),
        summary.files,
        if summary.files == 1 { "" } else { "s" }
    );
    let rows = summary.columns.iter().map(|column| {
        let missing = column.missing.map_or(String::new(), text::count);
        vec![
            column.name.clone(),
            column.data_type.clone(),
            column.kind.map_or("cannot be learned from", kind).into(),
            missing,
            content(column),
        ]
    });
    out += &text::table(&["column", "type", "taken for", "missing", "values"], rows);
    if !summary.problems.is_empty() {
        out += "\nwhat training refuses:\n";
    }
    summary.problems.iter().for_each(|problem| out += &format!("  {}\n", visible(problem)));
    out
}

fn content(column: &ColumnSummary) -> String {
    if let Some(ends) = &column.range {
        let [smallest, largest] = ends.each_ref().map(|end| end.as_str().map_or_else(|| end.to_string(), str::to_string));
        return format!("{smallest} to {largest}");
    }
    let Some(values) = column.values else { return String::new() };
    if column.most_frequent.is_empty() {
        return if values > 0 { format!("{} columns", text::count(values as u64)) } else { String::new() };
    }
    let frequent: Vec<String> = column.most_frequent.iter().map(|(value, rows)| format!("{value} ({})", text::count(*rows))).collect();
    format!("{}: {}", text::count(values as u64), frequent.join(", "))
}

fn kind(kind: InputKind) -> &'static str {
    match kind {
        InputKind::Number => "number",
        InputKind::Text => "category",
        InputKind::Timestamp => "timestamp",
        InputKind::Sparse => "numbers by index",
        InputKind::Texts => "lists of texts",
    }
}
