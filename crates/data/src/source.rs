//! Where rows come from: anything that can give record batches of chosen columns, in an order of its own that never changes.

use arrow::datatypes::{Field, SchemaRef};
use arrow::record_batch::RecordBatch;
use quelea_core::suggest;

use crate::{Error, Result};

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

    /// Its columns. Where [`Source::encoding`] says that values are text, batches hold text under these names all the same.
    fn schema(&self) -> SchemaRef;

    /// How many rows there are, where that is known without reading them.
    fn row_count(&self) -> Option<u64> {
        None
    }

    /// How its values are written.
    fn encoding(&self) -> Encoding {
        Encoding::Typed
    }

    /// Columns whose values are for the most part numbers, but whose type is text because some are not; with what to tell the user.
    fn mixed_columns(&self) -> &[MixedColumn] {
        &[]
    }

    /// Reads the rows from `from` on. The batches have `columns`, in this order, and no others.
    ///
    /// The partitions can be read at once by as many threads. One after the other, they hold the rows in order. An error ends its
    /// partition.
    fn read(&self, columns: &[&str], from: Position) -> Result<Vec<Partition>>;

    /// Where a row is to be found: the name of what holds it, such as one of several files, and its number there, both from 0.
    fn locate(&self, row: u64) -> (String, u64) {
        (self.name().into(), row)
    }
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

/// How a source's values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As values of their columns' types.
    Typed,
    /// As the text of a CSV file, which the reader of a batch parses: it can name the row of a bad value. That a number has no fraction
    /// says little of its column.
    Text,
    /// As the numbers of a LibSVM file, which has whole and other numbers alike.
    LibSvm,
}

/// A column that is text because of some of its values.
#[derive(Debug, Clone, PartialEq)]
pub struct MixedColumn {
    /// The column.
    pub column: String,
    /// Values that are numbers.
    pub numbers: u64,
    /// Values that were looked at.
    pub values: u64,
    /// What is in the way and what to do about it.
    pub problem: String,
}

/// The column of `source` that is called `name`, or an error that suggests one.
pub fn field(source: &dyn Source, name: &str) -> Result<Field> {
    let schema = source.schema();
    match schema.field_with_name(name) {
        Ok(field) => Ok(field.clone()),
        Err(_) => {
            let names = schema.fields().iter().map(|f| f.name().as_str());
            let hint = suggest::nearest(name, names).map_or_else(String::new, |n| format!("; did you mean {n:?}?"));
            Err(Error::Column { table: source.name().into(), column: name.into(), problem: format!("there is no such column{hint}") })
        }
    }
}
