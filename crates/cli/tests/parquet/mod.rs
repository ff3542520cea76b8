//! Writes Parquet files for tests.

use std::io::Cursor;
use std::sync::Arc;

use datafusion::arrow::csv::ReaderBuilder;
use datafusion::arrow::csv::reader::Format;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;

/// The table in `csv` as a Parquet file, not compressed, with groups of 50,000 rows.
pub fn parquet(csv: &str) -> Vec<u8> {
    let (schema, _) = Format::default().with_header(true).infer_schema(Cursor::new(csv), Some(100)).unwrap();
    let schema = Arc::new(schema);
    let rows = ReaderBuilder::new(schema.clone()).with_header(true).build(Cursor::new(csv)).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(50_000)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).unwrap();
    rows.for_each(|batch| writer.write(&batch.unwrap()).unwrap());
    writer.into_inner().unwrap()
}
