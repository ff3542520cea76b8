//! Commits: what is contributed is named to every shard, and counts once all of them have it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Phase, Run, State};
use crate::message::{Apply, Candidates, Contribution, ToShard};

/// A commit that is on its way.
pub(super) struct Committing {
    contributions: Vec<Contribution>,
    apply: Apply,
    /// Whether shards keep a copy of what comes out of it.
    copy: bool,
    /// What shards gave so far.
    parts: BTreeMap<u32, Candidates>,
}

impl Run {
    /// After somebody has contributed, or is no more: commits what can be, and lets others fold.
    pub(super) fn go_on(&mut self, now: Duration) {
        if matches!(self.phase, Phase::Going)
            && self.committing.is_none()
            && let Some((contributions, apply)) = self.work.commit(&mut self.members)
        {
            let copy = self.cuts.are_due(now) && self.work.may_cut(&self.members);
            self.committing = Some(Committing { contributions, apply, copy, parts: BTreeMap::new() });
            for (shard, state) in (0..).zip(self.shards.states.clone()) {
                if state == State::Ready {
                    self.commit(now, shard);
                }
            }
        }
        self.dispatch(now);
    }

    pub(super) fn commit(&mut self, now: Duration, shard: u32) {
        let Some(Committing { contributions, apply, copy, .. }) = &self.committing else { return };
        let (run, epoch, clock) = (self.settings.run, self.epoch, self.clock());
        let ask = ToShard::Commit { run, epoch, clock, contributions: contributions.clone(), apply: *apply, copy: *copy };
        self.shards.call(now, shard, ask);
    }

    pub(super) fn committed(&mut self, now: Duration, shard: u32, clock: u64, candidates: Candidates) {
        let (true, Some(committing)) = (clock == self.work.clock(), &mut self.committing) else { return };
        committing.parts.insert(shard, candidates);
        self.finish_commit(now);
    }

    /// Goes on once every shard that counts has committed.
    pub(super) fn finish_commit(&mut self, now: Duration) {
        let clock = self.clock();
        let Some(committing) = &mut self.committing else { return };
        let mut parts = BTreeMap::new();
        for shard in self.shards.live() {
            let Some(candidates) = committing.parts.get(&shard) else { return };
            parts.entry(self.shards.part_of(shard)).or_insert_with(|| candidates.clone());
        }
        let copy = committing.copy;
        self.committing = None;
        if self.work.log().is_some() {
            self.advance_shards(now, clock, &parts);
        }
        if let Err(problem) = self.work.committed(parts.into_values().flatten().collect(), &mut self.members) {
            return self.end(now, Err(problem));
        }
        if self.clock() > self.farthest {
            (self.farthest, self.setbacks) = (self.clock(), 0);
        }
        if self.work.is_done() {
            return self.complete(now);
        }
        if copy {
            self.begin_cut();
        }
        self.work.even_out(now, &mut self.members);
        self.go_on(now);
    }

    /// Tells every shard what the others found.
    pub(super) fn advance_shards(&mut self, now: Duration, clock: u64, parts: &BTreeMap<u32, Candidates>) {
        let (run, epoch) = (self.settings.run, self.epoch);
        for shard in self.shards.live().collect::<Vec<_>>() {
            let own = self.shards.part_of(shard);
            let others = parts.iter().filter(|(part, _)| **part != own).flat_map(|(_, candidates)| candidates.clone()).collect();
            self.shards.states[shard as usize] = State::Replaying;
            self.shards.call(now, shard, ToShard::Advance { run, epoch, clock, others });
        }
    }
}
