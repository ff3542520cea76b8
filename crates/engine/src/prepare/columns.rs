//! Decides what each column of a table is for: an input and of what kind, the target, the weight, or nothing.

use arrow::datatypes::DataType;
use quelea_core::schema::{Input, InputKind, Schema};
use quelea_core::spec::Data;

use crate::table::{Table, is_text};
use crate::{Error, Result};

/// The columns of a table that training reads.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    /// What the model takes in, in the table's order.
    pub inputs: Vec<Input>,
    /// The column to predict.
    pub target: Option<String>,
    /// The column of row weights.
    pub weight: Option<String>,
}

impl Columns {
    /// Chooses among the columns of `table` as the job's `data` says. A run that goes on from an earlier one takes that one's inputs.
    pub fn choose(table: &Table, data: &Data, before: Option<&Schema>) -> Result<Self> {
        for name in data.features.iter().chain(&data.ignore).chain(&data.categories).chain(&data.target).chain(&data.weight) {
            table.field(name)?;
        }
        let inputs = match before {
            Some(schema) => schema.inputs.clone(),
            None => new_inputs(table, data)?,
        };
        if inputs.is_empty() {
            return Err(Error::Table {
                table: table.name.clone(),
                problem: "no column is left to learn from; look at data.features and data.ignore".into(),
            });
        }
        Ok(Self { inputs, target: data.target.clone(), weight: data.weight.clone() })
    }

    /// Checks that `table` has the inputs with types that fit, and gives its target and weight columns the same.
    pub fn check(&self, table: &Table) -> Result<()> {
        for input in &self.inputs {
            let found = table.field(&input.name)?.data_type();
            if !can_be(found, input.kind, table.is_csv) {
                return Err(Error::Column {
                    table: table.name.clone(),
                    column: input.name.clone(),
                    problem: format!("it is {found}, where the model takes {}; convert the column", described(input.kind)),
                });
            }
        }
        for name in self.target.iter().chain(&self.weight) {
            table.field(name)?;
        }
        Ok(())
    }

    /// The names of all columns to read: inputs, then target, then weight.
    pub fn names(&self) -> Vec<&str> {
        self.inputs.iter().map(|i| i.name.as_str()).chain(self.target.as_deref()).chain(self.weight.as_deref()).collect()
    }
}

fn new_inputs(table: &Table, data: &Data) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for field in table.schema.fields() {
        let name = field.name();
        let has_other_use = data.target.as_ref() == Some(name) || data.weight.as_ref() == Some(name);
        let is_wanted = data.features.is_empty() || data.features.contains(name);
        if has_other_use || !is_wanted || data.ignore.contains(name) {
            continue;
        }
        let kind = if data.categories.contains(name) { Some(InputKind::Text) } else { natural_kind(field.data_type()) };
        let Some(kind) = kind.filter(|&k| can_be(field.data_type(), k, table.is_csv)) else {
            return Err(Error::Column {
                table: table.name.clone(),
                column: name.clone(),
                problem: format!("values of type {} cannot be learned from; name the column in data.ignore", field.data_type()),
            });
        };
        inputs.push(Input { name: name.clone(), kind });
    }
    Ok(inputs)
}

/// What a column of this type is taken for when nothing else is said.
pub(crate) fn natural_kind(data_type: &DataType) -> Option<InputKind> {
    match data_type {
        DataType::Boolean | DataType::Null => Some(InputKind::Number),
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Some(InputKind::Timestamp),
        DataType::Dictionary(_, values) => natural_kind(values),
        t if is_text(t) => Some(InputKind::Text),
        t if t.is_numeric() => Some(InputKind::Number),
        _ => None,
    }
}

/// Whether values of `data_type` can be given as `kind`. Whole numbers can be text; floats cannot, for their text is not unique.
fn can_be(data_type: &DataType, kind: InputKind, is_csv: bool) -> bool {
    let natural = natural_kind(data_type);
    match kind {
        InputKind::Text if is_csv => true,
        InputKind::Text => natural == Some(InputKind::Text) || data_type.is_integer() || *data_type == DataType::Boolean,
        // A column without any value in the first rows of a CSV file counts as text; its values tell when they are read.
        InputKind::Number | InputKind::Timestamp if is_csv && is_text(data_type) => true,
        kind => natural == Some(kind),
    }
}

fn described(kind: InputKind) -> &'static str {
    match kind {
        InputKind::Number => "a number",
        InputKind::Text => "text",
        InputKind::Timestamp => "a timestamp",
    }
}
