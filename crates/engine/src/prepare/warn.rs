//! What the user should know of a table that can be used, and what to do about it.

use quelea_core::schema::{Feature, FeatureKind, InputKind, Target};
use quelea_job::{Data, Part as TablePart, Task};

use super::columns::Columns;
use super::rounding::{Loss, Rounding};
use super::weigh::LeftOut;
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

/// Inputs whose values lose what matters when they become the floats that models take.
pub(crate) fn of_rounding(columns: &Columns, rounding: &[Rounding], control: &Control) {
    let mut of_loss: [Vec<String>; 3] = Default::default();
    for (input, rounding) in columns.inputs.iter().zip(rounding) {
        match rounding.loss() {
            Some(Loss::Whole(example)) => of_loss[0].push(format!("{} ({example} becomes {})", input.name, example as f32)),
            Some(Loss::Equal) => of_loss[1].push(input.name.clone()),
            Some(Loss::Small) => of_loss[2].push(input.name.clone()),
            None => {}
        }
    }
    let [whole, equal, small] = of_loss.map(|names| names.join(", "));
    if !whole.is_empty() {
        control.warn(format!(
            "whole numbers beyond 16,777,216 are rounded to 32-bit floats in {whole}; name them in data.categories if they are codes"
        ));
    }
    if !equal.is_empty() {
        control.warn(format!(
            "different values become the same as they are rounded to 32-bit floats, of 7 digits, in {equal}; take away what all values have \
             in common"
        ));
    }
    if !small.is_empty() {
        control.warn(format!(
            "most values are below 1.2e-38, the smallest that a 32-bit float holds in full, in {small}; multiply the columns"
        ));
    }
}

/// A number to predict that loses what matters as it becomes the float that learners take.
pub(crate) fn of_rounded_target(target: &Target, rounding: Option<&Rounding>, control: &Control) {
    let (Target::Number { name }, Some(loss)) = (target, rounding.and_then(Rounding::loss)) else { return };
    let (problem, advice) = match loss {
        Loss::Whole(_) | Loss::Equal => ("different values become the same", "take away what all values have in common"),
        Loss::Small => ("most values are below 1.2e-38, the smallest that one holds in full", "multiply the column"),
    };
    control.warn(format!("the target {name:?} is rounded to 32-bit floats, of 7 digits: {problem}; {advice}"));
}

/// Rows of a training table that are left out.
pub(crate) fn of_missing_targets(columns: &Columns, rows: u64, control: &Control) {
    if rows > 0 {
        let target = columns.target.as_deref().unwrap_or_default();
        control.warn(format!("{rows} rows have no value in the target {target:?} and are left out"));
    }
}

/// Rows of `table` that are left out for their weight. Rows that weigh 0 are meant to be.
pub(crate) fn of_faint_rows(columns: &Columns, table: &str, left_out: LeftOut, control: &Control) {
    if let (Some(weight), true) = (&columns.weight, left_out.faint > 0) {
        control.warn(format!(
            "{table}: column {weight:?}: {} rows weigh less than 1e-15 of the heaviest, and are left out as if they weighed 0",
            left_out.faint
        ));
    }
}

/// A part that the job asks for under `key`, and that has no rows; without them there is no `what`.
pub(crate) fn of_no_rows(part: &Option<TablePart>, key: &str, rows: u64, what: &str, control: &Control) {
    let advice = match part {
        Some(TablePart::Fraction(fraction)) if *fraction > 0.0 => "set it to a larger share",
        Some(TablePart::Table(_)) => "give its rows weights above 0",
        _ => return,
    };
    if rows == 0 {
        control.warn(format!("{key} gives no row that weighs more than 0: there is no {what}; {advice}"));
    }
}

/// Rows of another table that are left out; `which` says what they are for.
pub(crate) fn of_unknown_targets(rows: u64, which: &str, control: &Control) {
    if rows > 0 {
        control.warn(format!("{rows} rows {which} have no target, or one that no training row has, and are left out"));
    }
}
