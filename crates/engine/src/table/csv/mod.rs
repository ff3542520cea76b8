//! CSV files: looked over before they are read, then read as text; for a query the text becomes values of the columns' types.

mod look;
mod read;
mod types;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::files::Compression;
use super::pieces::Piece;
use super::schema;
use super::stray::Notes;
use crate::Result;
use read::{CsvFile, Typed};
pub(super) use types::widened;

/// Rows of a file from which the types of its columns are guessed.
const LOOKED_AT: usize = 10_000;

/// What the first rows of a file say of it.
pub(super) struct Described {
    /// The columns, of types that later rows can hardly break.
    pub schema: Schema,
    /// What the user should know of them.
    pub notes: Notes,
    /// Whether the file has more rows than were looked at.
    pub has_more: bool,
}

/// Looks at the first rows of a file.
pub(super) fn describe(file: &Path, compression: Compression, null_values: &[String]) -> Result<Described> {
    let open = || schema::plain(file, compression);
    let notes = look::look(file, open, LOOKED_AT, |text| is_null(text, null_values))?;
    let (schema, rows) = types::guess(file, open()?, null_values)?;
    Ok(Described { schema, notes, has_more: rows == LOOKED_AT })
}

/// The files as pieces of a table whose columns are all text, to be parsed by the reader of the batch, who can name a value's row.
pub(super) fn pieces(files: &[PathBuf], compression: Compression, schema: &SchemaRef) -> Vec<Arc<dyn Piece>> {
    pieces_as(files, compression, schema, None)
}

/// The files as pieces of a table whose columns have the types in `schema`.
pub(super) fn typed_pieces(files: &[PathBuf], compression: Compression, schema: &SchemaRef, null_values: &[String]) -> Vec<Arc<dyn Piece>> {
    pieces_as(files, compression, schema, Some(Typed { schema: schema.clone(), null_values: null_values.to_vec() }))
}

fn pieces_as(files: &[PathBuf], compression: Compression, schema: &SchemaRef, typed: Option<Typed>) -> Vec<Arc<dyn Piece>> {
    let (text, typed) = (as_text(schema), typed.map(Arc::new));
    let piece = |file: &PathBuf| -> Arc<dyn Piece> { Arc::new(CsvFile::new(file, compression, text.clone(), typed.clone())) };
    files.iter().map(piece).collect()
}

/// The schema of the columns' text.
pub(super) fn as_text(schema: &Schema) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().iter().map(|f| Field::new(f.name(), DataType::Utf8View, true)).collect::<Vec<_>>()))
}

fn is_null(text: &str, null_values: &[String]) -> bool {
    text.is_empty() || null_values.iter().any(|marker| marker == text)
}
