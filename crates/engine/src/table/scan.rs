//! A scan: a table's partitions, read side by side and given in row order.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::{Stream, StreamExt};
use tokio::sync::mpsc::Sender;

use super::guard::next_batch;
use super::{Table, blame, plan};
use crate::{Error, Result};

/// Batches that a partition may be ahead of its turn.
const BATCHES_AHEAD: usize = 4;

/// A planned scan.
pub(crate) struct Scan {
    /// Each plan reads some of the columns; they have the same partitions with the same rows.
    plans: Vec<Arc<dyn ExecutionPlan>>,
    schema: SchemaRef,
    context: Arc<TaskContext>,
    blame: blame::Blame,
}

impl Scan {
    pub(super) async fn new(table: &Table, columns: &[&str]) -> Result<Self> {
        let blame = blame::Blame::new(table);
        let plans = match plan::of_columns(table, columns).await {
            Ok(plans) => plans,
            Err(e) => return Err(blame.find(e).await),
        };
        let fields = plans.iter().flat_map(|plan| plan.schema().fields().iter().cloned().collect::<Vec<_>>());
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(Self { plans, schema, context: table.context.task_ctx(), blame })
    }

    /// The schema of its batches.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Folds the batches of every partition into a state of its own, `threads` partitions at a time.
    /// The states come in row order.
    pub fn fold<S, M, F>(self, threads: usize, make: M, step: F) -> impl Stream<Item = Result<S>>
    where
        S: Send + 'static,
        M: Fn() -> S,
        F: Fn(&mut S, RecordBatch) -> Result<()> + Clone + Send + 'static,
    {
        let partitions = self.partitions();
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
        let partitions = self.partitions();
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
        let mut streams = self.streams(partition).await?;
        while let Some(batch) = self.next(&mut streams).await? {
            if sender.send(Ok(turn(batch)?)).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn fold_partition<S>(&self, partition: usize, state: &mut S, step: impl Fn(&mut S, RecordBatch) -> Result<()>) -> Result<()> {
        let mut streams = self.streams(partition).await?;
        while let Some(batch) = self.next(&mut streams).await? {
            step(state, batch)?;
        }
        Ok(())
    }

    fn partitions(&self) -> usize {
        self.plans.first().map_or(0, |plan| plan.output_partitioning().partition_count())
    }

    /// The batches of a partition, plan by plan.
    async fn streams(&self, partition: usize) -> Result<Vec<SendableRecordBatchStream>> {
        let streams: std::result::Result<_, _> = self.plans.iter().map(|plan| plan.execute(partition, self.context.clone())).collect();
        match streams {
            Ok(streams) => Ok(streams),
            Err(e) => Err(self.blame.find(e).await),
        }
    }

    /// The next batch of a partition with the columns of all plans.
    async fn next(&self, streams: &mut [SendableRecordBatchStream]) -> Result<Option<RecordBatch>> {
        let mut batches = Vec::with_capacity(streams.len());
        for stream in streams {
            match next_batch(stream).await {
                Some(Ok(batch)) => batches.push(batch),
                Some(Err(e)) => return Err(self.blame.find(e).await),
                None => {}
            }
        }
        match batches.len() {
            0 => Ok(None),
            1 if self.plans.len() == 1 => Ok(batches.pop()),
            plans if plans == self.plans.len() => {
                let columns = batches.iter().flat_map(|batch| batch.columns().iter().cloned()).collect();
                RecordBatch::try_new(self.schema.clone(), columns).map(Some).map_err(Error::internal)
            }
            _ => Err(Error::internal("the groups of a table's columns have different numbers of batches")),
        }
    }
}
