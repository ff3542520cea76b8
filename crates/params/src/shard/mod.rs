//! A shard: stages what workers push, and updates its blocks, or its tables, with exactly the contributions that the run
//! commits.
//!
//! It serves one run at a time. A push is applied at most once: it is staged under its contribution, a second one is
//! answered `duplicate`, and what the commit of its clock does not name is discarded.

mod lists;
mod rounds;
mod serving;
mod steps;

use std::time::Duration;

use crate::message::{After, Contribution, FromShard, ToShard};
use crate::tables::Keeps;
use crate::{Caller, Maker, Packet, Problem, Timing};
pub(crate) use rounds::in_order;
use serving::{Serving, Want};

/// The answers that a shard gives to a message.
pub type Answers = Vec<(Caller, FromShard)>;

/// A shard without its shell.
pub struct Shard {
    maker: Maker,
    timing: Timing,
    serving: Option<Serving>,
    /// When the run was last heard of.
    heard: Duration,
}

impl Shard {
    /// A shard that serves nobody yet.
    pub fn new(maker: Maker, timing: Timing) -> Self {
        Self { maker, timing, serving: None, heard: Duration::ZERO }
    }

    /// Takes a message; `from` is answered now or later.
    pub fn handle(&mut self, now: Duration, from: Caller, message: ToShard, answers: &mut Answers) {
        let answer = match message {
            ToShard::Open { run, epoch, shard, shards, life, plan, timing, after, window } => {
                let answer = self.open(now, (run, epoch, life), Keeps { shard, shards }, (&plan, after, window), answers);
                if let Some(serving) = self.serving.as_mut().filter(|s| s.run == run) {
                    serving.opener = Some(from.peer);
                    self.timing = timing;
                }
                Some(answer)
            }
            ToShard::Push { id, weight, list, blocks } => Some(match &mut self.serving {
                Some(s) if s.run == id.run && s.keeps.shard == id.shard && s.epoch >= id.epoch => s.push(id, weight, list, blocks),
                _ => FromShard::Unknown,
            }),
            ToShard::Pull { run, epoch, clock } => match self.of_epoch(run, epoch) {
                Ok(serving) => serving.want(now, from, Want::Candidates { clock }, answers),
                Err(answer) => Some(answer),
            },
            ToShard::Read { run, epoch, least, bits, list, blocks } => {
                match self.of_epoch(run, epoch).and_then(|s| Ok((s.keys_to_read(list, blocks)?, s))) {
                    Ok((keys, serving)) => serving.want(now, from, Want::Rows { least, bits, keys }, answers),
                    Err(answer) => Some(answer),
                }
            }
            ToShard::Collect { run, epoch, table, from } => Some(self.of_run(now, run, Some(epoch), |s| s.collect(table, from))),
            ToShard::Replay { run, epoch, from, clocks } => Some(self.of_run(now, run, Some(epoch), |s| s.replay(from, clocks))),
            ToShard::Commit { run, epoch, clock, contributions, apply, copy } => {
                Some(self.of_run(now, run, Some(epoch), |s| s.commit(clock, contributions, (apply, copy), answers)))
            }
            ToShard::Load { run, epoch, part, table, blocks } => Some(self.of_run(now, run, Some(epoch), |s| s.load(part, table, &blocks))),
            ToShard::Copy { run, epoch } => Some(self.of_run(now, run, Some(epoch), Serving::copy)),
            ToShard::Save { run, epoch, commits, table, from } => {
                Some(self.of_run(now, run, Some(epoch), |s| s.save(commits, table, from)))
            }
            ToShard::Forget { run, epoch, commits } => Some(self.of_run(now, run, Some(epoch), |s| s.forget(commits))),
            ToShard::Advance { run, epoch, clock, others } => Some(self.of_run(now, run, Some(epoch), |s| s.advance(clock, others))),
            ToShard::Fence { run, member, done } => Some(self.of_run(now, run, None, |s| Ok(s.fence(member, done)))),
            ToShard::Ping { run, .. } => Some(self.of_run(now, run, None, |s| Ok(s.at()))),
            ToShard::Close { run } => {
                if self.serving.as_ref().is_some_and(|s| s.run == run) {
                    self.stop(answers);
                }
                Some(FromShard::Noted)
            }
        };
        answers.extend(answer.map(|answer| (from, answer)));
    }

    /// Forgets what a caller that is gone waits for.
    pub fn closed(&mut self, peer: u64) {
        if let Some(serving) = &mut self.serving {
            serving.parked.retain(|parked| parked.from.peer != peer);
            serving.opener.take_if(|opener| *opener == peer);
        }
    }

    /// Answers what has waited long enough.
    pub fn tick(&mut self, now: Duration, answers: &mut Answers) {
        let overdue = now.saturating_sub(self.heard + self.timing.lease);
        if overdue > self.timing.keepalive {
            // This side was stopped and has not listened: the run gets another chance to be heard.
            self.heard += overdue + self.timing.keepalive;
        }
        if self.serving.is_some() && self.is_deserted(now) {
            self.stop(answers);
        }
        let Some(serving) = &mut self.serving else { return };
        let keepalive = self.timing.keepalive;
        let over = serving.parked.extract_if(.., |parked| parked.since + keepalive <= now);
        answers.extend(over.map(|parked| (parked.from, FromShard::Wait)));
    }

    /// When [`Shard::tick`] has something to do.
    pub fn deadline(&self) -> Option<Duration> {
        let serving = self.serving.as_ref()?;
        let deserted = self.heard + self.timing.lease;
        Some(serving.parked.iter().map(|parked| parked.since + self.timing.keepalive).fold(deserted, Duration::min))
    }

    /// Whether a run is served.
    pub fn is_serving(&self) -> bool {
        self.serving.is_some()
    }

    /// Whether the run has been silent for too long.
    fn is_deserted(&self, now: Duration) -> bool {
        self.heard + self.timing.lease <= now
    }

    fn stop(&mut self, answers: &mut Answers) {
        if let Some(serving) = self.serving.take() {
            answers.extend(serving.parked.into_iter().map(|parked| (parked.from, FromShard::Gone)));
        }
    }

    fn open(
        &mut self,
        now: Duration,
        (run, epoch, life): (u64, u32, u32),
        keeps: Keeps,
        (plan, after, window): (&Packet, After, Vec<Contribution>),
        answers: &mut Answers,
    ) -> FromShard {
        if self.serving.as_ref().is_some_and(|s| s.run == run) {
            self.heard = now;
        }
        let mut fenced = Default::default();
        match &self.serving {
            Some(s) if s.run != run && s.opener.is_some() && !self.is_deserted(now) => return FromShard::Failed(Problem::Busy),
            Some(s) if s.run == run && s.keeps.shard != keeps.shard => {
                return FromShard::Failed(Problem::SameShard { shard: s.keeps.shard, other: keeps.shard });
            }
            // A call that came twice, or late, must not throw away what the epoch has brought.
            Some(s) if s.run == run && (s.epoch, s.life) == (epoch, life) => return FromShard::Opened { epoch },
            Some(s) if s.run == run && (s.epoch, s.life) > (epoch, life) => return FromShard::Unknown,
            Some(s) if s.run == run => fenced = s.fenced.clone(),
            _ => {}
        }
        self.heard = now;
        self.stop(answers);
        match (self.maker)(plan).and_then(|made| Serving::new((run, epoch, life), keeps, made, (after, window), fenced)) {
            Err(problem) => FromShard::Failed(problem),
            Ok(serving) => {
                self.serving = Some(serving);
                FromShard::Opened { epoch }
            }
        }
    }

    /// Does what the run asks, if it is the run and the epoch that are served.
    fn of_run(
        &mut self,
        now: Duration,
        run: u64,
        epoch: Option<u32>,
        work: impl FnOnce(&mut Serving) -> Result<FromShard, Problem>,
    ) -> FromShard {
        match &mut self.serving {
            Some(serving) if serving.run == run && epoch.is_none_or(|epoch| epoch == serving.epoch) => {
                self.heard = now;
                work(serving).unwrap_or_else(FromShard::Failed)
            }
            _ => FromShard::Unknown,
        }
    }

    /// What a worker pulls from, if it is the run and the epoch that are served.
    fn of_epoch(&mut self, run: u64, epoch: u32) -> Result<&mut Serving, FromShard> {
        let serving = self.serving.as_mut().filter(|serving| serving.run == run && serving.epoch >= epoch).ok_or(FromShard::Unknown)?;
        if serving.epoch == epoch { Ok(serving) } else { Err(FromShard::Gone) }
    }
}
