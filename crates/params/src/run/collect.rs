//! The end of a training by steps: all rows of all tables, from all shards.

use std::time::Duration;

use quelea_core::block::Block;
use quelea_core::steps::Fetched;

use super::{Phase, Run};
use crate::Problem;
use crate::message::ToShard;

/// What has been collected so far.
#[derive(Default)]
pub(super) struct Collecting {
    whole: Vec<Fetched>,
    /// What each shard has given of the next table.
    parts: Vec<Fetched>,
    /// Shards that have given all of it.
    given: usize,
}

impl Run {
    /// Nothing is left to commit: collects the tables, if there are any.
    pub(super) fn complete(&mut self, now: Duration) {
        self.phase = Phase::Collecting(Collecting::default());
        self.collect_next(now);
    }

    fn collect_next(&mut self, now: Duration) {
        let Phase::Collecting(collecting) = &mut self.phase else { return };
        let parts = self.shards.parts;
        (collecting.parts, collecting.given) = (vec![Fetched::default(); parts as usize], 0);
        if collecting.whole.len() == self.work.tables() {
            let result = self.work.finish(std::mem::take(&mut collecting.whole));
            return self.end(now, result);
        }
        self.shards.holders().into_iter().for_each(|shard| self.collect(now, shard, 0));
    }

    /// A shard is lost: the table that is being collected comes anew from those that hold the same.
    pub(super) fn collect_again(&mut self, now: Duration) {
        self.shards.calls.retain(|_, ask| !matches!(ask, ToShard::Collect { .. }));
        self.collect_next(now);
    }

    fn collect(&mut self, now: Duration, shard: u32, from: u64) {
        let Phase::Collecting(collecting) = &self.phase else { return };
        let (run, epoch, table) = (self.settings.run, self.epoch, collecting.whole.len() as u32);
        self.shards.call(now, shard, ToShard::Collect { run, epoch, table, from });
    }

    /// Takes rows of the next table.
    pub(super) fn collected(&mut self, now: Duration, shard: u32, table: u32, blocks: &[(u32, Block)]) {
        let Phase::Collecting(collecting) = &mut self.phase else { return };
        if collecting.whole.len() != table as usize {
            return;
        }
        let [(0, Block::Keys(keys)), (1, Block::Values(values))] = blocks else {
            return self.end(now, Err(Problem::internal("a shard gives a table without keys or values")));
        };
        let part = &mut collecting.parts[self.shards.part_of(shard) as usize];
        part.keys.extend(keys);
        part.values.extend(values);
        if let Some(next) = keys.last().and_then(|last| last.checked_add(1)) {
            return self.collect(now, shard, next);
        }
        collecting.given += 1;
        if collecting.given == collecting.parts.len() {
            collecting.whole.push(merged(std::mem::take(&mut collecting.parts)));
            self.collect_next(now);
        }
    }
}

/// The rows of all shards in the order of their keys.
fn merged(mut parts: Vec<Fetched>) -> Fetched {
    if parts.len() == 1 {
        return parts.swap_remove(0);
    }
    let mut places: Vec<(u64, usize, usize)> = Vec::new();
    for (part, fetched) in parts.iter().enumerate() {
        places.extend(fetched.keys.iter().enumerate().map(|(row, &key)| (key, part, row)));
    }
    places.sort_unstable();
    let mut all = Fetched::default();
    for (key, part, row) in places {
        let Fetched { keys, values } = &parts[part];
        let width = values.len() / keys.len();
        all.keys.push(key);
        all.values.extend(&values[row * width..][..width]);
    }
    all
}
