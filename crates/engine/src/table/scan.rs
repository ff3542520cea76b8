//! A scan: a table's partitions, read side by side and given in row order.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::Column;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::{Stream, StreamExt};
use tokio::sync::mpsc::Sender;

use super::guard::next_batch;
use super::{Table, blame};
use crate::{Error, Result};

/// Batches that a partition may be ahead of its turn.
const BATCHES_AHEAD: usize = 4;

/// A planned scan.
pub(crate) struct Scan {
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    blame: blame::Blame,
}

impl Scan {
    pub(super) async fn new(table: &Table, columns: &[&str]) -> Result<Self> {
        let blame = blame::Blame::new(table);
        let columns = columns.iter().map(|&name| Expr::Column(Column::from_name(name))).collect::<Vec<_>>();
        let plan = async { table.frame.clone().select(columns)?.create_physical_plan().await };
        let plan = match plan.await {
            Ok(plan) => plan,
            Err(e) => return Err(blame.find(e).await),
        };
        Ok(Self { plan, context: table.context.task_ctx(), blame })
    }

    /// The schema of its batches.
    pub fn schema(&self) -> SchemaRef {
        self.plan.schema()
    }

    /// Folds the batches of every partition into a state of its own, `threads` partitions at a time.
    /// The states come in row order.
    pub fn fold<S, M, F>(self, threads: usize, make: M, step: F) -> impl Stream<Item = Result<S>>
    where
        S: Send + 'static,
        M: Fn() -> S,
        F: Fn(&mut S, RecordBatch) -> Result<()> + Clone + Send + 'static,
    {
        let partitions = self.plan.output_partitioning().partition_count();
        let scan = Arc::new(self);
        let states: Vec<S> = (0..partitions).map(|_| make()).collect();
        futures::stream::iter(states.into_iter().enumerate())
            .map(move |(partition, mut state)| {
                let (scan, step) = (scan.clone(), step.clone());
                let task = tokio::spawn(async move {
                    scan.fold_partition(partition, &mut state, step).await?;
                    Ok(state)
                });
                async move { task.await.map_err(Error::internal)? }
            })
            .buffered(threads)
    }

    /// Turns every batch into something else, `threads` partitions at a time; what comes out is in row order.
    /// A partition that is ahead of its turn waits after a few batches.
    pub fn map<T, F>(self, threads: usize, turn: F) -> impl Stream<Item = Result<T>>
    where
        T: Send + 'static,
        F: Fn(RecordBatch) -> Result<T> + Clone + Send + 'static,
    {
        let partitions = self.plan.output_partitioning().partition_count();
        let scan = Arc::new(self);
        futures::stream::iter(0..partitions)
            .map(move |partition| {
                let (scan, turn) = (scan.clone(), turn.clone());
                let (sender, receiver) = tokio::sync::mpsc::channel(BATCHES_AHEAD);
                let task = tokio::spawn(async move {
                    let ended = scan.send_partition(partition, turn, &sender).await;
                    if let Err(e) = ended {
                        // A receiver that is gone has seen an error already.
                        let _ = sender.send(Err(e)).await;
                    }
                });
                async move { (receiver, Some(task)) }
            })
            .buffered(threads)
            .flat_map(|partition| {
                futures::stream::unfold(partition, async |(mut receiver, mut task)| match receiver.recv().await {
                    Some(item) => Some((item, (receiver, task))),
                    // A task that panicked has sent no error.
                    None => task.take()?.await.err().map(|panic| (Err(Error::internal(panic)), (receiver, None))),
                })
            })
    }

    async fn send_partition<T>(&self, partition: usize, turn: impl Fn(RecordBatch) -> Result<T>, sender: &Sender<Result<T>>) -> Result<()> {
        let mut stream = match self.plan.execute(partition, self.context.clone()) {
            Ok(stream) => stream,
            Err(e) => return Err(self.blame.find(e).await),
        };
        while let Some(batch) = next_batch(&mut stream).await {
            let turned = match batch {
                Ok(batch) => turn(batch)?,
                Err(e) => return Err(self.blame.find(e).await),
            };
            if sender.send(Ok(turned)).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn fold_partition<S>(&self, partition: usize, state: &mut S, step: impl Fn(&mut S, RecordBatch) -> Result<()>) -> Result<()> {
        let mut stream = match self.plan.execute(partition, self.context.clone()) {
            Ok(stream) => stream,
            Err(e) => return Err(self.blame.find(e).await),
        };
        while let Some(batch) = next_batch(&mut stream).await {
            match batch {
                Ok(batch) => step(state, batch)?,
                Err(e) => return Err(self.blame.find(e).await),
            }
        }
        Ok(())
    }
}
