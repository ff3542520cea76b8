//! Which shard a worker asks for a part of the parameters, where several hold each.

use std::time::Duration;

use super::{Ask, To, Worker};
use crate::message::ToShard;

impl Worker {
    /// Some shards have come or gone: what was asked of one that is gone is asked of another that holds the same.
    pub(super) fn know_shards(&mut self, now: Duration, view: u32, lost: Vec<u32>) {
        if view > self.view {
            self.view = view;
            self.lost = lost.into_iter().collect();
            let lost = self.lost.clone();
            for (to, ask) in self.calls.take(|to| matches!(to, To::Shard(shard) if lost.contains(&shard))) {
                if let (To::Shard(shard), Ask::Shard(ask @ (ToShard::Read { .. } | ToShard::Pull { .. }))) = (to, ask) {
                    self.ask_part(now, self.part_of(shard), ask);
                }
            }
            self.unstaged.retain(|shard| !lost.contains(shard));
            self.finish_when_staged(now);
        }
        self.poll(now);
    }

    pub(super) fn part_of(&self, shard: u32) -> u32 {
        self.joined.as_ref().map_or(0, |joined| shard % joined.parts.max(1))
    }

    /// Asks a shard that holds a part; workers begin with different ones. When all of them are lost, the run goes back.
    pub(super) fn ask_part(&mut self, now: Duration, part: u32, ask: ToShard) {
        if let Some(shard) = self.holder(part) {
            self.ask_shard(now, shard, ask);
        }
    }

    /// A shard that holds a part.
    pub(super) fn holder(&self, part: u32) -> Option<u32> {
        let joined = self.joined.as_ref()?;
        let copies = joined.shards.len() as u32 / joined.parts.max(1);
        let first = joined.member.worker % copies.max(1);
        let mut all = (0..copies).map(|copy| part + (first + copy) % copies * joined.parts);
        all.find(|shard| !self.lost.contains(shard))
    }
}
