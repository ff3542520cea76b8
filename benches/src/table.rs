//! A Parquet file in memory.

use std::fs::File;

use anyhow::{Context, Result};
use arrow::array::{ArrayRef, Float32Array, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::DataType;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

const BATCH_ROWS: usize = 65_536;

/// The rows of `path` in batches.
pub fn batches(path: &str) -> Result<Vec<RecordBatch>> {
    let file = File::open(path).with_context(|| format!("cannot open {path}"))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(BATCH_ROWS).build()?;
    Ok(reader.collect::<Result<Vec<_>, _>>()?)
}

/// The rows of `path` as one batch.
pub fn whole(path: &str) -> Result<RecordBatch> {
    let batches = batches(path)?;
    let schema = batches.first().with_context(|| format!("{path} has no rows"))?.schema();
    Ok(concat_batches(&schema, &batches)?)
}

/// Column `name` as 32-bit floats.
pub fn floats(batch: &RecordBatch, name: &str) -> Result<Float32Array> {
    let column: &ArrayRef = batch.column_by_name(name).with_context(|| format!("there is no column {name}"))?;
    Ok(Float32Array::from(cast(column, &DataType::Float32)?.to_data()))
}
