//! Reads the trace of a training by steps and says what breaks the contract of its mode. It knows what was ordered, pushed,
//! named and answered, and nothing of the state of any machine.

use std::collections::{BTreeMap, BTreeSet};

use quelea_core::block::Block;
use quelea_params::ListName;
use quelea_params::message::{Apply, Contribution, FromRun, FromShard, Member, Order, PushId, Pushed, Slice, ToRun, ToShard, Which};
use quelea_params::run::{Cut, Note, Sync};

use crate::checker::{Burst, ending, ensure, only_without_others, worker_ended};
use crate::faults::Scenario;
use crate::steps::{StepPlan, WIDTHS, counted, hash, tables_of};
use crate::trace::{Body, Entry, Event, Message, Node, Process};

type Verdict = Result<(), String>;

struct Given {
    order: Order,
    slices: Vec<Slice>,
    is_done: bool,
    /// So many commits were in the rows that it was given.
    pulled: BTreeSet<u64>,
}

type KeysAndSums = (Vec<u64>, Vec<i64>);
/// Rows of sums under keys, table by table.
type AllSums = Vec<BTreeMap<u64, Vec<i64>>>;

/// What a cut holds.
#[derive(Clone, Default)]
struct Base {
    commits: u64,
    slices: Vec<Slice>,
    sums: AllSums,
    is_lossy: bool,
}

struct StepChecker<'a> {
    scenario: &'a Scenario,
    plan: StepPlan,
    epoch: u32,
    burst: Burst,
    /// All orders of this epoch.
    given: BTreeMap<Contribution, Given>,
    /// Members that are gone, and whether some went in this epoch: what they held back is lost.
    gone: BTreeSet<Member>,
    is_lossy: bool,
    /// Lists of keys by their names.
    lists: BTreeMap<ListName, Vec<Vec<u64>>>,
    /// Keys and sums of each table in what was pushed, by epoch, contribution and shard.
    pushed: BTreeMap<(u32, Contribution, u32), Vec<KeysAndSums>>,
    staged: BTreeSet<(Node, u32, Contribution)>,
    /// Shards that others stand in for.
    lost: BTreeSet<u32>,
    /// What came before this epoch.
    base: Base,
    /// The same for each cut, by its number.
    cuts: BTreeMap<u64, Base>,
    /// The number of the last cut that was saved; 0 for the beginning.
    saved: u64,
    /// What each commit of this epoch names.
    commits: Vec<(Vec<Contribution>, Apply)>,
    /// Which order a worker reads rows for, by its process, shard and call.
    reads: BTreeMap<(Process, u64, u64), Contribution>,
    /// The last order that each worker's process has received.
    current: BTreeMap<Process, Contribution>,
    /// Whom each worker's process takes itself for, and the call with which it waits for an order: it has no ear for the
    /// answers to earlier ones.
    members: BTreeMap<Process, (Member, u64)>,
    /// Who waits for an order with which call.
    polls: BTreeMap<(u64, u64), Member>,
}

pub fn check(scenario: &Scenario, plan: StepPlan, trace: &[Entry]) -> Verdict {
    let mut checker = StepChecker {
        scenario,
        plan,
        epoch: 1,
        burst: Burst::default(),
        given: BTreeMap::new(),
        gone: BTreeSet::new(),
        is_lossy: false,
        lists: BTreeMap::new(),
        pushed: BTreeMap::new(),
        staged: BTreeSet::new(),
        lost: BTreeSet::new(),
        base: Base::default(),
        cuts: BTreeMap::from([(0, Base::default())]),
        saved: 0,
        commits: Vec::new(),
        reads: BTreeMap::new(),
        current: BTreeMap::new(),
        members: BTreeMap::new(),
        polls: BTreeMap::new(),
    };
    for (line, entry) in trace.iter().enumerate() {
        checker.take(entry).map_err(|problem| format!("event {line} at {:?}: {problem}", entry.at))?;
    }
    ending(scenario, trace, |model| checker.is_model(model))
}

impl StepChecker<'_> {
    fn take(&mut self, entry: &Entry) -> Verdict {
        match &entry.event {
            Event::Sent(process, message) => {
                self.burst.check(self.scenario, entry.turn, *process, message)?;
                self.sent(*process, message)
            }
            Event::Received(process, message) => self.received(*process, message),
            Event::Told(Note::Gone { member, .. }) => {
                self.gone.insert(*member);
                self.is_lossy = self.plan.less.is_some();
                Ok(())
            }
            Event::Told(Note::ReplicaLost { shard, .. }) => {
                self.lost.insert(*shard);
                Ok(())
            }
            Event::Told(Note::ReplicaBack { shard }) => {
                self.lost.remove(shard);
                Ok(())
            }
            Event::Told(Note::ShardLost { shard, from, to, .. }) => {
                only_without_others(self.scenario, &self.lost, *shard, (*from, *to))?;
                self.lost.clear();
                let last = self.cuts[&self.saved].commits;
                ensure(from == to || *to == last, || format!("the run goes back to commit {to}, and {last} was saved last"))
            }
            Event::CutBegun(cut) => self.cut(cut),
            Event::CutSaved(number) => {
                self.saved = *number;
                Ok(())
            }
            Event::CutRestored(number) => {
                self.base = self.cuts[number].clone();
                self.is_lossy = self.base.is_lossy;
                Ok(())
            }
            Event::WorkerEnded(process, result) => worker_ended(*process, result),
            _ => Ok(()),
        }
    }

    fn sent(&mut self, process: Process, message: &Message) -> Verdict {
        match (process.node, &message.body) {
            (Node::Run, Body::ToShard(ToShard::Open { epoch, .. })) if *epoch > self.epoch => {
                self.epoch = *epoch;
                self.given.clear();
                self.commits.clear();
                self.base = Base::default();
                self.is_lossy = false;
                Ok(())
            }
            (Node::Run, Body::FromRun(FromRun::Order(order))) => {
                let member = *self.polls.get(&(message.link, message.call)).ok_or("an order that nobody asked for")?;
                let is_known = self.given.contains_key(&Contribution { member, sequence: order.number });
                if is_known { Ok(()) } else { self.ordered(member, order) }
            }
            (Node::Run, Body::ToShard(ToShard::Commit { epoch, clock, contributions, apply, .. })) if *epoch == self.epoch => {
                self.named(*clock, contributions, *apply)
            }
            (Node::Shard(_), Body::FromShard(FromShard::Pushed { id, pushed: Pushed::Applied })) => {
                let is_new = self.staged.insert((process.node, id.epoch, id.contribution));
                // What comes in the place of a lost shard knows only who is a member then.
                ensure(is_new || self.gone.contains(&id.contribution.member), || format!("{process:?} stages twice: {id:?}"))
            }
            (Node::Shard(_), Body::FromShard(FromShard::Refused { what })) => Err(format!("{process:?} refuses: {what}")),
            (Node::Worker(_), Body::ToRun(ToRun::Poll { member, .. })) => {
                self.members.insert(process, (*member, message.call));
                Ok(())
            }
            (Node::Worker(_), Body::ToShard(ToShard::Push { id, list, blocks, .. })) => self.pushes(id, *list, blocks),
            (Node::Worker(_), Body::ToShard(ToShard::Read { epoch, least, list, blocks, .. })) => {
                if list.is_none() {
                    let keys: Vec<Vec<u64>> = blocks.iter().filter_map(|(_, block)| keys_of(block)).collect();
                    self.lists.insert(ListName::of(&keys), keys);
                }
                let current = self.current.get(&process).ok_or("rows are read without an order")?;
                if *epoch == self.epoch {
                    let asked = self.given.get(current).map(|given| given.order.least);
                    ensure(asked == Some(*least), || format!("{process:?} asks for {least} commits instead of {asked:?}"))?;
                }
                self.reads.insert((process, message.link, message.call), *current);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn received(&mut self, process: Process, message: &Message) -> Verdict {
        match &message.body {
            Body::FromRun(FromRun::Order(order)) => {
                let (member, call) = *self.members.get(&process).ok_or("an order for nobody")?;
                if call != message.call || self.polls.get(&(message.link, message.call)) != Some(&member) {
                    return Ok(());
                }
                let contribution = Contribution { member, sequence: order.number };
                if self.current.get(&process).is_none_or(|current| current.member != member || current.sequence < order.number) {
                    self.current.insert(process, contribution);
                }
                Ok(())
            }
            Body::ToRun(ToRun::Poll { member, known, done, .. }) => {
                self.polls.insert((message.link, message.call), *member);
                if known != done {
                    return Ok(());
                }
                let contribution = Contribution { member: *member, sequence: *done };
                self.given.get_mut(&contribution).into_iter().for_each(|given| given.is_done = true);
                Ok(())
            }
            Body::FromShard(FromShard::Rows { epoch, clock, .. }) if *epoch == self.epoch && process.node != Node::Run => {
                match self.reads.get(&(process, message.link, message.call)) {
                    Some(contribution) => self.pulled(*contribution, *clock),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// A worker pushes: the same, however often.
    fn pushes(&mut self, id: &PushId, list: Option<ListName>, blocks: &[(u32, Block)]) -> Verdict {
        let told: Vec<Vec<u64>> = blocks.iter().filter_map(|(_, block)| keys_of(block)).collect();
        let keys = match list {
            Some(name) if told.is_empty() => self.lists.get(&name).ok_or("a push names a list that nobody was told")?.clone(),
            _ => told,
        };
        self.lists.insert(ListName::of(&keys), keys.clone());
        let sums = blocks.iter().filter_map(|(_, block)| if let Block::Integers(sums) = block { Some(sums.clone()) } else { None });
        let push: Vec<_> = keys.into_iter().zip(sums).collect();
        ensure(push.len() == WIDTHS.len(), || format!("{id:?} has {} tables", push.len()))?;
        let before = self.pushed.entry((id.epoch, id.contribution, id.shard)).or_insert_with(|| push.clone());
        ensure(*before == push, || format!("{id:?} is pushed in two ways"))
    }

    /// The sums of all that was committed, as it was pushed.
    fn added(&self) -> AllSums {
        let mut tables = self.base.sums.clone();
        tables.resize(WIDTHS.len(), BTreeMap::new());
        let named = self.commits.iter().flat_map(|(named, _)| named);
        for push in named.flat_map(|who| (0..self.scenario.shards).filter_map(|shard| self.pushed.get(&(self.epoch, *who, shard)))) {
            for ((table, width), (keys, sums)) in tables.iter_mut().zip(WIDTHS).zip(push) {
                for (key, row) in keys.iter().zip(sums.chunks_exact(width)) {
                    let all = table.entry(*key).or_insert_with(|| vec![0; width]);
                    all.iter_mut().zip(row).for_each(|(all, sum)| *all += sum);
                }
            }
        }
        tables
    }

    /// The run gives an order.
    fn ordered(&mut self, member: Member, order: &Order) -> Verdict {
        let Which::Slices(slices) = &order.fold else { return Err(format!("{order:?} is not by slices")) };
        let passes: BTreeSet<u64> = slices.iter().map(|slice| slice.number / self.plan.course.slices).collect();
        ensure(passes.len() == 1, || format!("{order:?} is of {} passes", passes.len()))?;
        if let Sync::Ssp(staleness) = self.plan.sync {
            let open = self.given.iter().filter(|(who, given)| who.member != member && !given.is_done && !self.gone.contains(&who.member));
            for (who, given) in open {
                ensure(order.clock <= given.order.clock + staleness, || format!("{member:?} runs away from {who:?}: {order:?}"))?;
            }
        }
        let given = Given { order: order.clone(), slices: slices.clone(), is_done: false, pulled: BTreeSet::new() };
        self.given.insert(Contribution { member, sequence: order.number }, given);
        Ok(())
    }

    /// A cut holds what is committed, and nothing else.
    fn cut(&mut self, cut: &Cut) -> Verdict {
        let slices: Vec<Slice> = self.slices().collect();
        let mut tiles = vec![0; self.scenario.plan.tiles as usize];
        slices.iter().for_each(|slice| tiles[slice.tile as usize] += 1);
        let commits = self.base.commits + self.commits.len() as u64;
        ensure(cut.commits == commits && cut.tiles == tiles, || format!("{cut:?} after {commits} commits of {tiles:?}"))?;
        self.cuts.insert(cut.number, Base { commits, slices, sums: self.added(), is_lossy: self.is_lossy });
        Ok(())
    }

    /// What a commit names is staged on all shards, and no slice comes twice.
    fn named(&mut self, clock: u64, contributions: &[Contribution], apply: Apply) -> Verdict {
        let place = clock.checked_sub(self.base.commits).ok_or_else(|| format!("commit {clock} comes before the cut"))?;
        if let Some(before) = self.commits.get(place as usize) {
            return ensure(*before == (contributions.to_vec(), apply), || format!("commit {clock} is made in two ways"));
        }
        ensure(self.commits.len() as u64 == place, || format!("commit {clock} follows {} commits", self.commits.len()))?;
        for contribution in contributions {
            for shard in (0..self.scenario.shards).filter(|shard| !self.lost.contains(shard)) {
                let is_staged = self.staged.contains(&(Node::Shard(shard), self.epoch, *contribution));
                ensure(is_staged, || format!("{contribution:?} is named and not staged on shard {shard}"))?;
            }
            if let (Sync::Bsp | Sync::Quorum(_), Some(given)) = (self.plan.sync, self.given.get(contribution)) {
                let is_exact = given.order.clock == clock && given.pulled.iter().all(|&pulled| pulled == clock);
                ensure(is_exact, || format!("commit {clock} names {contribution:?}, which saw {:?}", given.pulled))?;
            }
        }
        self.commits.push((contributions.to_vec(), apply));
        let twice = counted(self.slices()).into_iter().find(|(_, times)| *times > 1);
        ensure(twice.is_none(), || format!("{twice:?} is committed again"))?;
        let together = matches!(self.plan.sync, Sync::Bsp | Sync::Quorum(_));
        ensure(together == (apply == Apply::Together), || format!("{:?} commits {apply:?}", self.plan.sync))?;
        let slices = contributions.iter().filter_map(|c| self.given.get(c)).map(|given| given.slices.len()).sum::<usize>();
        ensure(self.plan.sync != Sync::Bsp || slices == self.scenario.plan.tiles as usize, || format!("commit {clock} has {slices} slices"))
    }

    fn slices(&self) -> impl Iterator<Item = Slice> {
        let base = self.base.slices.iter().copied();
        let since = self
            .commits
            .iter()
            .flat_map(|(named, _)| named)
            .filter_map(|c| self.given.get(c))
            .flat_map(|given| given.slices.iter().copied());
        base.chain(since)
    }

    /// A pull sees what its mode promises.
    fn pulled(&mut self, reader: Contribution, clock: u64) -> Verdict {
        self.given.get_mut(&reader).into_iter().for_each(|given| given.pulled.extend([clock]));
        let Some(Given { order, .. }) = self.given.get(&reader) else { return Ok(()) };
        let seen = clock.saturating_sub(self.base.commits) as usize;
        let is_in = |who: &Contribution| self.commits.iter().take(seen).any(|(named, _)| named.contains(who));
        let own = self.given.keys().filter(|who| who.member == reader.member && who.sequence < reader.sequence);
        match self.plan.sync {
            // Who comes too late may see more, and is dropped: it counts what is named.
            Sync::Bsp | Sync::Quorum(_) => {
                ensure(clock >= order.clock, || format!("{reader:?} pulls {clock} commits in clock {}", order.clock))
            }
            Sync::Ssp(_) | Sync::Asp => {
                let unseen = own.into_iter().find(|who| !is_in(who));
                ensure(unseen.is_none(), || format!("{reader:?} does not see its own {unseen:?}"))?;
                let Sync::Ssp(staleness) = self.plan.sync else { return Ok(()) };
                let old = |(who, given): &(&Contribution, &Given)| {
                    given.order.clock + staleness < order.clock && !self.gone.contains(&who.member) && !is_in(who)
                };
                let unseen = self.given.iter().find(old).map(|(who, _)| who);
                ensure(unseen.is_none(), || format!("{reader:?} of clock {} does not see {unseen:?}", order.clock))
            }
        }
    }

    fn is_model(&self, model: u64) -> Verdict {
        let tiles = self.scenario.plan.tiles;
        let last = self.plan.course.passes * self.plan.course.slices;
        let all = (0..tiles).flat_map(|tile| (0..last).map(move |number| Slice { tile, number }));
        let committed = counted(self.slices());
        ensure(committed == counted(all), || format!("{} slices of {} are committed", committed.len(), u64::from(tiles) * last))?;
        if self.plan.is_exact() {
            return ensure(model == hash(&self.plan, &self.plan.sequential(tiles)), || "the tables are not those of one process".into());
        }
        ensure(model == hash(&self.plan, &tables_of(self.added())), || "the tables are not what was committed".into())?;
        let slices: Vec<Slice> = committed.into_keys().collect();
        let is_whole = self.is_lossy || model == hash(&self.plan, &self.plan.added(&slices));
        ensure(is_whole, || "something is still held back at the end, though nobody is gone".into())
    }
}

fn keys_of(block: &Block) -> Option<Vec<u64>> {
    if let Block::Keys(keys) = block { Some(keys.clone()) } else { None }
}
