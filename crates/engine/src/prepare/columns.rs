//! Decides what each column of a table is for: an input and of what kind, the target, the weight, or nothing.

use std::collections::{BTreeMap, HashSet};

use arrow::datatypes::DataType;
use quelea_core::hash::BUCKETS;
use quelea_core::schema::{FeatureKind, Input, InputKind, Labels, Schema, Target};
use quelea_job::Data;

use super::nulls::Nulls;
use super::part::Part;
use super::zones;
use crate::table::lists::{self, Lists};
use crate::table::{Table, is_text, value_type};
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
    /// What stands for a missing value.
    pub nulls: Nulls,
    /// Categories that are numbers or truth values, whose spellings are one.
    pub spelled: HashSet<String>,
    /// Whether the times of an input have a zone, as far as that is known.
    pub zoned: BTreeMap<String, bool>,
    /// Inputs that are hashed into one feature, and the number of its buckets.
    pub hashed: HashSet<String>,
    /// How many buckets they are hashed into.
    pub buckets: u32,
}

impl Columns {
    /// Chooses among the columns of `table` as the job's `data` says. A run that goes on from an earlier one takes that one's inputs.
    pub fn choose(table: &Table, data: &Data, before: Option<&Schema>) -> Result<Self> {
        for name in
            data.features.iter().chain(&data.ignore).chain(&data.categories).chain(&data.hashed).chain(&data.target).chain(&data.weight)
        {
            table.field(name)?;
        }
        let inputs = match before {
            Some(schema) => inputs_again(table, data, schema)?,
            None => new_inputs(table, data)?,
        };
        if inputs.is_empty() {
            return Err(Error::Table {
                table: table.name.clone(),
                problem: "no column is left to learn from; look at data.features and data.ignore".into(),
            });
        }
        let is_spelled = |name: &&String| table.field(name).is_ok_and(|f| has_spellings(f.data_type()));
        let mut spelled: HashSet<String> = data.categories.iter().filter(is_spelled).cloned().collect();
        spelled.extend(before.into_iter().flat_map(known_spelled));
        let mut zoned = table_zones(table, &inputs);
        zoned.extend(before.into_iter().flat_map(|schema| schema.zoned.clone()));
        let (hashed, buckets) = match before {
            Some(schema) => known_hashed(schema),
            None => (data.hashed.iter().cloned().collect(), data.hash_buckets.map_or(BUCKETS, |buckets| buckets as u32)),
        };
        let nulls = Nulls::new(&data.null_values);
        Ok(Self { inputs, target: data.target.clone(), weight: data.weight.clone(), nulls, spelled, zoned, hashed, buckets })
    }

    /// The columns that a model reads, and its target where that is wanted.
    pub fn of_model(schema: &Schema, with_target: bool, weight: Option<String>) -> Self {
        let target = schema.target.name().filter(|_| with_target).map(str::to_string);
        let (hashed, buckets) = known_hashed(schema);
        let (spelled, zoned) = (known_spelled(schema).collect(), schema.zoned.clone());
        Self { inputs: schema.inputs.clone(), target, weight, nulls: Nulls::of_model(schema), spelled, zoned, hashed, buckets }
    }

    /// Notes what the rows of a CSV file tell of the zones of times. The error names an input and a row, counted from the first part's,
    /// that is unlike those before it.
    pub fn note_zones(&mut self, parts: &[Part]) -> Result<(), (String, u64)> {
        let mut first = 0;
        for part in parts {
            for (input, zones) in self.inputs.iter().zip(&part.zones) {
                let Some(zoned) = zones.zoned else { continue };
                if *self.zoned.entry(input.name.clone()).or_insert(zoned) != zoned {
                    return Err((input.name.clone(), first + zones.row as u64));
                }
            }
            first += part.rows as u64;
        }
        Ok(())
    }

    /// Checks that `table` has the inputs with types that fit, a weight that is a number, and a target that can be
    /// the one that is `known`, if it is.
    pub fn check(&self, table: &Table, known: Option<&Target>) -> Result<()> {
        for input in &self.inputs {
            check_kind(table, &input.name, input.kind, self.spelled.contains(&input.name))?;
            self.check_zone(table, input)?;
        }
        for (column, what) in [(&self.weight, "weight"), (&self.target, "target")] {
            if let Some(column) = column {
                refuse_empty(table, column, what)?;
            }
        }
        if let Some(weight) = &self.weight {
            check_kind(table, weight, InputKind::Number, false)?;
        }
        let Some(target) = &self.target else { return Ok(()) };
        match known {
            None | Some(Target::None) => table.field(target).map(|_| ()),
            Some(Target::Classes { labels: Labels::Text(_), .. }) => check_kind(table, target, InputKind::Text, false),
            Some(_) => check_kind(table, target, InputKind::Number, false),
        }
    }

    /// The same hours of a time with a zone and of one without are other moments.
    fn check_zone(&self, table: &Table, input: &Input) -> Result<()> {
        let (Some(&known), Some(zoned)) = (self.zoned.get(&input.name), table_zone(table, &input.name)?) else { return Ok(()) };
        if known == zoned {
            return Ok(());
        }
        let (has, others) = if zoned { ("have a time zone", "have none") } else { ("have no time zone", "have one") };
        let found = table.field(&input.name)?.data_type();
        let problem = format!("it is {found}: its times {has}, and those of the training table {others}; convert one of them");
        Err(Error::Column { table: table.name.clone(), column: input.name.clone(), problem })
    }

    /// The first input that becomes numbers by index.
    pub fn first_sparse(&self) -> Option<&str> {
        let is_sparse = |input: &&Input| matches!(input.kind, InputKind::Sparse | InputKind::Texts) || self.hashed.contains(&input.name);
        self.inputs.iter().find(is_sparse).map(|input| input.name.as_str())
    }

    /// The names of all columns to read: inputs, then target, then weight.
    pub fn names(&self) -> Vec<&str> {
        self.inputs.iter().map(|i| i.name.as_str()).chain(self.target.as_deref()).chain(self.weight.as_deref()).collect()
    }
}

/// Whether values of this type are numbers or truth values, which have several spellings where they are categories.
fn has_spellings(data_type: &DataType) -> bool {
    let values = value_type(data_type);
    values.is_numeric() || *values == DataType::Boolean
}

/// The categories of a model whose values have other spellings.
fn known_spelled(schema: &Schema) -> impl Iterator<Item = String> {
    let is_spelled = |kind: &FeatureKind| matches!(kind, FeatureKind::Category { aliases, .. } if !aliases.is_empty());
    schema.features.iter().filter(move |feature| is_spelled(&feature.kind)).map(|feature| feature.name.clone())
}

/// What the types of a table tell of the zones of its times.
fn table_zones(table: &Table, inputs: &[Input]) -> BTreeMap<String, bool> {
    let zoned = |input: &Input| Some((input.name.clone(), table_zone(table, &input.name).ok()??));
    inputs.iter().filter(|input| input.kind == InputKind::Timestamp).filter_map(zoned).collect()
}

/// Whether the times of a column have a zone, as far as its type tells.
fn table_zone(table: &Table, name: &str) -> Result<Option<bool>> {
    let zoned = zones::of_type(table.field(name)?.data_type());
    Ok(zoned.filter(|&zoned| zoned || !table.has_times_as_text()))
}

/// The inputs that a model hashes, and into how many buckets.
fn known_hashed(schema: &Schema) -> (HashSet<String>, u32) {
    let feature = schema.features.iter().find_map(|feature| match &feature.kind {
        FeatureKind::Sparse { width, hashed, .. } if !hashed.is_empty() => Some((*width, hashed)),
        _ => None,
    });
    let Some((width, hashed)) = feature else { return (HashSet::new(), BUCKETS) };
    (hashed.iter().filter_map(|of_column| schema.inputs.get(of_column.input)).map(|input| input.name.clone()).collect(), width)
}

/// A column of the type null has no value in any row.
fn refuse_empty(table: &Table, column: &str, what: &str) -> Result<()> {
    match value_type(table.field(column)?.data_type()) {
        DataType::Null => {
            let problem = format!("it is the {what} and has no value in any row; fill it in, or name another column");
            Err(Error::Column { table: table.name.clone(), column: column.into(), problem })
        }
        _ => Ok(()),
    }
}

fn check_kind(table: &Table, name: &str, kind: InputKind, is_spelled: bool) -> Result<()> {
    let found = table.field(name)?.data_type();
    if can_be(found, kind, table.is_csv, is_spelled) {
        return Ok(());
    }
    let problem = format!("it is {found}, where {} is needed; convert the column", described(kind));
    Err(Error::Column { table: table.name.clone(), column: name.into(), problem })
}

/// The inputs of the model to go on from, which must be the columns that the job would learn from.
fn inputs_again(table: &Table, data: &Data, before: &Schema) -> Result<Vec<Input>> {
    let new = new_inputs(table, data)?;
    let names = |inputs: &[Input]| -> HashSet<String> { inputs.iter().map(|input| input.name.clone()).collect() };
    let (known, found) = (names(&before.inputs), names(&new));
    if let Some(extra) = new.iter().find(|input| !known.contains(&input.name)) {
        let problem = "the model to go on from does not read this column; name it in data.ignore, or train anew";
        return Err(Error::Column { table: table.name.clone(), column: extra.name.clone(), problem: problem.into() });
    }
    if let Some(left_out) = before.inputs.iter().find(|input| !found.contains(&input.name)) {
        table.field(&left_out.name)?;
        let problem = "the model to go on from reads this column, and the job leaves it out; look at data.features and data.ignore";
        return Err(Error::Column { table: table.name.clone(), column: left_out.name.clone(), problem: problem.into() });
    }
    Ok(before.inputs.clone())
}

fn new_inputs(table: &Table, data: &Data) -> Result<Vec<Input>> {
    let [features, ignore, categories, hashed] =
        [&data.features, &data.ignore, &data.categories, &data.hashed].map(|names| names.iter().collect::<HashSet<_>>());
    let mut inputs = Vec::new();
    for field in table.schema.fields() {
        let name = field.name();
        let has_other_use = data.target.as_ref() == Some(name) || data.weight.as_ref() == Some(name);
        let is_wanted = features.is_empty() || features.contains(name);
        if has_other_use || !is_wanted || ignore.contains(name) {
            continue;
        }
        if name.is_empty() {
            let problem = format!("column {} has no name, which a model needs; rename it", inputs.len() + 1);
            return Err(Error::Table { table: table.name.clone(), problem });
        }
        let is_category = categories.contains(name);
        let is_hashed = hashed.contains(name);
        let kind = match lists::of_type(field.data_type()) {
            Some(Lists::Texts) if is_hashed => Some(InputKind::Texts),
            _ if is_category || is_hashed => Some(InputKind::Text),
            _ => natural_kind(field.data_type()),
        };
        let Some(kind) = kind.filter(|&k| can_be(field.data_type(), k, table.is_csv, is_category)) else {
            return Err(Error::Column {
                table: table.name.clone(),
                column: name.clone(),
                problem: match field.data_type() {
                    found if is_hashed => format!("values of type {found} cannot be hashed; take the column out of data.hashed"),
                    found if is_category => format!("values of type {found} cannot be categories; take the column out of data.categories"),
                    found if lists::of_type(found) == Some(Lists::Texts) => {
                        format!("values of type {found} are lists of texts; name the column in data.hashed, or in data.ignore")
                    }
                    found => format!("values of type {found} cannot be learned from; name the column in data.ignore"),
                },
            });
        };
        inputs.push(Input { name: name.clone(), kind });
    }
    Ok(inputs)
}

/// What a column of this type is taken for when nothing else is said.
pub(crate) fn natural_kind(data_type: &DataType) -> Option<InputKind> {
    match data_type {
        DataType::Boolean => Some(InputKind::Number),
        // A column without any value: text, as in a CSV file.
        DataType::Null => Some(InputKind::Text),
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Some(InputKind::Timestamp),
        DataType::Dictionary(..) => natural_kind(value_type(data_type)),
        t if is_text(t) => Some(InputKind::Text),
        t if t.is_numeric() => Some(InputKind::Number),
        t => lists::of_type(t).filter(|&lists| lists != Lists::Texts).map(|_| InputKind::Sparse),
    }
}

/// Whether values of `data_type` can be given as `kind`. Whole numbers can be text. Other numbers can be where the spellings of one
/// number are one, `is_spelled`, because the text of a float is not that of the whole number it may be.
fn can_be(data_type: &DataType, kind: InputKind, is_csv: bool, is_spelled: bool) -> bool {
    let natural = natural_kind(data_type);
    match kind {
        // All its values are missing.
        _ if *value_type(data_type) == DataType::Null => true,
        InputKind::Texts => lists::of_type(data_type) == Some(Lists::Texts) || lists::are_empty(data_type),
        InputKind::Sparse => natural == Some(kind) || lists::are_empty(data_type),
        InputKind::Text if is_csv => true,
        InputKind::Text => {
            let values = value_type(data_type);
            natural == Some(InputKind::Text) || values.is_integer() || *values == DataType::Boolean || is_spelled && values.is_numeric()
        }
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
        InputKind::Sparse => "a list of indices, of pairs of index and value, or of numbers",
        InputKind::Texts => "a list of texts",
    }
}
