//! What the user should know of a table that can be used, and what to do about it.

use quelea_core::schema::{Feature, FeatureKind, InputKind};
use quelea_job::{Data, Task};

use super::columns::Columns;
use super::part::Part;
use crate::Control;
use crate::table::Table;

/// Rows below which another value in every row says little.
const FEW_ROWS: u64 = 100;

/// Columns of a CSV file that are categories for the sake of a few texts among their numbers.
pub(crate) fn of_stray_text(table: &Table, columns: &Columns, data: &Data, control: &Control) {
    for stray in &table.stray {
        let column = &stray.column;
        let is_target = columns.target.as_ref() == Some(column) && data.task.is_none();
        let is_category = columns.inputs.iter().any(|input| input.name == *column && input.kind == InputKind::Text);
        let (taken_for, meant) = match () {
            () if is_target => ("its values are taken for classes", format!("data.task = {}", task(Task::Classification))),
            () if is_category && !data.categories.contains(column) => {
                ("it is taken for a category", "the column in data.categories".to_string())
            }
            () => continue,
        };
        let share = 100.0 * stray.numbers as f64 / stray.values as f64;
        control.warn(format!(
            "{}: column {column:?}: {taken_for}, though {share:.1} % of the first {} values are numbers: {}; or say {meant} if it is meant",
            table.name,
            stray.values,
            stray.described()
        ));
    }
}

/// Columns of a CSV file whose numbers have leading zeros, which are lost.
pub(crate) fn of_leading_zeros(table: &Table, columns: &Columns, control: &Control) {
    for padded in &table.padded {
        let column = &padded.column;
        let is_target = columns.target.as_ref() == Some(column);
        let is_number = columns.inputs.iter().any(|input| input.name == *column && input.kind == InputKind::Number);
        let advice = match () {
            () if is_target => "put a letter before them",
            () if is_number => "name the column in data.categories",
            () => continue,
        };
        control.warn(format!(
            "{}: column {column:?}: numbers with leading zeros, such as {:?} in row {}, are taken for numbers, which have none; {advice} if \
             they are codes",
            table.name, padded.text, padded.row
        ));
    }
}

fn task(task: Task) -> String {
    serde_json::to_string(&task).unwrap_or_default()
}

/// Text columns with another value in nearly every row.
pub(crate) fn of_identifiers(features: &[Feature], control: &Control) {
    for feature in features {
        let FeatureKind::Category { values, counts, .. } = &feature.kind else { continue };
        let (rows, values) = (counts.iter().sum::<u64>(), values.len() as u64);
        if rows >= FEW_ROWS && values * 10 >= rows * 9 {
            control.warn(format!(
                "column {:?}: {values} different texts in {rows} rows teach nothing of other rows; name it in data.ignore",
                feature.name
            ));
        }
    }
}

/// Inputs whose whole numbers do not fit into the floats that models take.
pub(crate) fn of_rounding(columns: &Columns, parts: &[Part], control: &Control) {
    let is_rounded = |input: usize| parts.iter().any(|part| part.rounded[input]);
    let rounded: Vec<&str> =
        columns.inputs.iter().enumerate().filter(|&(i, _)| is_rounded(i)).map(|(_, input)| input.name.as_str()).collect();
    if !rounded.is_empty() {
        let names = rounded.join(", ");
        control.warn(format!(
            "whole numbers beyond 16,777,216 are rounded to 32-bit floats in {names}; name them in data.categories if they are codes"
        ));
    }
}

/// Rows of a training table that are left out.
pub(crate) fn of_missing_targets(columns: &Columns, rows: u64, control: &Control) {
    if rows > 0 {
        let target = columns.target.as_deref().unwrap_or_default();
        control.warn(format!("{rows} rows have no value in the target {target:?} and are left out"));
    }
}

/// Rows of another table that are left out; `which` says what they are for.
pub(crate) fn of_unknown_targets(rows: u64, which: &str, control: &Control) {
    if rows > 0 {
        control.warn(format!("{rows} rows {which} have no target, or one that no training row has, and are left out"));
    }
}
