//! A training by rounds, as a run sees it: a clock is committed when every tile is folded once.

use std::time::Duration;

use quelea_core::steps::Fetched;

use super::Status;
use super::cuts::Cut;
use super::members::{Carried, Entry, Members};
use super::work::Work;
use crate::message::{Apply, Candidates, Contribution};
use crate::shard::in_order;
use crate::{Made, Problem, Replica};

pub(super) struct Rounds {
    replica: Box<dyn Replica>,
    /// What was committed, by clock; its length is the run's clock.
    log: Vec<Candidates>,
    /// The last clock at which tiles could change hands.
    boundary: u64,
    /// Which tiles are folded in this clock.
    folded: Vec<bool>,
    contributions: Vec<Contribution>,
}

impl Rounds {
    /// At the end of `log`, which is a boundary.
    pub fn new(mut replica: Box<dyn Replica>, tiles: u32, log: Vec<Candidates>) -> Result<Self, Problem> {
        log.iter().try_for_each(|candidates| replica.advance(&in_order(candidates.clone())?))?;
        let boundary = log.len() as u64;
        Ok(Self { replica, log, boundary, folded: vec![false; tiles as usize], contributions: Vec::new() })
    }

    fn begin_clock(&mut self) {
        self.folded.fill(false);
        self.contributions.clear();
    }
}

impl Work for Rounds {
    fn clock(&self) -> u64 {
        self.log.len() as u64
    }

    fn restart(&mut self, made: Made, _: &Cut, _: &mut Members) -> Result<(), Problem> {
        let Made::Rounds(replica) = made else { return Err(Problem::internal("a plan is of rounds and then of steps")) };
        self.replica = replica;
        self.log.truncate(self.boundary as usize);
        for candidates in &self.log {
            self.replica.advance(&in_order(candidates.clone())?)?;
        }
        self.begin_clock();
        Ok(())
    }

    fn cut(&self, _: u64) -> Option<Cut> {
        None
    }

    fn may_cut(&self, _: &Members) -> bool {
        false
    }

    fn is_quiet(&self, members: &Members) -> bool {
        let are_idle = members.iter().all(Entry::is_idle);
        self.replica.course().boundary && self.contributions.is_empty() && are_idle
    }

    fn drains(&self) -> bool {
        false
    }

    fn is_done(&self) -> bool {
        self.replica.course().done
    }

    fn even_out(&mut self, now: Duration, members: &mut Members) {
        if self.replica.course().boundary {
            self.boundary = self.clock();
            members.even_out(now, |_| true);
        }
    }

    fn dispatch(&mut self, now: Duration, epoch: u32, _: bool, members: &mut Members) {
        members.dispatch(now, epoch, self.clock(), |tile| self.folded[tile as usize]);
    }

    fn contributed(&mut self, carried: Carried, _: &mut Members) {
        self.contributions.push(carried.contribution);
        carried.tiles.into_iter().for_each(|tile| self.folded[tile as usize] = true);
    }

    fn lost(&mut self, _: &Entry) {}

    fn commit(&mut self, _: &mut Members) -> Option<(Vec<Contribution>, Apply)> {
        let all = !self.contributions.is_empty() && self.folded.iter().all(|&folded| folded);
        all.then(|| (self.contributions.clone(), Apply::Together))
    }

    fn committed(&mut self, candidates: Candidates, members: &mut Members) -> Result<(), Problem> {
        self.log.push(candidates.clone());
        self.replica.advance(&in_order(candidates)?)?;
        members.measure();
        self.begin_clock();
        Ok(())
    }

    fn log(&self) -> Option<&[Candidates]> {
        Some(&self.log)
    }

    fn settled(&self) -> &[Candidates] {
        &self.log[..self.boundary as usize]
    }

    fn status(&self, entry: &Entry, _: &Members) -> Status {
        let clock = entry.order.as_ref().map_or(0, |issued| issued.order.clock);
        entry.status(clock, self.clock().saturating_sub(clock))
    }

    fn tables(&self) -> usize {
        0
    }

    fn finish(&mut self, _: Vec<Fetched>) -> Result<(), Problem> {
        Ok(())
    }
}
