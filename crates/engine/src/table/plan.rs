//! Plans the scan of a table's columns: one plan, or for a wide Parquet table one for each group of columns.
//!
//! DataFusion looks every column up by its name, from the first column on, each time that it plans a projection or opens a Parquet
//! file. A scan of a table's files is therefore planned without a projection, and a wide one in groups of columns.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::DataFrame;

use super::{Format, Table};

/// Columns of a Parquet file that are read together. Each group reads the file's footer anew.
const COLUMNS_PER_GROUP: usize = 4_096;

/// The plans whose columns, side by side, are these. All of them have the same partitions with the same rows.
pub(super) async fn of_columns(table: &Table, columns: &[&str]) -> Result<Vec<Arc<dyn ExecutionPlan>>> {
    let LogicalPlan::TableScan(scan) = table.frame.logical_plan() else {
        let columns: Vec<Expr> = columns.iter().map(|&name| Expr::Column(Column::from_name(name))).collect();
        return Ok(vec![table.frame.clone().select(columns)?.create_physical_plan().await?]);
    };
    let place = |&name: &&str| table.places.get(name).copied().map_or_else(|| scan.source.schema().index_of(name), Ok);
    let projection = columns.iter().map(place).collect::<std::result::Result<Vec<usize>, _>>()?;
    let per_group = if table.format == Some(Format::Parquet) { COLUMNS_PER_GROUP } else { usize::MAX };
    let mut plans = Vec::new();
    for group in projection.chunks(per_group) {
        let plan = LogicalPlanBuilder::scan(scan.table_name.clone(), scan.source.clone(), Some(group.to_vec()))?.build()?;
        plans.push(DataFrame::new(table.context.state(), plan).create_physical_plan().await?);
    }
    Ok(plans)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use arrow::array::{ArrayRef, AsArray, Int32Array};
    use arrow::datatypes::Int32Type;
    use arrow::record_batch::RecordBatch;
    use datafusion::parquet::arrow::ArrowWriter;
    use datafusion::parquet::file::properties::WriterProperties;
    use futures::TryStreamExt;

    use super::*;
    use crate::threads::Threads;

    const COLUMNS: usize = COLUMNS_PER_GROUP + 100;
    const ROWS: i32 = 30;

    /// The value of a column in a row of the table.
    fn value(column: usize, row: i32) -> i32 {
        column as i32 * 1_000 + row
    }

    fn write(path: &std::path::Path, first: i32) {
        let column = |column: usize| {
            let values: Int32Array = (first..first + ROWS).map(|row| value(column, row)).collect();
            (format!("column {column}"), Arc::new(values) as ArrayRef)
        };
        let batch = RecordBatch::try_from_iter((0..COLUMNS).map(column)).unwrap();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(20)).build();
        let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    #[test]
    fn columns_of_a_wide_table_come_in_the_order_asked_for_and_their_rows_in_the_tables() {
        let folder = tempfile::tempdir().unwrap();
        (0..3).for_each(|file| write(&folder.path().join(format!("{file}.parquet")), file * ROWS));
        let threads = Threads::new(Some(2)).unwrap();
        let table = Table::open(folder.path().to_str().unwrap(), &[], 2).unwrap();
        let order: Vec<usize> = (0..COLUMNS).rev().filter(|column| column % 7 != 3).chain([3]).collect();
        let names: Vec<String> = order.iter().map(|column| format!("column {column}")).collect();
        let read = threads.wait(async {
            let scan = table.scan(&names.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap();
            assert!(scan.schema().fields().iter().map(|field| field.name()).eq(&names));
            scan.map(2, Ok).try_collect::<Vec<RecordBatch>>().await.unwrap()
        });
        for (place, &column) in order.iter().enumerate() {
            let rows = read.iter().flat_map(|batch| batch.column(place).as_primitive::<Int32Type>().values().to_vec());
            assert!(rows.eq((0..3 * ROWS).map(|row| value(column, row))), "column {column}");
        }
    }
}
