//! Where rows come from: anything that can give record batches of chosen columns, in an order of its own that never changes.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use crate::Result;

/// Rows under named and typed columns, which can be read any number of times and always come in the same order.
///
/// Training reads a source once and prediction reads it once. Row numbers decide what a row is used for, so a source whose order
/// changes gives another model each time.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{Float32Array, RecordBatch};
/// use quelea_data::{Batches, Position, Source};
///
/// let x = Arc::new(Float32Array::from(vec![1.0, 2.0, 3.0])) as _;
/// let source = Batches::new(&[RecordBatch::try_from_iter([("x", x)])?])?;
/// assert_eq!(source.row_count(), Some(3));
/// let rest = source.read(&["x"], Position::after(2))?.into_iter().flatten();
/// assert_eq!(rest.map(|batch| Ok(batch?.num_rows())).sum::<quelea_data::Result<usize>>()?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Source: Send + Sync {
    /// What messages call it, such as a path.
    fn name(&self) -> &str;

    /// Its columns.
    fn schema(&self) -> SchemaRef;

    /// How many rows there are, where that is known without reading them.
    fn row_count(&self) -> Option<u64> {
        None
    }

    /// Reads the rows from `from` on. The batches have `columns`, in this order, and no others.
    ///
    /// The partitions can be read at once by as many threads. One after the other, they hold the rows in order. An error ends its
    /// partition.
    fn read(&self, columns: &[&str], from: Position) -> Result<Vec<Partition>>;
}

/// The batches of a part of a source.
pub type Partition = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// Where to go on in a source: behind the rows that were read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position(u64);

impl Position {
    /// Before the first row.
    pub const START: Self = Self(0);

    /// Behind so many rows.
    pub const fn after(rows: u64) -> Self {
        Self(rows)
    }

    /// The number of rows before it.
    pub const fn rows(self) -> u64 {
        self.0
    }
}
