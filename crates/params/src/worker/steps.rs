//! How a worker carries out an order by steps: it has a mini-batch made, reads the rows that it wants, has it folded, and
//! pushes the sums to every shard.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use quelea_core::block::Block;
use quelea_core::steps::Sums;

use super::keys::Keys;
use super::{Action, Ask, Stage, Task, Worker};
use crate::Problem;
use crate::message::{Slice, ToShard};

/// The mini-batch of an order.
#[derive(Default)]
pub(super) struct Batch {
    keys: Keys,
    /// Parts of the parameters whose rows have not come.
    missing: BTreeSet<u32>,
    rows: BTreeMap<u32, Arc<Vec<(u32, Block)>>>,
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
        let (Some(joined), Some(order)) = (&self.joined, &self.order) else { return };
        let (run, epoch, least, parts) = (joined.run, order.epoch, order.least, joined.parts);
        let keys = Keys::new(keys, parts);
        let missing: BTreeSet<u32> = (0..parts).filter(|&part| keys.are_on(part)).collect();
        let asks: Vec<_> = missing.iter().map(|&part| (part, Arc::new(keys.of(part)))).collect();
        self.batch = Batch { keys, missing, rows: BTreeMap::new() };
        self.stage = Stage::Reading;
        for (part, blocks) in asks {
            self.ask_part(now, part, ToShard::Read { run, epoch, least, blocks });
        }
        self.step_when_read(now);
    }

    /// Takes the rows that a shard has read.
    pub(super) fn rows(&mut self, now: Duration, shard: u32, epoch: u32, blocks: Arc<Vec<(u32, Block)>>) {
        let part = self.part_of(shard);
        if self.stage == Stage::Reading && epoch == self.epoch && self.batch.missing.remove(&part) {
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
        let parts = self.joined.as_ref().map_or(0, |joined| joined.parts);
        let Sums { tables, weight, totals } = sums;
        match std::mem::take(&mut self.batch).keys.parted(tables, parts) {
            Err(problem) => self.fail(now, problem),
            Ok(parts) => {
                self.totals = totals;
                self.push(now, weight, parts);
            }
        }
    }

    /// Forgets what is read for an order that is over.
    pub(super) fn forget_reads(&mut self) {
        self.batch = Batch::default();
        self.calls.retain(|_, ask| !matches!(ask, Ask::Shard(ToShard::Read { .. })));
    }
}
