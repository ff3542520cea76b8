//! Merges the columns of a table's files: what types may differ, and what they become.

use std::collections::HashMap;
use std::path::Path;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use super::schema::{is_text, value_type};
use super::stray::Stray;
use crate::{Error, Result};

/// The schema that both files can be read with: the same columns, with types that [`common`] allows.
/// `stray` says what kept columns of a CSV file from being numbers.
pub(super) fn merged(before: &Schema, first: &Path, schema: &Schema, file: &Path, stray: &[Stray]) -> Result<Schema> {
    let wrong = |column: &str, problem: String| Error::Column { table: file.display().to_string(), column: column.into(), problem };
    let (known, found) = (by_name(before), by_name(schema));
    if let Some(extra) = schema.fields().iter().find(|field| !known.contains_key(field.name().as_str())) {
        return Err(wrong(
            extra.name(),
            format!("{} does not have this column; files of one table need the same columns", first.display()),
        ));
    }
    let mut fields = Vec::new();
    for field in before.fields() {
        let Some(other) = found.get(field.name().as_str()) else {
            return Err(wrong(field.name(), format!("it is missing here, but {} has it", first.display())));
        };
        let (a, b) = (field.data_type(), other.data_type());
        let Some(data_type) = common(a, b) else {
            let reason = stray.iter().find(|stray| stray.column == *field.name());
            let advice = reason.map_or_else(|| "convert one of them".into(), |stray| format!("in one of them {}", stray.described()));
            return Err(wrong(field.name(), format!("it is {b} here, but {a} in {}; {advice}", first.display())));
        };
        fields.push(Field::new(field.name(), data_type, true));
    }
    Ok(Schema::new(fields))
}

fn by_name(schema: &Schema) -> HashMap<&str, &Field> {
    schema.fields().iter().map(|field| (field.name().as_str(), &**field)).collect()
}

/// The type that values of both types can be read as, if there is one: the wider of two integers, a 64-bit float for other
/// numbers, the microseconds that models take for dates and times in different units. Truth values are no numbers.
fn common(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::{Float64, Int64, Null, Timestamp, UInt64, Utf8View};
    Some(match (value_type(a), value_type(b)) {
        _ if a == b => a.clone(),
        (a, b) if a == b => a.clone(),
        (Null, _) => b.clone(),
        (_, Null) => a.clone(),
        (a, b) if a.is_unsigned_integer() && b.is_unsigned_integer() => UInt64,
        (UInt64, b) if b.is_numeric() => Float64,
        (a, UInt64) if a.is_numeric() => Float64,
        (a, b) if a.is_integer() && b.is_integer() => Int64,
        (a, b) if a.is_numeric() && b.is_numeric() => Float64,
        (a, b) if is_text(a) && is_text(b) => Utf8View,
        (a, b) if is_zoneless_time(a) && is_zoneless_time(b) => Timestamp(TimeUnit::Microsecond, None),
        (Timestamp(_, zone), Timestamp(_, other)) if zone.is_some() && other.is_some() => Timestamp(TimeUnit::Microsecond, zone.clone()),
        _ => return None,
    })
}

/// Whether values are times without a zone; a date is the midnight that it begins with.
fn is_zoneless_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_together() {
        let dictionary = |values| DataType::Dictionary(Box::new(DataType::Int32), Box::new(values));
        let time = |unit, zone: Option<&str>| DataType::Timestamp(unit, zone.map(Into::into));
        let micros = TimeUnit::Microsecond;
        for (a, b, both) in [
            (DataType::Int32, DataType::Int64, Some(DataType::Int64)),
            (DataType::UInt8, DataType::Int16, Some(DataType::Int64)),
            (DataType::UInt8, DataType::UInt64, Some(DataType::UInt64)),
            (DataType::Int8, DataType::UInt64, Some(DataType::Float64)),
            (DataType::Int8, DataType::Float32, Some(DataType::Float64)),
            (dictionary(DataType::Utf8), DataType::LargeUtf8, Some(DataType::Utf8View)),
            (dictionary(DataType::Int64), DataType::Int64, Some(DataType::Int64)),
            (time(TimeUnit::Second, None), time(TimeUnit::Nanosecond, None), Some(time(micros, None))),
            (time(TimeUnit::Second, Some("UTC")), time(micros, Some("+01:00")), Some(time(micros, Some("UTC")))),
            (time(micros, None), time(micros, Some("UTC")), None),
            (DataType::Date32, time(TimeUnit::Second, None), Some(time(micros, None))),
            (DataType::Date32, time(micros, Some("UTC")), None),
            (DataType::Boolean, DataType::Int64, None),
            (DataType::Utf8, DataType::Int64, None),
        ] {
            assert_eq!(common(&a, &b), both, "{a} and {b}");
        }
    }
}
