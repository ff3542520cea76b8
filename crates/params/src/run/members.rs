//! The members of a run: who they are, which tiles they own, and what they were last told to do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Status;
use super::pace::Pace;
use crate::Caller;
use crate::message::{Contribution, Member, Order, Slice, Which};

/// Tiles are moved to even out the work when the slowest would be done this much sooner.
const WORTH_MOVING: f64 = 1.25;
/// For so long speeds are not looked at. Then it is done ever more rarely, each time after twice as long: a tile that moves
/// costs all that is known of its rows.
const FIRST_LOOK: Duration = Duration::from_secs(10);

/// All members, by worker.
#[derive(Default)]
pub(super) struct Members {
    run: u64,
    by_worker: BTreeMap<u32, Entry>,
    next_incarnation: u32,
    /// Whether somebody came or went since tiles were last evened out.
    changed: bool,
    /// When speeds are looked at next.
    next_look: Duration,
    /// By steps: slices that were folded, and seconds that they took.
    seen: (f64, f64),
}

/// One member.
pub(super) struct Entry {
    pub member: Member,
    pub name: String,
    /// The call that it joined with.
    pub joined: Caller,
    /// When it was last heard of.
    pub heard: Duration,
    pub owned: BTreeSet<u32>,
    /// The tiles that it knows to be its own.
    confirmed: Option<BTreeSet<u32>>,
    pub order: Option<Issued>,
    /// The number of the last order, and of the last that it has carried out.
    number: u32,
    pub done: u32,
    /// By steps.
    pub standing: Standing,
    /// Its poll that waits for an answer: whose, since when, and the last order that it knows.
    pub parked: Option<(Caller, Duration, u32)>,
    pace: Pace,
    /// Tiles folded so far.
    pub folded: u64,
    /// Bytes that it has sent to shards and received from them.
    pub bytes: u64,
    /// The last it has heard of which shards are there.
    pub view: u32,
}

/// Where a member stands in a training by steps.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standing {
    /// Orders that it has carried out, on top of the clock that it began with.
    pub clock: u64,
    /// So many commits hold all that it has contributed.
    pub least: u64,
    /// Whether it had anything to do lately.
    pub works: bool,
    /// Whether it may hold back some of what it was to push.
    pub holds_back: bool,
    /// How often its clock was committed without it, and how often since it was committed with it.
    pub dropped: u64,
    pub dropped_in_a_row: u32,
}

impl Standing {
    /// Back to the first clock.
    pub fn begin_anew(&mut self) {
        *self = Self { dropped: self.dropped, ..Self::default() };
    }
}

/// An order that was carried out.
pub(super) struct Carried {
    pub contribution: Contribution,
    pub tiles: Vec<u32>,
    /// By steps: the slices, and the totals of the mini-batch.
    pub slices: Vec<Slice>,
    pub totals: Vec<i128>,
}

/// An order that was given.
pub(super) struct Issued {
    pub order: Order,
    pub fold: Vec<u32>,
    owned: BTreeSet<u32>,
    pub since: Duration,
    pub done: Option<Duration>,
}

impl Entry {
    /// Whether it waits for an order.
    pub fn is_idle(&self) -> bool {
        self.order.as_ref().is_none_or(|issued| issued.done.is_some())
    }

    /// Notes what a poll tells: the last orders that the member has, and has carried out. What it gives is the order
    /// that is done now.
    pub fn told(&mut self, now: Duration, known: u32, done: u32) -> Option<Carried> {
        let issued = self.order.as_mut()?;
        if issued.order.number != known {
            return None;
        }
        self.confirmed = Some(issued.owned.clone());
        if done != known || issued.done.is_some() {
            return None;
        }
        issued.done = Some(now);
        self.done = done;
        self.folded += issued.fold.len() as u64;
        let slices = if let Which::Slices(slices) = &issued.order.fold { slices.clone() } else { Vec::new() };
        let contribution = Contribution { member: self.member, sequence: known };
        Some(Carried { contribution, tiles: issued.fold.clone(), slices, totals: Vec::new() })
    }

    /// Tiles and seconds of an order that was carried out by a member that had folded the same tiles before.
    fn steady(&self) -> Option<(f64, f64)> {
        let issued = self.order.as_ref().filter(|issued| issued.order.owned.is_none() && issued.order.fold == Which::Owned)?;
        let seconds = issued.done?.saturating_sub(issued.since).as_secs_f64();
        Some((issued.fold.len() as f64, seconds))
    }

    /// How it is doing.
    pub fn status(&self, clock: u64, staleness: u64) -> Status {
        Status {
            member: self.member,
            name: self.name.clone(),
            staleness,
            clock,
            dropped: self.standing.dropped,
            tiles: self.owned.len(),
            folded: self.folded,
            bytes: self.bytes,
        }
    }

    /// The order that the parked poll does not know of yet.
    pub fn news(&self) -> Option<Order> {
        let (_, _, known) = self.parked?;
        self.order.as_ref().filter(|issued| issued.order.number > known && issued.done.is_none()).map(|issued| issued.order.clone())
    }

    fn issue(&mut self, now: Duration, at: (u32, u64), fold: Vec<u32>) {
        let which = if fold.len() == self.owned.len() { Which::Owned } else { Which::These(fold.clone()) };
        self.give(now, at, fold, which, (0, false));
    }

    /// Orders a step.
    pub fn issue_slices(&mut self, now: Duration, at: (u32, u64), slices: Vec<Slice>, (least, flush): (u64, bool)) {
        let tiles = slices.iter().map(|slice| slice.tile).collect();
        self.give(now, at, tiles, Which::Slices(slices), (least, flush));
    }

    fn give(&mut self, now: Duration, (epoch, clock): (u32, u64), tiles: Vec<u32>, which: Which, (least, flush): (u64, bool)) {
        self.number += 1;
        let owned = (self.confirmed.as_ref() != Some(&self.owned)).then(|| self.owned.iter().copied().collect());
        if owned.is_some() {
            // Whether this list arrives is not known before the member says so.
            self.confirmed = None;
        }
        let order = Order { number: self.number, epoch, clock, owned, fold: which, least, counts: self.done, flush };
        self.order = Some(Issued { order, fold: tiles, owned: self.owned.clone(), since: now, done: None });
    }
}

impl Members {
    pub fn new(run: u64) -> Self {
        Self { run, ..Self::default() }
    }

    /// The member that joined with this call, which may come twice.
    pub fn joined_by(&self, call: Caller) -> Option<Member> {
        self.iter().find(|entry| entry.joined == call).map(|entry| entry.member)
    }

    pub fn join(&mut self, now: Duration, joined: Caller, name: String) -> Member {
        let worker = (0..).find(|worker| !self.by_worker.contains_key(worker)).unwrap_or_default();
        let member = Member { run: self.run, worker, incarnation: self.next_incarnation };
        self.next_incarnation += 1;
        self.changed = true;
        let entry = Entry {
            member,
            name,
            joined,
            heard: now,
            owned: BTreeSet::new(),
            confirmed: None,
            order: None,
            number: 0,
            done: 0,
            standing: Standing::default(),
            parked: None,
            pace: Pace::default(),
            folded: 0,
            bytes: 0,
            view: 0,
        };
        self.by_worker.insert(worker, entry);
        member
    }

    pub fn len(&self) -> usize {
        self.by_worker.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.by_worker.values()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.by_worker.values_mut()
    }

    /// The entry of exactly this member.
    pub fn get_mut(&mut self, member: Member) -> Option<&mut Entry> {
        self.by_worker.get_mut(&member.worker).filter(|entry| entry.member == member)
    }

    /// The members that came over a connection.
    pub fn of_peer(&self, peer: u64) -> Vec<Member> {
        self.iter().filter(|entry| entry.joined.peer == peer).map(|entry| entry.member).collect()
    }

    /// The tiles of a member that is no more.
    pub fn remove(&mut self, member: Member) -> Option<Entry> {
        self.get_mut(member)?;
        self.changed = true;
        self.by_worker.remove(&member.worker)
    }

    /// Gives tiles that nobody owns to those who own the fewest.
    pub fn adopt(&mut self, tiles: impl IntoIterator<Item = u32>) {
        for tile in tiles {
            if let Some(entry) = self.by_worker.values_mut().min_by_key(|entry| (entry.owned.len(), entry.member)) {
                entry.owned.insert(tile);
            }
        }
    }

    /// Ends all orders: what they ask for is not wanted any more.
    pub fn revoke(&mut self) {
        self.iter_mut().for_each(|entry| entry.order = None);
    }

    /// Tells idle members to fold those of their tiles that are not folded yet.
    pub fn dispatch(&mut self, now: Duration, epoch: u32, clock: u64, is_folded: impl Fn(u32) -> bool) {
        for entry in self.by_worker.values_mut().filter(|entry| entry.is_idle()) {
            let fold: Vec<u32> = entry.owned.iter().copied().filter(|&tile| !is_folded(tile)).collect();
            if !fold.is_empty() {
                entry.issue(now, (epoch, clock), fold);
            }
        }
    }

    /// Notes how fast members were in the round that has ended.
    pub fn measure(&mut self) {
        let steady: Vec<(f64, f64)> = self.iter().filter_map(Entry::steady).collect();
        let (tiles, seconds) = steady.iter().fold((0.0, 0.0), |(tiles, seconds), (t, s)| (tiles + t, seconds + s));
        if steady.len() < 2 {
            return;
        }
        for entry in self.by_worker.values_mut() {
            if let Some((own_tiles, own_seconds)) = entry.steady() {
                entry.pace.note(own_seconds, own_tiles * seconds / tiles);
            }
        }
    }

    /// By steps: notes how fast a member was in the order that it has carried out.
    pub fn measure_one(&mut self, member: Member) {
        let Some(entry) = self.by_worker.get_mut(&member.worker).filter(|entry| entry.member == member) else { return };
        let Some(issued) = entry.order.as_ref().filter(|issued| issued.order.owned.is_none()) else { return };
        let Some(done) = issued.done else { return };
        let (slices, seconds) = (issued.fold.len() as f64, done.saturating_sub(issued.since).as_secs_f64());
        self.seen = (self.seen.0 + slices, self.seen.1 + seconds);
        entry.pace.note(seconds, slices * self.seen.1 / self.seen.0);
    }

    /// Lets the work be evened out at the next opportunity.
    pub fn unsettle(&mut self) {
        self.changed = true;
    }

    /// Exchanges two tiles of two members.
    pub fn swap(&mut self, (one, tile): (Member, u32), (two, other): (Member, u32)) {
        for (member, from, to) in [(one, tile, other), (two, other, tile)] {
            if let Some(entry) = self.get_mut(member)
                && entry.owned.remove(&from)
            {
                entry.owned.insert(to);
            }
        }
    }

    /// Evens out the work, moving as few tiles as it can: when somebody came or went, or is far slower than the others.
    /// Only tiles that count are work.
    pub fn even_out(&mut self, now: Duration, counts: impl Fn(u32) -> bool) {
        let left = |entry: &Entry| entry.owned.iter().filter(|&&tile| counts(tile)).count();
        if !self.changed && now < self.next_look {
            return;
        }
        self.next_look = FIRST_LOOK.max(2 * now);
        let tiles: usize = self.iter().map(left).sum();
        let speeds: Vec<f64> = self.iter().map(|entry| entry.pace.speed()).collect();
        let best = tiles as f64 / speeds.iter().sum::<f64>();
        let longest = self.iter().zip(&speeds).map(|(entry, speed)| left(entry) as f64 / speed).fold(0.0, f64::max);
        if !self.changed && longest <= WORTH_MOVING * best {
            return;
        }
        self.changed = false;
        let mut quotas = shares(tiles, &speeds);
        self.leave_work(&mut quotas, left);
        let mut surplus = Vec::new();
        for (entry, &quota) in self.by_worker.values_mut().zip(&quotas) {
            let mut work: Vec<u32> = entry.owned.iter().copied().filter(|&tile| counts(tile)).collect();
            for tile in work.drain(quota.min(work.len())..).rev() {
                entry.owned.remove(&tile);
                surplus.push(tile);
            }
        }
        for (entry, &quota) in self.by_worker.values_mut().zip(&quotas) {
            let missing = quota.saturating_sub(left(entry)).min(surplus.len());
            entry.owned.extend(surplus.drain(surplus.len() - missing..).rev());
        }
    }

    /// Who holds something back keeps a tile to do, with whose last slice it is asked for all.
    fn leave_work(&self, quotas: &mut [usize], left: impl Fn(&Entry) -> usize) {
        let least: Vec<usize> = self.iter().map(|entry| usize::from(entry.standing.holds_back && left(entry) > 0)).collect();
        while let Some(short) = (0..quotas.len()).find(|&at| quotas[at] < least[at])
            && let Some(giver) = (0..quotas.len()).filter(|&at| quotas[at] > least[at]).max_by_key(|&at| quotas[at])
        {
            quotas[short] += 1;
            quotas[giver] -= 1;
        }
    }

    /// A member that all others wait for, and that has taken far longer than any of them.
    pub fn laggard(&self, now: Duration, least: Duration, times: u32) -> Option<Member> {
        let mut busy = self.iter().filter(|entry| !entry.is_idle());
        let (Some(late), None) = (busy.next(), busy.next()) else { return None };
        let took = |entry: &Entry| entry.order.as_ref().and_then(|o| Some(o.done?.saturating_sub(o.since)));
        let longest = self.iter().filter_map(took).max()?;
        let since = late.order.as_ref()?.since;
        (now.saturating_sub(since) > least.max(longest * times)).then_some(late.member)
    }
}

/// Whole shares of `total` in proportion to `weights`, by largest remainder.
fn shares(total: usize, weights: &[f64]) -> Vec<usize> {
    let sum: f64 = weights.iter().sum();
    let exact: Vec<f64> = weights.iter().map(|weight| total as f64 * weight / sum).collect();
    let mut shares: Vec<usize> = exact.iter().map(|share| share.floor() as usize).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|&a, &b| (exact[b].fract()).total_cmp(&exact[a].fract()).then(a.cmp(&b)));
    let left = total.saturating_sub(shares.iter().sum());
    order.into_iter().cycle().take(left).for_each(|at| shares[at] += 1);
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shares_add_up_and_are_close_to_exact(total in 0usize..5_000, weights in prop::collection::vec(0.001f64..1_000.0, 1..20)) {
            let shares = shares(total, &weights);
            prop_assert_eq!(shares.iter().sum::<usize>(), total);
            let sum: f64 = weights.iter().sum();
            for (share, weight) in shares.iter().zip(&weights) {
                prop_assert!((*share as f64 - total as f64 * weight / sum).abs() < 1.000_001);
            }
        }
    }

    fn caller(peer: u64) -> Caller {
        Caller { peer, call: 1 }
    }

    #[test]
    fn a_slow_member_is_given_fewer_tiles_and_a_noisy_one_as_many() {
        for (slow, expected) in [(3.0, [4, 12]), (1.2, [8, 8])] {
            let mut members = Members::default();
            members.join(Duration::ZERO, caller(1), String::new());
            members.join(Duration::ZERO, caller(2), String::new());
            members.adopt(0..16);
            members.even_out(Duration::ZERO, |_| true);
            let mut now = Duration::ZERO;
            for clock in 0..100 {
                members.dispatch(now, 1, clock, |_| false);
                for (entry, factor) in members.iter_mut().zip([slow, 1.0]) {
                    let number = clock as u32 + 1;
                    let took = 0.01 * factor * entry.owned.len() as f64;
                    entry.told(now + Duration::from_secs_f64(took), number, number);
                }
                members.measure();
                now += Duration::from_secs_f64(0.1 * slow + 0.1);
                members.even_out(now, |_| true);
            }
            assert_eq!(members.iter().map(|entry| entry.owned.len()).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_newcomer_gets_its_share_and_no_other_tile_moves() {
        let mut members = Members::default();
        let first = members.join(Duration::ZERO, caller(1), String::new());
        let second = members.join(Duration::ZERO, caller(2), String::new());
        members.adopt(0..9);
        members.even_out(Duration::ZERO, |_| true);
        let before: Vec<BTreeSet<u32>> = members.iter().map(|entry| entry.owned.clone()).collect();
        members.join(Duration::ZERO, caller(3), String::new());
        members.even_out(Duration::ZERO, |_| true);
        let after: Vec<BTreeSet<u32>> = members.iter().map(|entry| entry.owned.clone()).collect();
        assert_eq!(after.iter().map(BTreeSet::len).collect::<Vec<_>>(), [3, 3, 3]);
        for (member, (before, after)) in [first, second].iter().zip(before.iter().zip(&after)) {
            assert!(after.is_subset(before), "{member:?} was given a tile of another");
        }
    }
}
