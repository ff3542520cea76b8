//! How a worker carries out an order by rounds: it catches up with the order's clock, folds its tiles, pushes the sums, and
//! pulls the candidates that lead to the next clock.

use std::collections::BTreeMap;
use std::time::Duration;

use quelea_core::block::Block;

use super::{Action, Ask, Stage, Task, Worker};
use crate::message::{Candidates, ToRun, ToShard, Which};
use crate::shard::in_order;

impl Worker {
    /// Takes the sums of all blocks that a [`Task::Fold`] gave.
    pub fn folded(&mut self, now: Duration, sequence: u32, blocks: Vec<Block>) {
        let (Some(joined), Stage::Folding) = (&self.joined, self.stage) else { return };
        // Sums that were asked for earlier may be of other tiles, of another clock, or of the life before.
        if sequence != self.folds {
            return;
        }
        let count = joined.parts;
        let mut parts = vec![Vec::new(); count as usize];
        for (block, number) in blocks.into_iter().zip(0..) {
            parts[(number % count) as usize].push((number, block));
        }
        self.push(now, 0, parts);
        if self.pulling.as_ref().is_none_or(|(clock, _)| *clock != self.clock) {
            self.pulling = Some((self.clock, BTreeMap::new()));
            (0..count).for_each(|part| self.pull(now, part));
        }
    }

    /// What the shards do not give is in the run's log.
    pub(super) fn catch_up(&mut self, now: Duration) {
        let is_pulled = self.pulling.as_ref().is_some_and(|(clock, _)| *clock == self.clock);
        let (false, false, Some(member)) = (is_pulled, self.reading, self.member()) else { return };
        self.reading = true;
        self.ask_run(now, ToRun::Log { member, epoch: self.epoch, from: self.clock });
    }

    pub(super) fn read(&mut self, now: Duration, from: u64, clocks: Vec<Candidates>) {
        if clocks.is_empty() {
            // The run has gone back; its next order tells where to.
            return;
        }
        self.reading = false;
        let Some(goal) = self.order.as_ref().map(|order| order.clock) else { return };
        for (clock, candidates) in (from..goal).zip(clocks) {
            if clock == self.clock {
                self.advance(now, candidates);
            }
        }
        self.ready(now);
    }

    pub(super) fn pull(&mut self, now: Duration, part: u32) {
        let (Some(joined), Some((clock, _))) = (&self.joined, &self.pulling) else { return };
        let ask = ToShard::Pull { run: joined.run, epoch: self.epoch, clock: *clock };
        self.ask_part(now, part, ask);
    }

    pub(super) fn pulled(&mut self, now: Duration, shard: u32, (epoch, clock): (u32, u64), candidates: Candidates) {
        let (part, count) = (self.part_of(shard), self.joined.as_ref().map_or(0, |joined| joined.parts));
        let Some((pulling, parts)) = &mut self.pulling else { return };
        if epoch != self.epoch || clock != *pulling || clock != self.clock {
            return;
        }
        parts.insert(part, candidates);
        if parts.len() == count as usize {
            let all = std::mem::take(parts).into_values().flatten().collect();
            self.pulling = None;
            self.advance(now, all);
            self.expect();
            self.ready(now);
        }
    }

    pub(super) fn advance(&mut self, now: Duration, candidates: Candidates) {
        match in_order(candidates) {
            Err(problem) => self.fail(now, problem),
            Ok(candidates) => {
                self.clock += 1;
                self.actions.push(Action::Compute(Task::Advance(candidates)));
            }
        }
    }

    /// The next order is on its way, and most often it is for the same tiles.
    fn expect(&mut self) {
        let is_for_all = self.order.as_ref().is_some_and(|order| order.fold == Which::Owned);
        let are_there = self.owned.iter().all(|tile| self.held.contains(tile));
        if is_for_all && are_there && self.stage == Stage::Idle {
            self.actions.push(Action::Compute(Task::Expect(self.owned.clone())));
        }
    }

    pub(super) fn forget_pulls(&mut self) {
        self.pulling = None;
        self.calls.retain(|_, ask| !matches!(ask, Ask::Shard(ToShard::Pull { .. })));
    }

    pub(super) fn forget_log(&mut self) {
        self.reading = false;
        self.calls.retain(|_, ask| !matches!(ask, Ask::Run(ToRun::Log { .. })));
    }
}
