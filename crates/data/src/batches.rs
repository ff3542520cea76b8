//! Rows in memory as a source.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use quelea_core::tile::rows_per_tile;

use crate::{Error, Partition, Position, Result, Source};

/// Partitions that rows are cut into, at most.
const PARTITIONS: usize = 64;

/// Record batches in memory, one after the other. Reading shares their memory.
#[derive(Debug, Clone)]
pub struct Batches {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    rows: u64,
}

impl Batches {
    /// A source of `batches`, which must be at least one and have the same columns.
    pub fn new(batches: &[RecordBatch]) -> Result<Self> {
        let wrong = |problem: String| Error::Table { table: NAME.into(), problem };
        let schema = batches.first().ok_or_else(|| wrong("there are no record batches".into()))?.schema();
        if let Some(at) = batches.iter().position(|batch| batch.schema().fields() != schema.fields()) {
            return Err(wrong(format!("record batch {} has other columns than the first; give all the same columns", at + 1)));
        }
        let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        Ok(Self { schema, batches: batches.to_vec(), rows })
    }
}

/// What messages call the source.
const NAME: &str = "the table in memory";

impl Source for Batches {
    fn name(&self) -> &str {
        NAME
    }

    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn row_count(&self) -> Option<u64> {
        Some(self.rows)
    }

    fn read(&self, columns: &[&str], from: Position) -> Result<Vec<Partition>> {
        let places = columns.iter().map(|name| self.schema.index_of(name)).collect::<Result<Vec<usize>, _>>();
        let places = places.map_err(|e| Error::Table { table: NAME.into(), problem: e.to_string() })?;
        // Whole tiles in every partition, so that cutting them copies nothing.
        let per_tile = rows_per_tile(self.rows);
        let per_partition = (self.rows as usize).div_ceil(PARTITIONS).next_multiple_of(per_tile).max(per_tile);
        let mut partitions: Vec<Vec<RecordBatch>> = Vec::new();
        let (mut skipped, mut room) = (from.rows(), 0);
        for batch in &self.batches {
            let mut first = skipped.min(batch.num_rows() as u64) as usize;
            skipped -= first as u64;
            let batch = batch.project(&places).map_err(|e| Error::Source(e.into()))?;
            while first < batch.num_rows() {
                if room == 0 {
                    partitions.push(Vec::new());
                    room = per_partition;
                }
                let rows = room.min(batch.num_rows() - first);
                partitions.last_mut().expect("one was just pushed").push(batch.slice(first, rows));
                (first, room) = (first + rows, room - rows);
            }
        }
        let given = partitions.into_iter().map(|batches| Box::new(batches.into_iter().map(Ok)) as Partition);
        Ok(given.collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int32Array, RecordBatch};
    use arrow::datatypes::Int32Type;
    use proptest::prelude::*;

    use super::*;

    fn batch(from: i32, rows: usize) -> RecordBatch {
        let numbers = Int32Array::from_iter_values((0..rows as i32).map(|row| from + row));
        let others = Int32Array::from_iter_values((0..rows as i32).map(|row| -from - row));
        RecordBatch::try_from_iter([("a", Arc::new(numbers) as ArrayRef), ("b", Arc::new(others))]).unwrap()
    }

    fn column(source: &Batches, name: &str, from: u64) -> Vec<i32> {
        let batches = source.read(&[name], Position::after(from)).unwrap().into_iter().flatten();
        batches.flat_map(|batch| batch.unwrap().column(0).as_primitive::<Int32Type>().values().to_vec()).collect()
    }

    proptest! {
        #[test]
        fn rows_come_in_order_from_any_position(lengths in prop::collection::vec(0_usize..20_000, 1..6), from in 0_u64..100_000) {
            let mut next = 0;
            let batches: Vec<RecordBatch> = lengths.iter().map(|&rows| { next += rows as i32; batch(next - rows as i32, rows) }).collect();
            let source = Batches::new(&batches).unwrap();
            prop_assert_eq!(source.row_count(), Some(next as u64));
            let expected: Vec<i32> = (0..next).skip(from as usize).collect();
            prop_assert_eq!(column(&source, "a", from), expected.clone());
            prop_assert_eq!(column(&source, "b", from), expected.iter().map(|number| -number).collect::<Vec<_>>());
        }
    }

    #[test]
    fn batches_that_differ_or_lack_a_column_are_refused() {
        let other = RecordBatch::try_from_iter([("a", Arc::new(Int32Array::from(vec![1])) as ArrayRef)]).unwrap();
        assert!(Batches::new(&[]).unwrap_err().to_string().contains("no record batches"));
        assert!(Batches::new(&[batch(0, 2), other]).unwrap_err().to_string().contains("record batch 2 has other columns"));
        assert!(Batches::new(&[batch(0, 2)]).unwrap().read(&["c"], Position::START).is_err());
    }
}
