//! Reads a trace and says what breaks the contract. It knows what was sent, folded and applied, and nothing of the state
//! of any machine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quelea_core::block::Block;
use quelea_params::message::{Candidates, Contribution, FromRun, FromShard, Member, PushId, Pushed, ToRun, ToShard};
use quelea_params::run::{Note, Why};
use quelea_params::{Packet, Problem};

use crate::faults::{Fate, Scenario};
use crate::toy::{Update, sequential};
use crate::trace::{Body, Entry, Event, Message, Node, Process, packets};

type Verdict = Result<(), String>;
/// An epoch and a clock.
type Round = (u32, u64);
type Blocks = Vec<(u32, Block)>;

pub fn ensure(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(what()) }
}

struct Fold {
    clock: u64,
    tiles: Vec<u32>,
    blocks: Vec<Block>,
}

struct Push {
    tiles: Vec<u32>,
    parts: BTreeMap<u32, Arc<Blocks>>,
}

pub struct Checker<'a> {
    scenario: &'a Scenario,
    turn: u64,
    /// What each worker folded last.
    folds: BTreeMap<Process, Fold>,
    pushes: BTreeMap<(Round, Contribution), Push>,
    staged: BTreeSet<(Process, Round, Contribution)>,
    /// Shards that others stand in for.
    lost: BTreeSet<u32>,
    commits: BTreeMap<Round, Vec<Contribution>>,
    /// Rounds after which the run has gone on.
    advanced_after: BTreeSet<Round>,
    applied: BTreeMap<Round, BTreeMap<u32, Candidates>>,
    /// What was committed, as each epoch sees it.
    logs: BTreeMap<u32, Vec<Vec<Packet>>>,
    epoch: u32,
    /// The clock that the next epoch begins with.
    back_to: usize,
    /// Shards that were started, or have said that they do not know the run, since the run lost them last.
    reborn: BTreeSet<u32>,
    /// How often a log was asked for.
    reads: BTreeMap<(Member, u32, u64), usize>,
    burst: Burst,
}

/// What was sent in one turn.
#[derive(Default)]
pub struct Burst {
    turn: u64,
    calls: BTreeMap<Process, usize>,
    answers: BTreeSet<(Process, u64, u64)>,
}

impl Burst {
    /// Nobody asks for much at once, and nobody is answered twice at once.
    pub fn check(&mut self, scenario: &Scenario, turn: u64, process: Process, message: &Message) -> Verdict {
        if self.turn != turn {
            *self = Self { turn, ..Self::default() };
        }
        let (shards, workers) = (scenario.shards as usize, scenario.workers.len());
        if matches!(message.body, Body::FromRun(_) | Body::FromShard(_)) {
            let is_new = self.answers.insert((process, message.link, message.call));
            ensure(is_new, || format!("{process:?} answers twice at once: {message:?}"))?;
            let answers = self.answers.iter().filter(|(from, _, _)| *from == process).count();
            return ensure(answers <= 4 * workers + 4, || format!("{process:?} gives {answers} answers at once"));
        }
        let calls = self.calls.entry(process).or_default();
        *calls += 1;
        let most = if process.node == Node::Run { shards * (8 + 4 * workers) } else { 10 + 3 * shards };
        ensure(*calls <= most, || format!("{process:?} makes {calls} calls at once, the last is {message:?}"))
    }
}

/// Whether a trace keeps the contract.
pub fn check(scenario: &Scenario, trace: &[Entry]) -> Verdict {
    let mut checker = Checker::new(scenario);
    for (line, entry) in trace.iter().enumerate() {
        checker.turn = entry.turn;
        checker.take(&entry.event).map_err(|problem| format!("event {line} at {:?}: {problem}", entry.at))?;
    }
    ending(scenario, trace, |model| checker.is_model(model))
}

impl<'a> Checker<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        Self {
            scenario,
            turn: 0,
            folds: BTreeMap::new(),
            pushes: BTreeMap::new(),
            staged: BTreeSet::new(),
            lost: BTreeSet::new(),
            commits: BTreeMap::new(),
            advanced_after: BTreeSet::new(),
            applied: BTreeMap::new(),
            logs: BTreeMap::from([(1, Vec::new())]),
            epoch: 1,
            back_to: 0,
            reborn: BTreeSet::new(),
            reads: BTreeMap::new(),
            burst: Burst::default(),
        }
    }

    fn take(&mut self, event: &Event) -> Verdict {
        match event {
            Event::Started(Process { node: Node::Shard(shard), .. }) => {
                self.reborn.insert(*shard);
                Ok(())
            }
            Event::Sent(process, message) => self.sent(*process, message),
            Event::Received(process, message) => self.received(*process, message),
            Event::Folded { process, clock, tiles, blocks } => {
                let fold = Fold { clock: *clock, tiles: tiles.clone(), blocks: blocks.clone() };
                self.folds.insert(*process, fold);
                Ok(())
            }
            Event::Advanced { process, epoch, clock, candidates } => self.advanced(*process, (*epoch, *clock), candidates),
            Event::Applied { process, epoch, clock, update } => self.update(*process, (*epoch, *clock), update),
            Event::Told(note) => self.told(note),
            Event::WorkerEnded(process, result) => worker_ended(*process, result),
            _ => Ok(()),
        }
    }

    fn sent(&mut self, process: Process, message: &Message) -> Verdict {
        self.burst.check(self.scenario, self.turn, process, message)?;
        match (process.node, &message.body) {
            (Node::Worker(_), Body::ToShard(ToShard::Push { id, blocks, .. })) => self.pushed(process, id, blocks),
            (Node::Worker(_), Body::ToRun(ToRun::Log { member, epoch, from })) => {
                let reads = self.reads.entry((*member, *epoch, *from)).or_default();
                *reads += 1;
                ensure(*reads <= 30, || format!("{member:?} asks for the log from {from} on again and again"))
            }
            (Node::Shard(_), Body::FromShard(FromShard::Pushed { id, pushed: Pushed::Applied })) => {
                let is_new = self.staged.insert((process, (id.epoch, id.clock), id.contribution));
                ensure(is_new, || format!("{process:?} stages twice: {id:?}"))
            }
            (Node::Shard(shard), Body::FromShard(FromShard::Unknown)) => {
                self.reborn.insert(shard);
                Ok(())
            }
            (Node::Run, Body::ToShard(ToShard::Commit { epoch, clock, contributions, .. })) => {
                self.committing((*epoch, *clock), contributions)
            }
            (Node::Run, Body::ToShard(ToShard::Open { epoch, .. })) if *epoch > self.epoch => {
                let log = self.logs[&self.epoch][..self.back_to].to_vec();
                self.logs.insert(*epoch, log);
                self.epoch = *epoch;
                Ok(())
            }
            (Node::Run, Body::ToShard(ToShard::Advance { epoch, clock, .. })) => self.is_applied_on_all((*epoch, *clock)),
            (Node::Run, Body::FromRun(FromRun::Order(order))) if order.clock > 0 => {
                let log = &self.logs[&order.epoch];
                ensure(log.len() as u64 == order.clock, || format!("{order:?}, but {} clocks are committed", log.len()))
            }
            _ => Ok(()),
        }
    }

    fn received(&mut self, process: Process, message: &Message) -> Verdict {
        match &message.body {
            Body::FromShard(FromShard::Committed { epoch, clock, candidates }) if matches!(process.node, Node::Worker(_)) => {
                let round = (*epoch, *clock);
                let applied = self.applied.get(&round).into_iter().flat_map(BTreeMap::values);
                let is_applied = applied.into_iter().any(|a| a == candidates);
                ensure(is_applied, || format!("{process:?} pulls what no shard has applied in {round:?}"))
            }
            _ => Ok(()),
        }
    }

    fn pushed(&mut self, process: Process, id: &PushId, blocks: &Arc<Blocks>) -> Verdict {
        let push = match self.pushes.entry(((id.epoch, id.clock), id.contribution)) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let fold = self.folds.get(&process).ok_or("a push without a fold")?;
                ensure(fold.clock == id.clock, || format!("sums of clock {} are pushed for {id:?}", fold.clock))?;
                entry.insert(Push { tiles: fold.tiles.clone(), parts: part(&fold.blocks, self.scenario.parts()) })
            }
        };
        ensure(push.parts.get(&id.shard) == Some(blocks), || format!("pushed are other sums than were folded: {id:?}"))
    }

    /// Every tile counts once.
    fn committing(&mut self, round: Round, contributions: &[Contribution]) -> Verdict {
        if let Some(before) = self.commits.get(&round) {
            return ensure(before == contributions, || format!("{round:?} is committed in two ways"));
        }
        let mut tiles = Vec::new();
        for contribution in contributions {
            let push = self.pushes.get(&(round, *contribution));
            tiles.extend(push.ok_or_else(|| format!("{contribution:?} is named in {round:?} and was never pushed"))?.tiles.iter().copied());
            for shard in (0..self.scenario.shards).filter(|shard| !self.lost.contains(shard)) {
                let is_staged = self.staged.iter().any(|(p, r, c)| p.node == Node::Shard(shard) && (r, c) == (&round, contribution));
                ensure(is_staged, || format!("{contribution:?} is named in {round:?} and not staged on shard {shard}"))?;
            }
        }
        tiles.sort_unstable();
        let all: Vec<u32> = (0..self.scenario.plan.tiles).collect();
        self.commits.insert(round, contributions.to_vec());
        ensure(tiles == all, || format!("{round:?} is committed with the tiles {tiles:?}"))
    }

    /// A shard applies exactly what the commit names, once.
    fn update(&mut self, process: Process, round: Round, update: &Update) -> Verdict {
        let Node::Shard(shard) = process.node else { return Err("who is no shard updates blocks".into()) };
        let named = self.commits.get(&round).ok_or_else(|| format!("{round:?} is applied, but not committed"))?;
        let mut sums: Option<Blocks> = None;
        for contribution in named {
            let is_staged = self.staged.contains(&(process, round, *contribution));
            ensure(is_staged, || format!("{process:?} applies {contribution:?}, and has not staged it"))?;
            let part = self.pushes[&(round, *contribution)].parts[&(shard % self.scenario.parts())].as_ref().clone();
            sums = Some(sums.map_or(part.clone(), |sums| added(sums, part)));
        }
        ensure(sums.as_ref() == Some(&update.sums), || format!("{process:?} applies other sums in {round:?} than are named"))?;
        let on_shards = self.applied.entry(round).or_default();
        let before = on_shards.insert(shard, update.candidates.clone());
        ensure(before.is_none(), || format!("{process:?} applies {round:?} again"))?;
        let parts = self.scenario.parts();
        let of_part = |part: u32| on_shards.iter().find(|(shard, _)| *shard % parts == part).map(|(_, candidates)| candidates);
        let same = of_part(shard % parts) == Some(&update.candidates);
        ensure(same, || format!("{process:?} comes to other candidates in {round:?} than who holds the same"))?;
        let is_first = on_shards.keys().filter(|other| *other % parts == shard % parts).count() == 1;
        if is_first && let Some(all) = (0..parts).map(of_part).collect::<Option<Vec<_>>>() {
            let all: Candidates = all.into_iter().flatten().cloned().collect();
            let log = self.logs.get_mut(&round.0).ok_or("an epoch that never began")?;
            ensure(log.len() as u64 == round.1, || format!("{round:?} follows {} committed clocks", log.len()))?;
            log.push(packets(&all));
        }
        Ok(())
    }

    fn is_applied_on_all(&mut self, round: Round) -> Verdict {
        if !self.advanced_after.insert(round) {
            return Ok(());
        }
        let has = |shard: &u32| self.applied.get(&round).is_some_and(|on_shards| on_shards.contains_key(shard));
        let missing = (0..self.scenario.shards).find(|shard| !self.lost.contains(shard) && !has(shard));
        ensure(missing.is_none(), || format!("the run goes on after {round:?}, which is not applied on shard {missing:?}"))
    }

    /// A worker goes on with what its epoch has committed.
    fn advanced(&self, process: Process, (epoch, clock): Round, candidates: &[Packet]) -> Verdict {
        let committed = self.logs.get(&epoch).and_then(|log| log.get(clock as usize));
        let is_same = committed.is_some_and(|committed| committed == candidates);
        ensure(is_same, || format!("{process:?} leaves clock {clock} in epoch {epoch} with candidates that were not committed then"))
    }

    fn told(&mut self, note: &Note) -> Verdict {
        let (shard, why, from, to) = match note {
            Note::ReplicaLost { shard, .. } => {
                self.lost.insert(*shard);
                return Ok(());
            }
            Note::ReplicaBack { shard } => return ensure(self.lost.remove(shard), || format!("shard {shard} was not lost")),
            Note::ShardLost { shard, why, from, to } => (shard, why, from, to),
            Note::Joined { .. } | Note::Gone { .. } | Note::NoCut { .. } => return Ok(()),
        };
        only_without_others(self.scenario, &self.lost, *shard, (*from, *to))?;
        self.lost.clear();
        let was_reborn = self.reborn.remove(shard);
        ensure(*why != Why::Restarted || was_reborn, || format!("shard {shard} was not started anew"))?;
        let plan = self.scenario.plan;
        let boundary = (0..=*from).rev().find(|&clock| plan.is_boundary(clock)).unwrap_or_default();
        ensure(*to == boundary, || format!("the last boundary before {from} is {boundary}, and the run goes back to {to}"))?;
        self.back_to = *to as usize;
        Ok(())
    }

    fn is_model(&self, model: u64) -> Verdict {
        let log = &self.logs[&self.epoch];
        ensure(log.len() as u64 == self.scenario.plan.rounds, || format!("the run ends after {} clocks", log.len()))?;
        ensure(model == sequential(&self.scenario.plan), || "the model is another than one process comes to".into())
    }
}

/// A run goes back for a shard only while no other holds the same.
pub fn only_without_others(scenario: &Scenario, lost: &BTreeSet<u32>, shard: u32, (from, to): (u64, u64)) -> Verdict {
    let mut others = (0..scenario.shards).filter(|other| *other != shard && other % scenario.parts() == shard % scenario.parts());
    let stands_in = others.find(|other| !lost.contains(other)).filter(|_| from != to);
    ensure(stands_in.is_none(), || format!("the run goes back for shard {shard}, and shard {stands_in:?} holds the same"))
}

pub fn worker_ended(process: Process, result: &Result<(), Problem>) -> Verdict {
    let is_usual = match result {
        Ok(()) => true,
        Err(Problem::Silent { who, .. }) => who == "the run",
        Err(_) => false,
    };
    ensure(is_usual, || format!("{process:?} ends with {result:?}"))
}

/// Whether the run ends as it should after what became of it.
pub fn ending(scenario: &Scenario, trace: &[Entry], is_model: impl Fn(u64) -> Verdict) -> Verdict {
    let mut ends = trace.iter().filter_map(|entry| match &entry.event {
        Event::RunEnded { result, model } => Some((result, *model)),
        _ => None,
    });
    let (result, model) = ends.next().ok_or("the run has not ended")?;
    ensure(ends.next().is_none(), || "the run ends twice".into())?;
    let is_struck = trace.iter().any(|entry| entry.event == Event::Fault(format!("{:?}", scenario.fate)));
    let fate = if is_struck { scenario.fate } else { Fate::Model };
    match (result, fate) {
        (Ok(()), _) => is_model(model),
        (Err(Problem::NoWorkers { .. }), Fate::NoWorkers) => Ok(()),
        (Err(Problem::Silent { who, .. }), Fate::ShardDies(shard) | Fate::ShardStops(shard) | Fate::ShardUnreachable(shard)) => {
            ensure(who.starts_with(&format!("shard {shard} at host-{shard}")), || format!("the run names {who}"))
        }
        (Err(problem), _) => Err(format!("the run ends with \"{problem}\" after {fate:?}")),
    }
}

/// The blocks of each shard: their numbers go round.
fn part(blocks: &[Block], shards: u32) -> BTreeMap<u32, Arc<Blocks>> {
    let of = |shard| (0..).zip(blocks).filter(move |(number, _)| number % shards == shard).map(|(number, block)| (number, block.clone()));
    (0..shards).map(|shard| (shard, Arc::new(of(shard).collect()))).collect()
}

fn added(sums: Blocks, part: Blocks) -> Blocks {
    let both = sums.into_iter().zip(part);
    both.map(|((number, mut sum), (_, block))| {
        sum.merge(block).expect("small integers");
        (number, sum)
    })
    .collect()
}
