//! How an epoch begins: shards open it and take in what came before, and the first clock waits for workers.

use std::time::Duration;

use super::{Phase, Run, Settings, State, page};
use crate::message::{After, Contribution, ToShard};

/// About how many bytes of the log one message holds.
pub(super) const LOG_BYTES: usize = 4 << 20;

impl Run {
    /// Begins the first clock of an epoch when all shards are ready and workers are there.
    pub(super) fn start(&mut self, now: Duration) {
        let waited = self.first_join.is_some_and(|first| first + self.settings.grace <= now);
        let are_enough = self.members.len() >= self.settings.workers;
        if self.can_start() && (self.started || waited || are_enough) {
            if self.work.is_done() {
                return self.complete(now);
            }
            self.started = true;
            self.phase = Phase::Going;
            self.view += u32::from(self.view > 0);
            self.give_orphans();
            self.work.even_out(now, &mut self.members);
            self.dispatch(now);
        }
    }

    pub(super) fn can_start(&self) -> bool {
        matches!(self.phase, Phase::Opening) && self.shards.are_ready() && self.members.len() > 0
    }

    pub(super) fn open(&mut self, now: Duration, shard: u32) {
        let after = self.cuts.origin().after(0);
        self.open_at(now, shard, State::Opening, after, Vec::new());
    }

    /// Lets a shard begin after some commits, and with these contributions of the epoch.
    pub(super) fn open_at(&mut self, now: Duration, shard: u32, state: State, after: After, window: Vec<Contribution>) {
        self.shards.states[shard as usize] = state;
        self.shards.calls.retain(|to, _| to != shard);
        let Settings { run, plan, timing, .. } = &self.settings;
        let (part, life) = (self.shards.part_of(shard), self.shards.lives[shard as usize]);
        let (plan, timing, shards) = (plan.clone(), *timing, self.shards.parts);
        let ask = ToShard::Open { run: *run, epoch: self.epoch, shard: part, shards, life, plan, timing, after, window };
        self.shards.call(now, shard, ask);
    }

    /// Gives a shard the next part of the log, or finds that it has all of it.
    pub(super) fn replay(&mut self, now: Duration, shard: u32, from: u64) {
        if from >= self.clock() {
            return self.shard_is_ready(now, shard);
        }
        self.shards.states[shard as usize] = State::Replaying;
        self.send_log(now, shard, from);
    }

    /// Sends a shard some of the log.
    pub(super) fn send_log(&mut self, now: Duration, shard: u32, from: u64) {
        let log = self.work.log().unwrap_or_default();
        let (run, epoch, clocks) = (self.settings.run, self.epoch, page(log, from, LOG_BYTES));
        self.shards.call(now, shard, ToShard::Replay { run, epoch, from, clocks });
    }

    pub(super) fn shard_is_ready(&mut self, now: Duration, shard: u32) {
        self.shards.states[shard as usize] = State::Ready;
        self.shards.away[shard as usize] = None;
        match self.phase {
            Phase::Opening => self.start(now),
            Phase::Going => self.commit(now, shard),
            _ => {}
        }
    }
}
