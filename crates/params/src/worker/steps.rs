//! How a worker carries out an order by steps: it has a mini-batch made, reads the rows that it wants, has it folded, and
//! pushes the sums to every shard.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use quelea_core::block::Block;
use quelea_core::steps::Sums;

use super::keys::Keys;
use super::residual::Pushing;
use super::{Action, Ask, Stage, Task, Worker};
use crate::message::{Slice, ToShard};
use crate::{ListName, Problem};

type Blocks = Vec<(u32, Block)>;

/// The mini-batch of an order.
#[derive(Default)]
pub(super) struct Batch {
    /// The keys that are read, and then those that are pushed.
    keys: Keys,
    /// Parts of the parameters whose rows have not come.
    missing: BTreeSet<u32>,
    rows: BTreeMap<u32, Arc<Blocks>>,
    /// How large the values of each row are, table by table, if that decides what is pushed.
    sizes: Vec<Vec<f32>>,
}

impl Batch {
    /// Of what was read, only the rows of these keys are pushed.
    fn narrow(&mut self, keys: Vec<Vec<u64>>, parts: u32) {
        if !self.sizes.is_empty() {
            for ((sizes, read), keys) in self.sizes.iter_mut().zip(self.keys.whole()).zip(&keys) {
                let mut left = keys.iter().peekable();
                *sizes = read.iter().zip(&*sizes).filter(|(key, _)| left.next_if_eq(key).is_some()).map(|(_, size)| *size).collect();
            }
        }
        self.keys = Keys::new(keys, parts);
    }
}

impl Worker {
    /// Lets a mini-batch be made, once its tiles are there and the computing side has done what it was given before.
    pub(super) fn make_batch(&mut self, now: Duration, slices: Vec<Slice>) {
        let tiles: Vec<u32> = slices.iter().map(|slice| slice.tile).collect();
        self.fetch(now, &tiles);
        if !self.is_computing && tiles.iter().all(|tile| self.held.contains(tile)) {
            self.stage = Stage::Batching;
            let sequence = self.next_task();
            self.actions.push(Action::Compute(Task::Batch { sequence, slices }));
        }
    }

    fn next_task(&mut self) -> u32 {
        self.is_computing = true;
        self.folds += 1;
        self.folds
    }

    /// Whether what the computing side has done is what it was given last, and belongs to the order.
    fn is_answer(&mut self, now: Duration, sequence: u32, stage: Stage) -> bool {
        if sequence != self.folds {
            return false;
        }
        self.is_computing = false;
        // An order that came meanwhile has waited.
        self.ready(now);
        self.stage == stage && sequence == self.folds
    }

    /// Takes the keys that the mini-batch of a [`Task::Batch`] pulls: of each table, in ascending order.
    pub fn wanted(&mut self, now: Duration, sequence: u32, keys: Vec<Vec<u64>>) {
        if !self.is_answer(now, sequence, Stage::Batching) {
            return;
        }
        let Some(joined) = &self.joined else { return };
        let parts = joined.parts;
        let keys = Keys::new(keys, parts);
        let missing: BTreeSet<u32> = (0..parts).filter(|&part| keys.are_on(part)).collect();
        self.batch = Batch { keys, missing: missing.clone(), ..Batch::default() };
        self.stage = Stage::Reading;
        missing.into_iter().for_each(|part| self.read_rows(now, part));
        self.step_when_read(now);
    }

    /// Asks a shard for the rows of a part; it is told their keys if it does not know them.
    fn read_rows(&mut self, now: Duration, part: u32) {
        let (Some(joined), Some(order), Some(shard)) = (&self.joined, &self.order, self.holder(part)) else { return };
        let list = self.batch.keys.name(part).filter(|name| self.told.has(shard, *name));
        let blocks = if list.is_some() { Vec::new() } else { self.batch.keys.of(part, 1) };
        let (run, epoch, least, bits) = (joined.run, order.epoch, order.least, self.residuals.traffic().bits);
        let ask = ToShard::Read { run, epoch, least, bits, list, blocks: Arc::new(blocks) };
        self.ask_shard(now, shard, ask);
    }

    /// Makes a call again whose list a shard does not know.
    pub(super) fn unlisted(&mut self, now: Duration, shard: u32, asked: Ask) {
        let Ask::Shard(ToShard::Read { list: Some(name), .. } | ToShard::Push { list: Some(name), .. }) = asked else { return };
        self.told.forget(shard, name);
        match asked {
            Ask::Shard(ToShard::Push { id, weight, blocks, .. }) => {
                let keys = self.batch.keys.of(self.part_of(shard), 2);
                let blocks = keys.into_iter().chain(blocks.iter().cloned()).collect();
                self.ask_shard(now, shard, ToShard::Push { id, weight, list: None, blocks: Arc::new(blocks) });
            }
            _ => self.read_rows(now, self.part_of(shard)),
        }
    }

    /// Takes the rows that a shard has read.
    pub(super) fn rows(&mut self, now: Duration, shard: u32, epoch: u32, blocks: Arc<Blocks>) {
        let part = self.part_of(shard);
        if self.stage == Stage::Reading && epoch == self.epoch && self.batch.missing.remove(&part) {
            self.batch.keys.name(part).into_iter().for_each(|name| self.told.note(shard, name));
            self.batch.rows.insert(part, blocks);
            self.step_when_read(now);
        }
    }

    fn step_when_read(&mut self, now: Duration) {
        if !self.batch.missing.is_empty() {
            return;
        }
        let rows = std::mem::take(&mut self.batch.rows);
        match self.batch.keys.joined(rows.into_iter().collect()) {
            Err(what) => self.fail(now, Problem::internal(format!("shards answer with {what}"))),
            Ok(pulled) => {
                if self.residuals.traffic().significance > 0.0 {
                    self.batch.sizes = self.batch.keys.sizes(&pulled);
                }
                self.stage = Stage::Stepping;
                let sequence = self.next_task();
                self.actions.push(Action::Compute(Task::Step { sequence, pulled }));
            }
        }
    }

    /// Takes the sums that a [`Task::Step`] gave.
    pub fn stepped(&mut self, now: Duration, sequence: u32, sums: Sums) {
        if !self.is_answer(now, sequence, Stage::Stepping) {
            return;
        }
        match self.parts(sums) {
            Err(problem) => self.fail(now, problem),
            Ok((weight, parts)) => self.push(now, weight, parts),
        }
    }

    /// What shards are sent of these sums, part by part, and their weight.
    fn parts(&mut self, sums: Sums) -> Result<(i64, Vec<Blocks>), Problem> {
        let Sums { mut tables, keys, mut weight, totals } = sums;
        self.totals = totals;
        if let (Some(joined), Some(keys)) = (&self.joined, keys) {
            self.batch.narrow(keys, joined.parts);
        }
        if self.residuals.traffic().is_less()
            && let (Some(joined), Some(order)) = (&self.joined, &self.order)
        {
            let pushing = Pushing { order: order.number, weight, flush: order.flush, sizes: &self.batch.sizes };
            let read = self.batch.keys.whole();
            let (sent, weight_of_sent) = self.residuals.send(read.iter().cloned().zip(tables).collect(), &pushing)?;
            let (keys, sums): (Vec<_>, Vec<_>) = sent.into_iter().unzip();
            (tables, weight) = (sums, weight_of_sent);
            if keys != read {
                self.batch.keys = Keys::new(keys, joined.parts);
            }
        }
        Ok((weight, self.batch.keys.parted(tables)?))
    }

    /// What a shard is pushed, with the name of its keys or with the keys, if there are any.
    pub(super) fn with_keys(&self, shard: u32, sums: &Arc<Blocks>) -> (Option<ListName>, Arc<Blocks>) {
        let part = self.part_of(shard);
        let Some(name) = self.batch.keys.name(part) else { return (None, sums.clone()) };
        if self.told.has(shard, name) {
            return (Some(name), sums.clone());
        }
        // A list of which something is left out hardly comes again.
        let is_to_be_remembered = !self.residuals.traffic().is_less();
        let with_keys = self.batch.keys.of(part, 2).into_iter().chain(sums.iter().cloned()).collect();
        (is_to_be_remembered.then_some(name), Arc::new(with_keys))
    }

    /// Forgets what is read for an order that is over.
    pub(super) fn forget_reads(&mut self) {
        self.batch = Batch::default();
        self.calls.retain(|_, ask| !matches!(ask, Ask::Shard(ToShard::Read { .. })));
    }
}
