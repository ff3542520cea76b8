//! Shards that hold the same part of the parameters. Workers push to all of them and they commit the same, so that one that is
//! lost takes nothing with it; what comes in its place takes in what another has, between two orders.

use std::sync::Arc;
use std::time::Duration;

use quelea_core::block::Block;

use super::cuts::next_page;
use super::members::Entry;
use super::{Action, Note, Phase, Run, State, Why};
use crate::message::{Contribution, ToShard};

/// A shard that takes in what the others of its part have.
pub(super) struct Joining {
    shard: u32,
    /// By steps: whom it takes it from, the copy there, and how many pages of it there were.
    from: u32,
    commits: u64,
    pages: u64,
}

impl Run {
    /// A shard is lost, and another that is there holds the same part.
    pub(super) fn lose_replica(&mut self, now: Duration, shard: u32, why: Why) {
        let was_live = self.shards.is_live(shard);
        self.shards.states[shard as usize] = State::Lost;
        self.shards.calls.retain(|to, _| to != shard);
        self.view += u32::from(was_live);
        if self.joining.take_if(|joining| joining.shard == shard).is_some() {
            self.shards.hold_off(now, shard, self.settings.timing.lease);
        }
        if self.is_source(shard) {
            self.give_up_joining();
        }
        self.abandon_cut_of(shard);
        self.actions.push(Action::Tell(Note::ReplicaLost { shard, why }));
        match self.phase {
            Phase::Going => {
                self.finish_commit(now);
                self.dispatch(now);
            }
            Phase::Collecting(_) => self.collect_again(now),
            Phase::Opening | Phase::Ended => {}
        }
    }

    /// A shard is there while others of its part have gone on without it.
    pub(super) fn replica_is_up(&mut self, now: Duration, shard: u32) {
        if self.shards.states[shard as usize] != State::Lost {
            self.lose_replica(now, shard, Why::Restarted);
        }
        self.shards.states[shard as usize] = State::Called;
        self.shards.call(now, shard, ToShard::Ping { run: self.settings.run, clock: 0 });
    }

    /// It has answered: it is alive, and nobody waits for it in vain.
    pub(super) fn replica_answers(&mut self, now: Duration, shard: u32) {
        self.shards.states[shard as usize] = State::Behind;
        self.dispatch(now);
    }

    /// Lets a shard join that is behind, where there is one and nothing is on order. Whether orders have to wait.
    pub(super) fn let_replicas_join(&mut self, now: Duration) -> bool {
        if self.joining.is_some() {
            return true;
        }
        let Some(shard) = self.shards.behind(now) else { return false };
        if self.committing.is_some() || !self.work.is_quiet(&self.members) {
            return self.work.drains();
        }
        let Some(from) = self.shards.holder(self.shards.part_of(shard)) else { return false };
        self.abandon_cut_of(from);
        self.shards.lives[shard as usize] += 1;
        self.joining = Some(Joining { shard, from, commits: self.clock(), pages: 0 });
        let closed = if self.work.drains() { 0 } else { self.clock() };
        let after = self.work.cut(0).map(|cut| cut.after(closed)).unwrap_or_default();
        let last = |entry: &Entry| Contribution { member: entry.member, sequence: entry.done };
        let window = self.members.iter().map(last).collect();
        self.open_at(now, shard, State::Joining, after, window);
        true
    }

    /// Whether a shard takes in what another has.
    pub(super) fn is_joining(&self, shard: u32) -> bool {
        self.joining.as_ref().is_some_and(|joining| joining.shard == shard)
    }

    /// The shard that gives what it has to one that joins.
    pub(super) fn source(&self) -> Option<u32> {
        self.joining.as_ref().map(|joining| joining.from)
    }

    pub(super) fn is_source(&self, shard: u32) -> bool {
        self.source() == Some(shard)
    }

    /// The shard that joins with what this one has after so many commits.
    pub(super) fn joining_from(&self, shard: u32, commits: u64) -> Option<u32> {
        self.joining.as_ref().filter(|joining| joining.from == shard && joining.commits == commits).map(|joining| joining.shard)
    }

    /// A shard that joins has begun the epoch.
    pub(super) fn replica_opened(&mut self, now: Duration, shard: u32) {
        let Some(Joining { from, .. }) = self.joining.as_ref().filter(|joining| joining.shard == shard) else { return };
        if self.work.log().is_some() {
            return self.replica_at(now, shard, 0);
        }
        let ask = ToShard::Copy { run: self.settings.run, epoch: self.epoch };
        self.shards.call(now, *from, ask);
    }

    /// A shard that joins has come so far in the log.
    pub(super) fn replica_at(&mut self, now: Duration, shard: u32, clock: u64) {
        match clock < self.clock() {
            true => self.send_log(now, shard, clock),
            false => self.replica_joined(now),
        }
    }

    /// The copy is there.
    pub(super) fn replica_can_copy(&mut self, now: Duration) {
        self.ask_page(now, 0, 0);
    }

    fn ask_page(&mut self, now: Duration, table: u32, from: u64) {
        let Some(joining) = &self.joining else { return };
        let (run, epoch, commits, source) = (self.settings.run, self.epoch, joining.commits, joining.from);
        if (table as usize) < self.work.tables() {
            return self.shards.call(now, source, ToShard::Save { run, epoch, commits, table, from });
        }
        self.shards.call(now, source, ToShard::Forget { run, epoch, commits });
        self.replica_joined(now);
    }

    /// A page of the copy, for the shard that joins.
    pub(super) fn page_for_replica(&mut self, now: Duration, table: u32, blocks: Arc<Vec<(u32, Block)>>) {
        let Some(joining) = &mut self.joining else { return };
        let is_empty = matches!(&blocks[..], [(_, Block::Keys(keys)), _] if keys.is_empty());
        if is_empty {
            return self.ask_page(now, table + 1, 0);
        }
        let (part, shard) = (joining.pages, joining.shard);
        joining.pages += 1;
        self.shards.call(now, shard, ToShard::Load { run: self.settings.run, epoch: self.epoch, part, table, blocks });
    }

    /// It has taken a page.
    pub(super) fn replica_loaded(&mut self, now: Duration, part: u64, table: u32, blocks: &[(u32, Block)]) {
        if self.joining.as_ref().is_some_and(|joining| joining.pages == part + 1) {
            let (table, from) = next_page(table, blocks);
            self.ask_page(now, table, from);
        }
    }

    /// What a shard was to take in is not there any more: it begins again.
    pub(super) fn join_again(&mut self, now: Duration) {
        self.give_up_joining();
        self.dispatch(now);
    }

    /// It is as if the shard that joins had not begun.
    fn give_up_joining(&mut self) {
        if let Some(Joining { shard, .. }) = self.joining.take() {
            self.shards.states[shard as usize] = State::Behind;
            self.shards.calls.retain(|to, _| to != shard);
        }
    }

    fn replica_joined(&mut self, now: Duration) {
        let Some(Joining { shard, .. }) = self.joining.take() else { return };
        self.shards.states[shard as usize] = State::Ready;
        self.shards.away[shard as usize] = None;
        self.shards.has_joined(shard);
        self.view += 1;
        self.actions.push(Action::Tell(Note::ReplicaBack { shard }));
        self.dispatch(now);
    }
}
