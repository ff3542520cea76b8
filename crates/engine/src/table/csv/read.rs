//! The rows of a CSV file in batches, of the columns' text or of their types.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::csv::ReaderBuilder;
use datafusion::arrow::csv::reader;

use super::super::files::Compression;
use super::super::pieces::{Batches, FileError, Piece};
use super::super::{BATCH_ROWS, schema};
use super::{look, types};
use crate::prepare::values::{BadValue, Reading};

/// Values of a batch. The reader takes memory for a whole batch before it reads a row, so a batch of many columns has fewer rows.
const BATCH_VALUES: usize = 1 << 20;
/// Bytes that are asked of the system at once.
const BUFFER_BYTES: usize = 1 << 17;

/// A file of a table.
#[derive(Debug, Clone)]
pub(super) struct CsvFile {
    file: PathBuf,
    compression: Compression,
    /// All columns, as text.
    text: SchemaRef,
    /// The types that they are to have, if not text.
    typed: Option<Arc<Typed>>,
}

/// How text becomes values.
#[derive(Debug)]
pub(super) struct Typed {
    /// All columns and their types.
    pub schema: SchemaRef,
    /// Texts that stand for a missing value.
    pub null_values: Vec<String>,
}

impl CsvFile {
    /// The file with the columns in `text`, which become those in `typed`.
    pub fn new(file: &Path, compression: Compression, text: SchemaRef, typed: Option<Arc<Typed>>) -> Self {
        Self { file: file.into(), compression, text, typed }
    }

    /// The file's mistake, which has stopped the reader.
    fn mistake(&self, error: &ArrowError) -> FileError {
        let found = look::check(&self.file, || schema::plain(&self.file, self.compression));
        found.err().unwrap_or_else(|| FileError::new(&self.file, format!("{error}; mend or replace the file")))
    }

    /// The error for a value that cannot be used, in row `row` of the file.
    fn refused(&self, row: u64, column: usize, problem: &str) -> FileError {
        let line = look::line_of_row(&self.file, || schema::plain(&self.file, self.compression), row);
        match line {
            Ok(line) => FileError::new(&self.file, format!("line {line}, column {:?}: {problem}", self.text.field(column).name())),
            Err(e) => e,
        }
    }
}

impl Piece for CsvFile {
    fn batches(&self, projection: &[usize]) -> Result<Batches, FileError> {
        let plain = schema::plain(&self.file, self.compression).map_err(|e| FileError::new(&self.file, e))?;
        let plain: Box<dyn BufRead + Send> = Box::new(BufReader::with_capacity(BUFFER_BYTES, plain));
        let rows = (BATCH_VALUES / self.text.fields().len().max(1)).clamp(1, BATCH_ROWS);
        let reader = ReaderBuilder::new(self.text.clone()).with_header(true).with_batch_size(rows).with_projection(projection.to_vec());
        let reader = reader.build_buffered(plain).map_err(|e| FileError::new(&self.file, e))?;
        Ok(Box::new(Rows { of: self.clone(), reader, projection: projection.into(), row: 0, is_done: false }))
    }
}

/// The rows of a file, batch by batch.
struct Rows {
    of: CsvFile,
    reader: reader::BufReader<Box<dyn BufRead + Send>>,
    projection: Vec<usize>,
    /// The first row of the next batch.
    row: u64,
    is_done: bool,
}

impl Iterator for Rows {
    type Item = Result<RecordBatch, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let batch = match self.reader.next()? {
            Ok(batch) => self.turned(batch),
            Err(e) => Err(self.of.mistake(&e)),
        };
        self.is_done = batch.is_err();
        Some(batch)
    }
}

impl Rows {
    /// The batch with its columns' types.
    fn turned(&mut self, text: RecordBatch) -> Result<RecordBatch, FileError> {
        let first = self.row;
        self.row += text.num_rows() as u64;
        let Some(typed) = &self.of.typed else { return Ok(text) };
        let reading = Reading { null_values: &typed.null_values, is_csv: true };
        let mut columns = Vec::with_capacity(self.projection.len());
        for (array, &column) in text.columns().iter().zip(&self.projection) {
            let values = types::typed(reading, array, typed.schema.field(column).data_type());
            columns.push(values.map_err(|BadValue { row, problem }| self.of.refused(first + row as u64, column, &problem))?);
        }
        let wrong = |e: ArrowError| FileError::new(&self.of.file, e);
        let schema = Arc::new(typed.schema.project(&self.projection).map_err(wrong)?);
        RecordBatch::try_new_with_options(schema, columns, &RecordBatchOptions::new().with_row_count(Some(text.num_rows()))).map_err(wrong)
    }
}
