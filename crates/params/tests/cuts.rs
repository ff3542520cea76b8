//! Cuts and replicas of a run by steps, message by message: tables of several pages, answers that come late, and losses between two
//! pages, which the simulation's small tables do not have.

mod undriven;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quelea_core::block::Block;
use quelea_core::steps::{Parameters, Rule, Start};
use quelea_params::message::{Contribution, FromRun, FromShard, Member, Order, PushId, ToRun, ToShard};
use quelea_params::run::{Action, Cut, Note, Run, Saved, Saving, Settings, Sync, Why};
use quelea_params::shard::Shard;
use quelea_params::tables::{Chunk, shard_of};
use quelea_params::{Caller, Made, Maker, Packet, Problem, Timing, Traffic};
use undriven::Undriven;

const SECOND: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(5);
const TIMING: Timing = Timing { keepalive: SECOND, lease: LEASE, request_timeout: SECOND, retries: 3 };
const EVERY: Duration = Duration::from_secs(10);
/// Four rows are a page.
const WIDTH: usize = 1 << 18;
const ROWS: u64 = 24;
const PARTS: u32 = 2;
const RUN: u64 = 1;
const RUN_PEER: u64 = 1_000;

fn maker() -> Maker {
    let rows = Start::Rows(Arc::new((0..ROWS).flat_map(|row| vec![row as f32; WIDTH]).collect()));
    let table = Parameters { name: "wide".into(), width: WIDTH, start: rows, rule: Rule::Sum, unit: 1.0 };
    Box::new(move |_| Ok(Made::Steps(Box::new(Undriven(vec![table.clone()])))))
}

/// The last row of a part, which its last page has.
fn key_of(part: u32) -> u64 {
    (0..ROWS).rev().find(|key| shard_of(*key, PARTS) == part).expect("every part has rows")
}

/// A run, its shards and one worker; a call that is held is answered by the shard, but the run hears of it only later.
struct Scene {
    now: Duration,
    run: Run,
    shards: Vec<Shard>,
    member: Option<Member>,
    order: Option<Order>,
    done: u32,
    view: u32,
    calls: u64,
    asked: Vec<(u32, ToShard)>,
    held: Vec<(u32, u64, FromShard)>,
    holds: fn(u32, &ToShard) -> bool,
    saving: Vec<Saving>,
    notes: Vec<Note>,
    ended: Option<Result<(), Problem>>,
}

impl Scene {
    /// With `copies` shards for each part, all of which are up.
    fn new(copies: u32, cut: Saved) -> Self {
        let settings = Settings {
            run: RUN,
            timing: TIMING,
            workers: 1,
            grace: SECOND,
            patience: 60 * SECOND,
            tiles: 1,
            shards: (0..copies * PARTS).map(|shard| format!("host-{shard}")).collect(),
            copies: copies as usize,
            plan: Packet::default(),
            history: Vec::new(),
            sync: Sync::Bsp,
            cut,
            cut_every: Some(EVERY),
            traffic: Traffic::default(),
        };
        let mut scene = Self {
            now: SECOND,
            run: Run::new(SECOND, settings, maker()).expect("the plan is sound"),
            shards: (0..copies * PARTS).map(|_| Shard::new(maker(), TIMING)).collect(),
            member: None,
            order: None,
            done: 0,
            view: 0,
            calls: 0,
            asked: Vec::new(),
            held: Vec::new(),
            holds: |_, _| false,
            saving: Vec::new(),
            notes: Vec::new(),
            ended: None,
        };
        scene.tell_run(ToRun::Join { name: "worker".into() });
        (0..copies * PARTS).for_each(|shard| scene.comes(shard));
        scene
    }

    fn comes(&mut self, shard: u32) {
        self.shards[shard as usize] = Shard::new(maker(), TIMING);
        self.run.shard_is_up(self.now, shard);
        self.settle();
    }

    fn goes(&mut self, shard: u32) {
        self.run.shard_closed(self.now, shard);
        self.settle();
    }

    fn tell_run(&mut self, ask: ToRun) {
        self.calls += 1;
        self.run.from_worker(self.now, Caller { peer: 7, call: self.calls }, ask);
        self.settle();
    }

    /// Does what the run wants, until it wants nothing.
    fn settle(&mut self) {
        loop {
            let actions = self.run.actions();
            if actions.is_empty() {
                return;
            }
            actions.into_iter().for_each(|action| self.act(action));
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Answer { answer: FromRun::Joined(joined), .. } => self.member = Some(joined.member),
            Action::Answer { answer: FromRun::Order(order), .. } => self.order = Some(order),
            Action::Answer { answer: FromRun::Shards { view, .. }, .. } => self.view = view,
            Action::Call { shard, call, ask } => self.call(shard, call, ask),
            Action::Save(saving) => self.saving.push(saving),
            Action::Tell(note) => self.notes.push(note),
            Action::End(result) => self.ended = Some(result),
            Action::Answer { .. } | Action::GiveTile { .. } | Action::Restore { .. } | Action::Revive { .. } => {}
        }
    }

    fn call(&mut self, shard: u32, call: u64, ask: ToShard) {
        self.asked.push((shard, ask.clone()));
        let is_held = (self.holds)(shard, &ask);
        for (call, answer) in self.answers(shard, call, ask) {
            match is_held {
                true => self.held.push((shard, call, answer)),
                false => self.run.from_shard(self.now, shard, call, answer),
            }
        }
    }

    fn answers(&mut self, shard: u32, call: u64, ask: ToShard) -> Vec<(u64, FromShard)> {
        let mut answers = Vec::new();
        self.shards[shard as usize].handle(self.now, Caller { peer: RUN_PEER, call }, ask, &mut answers);
        answers.into_iter().map(|(to, answer)| (to.call, answer)).collect()
    }

    /// The run hears what was held.
    fn release(&mut self) {
        self.holds = |_, _| false;
        for (shard, call, answer) in std::mem::take(&mut self.held) {
            self.run.from_shard(self.now, shard, call, answer);
            self.settle();
        }
    }

    /// The worker adds 1 to a row of each part, and what it adds is committed.
    fn step(&mut self) {
        let member = self.member.expect("it has joined");
        while self.order.as_ref().is_none_or(|order| order.number == self.done) {
            let (known, done, view) = (self.order.as_ref().map_or(0, |order| order.number), self.done, self.view);
            let before = (known, view);
            self.tell_run(ToRun::Poll { member, known, done, view, bytes: 0, totals: vec![] });
            assert_ne!(before, (self.order.as_ref().map_or(0, |order| order.number), self.view), "the run has no order to give");
        }
        let order = self.order.clone().expect("an order");
        for shard in 0..self.shards.len() as u32 {
            let contribution = Contribution { member, sequence: order.number };
            let part = shard % PARTS;
            let id = PushId { run: RUN, epoch: order.epoch, shard: part, clock: order.clock, contribution };
            let blocks = Arc::new(vec![(0, Block::Keys(vec![key_of(part)])), (1, Block::Integers(vec![1; WIDTH]))]);
            self.answers(shard, 0, ToShard::Push { id, weight: 1, list: None, blocks });
        }
        self.done = order.number;
        let (known, done, view) = (order.number, order.number, self.view);
        self.tell_run(ToRun::Poll { member, known, done, view, bytes: 0, totals: vec![] });
    }

    /// All rows of a shard.
    fn rows(&mut self, shard: u32, epoch: u32) -> BTreeMap<u64, f32> {
        let (mut rows, mut from) = (BTreeMap::new(), 0);
        loop {
            let answer = self.answers(shard, 0, ToShard::Collect { run: RUN, epoch, table: 0, from }).pop();
            let Some((_, FromShard::Rows { blocks, .. })) = answer else { panic!("{answer:?}") };
            let [(0, Block::Keys(keys)), (1, Block::Values(values))] = &blocks[..] else { panic!("rows") };
            let Some(last) = keys.last() else { return rows };
            rows.extend(keys.iter().copied().zip(values.iter().copied().step_by(WIDTH)));
            from = last + 1;
        }
    }

    fn pages_asked_of(&self, shard: u32) -> usize {
        self.asked.iter().filter(|(to, ask)| *to == shard && matches!(ask, ToShard::Save { .. })).count()
    }
}

fn is_page(_: u32, ask: &ToShard) -> bool {
    matches!(ask, ToShard::Save { .. })
}

#[test]
fn pages_of_a_cut_are_asked_for_as_there_is_room() {
    let mut scene = Scene::new(1, Saved::default());
    scene.step();
    scene.now += EVERY;
    scene.step();
    assert!(matches!(scene.saving[..], [Saving::Begin(Cut { commits: 2, .. })]));
    for asked in 1..10 {
        assert!([0, 1].iter().all(|&shard| scene.pages_asked_of(shard) < asked));
        // Training goes on meanwhile.
        scene.step();
        scene.run.save_more(scene.now);
        scene.settle();
        if matches!(scene.saving.last(), Some(Saving::End)) {
            break;
        }
    }
    let parts = scene.saving.iter().filter_map(|saving| match saving {
        Saving::Part(Chunk { keys, rows, .. }) => Some(keys.iter().copied().zip(rows.iter().copied().step_by(WIDTH))),
        _ => None,
    });
    let saved: BTreeMap<u64, f32> = parts.flatten().collect();
    let expected = |row: u64| row as f32 + if [0, 1].map(key_of).contains(&row) { 2.0 } else { 0.0 };
    assert_eq!(saved, (0..ROWS).map(|row| (row, expected(row))).collect());
    assert!(matches!(scene.saving.last(), Some(Saving::End)) && scene.saving.len() > 5);
}

/// A run with replicas, of which shard 2 has gone, and a cut has begun without it.
fn cut_without_a_replica() -> Scene {
    let mut scene = Scene::new(2, Saved::default());
    scene.step();
    scene.goes(2);
    scene.now += EVERY;
    scene.step();
    assert!(matches!(scene.saving[..], [Saving::Begin(_)]));
    scene
}

fn assert_replica_is_back(mut scene: Scene) {
    assert!(scene.notes.contains(&Note::ReplicaBack { shard: 2 }), "{:?}", scene.notes);
    scene.step();
    assert_eq!(scene.rows(2, 1), scene.rows(0, 1));
    assert_eq!(scene.ended, None);
}

#[test]
fn a_page_of_a_cut_that_failed_is_not_taken_for_one_of_a_replica() {
    let mut scene = cut_without_a_replica();
    for page in 1..=3 {
        // The third is the last of shard 0 that has rows.
        scene.holds = if page == 3 { is_page } else { |_, _| false };
        scene.run.save_more(scene.now);
        scene.settle();
    }
    assert_eq!(scene.held.len(), 2);
    scene.run.cut_is_saved(scene.now, 1, false);
    let late = std::mem::take(&mut scene.held);
    scene.comes(2);
    scene.step();
    // The first page for the replica is on its way, and the late ones come before it.
    assert_eq!(scene.held.len(), 1);
    scene.held.splice(0..0, late);
    scene.release();
    assert_replica_is_back(scene);
}

#[test]
fn a_replica_gets_its_pages_whatever_becomes_of_a_cut() {
    let mut scene = cut_without_a_replica();
    // Shard 0 has given its part of the cut, shard 1 has not.
    scene.holds = |shard, ask| shard == 1 && is_page(shard, ask);
    for _ in 0..10 {
        scene.run.save_more(scene.now);
        scene.settle();
    }
    scene.holds = is_page;
    scene.comes(2);
    scene.step();
    let of_replica = scene.held.iter().position(|(shard, ..)| *shard == 0).expect("a page for the replica is asked for");
    scene.held = vec![scene.held.swap_remove(of_replica)];
    scene.goes(1);
    assert!(matches!(scene.saving.last(), Some(Saving::Abandon)));
    scene.release();
    assert_replica_is_back(scene);
}

#[test]
fn a_replica_that_cannot_join_waits_longer_each_time() {
    let mut scene = Scene::new(2, Saved::default());
    scene.step();
    scene.goes(2);
    for times in 0..3u32 {
        scene.holds = |shard, ask| shard == 2 && matches!(ask, ToShard::Open { .. });
        scene.comes(2);
        scene.step();
        let (shard, call, _) = scene.held.pop().expect("it is to begin");
        scene.run.from_shard(scene.now, shard, call, FromShard::Failed(Problem::Busy));
        scene.settle();
        assert_eq!(scene.notes.last(), Some(&Note::ReplicaLost { shard: 2, why: Why::Failed(Problem::Busy) }));
        scene.comes(2);
        scene.now += LEASE * (1 << times) - SECOND;
        scene.step();
        assert_eq!((scene.held.len(), scene.ended.clone()), (0, None));
        scene.now += SECOND;
    }
    scene.release();
    scene.step();
    assert_replica_is_back(scene);
}

#[test]
fn a_shard_that_dies_of_what_it_loads_ends_the_run() {
    let cut = Cut { number: 1, commits: 5, applied: 5, tiles: vec![5], passed: 0, totals: BTreeMap::new() };
    let mut scene = Scene::new(1, Saved { cut, parts: 1 });
    for times in 0.. {
        assert!(times < 100, "it is started again for ever");
        let chunk = Chunk { table: 0, keys: (0..ROWS).collect(), rows: vec![0.0; ROWS as usize * WIDTH] };
        scene.holds = |shard, ask| shard == 0 && matches!(ask, ToShard::Load { .. });
        scene.run.restored(scene.now, 1, 0, Ok(chunk));
        scene.settle();
        scene.held.clear();
        scene.goes(0);
        if let Some(ended) = &scene.ended {
            assert!(matches!(ended, Err(Problem::Stuck { .. })), "{ended:?}");
            break;
        }
        scene.comes(0);
    }
}
