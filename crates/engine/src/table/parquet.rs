//! Parquet files: their columns and rows, as their footers say, and the tables of them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{Schema, SchemaRef, TimeUnit, TimestampMillisecondType};
use datafusion::datasource::TableProvider;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::datasource::physical_plan::parquet::Int96Coercer;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use datafusion::parquet::basic::Type;
use datafusion::parquet::errors::ParquetError;

use super::guard::guarded;
use super::pieces::FileError;
use super::schema::{open, refuse_empty};
use super::store::FileStore;
use crate::prepare::values::FAR_TIME;
use crate::{Error, Result};

/// The unit of INT96 times: with DataFusion's, nanoseconds, they would reach from 1677 to 2262 only.
const INT96_UNIT: TimeUnit = TimeUnit::Microsecond;
const MICROS_PER_MILLI: i64 = 1_000;

/// The columns of a file and the number of its rows.
pub(super) fn describe(path: &Path) -> Result<(Schema, u64)> {
    refuse_empty(path)?;
    let file = open(path)?;
    let damaged = |problem: String| FileError::new(path, format!("not a whole Parquet file ({problem}); write it again"));
    let read = guarded(|| ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()));
    let metadata = read.map_err(|e| damaged(e.to_string()))?.map_err(|e| damaged(e.to_string()))?;
    let rows = metadata.metadata().file_metadata().num_rows().max(0) as u64;
    let coerced = |unit| Int96Coercer::new(metadata.parquet_schema(), metadata.schema(), &unit).coerce();
    match (coerced(INT96_UNIT), coerced(TimeUnit::Millisecond)) {
        (Some(schema), Some(in_millis)) => {
            let checked = guarded(|| refuse_far_times(path, file, &metadata, in_millis));
            checked.map_err(|e| damaged(e.to_string()))??;
            Ok((schema, rows))
        }
        _ => Ok((metadata.schema().as_ref().clone(), rows)),
    }
}

/// Refuses the first INT96 time that wraps around in 64 bits of microseconds. In milliseconds none does.
fn refuse_far_times(path: &Path, file: File, metadata: &ArrowReaderMetadata, in_millis: Schema) -> Result<()> {
    let damaged = |e: ParquetError| FileError::new(path, format!("not a whole Parquet file ({e}); write it again"));
    let parquet = metadata.parquet_schema();
    let is_time = |leaf: &usize| parquet.column(*leaf).physical_type() == Type::INT96 && parquet.column(*leaf).path().parts().len() == 1;
    let times = ProjectionMask::leaves(parquet, (0..parquet.num_columns()).filter(is_time));
    let options = ArrowReaderOptions::new().with_schema(Arc::new(in_millis));
    let metadata = ArrowReaderMetadata::try_new(metadata.metadata().clone(), options).map_err(damaged)?;
    let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata).with_projection(times).build().map_err(damaged)?;
    let mut first = 0;
    for batch in batches {
        let batch = batch.map_err(|e| damaged(e.into()))?;
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            let far = column.as_primitive::<TimestampMillisecondType>().iter().position(is_far);
            if let Some(row) = far {
                return Err(Error::Value {
                    table: path.display().to_string(),
                    row: first + row as u64 + 1,
                    column: field.name().clone(),
                    problem: FAR_TIME.into(),
                });
            }
        }
        first += batch.num_rows() as u64;
    }
    Ok(())
}

fn is_far(millis: Option<i64>) -> bool {
    let most = i64::MAX / MICROS_PER_MILLI - 1;
    millis.is_some_and(|millis| !(-most..=most).contains(&millis))
}

/// The table of these files, whose first has the number `first` in the session's [`FileStore`].
pub(super) fn table(files: &[PathBuf], first: usize, schema: SchemaRef) -> Result<Arc<dyn TableProvider>> {
    let format = ParquetFormat::default().with_coerce_int96(Some("us".into()));
    let url = |number| ListingTableUrl::try_new(FileStore::address_of(number)?, None).map_err(Error::internal);
    let urls = (first..first + files.len()).map(url).collect::<Result<Vec<_>>>()?;
    let config = ListingTableConfig::new_with_multi_paths(urls)
        .with_listing_options(ListingOptions::new(Arc::new(format)).with_file_extension(""))
        .with_schema(schema);
    Ok(Arc::new(ListingTable::try_new(config).map_err(Error::internal)?))
}
