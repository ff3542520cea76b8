//! What follows when somebody is lost, and how a run ends.

use std::time::Duration;

use super::{Action, Note, Phase, Run, State, Why};
use crate::message::{FromRun, Member, ToShard};
use crate::{Caller, Problem};

/// So many members in a row must have failed before a run ends because of it.
const COMPLAINTS: u32 = 3;
/// A run that goes back so often without getting any further ends.
const SETBACKS: u32 = 20;

impl Run {
    pub(super) fn lose_shard(&mut self, now: Duration, shard: u32, why: Why) {
        if matches!(self.phase, Phase::Ended) || self.shards.states[shard as usize] == State::Lost {
            return;
        }
        let is_alone =
            !self.shards.has_other(shard) && !matches!(self.shards.states[shard as usize], State::Called | State::Behind | State::Joining);
        if !matches!(self.phase, Phase::Opening) && !is_alone {
            self.shards.away[shard as usize].get_or_insert(now);
            self.lose_replica(now, shard, why);
            return self.actions.push(self.shards.revive(now, shard));
        }
        let from = self.clock();
        // Where it is to take in what came before it may die of that, again and again.
        let takes_in = matches!(self.phase, Phase::Opening) && self.shards.states[shard as usize] == State::Replaying;
        if !matches!(self.phase, Phase::Opening)
            && let Err(problem) = self.roll_back()
        {
            return self.end(now, Err(problem));
        }
        self.setbacks += u32::from(takes_in);
        if self.setbacks > SETBACKS {
            let problem = Problem::Stuck { who: self.name_of(shard), times: self.setbacks };
            return self.end(now, Err(problem));
        }
        self.shards.states[shard as usize] = State::Lost;
        self.shards.away[shard as usize].get_or_insert(now);
        self.shards.calls.retain(|to, _| to != shard);
        self.actions.push(Action::Tell(Note::ShardLost { shard, why, from, to: self.clock() }));
        self.actions.push(self.shards.revive(now, shard));
        for other in self.shards.present() {
            self.open(now, other);
        }
    }

    /// Begins a new epoch at the last boundary, or, by steps, at the last cut.
    fn roll_back(&mut self) -> Result<(), Problem> {
        self.epoch += 1;
        self.setbacks += 1;
        self.members.revoke();
        // Who could not reach a shard before can perhaps reach what comes in its place.
        self.complaints = None;
        self.cuts.go_back(&mut self.actions);
        self.work.restart((self.maker)(&self.settings.plan)?, self.cuts.origin(), &mut self.members)?;
        self.committing = None;
        self.joining = None;
        self.phase = Phase::Opening;
        Ok(())
    }

    pub(super) fn fail(&mut self, now: Duration, member: Member, problem: Problem) {
        match problem {
            // The way between the two is broken, or the member is; others may be better off.
            Problem::Silent { .. } | Problem::Refused { .. } => {
                self.lose(now, member, Why::Failed(problem.clone()));
                self.complain(now, problem);
            }
            problem => self.end(now, Err(problem)),
        }
    }

    /// Ends the run when one member after the other cannot reach somebody, and none gets anything done.
    fn complain(&mut self, now: Duration, problem: Problem) {
        let (since, times) = self.complaints.unwrap_or((now, 0));
        self.complaints = Some((since, times + 1));
        if times + 1 >= COMPLAINTS && since + self.settings.patience <= now {
            self.end(now, Err(problem));
        }
    }

    pub(super) fn lose(&mut self, now: Duration, member: Member, why: Why) {
        let Some(entry) = self.members.remove(member) else { return };
        if let Some((to, _, _)) = entry.parked {
            self.actions.push(Action::Answer { to, answer: FromRun::Fenced });
        }
        self.actions.push(Action::Tell(Note::Gone { member, name: entry.name.clone(), why, tiles: entry.owned.len() }));
        let run = self.settings.run;
        for shard in self.shards.present() {
            self.shards.call(now, shard, ToShard::Fence { run, member, done: entry.done });
        }
        self.work.lost(&entry);
        self.orphans.extend(entry.owned);
        if self.members.len() == 0 {
            self.deserted = Some(now);
        } else if self.started {
            self.give_orphans();
            self.go_on(now);
        }
    }

    /// Ends the run when nobody has come for too long.
    pub(super) fn give_up_waiting(&mut self, now: Duration) {
        let patience = self.settings.patience;
        // To collect what there is, no worker is needed.
        let is_collecting = matches!(self.phase, Phase::Collecting(_));
        if !is_collecting && self.deserted.is_some_and(|since| since + patience <= now) {
            return self.end(now, Err(Problem::NoWorkers { seconds: patience.as_secs() }));
        }
        if let Some((shard, since)) = self.shards.missing(!matches!(self.phase, Phase::Opening))
            && since + patience <= now
        {
            let who = self.name_of(shard);
            self.end(now, Err(Problem::Silent { who, seconds: patience.as_secs() }));
        }
    }

    fn name_of(&self, shard: u32) -> String {
        format!("shard {shard} at {}", self.settings.shards[shard as usize])
    }

    pub(super) fn end(&mut self, now: Duration, result: Result<(), Problem>) {
        if matches!(self.phase, Phase::Ended) {
            return;
        }
        self.phase = Phase::Ended;
        let polls: Vec<Caller> = self.members.iter_mut().filter_map(|entry| entry.parked.take().map(|(to, _, _)| to)).collect();
        for to in polls {
            self.actions.push(Action::Answer { to, answer: FromRun::Ended });
            self.forget(to.peer);
        }
        self.shards.calls.retain(|_, _| false);
        let run = self.settings.run;
        for shard in self.shards.present() {
            self.shards.call(now, shard, ToShard::Close { run });
        }
        self.actions.extend(self.shards.outbox.drain(..).map(|(shard, call, ask)| Action::Call { shard, call, ask }));
        self.actions.push(Action::End(result));
    }
}
