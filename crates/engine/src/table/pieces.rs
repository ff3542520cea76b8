//! Tables of files that are read here and not by DataFusion: their rows are in pieces, each of which is read from its beginning
//! to its end.

use std::fmt::{Debug, Display};
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

use crate::Error;

/// The batches of a piece; there is none after an error.
pub(super) type Batches = Box<dyn Iterator<Item = Result<RecordBatch, FileError>> + Send>;

/// What is wrong with a file, on its way through DataFusion.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{file}: {problem}")]
pub(super) struct FileError {
    /// The file.
    pub file: String,
    /// What is wrong with it and what to do.
    pub problem: String,
}

impl FileError {
    /// The error for `file`.
    pub fn new(file: &Path, problem: impl ToString) -> Self {
        Self { file: file.display().to_string(), problem: problem.to_string() }
    }

    /// The error for a file whose bytes cannot all be read.
    pub fn cut_short(file: &Path, error: impl Display) -> Self {
        Self::new(file, format!("the file cannot be read to its end ({error}); it may be cut short"))
    }
}

impl From<FileError> for Error {
    fn from(FileError { file, problem }: FileError) -> Self {
        Self::Table { table: file, problem }
    }
}

/// Some rows of a table.
pub(super) trait Piece: Debug + Send + Sync {
    /// The columns at the places in `projection`, in row order.
    fn batches(&self, projection: &[usize]) -> Result<Batches, FileError>;
}

/// A table in pieces.
#[derive(Debug)]
pub(super) struct PieceTable {
    schema: SchemaRef,
    partitions: Vec<Arc<[Arc<dyn Piece>]>>,
}

impl PieceTable {
    /// The table of these pieces, which are in row order, in at most so many partitions.
    pub fn new(schema: SchemaRef, pieces: &[Arc<dyn Piece>], partitions: usize) -> Self {
        let partitions = partitions.clamp(1, pieces.len().max(1));
        let start = |partition: usize| partition * pieces.len() / partitions;
        Self { schema, partitions: (0..partitions).map(|partition| pieces[start(partition)..start(partition + 1)].into()).collect() }
    }
}

#[async_trait]
impl TableProvider for PieceTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let projection = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema = Arc::new(self.schema.project(&projection)?);
        let partition = |pieces: &Arc<[Arc<dyn Piece>]>| -> Arc<dyn PartitionStream> {
            Arc::new(Partition { schema: schema.clone(), pieces: pieces.clone(), projection: projection.clone() })
        };
        let partitions = self.partitions.iter().map(partition).collect();
        Ok(Arc::new(StreamingTableExec::try_new(schema, partitions, None, [], false, limit)?))
    }
}

/// Pieces that are read one after the other.
#[derive(Debug)]
struct Partition {
    schema: SchemaRef,
    pieces: Arc<[Arc<dyn Piece>]>,
    projection: Vec<usize>,
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (pieces, projection) = (self.pieces.clone(), self.projection.clone());
        let batches = (0..pieces.len()).flat_map(move |piece| match pieces[piece].batches(&projection) {
            Ok(batches) => batches,
            Err(e) => Box::new(std::iter::once(Err(e))),
        });
        let batches = batches.map(|batch| batch.map_err(|e| DataFusionError::External(Box::new(e))));
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), futures::stream::iter(batches)))
    }
}
