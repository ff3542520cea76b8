//! The types of a CSV file's columns. They are guessed from the first rows. A table that is read directly needs no more, because
//! its text is parsed as what its columns are taken for; a query must know every type before it reads, so later rows are asked too.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use csv::{ByteRecord, ReaderBuilder};
use datafusion::arrow::csv::reader::Format;
use quelea_core::visible::shortened;
use rayon::prelude::*;

use super::super::files::Compression;
use super::super::pieces::FileError;
use super::super::schema;
use super::{LOOKED_AT, is_null};
use crate::prepare::spelling::truth;
use crate::prepare::values::{BadValue, Reading};
use crate::{Error, Result};

/// The type of times in CSV files.
const TIME: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// The columns of a file, as its first rows have them, and the number of these rows.
pub(super) fn guess(file: &Path, plain: impl Read, null_values: &[String]) -> Result<(Schema, usize)> {
    let nulls = regex::Regex::new(&null_pattern(null_values)).map_err(Error::internal)?;
    let format = Format::default().with_header(true).with_null_regex(nulls);
    let guessed = format.infer_schema(plain, Some(LOOKED_AT));
    let (schema, rows) = guessed.map_err(|e| FileError::new(file, format!("not a CSV file with a header line: {e}")))?;
    let fields: Vec<Field> = schema.fields().iter().map(|f| Field::new(f.name(), plain_type(f.data_type()), true)).collect();
    Ok((Schema::new(fields), rows))
}

/// The pattern of texts that are no value: nothing, or one of `null_values`.
fn null_pattern(null_values: &[String]) -> String {
    let markers: Vec<String> = null_values.iter().map(|v| regex::escape(v)).collect();
    format!("^({})?$", markers.join("|"))
}

/// A type that later rows can hardly break.
fn plain_type(guessed: &DataType) -> DataType {
    match guessed {
        DataType::Utf8 => DataType::Utf8View,
        DataType::Timestamp(..) | DataType::Date64 => TIME,
        other => other.clone(),
    }
}

/// `schema` with types that all rows of these files have, as far as a wider type can help: numbers where whole numbers or truth
/// values were guessed, times where dates were.
pub(in super::super) fn widened(
    files: &[PathBuf],
    compression: Compression,
    schema: &SchemaRef,
    null_values: &[String],
) -> Result<SchemaRef> {
    let of_files = files.par_iter().map(|file| too_narrow(file, compression, schema, null_values)).collect::<Result<Vec<_>>>()?;
    let widened = |(column, field): (usize, &Arc<Field>)| match of_files.iter().any(|too_narrow| too_narrow[column]) {
        true => Field::new(field.name(), wider(field.data_type()).unwrap_or(DataType::Utf8View), true),
        false => field.as_ref().clone(),
    };
    Ok(Arc::new(Schema::new(schema.fields().iter().enumerate().map(widened).collect::<Vec<_>>())))
}

/// For each column, whether a value of the file is not of the column's type.
fn too_narrow(file: &Path, compression: Compression, schema: &Schema, null_values: &[String]) -> Result<Vec<bool>> {
    let mut found = vec![false; schema.fields().len()];
    let mut watched: Vec<usize> = (0..found.len()).filter(|&column| wider(schema.field(column).data_type()).is_some()).collect();
    let mut records = ReaderBuilder::new().has_headers(true).flexible(true).from_reader(schema::plain(file, compression)?);
    let mut record = ByteRecord::new();
    while !watched.is_empty() && records.read_byte_record(&mut record).map_err(|e| FileError::cut_short(file, e))? {
        watched.retain(|&column| {
            let value = record.get(column).unwrap_or_default();
            let is_fitting =
                fits(schema.field(column).data_type(), value) || std::str::from_utf8(value).is_ok_and(|text| is_null(text, null_values));
            found[column] = !is_fitting;
            is_fitting
        });
    }
    Ok(found)
}

/// What values that are not of this type may be of, if there is such a type.
fn wider(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Boolean | DataType::Int64 => Some(DataType::Float64),
        DataType::Date32 => Some(TIME),
        _ => None,
    }
}

/// Whether a value is one of a type that has a wider one.
fn fits(data_type: &DataType, value: &[u8]) -> bool {
    match data_type {
        DataType::Boolean => [&b"true"[..], b"false"].iter().any(|truth| value.eq_ignore_ascii_case(truth)),
        DataType::Int64 => {
            let digits = value.strip_prefix(b"-").unwrap_or(value);
            // Numbers of at most 18 digits have room in 64 bits.
            let is_small = (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
            is_small || std::str::from_utf8(value).is_ok_and(|text| text.parse::<i64>().is_ok())
        }
        DataType::Date32 => {
            let is_right = |(at, byte): (usize, &u8)| if at == 4 || at == 7 { *byte == b'-' } else { byte.is_ascii_digit() };
            value.len() == 10 && value.iter().enumerate().all(is_right)
        }
        _ => true,
    }
}

/// Text of a column as values of its type, parsed as the columns of a table that is read directly are.
pub(super) fn typed(reading: Reading, text: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, BadValue> {
    match data_type {
        DataType::Float64 => reading.parsed(text, data_type, "a number"),
        DataType::Timestamp(..) => reading.parsed(text, data_type, "a date or time such as 2013-01-31T17:20:00"),
        DataType::Boolean => {
            let texts = reading.texts(text)?;
            let parsed = texts.iter().map(|text| text.and_then(truth)).collect::<BooleanArray>();
            all_parsed(&texts, Arc::new(parsed), "true or false")
        }
        DataType::Int64 | DataType::Date32 => {
            let texts = reading.texts(text)?;
            let parsed = cast(&texts, data_type).map_err(|e| BadValue { row: 0, problem: e.to_string() })?;
            all_parsed(&texts, parsed, if *data_type == DataType::Date32 { "a date" } else { "a whole number" })
        }
        _ => Ok(Arc::new(reading.texts(text)?)),
    }
}

fn all_parsed(texts: &StringViewArray, parsed: ArrayRef, described: &str) -> Result<ArrayRef, BadValue> {
    match (0..texts.len()).find(|&row| texts.is_valid(row) && parsed.is_null(row)) {
        None => Ok(parsed),
        Some(row) => {
            let problem = format!("{:?} is not {described}; mend it, or name it in data.null_values", shortened(texts.value(row)));
            Err(BadValue { row, problem })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fit_the_types_that_are_guessed_from_them() {
        for (value, data_type) in [
            ("7", DataType::Int64),
            ("-007", DataType::Int64),
            ("9223372036854775807", DataType::Int64),
            ("TRUE", DataType::Boolean),
            ("2013-01-31", DataType::Date32),
        ] {
            let (schema, _) = guess(Path::new("t.csv"), format!("x\n{value}\n").as_bytes(), &[]).unwrap();
            assert_eq!(*schema.field(0).data_type(), data_type, "{value}");
            assert!(fits(&data_type, value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn values_that_ask_for_a_wider_type() {
        for (data_type, value) in [
            (DataType::Int64, "2.5"),
            (DataType::Int64, "9223372036854775808"),
            (DataType::Int64, "1e3"),
            (DataType::Int64, "-"),
            (DataType::Boolean, "1"),
            (DataType::Date32, "2013-01-31T17:20:00"),
            (DataType::Date32, "2013/01/31"),
        ] {
            assert!(!fits(&data_type, value.as_bytes()), "{value}");
        }
    }
}
