//! Metrics, importances and other results as text that a person wants to read.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use quelea_core::prediction::{Importance, Metrics};
use quelea_core::schema::Target;
use quelea_core::visible::visible;
use quelea_model::About;
use serde_json::Value;

/// A table with a header line, as wide as the terminal at most.
pub fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = grid(header.iter().map(|name| name.to_string()), rows);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    format!("{table}\n")
}

/// Cells side by side, without lines between them. What they hold is made visible first, so that it keeps its place.
fn grid(header: impl Iterator<Item = String>, rows: impl Iterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header.map(|cell| visible(&cell).into_owned()));
    for row in rows {
        table.add_row(row.iter().map(|cell| visible(cell)));
    }
    table
}

/// As [`grid`], with all columns but the first flush right.
fn numbers(header: impl Iterator<Item = String>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = grid(header, rows);
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    format!("\n{table}\n")
}

/// The order in which the parts of a table are shown; other names come after.
const PARTS: [&str; 3] = ["train", "validation", "test"];

/// Metrics side by side, one column per part of the rows; a confusion matrix of the last part with few classes.
pub fn metrics(metrics: &BTreeMap<String, Metrics>) -> String {
    let mut parts: Vec<(&String, &Metrics)> = metrics.iter().collect();
    parts.sort_by_key(|(name, _)| PARTS.iter().position(|part| part == name).unwrap_or(PARTS.len()));
    let Some((_, last)) = parts.last() else { return String::new() };
    let header = std::iter::once(String::new()).chain(parts.iter().map(|(name, _)| name.to_string()));
    let row = |name: String, of_part: &dyn Fn(&Metrics) -> String| {
        std::iter::once(name).chain(parts.iter().map(|(_, metrics)| of_part(metrics))).collect()
    };
    let rows = std::iter::once(row("rows".into(), &|metrics| count(metrics.rows)));
    let values = last.values.iter().map(|metric| {
        let of_part = |metrics: &Metrics| metrics.values.iter().find(|m| m.name == metric.name).map_or(String::new(), |m| number(m.value));
        row(metric.name.replace('_', " "), &of_part)
    });
    numbers(header, rows.chain(values))
}

/// What the metrics of a job without a test part are computed on, and how to hold rows out.
pub fn without_test(metrics: &BTreeMap<String, Metrics>) -> String {
    let rows = if metrics.contains_key("validation") { "training and validation rows" } else { "training rows" };
    format!("these metrics are for {rows}; to measure the model on rows that it has not seen, set data.test, such as data.test = 0.2")
}

/// How the training went, in a line.
pub fn history(about: &About) -> String {
    let losses: Vec<f64> = about.history.iter().filter_map(|iteration| iteration.loss).collect();
    let (Some(first), Some(last)) = (losses.first(), losses.last()) else { return String::new() };
    let validation = about.history.iter().enumerate().filter_map(|(i, iteration)| Some((i + 1, iteration.validation_loss?)));
    let best = validation.min_by(|a, b| a.1.total_cmp(&b.1));
    let best = best
        .map_or(String::new(), |(iteration, loss)| format!("; the least on validation rows was {} at iteration {iteration}", number(loss)));
    format!("\n{} iterations, loss {} to {}{best}\n", about.history.len(), number(*first), number(*last))
}

/// The most classes whose confusion matrix a person wants to read.
const MOST_CLASSES: usize = 10;

/// The confusion matrix of the part of the rows that says most: the test, else the validation, else the training rows.
pub fn confusion(metrics: &BTreeMap<String, Metrics>, target: &Target) -> String {
    let Target::Classes { labels, .. } = target else { return String::new() };
    let part = PARTS.iter().rev().find_map(|&part| metrics.get_key_value(part)).or_else(|| metrics.first_key_value());
    let Some((name, Some(matrix))) = part.map(|(name, metrics)| (name, metrics.confusion.as_ref())) else { return String::new() };
    if matrix.len() > MOST_CLASSES {
        return String::new();
    }
    let classes = (0..labels.len()).map(|class| format!("as {}", labels.text(class)));
    let header = std::iter::once(format!("rows of {name} predicted")).chain(classes);
    let rows = matrix.iter().enumerate().map(|(class, row)| {
        let weights = row.iter().map(|&weight| if weight.fract() == 0.0 { count(weight as u64) } else { number(weight) });
        std::iter::once(format!("truly {}", labels.text(class))).chain(weights).collect()
    });
    numbers(header, rows)
}

/// The features that matter most, at most `most` of them, with bars.
pub fn importances(importances: &[Importance], most: usize) -> String {
    let shown: Vec<&Importance> = importances.iter().filter(|importance| importance.value > 0.0).take(most).collect();
    let Some(largest) = shown.first().map(|importance| importance.value) else { return String::new() };
    let rows = shown.iter().map(|importance| {
        let bar = "█".repeat((importance.value / largest * 24.0).round() as usize);
        vec![importance.feature.clone(), format!("{:.1} %", importance.value * 100.0), bar]
    });
    let mut table = grid(["feature", "importance", ""].map(String::from).into_iter(), rows);
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let more = importances.iter().filter(|importance| importance.value > 0.0).count() - shown.len();
    let more = if more > 0 { format!(" … and {more} more\n") } else { String::new() };
    format!("\n{table}\n{more}")
}

/// The keys of a job, one a line.
pub fn job(job: &Value) -> String {
    let mut lines = String::new();
    for (table, content) in job.as_object().into_iter().flatten() {
        let Some(content) = content.as_object() else {
            lines += &format!("  {} = {content}\n", visible(table));
            continue;
        };
        for (key, value) in content.iter().filter(|(_, value)| !value.is_null()) {
            lines += &format!("  {}.{} = {value}\n", visible(table), visible(key));
        }
    }
    lines
}

/// A whole number with a comma after every three digits.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A metric with as many digits as a person compares.
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if !(1e-4..1e7).contains(&size) => format!("{value:.5e}"),
        size if size >= 1000.0 => format!("{value:.1}"),
        size if size >= 10.0 => format!("{value:.3}"),
        _ => format!("{value:.5}"),
    }
}

/// A size of a file.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(number(0.123_456_789), "0.12346");
        assert_eq!(number(-12_345.678), "-12345.7");
        assert_eq!(bytes(1_500), "1.5 kB");
    }
}
