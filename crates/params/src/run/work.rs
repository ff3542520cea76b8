//! The seam between a run and its kind of training: by rounds, or by steps.

use std::time::Duration;

use quelea_core::steps::Fetched;

use super::cuts::Cut;
use super::members::{Carried, Entry, Members};
use super::rounds::Rounds;
use super::steps::Steps;
use super::{Settings, Status};
use crate::message::{Apply, Candidates, Contribution};
use crate::{Made, Maker, Problem};

/// What is particular to a kind of training.
pub(super) trait Work: Send {
    /// Commits that are in.
    fn clock(&self) -> u64;

    /// Back to where an epoch begins: at the last boundary, or at `cut`. The maker makes the learner anew.
    fn restart(&mut self, made: Made, cut: &Cut, members: &mut Members) -> Result<(), Problem>;

    /// Where the training stands, under this number; only by steps.
    fn cut(&self, number: u64) -> Option<Cut>;

    /// Whether a cut after the next commit would hold all that came before it.
    fn may_cut(&self, members: &Members) -> bool;

    /// Whether nothing is on order, staged or kept between rounds, so that a shard can take in what another has.
    fn is_quiet(&self, members: &Members) -> bool;

    /// Whether it takes orders that wait to come to that.
    fn drains(&self) -> bool;

    /// Whether there is nothing more to commit.
    fn is_done(&self) -> bool;

    /// Evens out the work, if tiles may change hands now.
    fn even_out(&mut self, now: Duration, members: &mut Members);

    /// Gives orders to idle members; to `flush` what they hold back, if a cut waits for that.
    fn dispatch(&mut self, now: Duration, epoch: u32, flush: bool, members: &mut Members);

    /// A member has carried out an order.
    fn contributed(&mut self, carried: Carried, members: &mut Members);

    /// A member is no more.
    fn lost(&mut self, entry: &Entry);

    /// What is to be committed now, if anything; it is asked when no commit is on its way.
    fn commit(&mut self, members: &mut Members) -> Option<(Vec<Contribution>, Apply)>;

    /// All shards have committed that.
    fn committed(&mut self, candidates: Candidates, members: &mut Members) -> Result<(), Problem>;

    /// The candidates of all clocks, where shards and workers follow them.
    fn log(&self) -> Option<&[Candidates]>;

    /// The part of the log that no restart takes back.
    fn settled(&self) -> &[Candidates];

    /// How a member is doing.
    fn status(&self, entry: &Entry, members: &Members) -> Status;

    /// How many tables are to be collected at the end.
    fn tables(&self) -> usize;

    /// The end, with the tables.
    fn finish(&mut self, tables: Vec<Fetched>) -> Result<(), Problem>;
}

/// Takes what `settings` has of the past.
pub(super) fn begin(settings: &mut Settings, maker: &Maker) -> Result<Box<dyn Work>, Problem> {
    Ok(match maker(&settings.plan)? {
        Made::Rounds(replica) => Box::new(Rounds::new(replica, settings.tiles, std::mem::take(&mut settings.history))?),
        Made::Steps(stepper) => {
            Box::new(Steps::new(stepper, settings.sync, settings.tiles, &settings.cut.cut, settings.traffic.is_less())?)
        }
    })
}
