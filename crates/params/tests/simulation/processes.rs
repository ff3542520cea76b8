//! The shells: a process around each machine, with a queue for a worker's computing side.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quelea_params::message::{FromRun, ToShard};
use quelea_params::run::{self, Cut, Run, Saved, Saving, Settings, Sync};
use quelea_params::shard::{Answers, Shard};
use quelea_params::tables::Chunk;
use quelea_params::worker::{self, Ask, Task, To, Worker};
use quelea_params::{Caller, ListName, Made, Maker, Traffic};

use crate::broken::{Defect, Tamper};
use crate::faults::Scenario;
use crate::random::Random;
use crate::steps::{StepComputer, StepPlan, StepToy};
use crate::toy::{Computer, Journal, Plan, replica};
use crate::trace::{Body, Event, Message, Node, Process};

/// What a process wants of the world.
pub enum Effect {
    Call {
        to: Node,
        call: u64,
        body: Body,
    },
    Answer {
        to: Caller,
        body: Body,
    },
    Connect(Node),
    Revive(u32),
    /// To be told with [`Shell::computed`] when so many tiles could have been folded.
    Compute {
        tiles: u32,
    },
    Record(Event),
    Exit,
}

pub trait Shell {
    fn receive(&mut self, now: Duration, from: Node, message: Message);
    fn tick(&mut self, now: Duration);
    fn deadline(&self) -> Option<Duration>;
    fn effects(&mut self, now: Duration) -> Vec<Effect>;
    /// A connection to this process is down.
    fn closed(&mut self, _now: Duration, _link: u64) {}
    /// A connection from this process is up.
    fn connected(&mut self, _now: Duration, _to: Node) {}
    /// A connection from this process is down; what it wants then is among its effects.
    fn disconnected(&mut self, _now: Duration, _to: Node) {}
    fn computed(&mut self, _now: Duration) {}
    fn leave(&mut self, _now: Duration) {}
    /// Whether it still does something for a run.
    fn is_serving(&self) -> bool;
}

fn maker(scenario: &Scenario, salt: u64, journal: &Arc<Mutex<Journal>>) -> Maker {
    let (journal, steps, tiles, copies) = (journal.clone(), scenario.steps, scenario.plan.tiles, scenario.copies);
    Box::new(move |plan| {
        Ok(match steps {
            // Shards that hold the same part give the same candidates.
            None => Made::Rounds(replica(plan, if copies > 1 { None } else { Some(salt) }, &journal)),
            Some(steps) => Made::Steps(Box::new(StepToy::new(steps, tiles, &journal))),
        })
    })
}

pub struct RunShell {
    machine: Run,
    plan: Plan,
    journal: Arc<Mutex<Journal>>,
    disk: Disk,
    /// The part of a cut that is being read.
    restoring: Option<(u64, u64)>,
    effects: Vec<Effect>,
    is_over: bool,
}

/// Where a run's cuts are saved: the last two are there.
struct Disk {
    random: Random,
    full: f64,
    saved: Vec<(u64, Vec<Chunk>)>,
    coming: Option<(Cut, Vec<Chunk>)>,
}

impl Disk {
    fn part(&self, cut: u64, part: u64) -> Chunk {
        let parts = self.saved.iter().find(|(number, _)| *number == cut).map(|(_, parts)| parts);
        parts.expect("a run goes back to what is saved")[part as usize].clone()
    }

    /// The number of the cut that has come, and whether there was room for it.
    fn write(&mut self) -> Option<(u64, bool)> {
        let (cut, parts) = self.coming.take()?;
        let has_room = !self.random.chance(self.full);
        if has_room {
            self.saved.push((cut.number, parts));
        }
        Some((cut.number, has_room))
    }
}

impl RunShell {
    pub fn new(now: Duration, scenario: &Scenario) -> Self {
        let journal = Arc::default();
        let settings = Settings {
            history: Vec::new(),
            run: scenario.seed,
            timing: scenario.timing,
            workers: scenario.wanted,
            grace: scenario.grace,
            patience: scenario.patience,
            tiles: scenario.plan.tiles,
            shards: (0..scenario.shards).map(address).collect(),
            copies: scenario.copies as usize,
            plan: scenario.plan.packet(),
            sync: scenario.steps.map_or(Sync::Bsp, |steps| steps.sync),
            cut: Saved::default(),
            cut_every: scenario.cut_every,
            traffic: scenario.steps.map_or_else(Traffic::default, |steps| steps.traffic()),
        };
        let disk = Disk { random: Random::new(scenario.seed, 6), full: scenario.disk_full, saved: Vec::new(), coming: None };
        let effects = (0..scenario.shards).map(|shard| Effect::Connect(Node::Shard(shard))).collect();
        let machine = Run::new(now, settings, maker(scenario, 0, &journal)).expect("the toy learner begins");
        Self { machine, plan: scenario.plan, journal, disk, restoring: None, effects, is_over: false }
    }

    fn save(&mut self, now: Duration, saving: Saving) {
        match saving {
            Saving::Begin(cut) => {
                // Room is made before something new is written.
                self.disk.saved.drain(..self.disk.saved.len().saturating_sub(1));
                self.disk.coming = Some((cut.clone(), Vec::new()));
                self.effects.push(Effect::Record(Event::CutBegun(cut)));
            }
            Saving::Part(chunk) => match self.disk.coming.take() {
                Some((cut, _)) if self.disk.random.chance(self.disk.full / 4.0) => self.machine.cut_is_saved(now, cut.number, false),
                Some((cut, mut parts)) => {
                    parts.push(chunk);
                    self.disk.coming = Some((cut, parts));
                }
                None => {}
            },
            Saving::End => self.effects.push(Effect::Compute { tiles: 1 + self.disk.random.below(20) as u32 }),
            Saving::Abandon => self.disk.coming = None,
        }
    }
}

fn address(shard: u32) -> String {
    format!("host-{shard}")
}

impl Shell for RunShell {
    fn receive(&mut self, now: Duration, from: Node, Message { link, call, body }: Message) {
        match (from, body) {
            (_, Body::ToRun(ask)) => self.machine.from_worker(now, Caller { peer: link, call }, ask),
            (Node::Shard(shard), Body::FromShard(answer)) => self.machine.from_shard(now, shard, call, answer),
            (from, body) => panic!("{from:?} sends {body:?} to the run"),
        }
    }

    fn tick(&mut self, now: Duration) {
        self.machine.tick(now);
    }

    fn deadline(&self) -> Option<Duration> {
        self.machine.deadline()
    }

    fn effects(&mut self, now: Duration) -> Vec<Effect> {
        // A disk may be slow.
        if !self.disk.random.chance(0.2) {
            self.machine.save_more(now);
        }
        let is_read = !self.disk.random.chance(0.2);
        if let Some((cut, part)) = self.restoring.take_if(|_| is_read) {
            self.machine.restored(now, cut, part, Ok(self.disk.part(cut, part)));
        }
        for action in self.machine.actions() {
            let effect = match action {
                run::Action::Save(saving) => {
                    self.save(now, saving);
                    continue;
                }
                run::Action::Restore { cut, part } => {
                    self.restoring = Some((cut, part));
                    Effect::Record(Event::CutRestored(cut))
                }
                run::Action::Answer { to, answer } => Effect::Answer { to, body: Body::FromRun(answer) },
                run::Action::GiveTile { to, tile } => {
                    let bytes = self.plan.tile(tile);
                    Effect::Answer { to, body: Body::FromRun(FromRun::Tile { tile, bytes }) }
                }
                run::Action::Call { shard, call, ask } => Effect::Call { to: Node::Shard(shard), call, body: Body::ToShard(ask) },
                run::Action::Revive { shard } => Effect::Revive(shard),
                run::Action::Tell(note) => Effect::Record(Event::Told(note)),
                run::Action::End(result) => {
                    self.is_over = true;
                    Effect::Record(Event::RunEnded { result, model: self.journal.lock().expect("one thread").model })
                }
            };
            self.effects.push(effect);
        }
        std::mem::take(&mut self.effects)
    }

    fn computed(&mut self, now: Duration) {
        if let Some((number, is_saved)) = self.disk.write() {
            self.machine.cut_is_saved(now, number, is_saved);
            self.effects.extend(is_saved.then_some(Effect::Record(Event::CutSaved(number))));
        }
    }

    fn closed(&mut self, now: Duration, link: u64) {
        self.machine.closed(now, link);
    }

    fn connected(&mut self, now: Duration, to: Node) {
        if let Node::Shard(shard) = to {
            self.machine.shard_is_up(now, shard);
        }
    }

    fn disconnected(&mut self, now: Duration, to: Node) {
        if let Node::Shard(shard) = to {
            self.machine.shard_closed(now, shard);
        }
    }

    fn is_serving(&self) -> bool {
        !self.is_over
    }
}

pub struct ShardShell {
    me: Process,
    machine: Shard,
    journal: Arc<Mutex<Journal>>,
    answers: Answers,
    applied: Vec<Event>,
    defect: Defect,
    tamper: Tamper,
    forgotten: f64,
    random: Random,
}

impl ShardShell {
    pub fn new(me: Process, salt: u64, scenario: &Scenario, defect: Defect) -> Self {
        let journal = Arc::default();
        let machine = Shard::new(maker(scenario, salt, &journal), scenario.timing);
        let (forgotten, random) = (scenario.forgotten, Random::new(scenario.seed ^ salt, 6));
        Self { me, machine, journal, answers: Vec::new(), applied: Vec::new(), defect, tamper: Tamper::default(), forgotten, random }
    }

    /// A name that nobody has told stands for one that was forgotten.
    fn forget(&mut self, mut ask: ToShard) -> ToShard {
        if let ToShard::Read { list: Some(name), .. } | ToShard::Push { list: Some(name), .. } = &mut ask
            && self.random.chance(self.forgotten)
        {
            *name = ListName::of(&[]);
        }
        ask
    }
}

impl Shell for ShardShell {
    fn receive(&mut self, now: Duration, from: Node, Message { link, call, body }: Message) {
        let Body::ToShard(ask) = body else { panic!("{from:?} sends {body:?} to a shard") };
        let ask = self.forget(ask);
        let ask = self.tamper.request(self.defect, ask);
        let commit = match &ask {
            ToShard::Commit { epoch, clock, .. } => Some((*epoch, *clock)),
            _ => None,
        };
        self.machine.handle(now, Caller { peer: link, call }, ask, &mut self.answers);
        for update in self.journal.lock().expect("one thread").updates.drain(..) {
            let (epoch, clock) = commit.expect("blocks are updated by commits");
            self.applied.push(Event::Applied { process: self.me, epoch, clock, update });
        }
    }

    fn tick(&mut self, now: Duration) {
        self.machine.tick(now, &mut self.answers);
    }

    fn deadline(&self) -> Option<Duration> {
        self.machine.deadline()
    }

    fn effects(&mut self, _now: Duration) -> Vec<Effect> {
        let tamper = &mut self.tamper;
        let answers = self.answers.drain(..).map(|(to, answer)| Effect::Answer { to, body: Body::FromShard(tamper.answer(answer)) });
        self.applied.drain(..).map(Effect::Record).chain(answers).collect()
    }

    fn closed(&mut self, _now: Duration, link: u64) {
        self.machine.closed(link);
    }

    fn is_serving(&self) -> bool {
        self.machine.is_serving()
    }
}

pub struct WorkerShell {
    me: Process,
    machine: Worker,
    computer: Computer,
    steps: Option<StepPlan>,
    step_computer: StepComputer,
    /// What is to be computed, and the epoch that it was given in.
    tasks: VecDeque<(u32, Task)>,
    epoch: u32,
    is_busy: bool,
    effects: Vec<Effect>,
}

impl WorkerShell {
    pub fn new(now: Duration, me: Process, scenario: &Scenario) -> Self {
        let machine = Worker::new(now, scenario.timing, format!("{:?}", me.node));
        let effects = vec![Effect::Connect(Node::Run)];
        Self {
            me,
            machine,
            computer: Computer::default(),
            steps: scenario.steps,
            step_computer: StepComputer::default(),
            tasks: VecDeque::new(),
            epoch: 0,
            is_busy: false,
            effects,
        }
    }

    fn shard_number(address: &str) -> u32 {
        address.strip_prefix("host-").and_then(|number| number.parse().ok()).expect("an address of this simulation")
    }

    fn act(&mut self, action: worker::Action) {
        match action {
            worker::Action::Connect(addresses) => {
                self.effects.extend(addresses.iter().map(|address| Effect::Connect(Node::Shard(Self::shard_number(address)))));
            }
            worker::Action::Call { to, call, ask } => {
                let body = match ask {
                    Ask::Run(ask) => Body::ToRun(ask),
                    Ask::Shard(ask) => Body::ToShard(ask),
                };
                self.effects.push(Effect::Call { to: node(to), call, body });
            }
            worker::Action::Compute(task) => {
                if matches!(task, Task::Open(_)) {
                    self.epoch = 0;
                }
                self.tasks.push_back((self.epoch, task));
            }
            worker::Action::End(result) => {
                self.effects.push(Effect::Record(Event::WorkerEnded(self.me, result)));
                self.effects.push(Effect::Exit);
            }
        }
    }

    fn perform_steps(&mut self, now: Duration, plan: StepPlan, task: Task) {
        match task {
            Task::Open(_) => self.step_computer = StepComputer::default(),
            Task::Keep { tile, .. } => drop(self.step_computer.held.insert(tile)),
            Task::Own(tiles) => self.step_computer.held.retain(|tile| tiles.contains(tile)),
            Task::Batch { sequence, slices } => {
                let keys = self.step_computer.batch(plan, slices);
                self.machine.wanted(now, sequence, keys);
            }
            Task::Step { sequence, pulled } => {
                let sums = self.step_computer.step(plan, &pulled);
                self.machine.stepped(now, sequence, sums);
            }
            Task::Restart => {}
            Task::Advance(_) | Task::Expect(_) | Task::Fold { .. } => panic!("{task:?} in a training by steps"),
        }
    }

    fn perform(&mut self, now: Duration, epoch: u32, task: Task) {
        if let Some(plan) = self.steps {
            return self.perform_steps(now, plan, task);
        }
        let clock = match task {
            Task::Open(_) => 0,
            _ => self.computer.clock(),
        };
        match task {
            Task::Open(plan) => self.computer.open(&plan),
            Task::Restart => self.computer.restart(),
            Task::Advance(candidates) => {
                self.computer.advance(&candidates);
                self.effects.push(Effect::Record(Event::Advanced { process: self.me, epoch, clock, candidates }));
            }
            Task::Keep { tile, bytes } => self.computer.keep(tile, bytes),
            Task::Own(tiles) => self.computer.own(&tiles),
            Task::Expect(tiles) => self.computer.expect(tiles),
            Task::Fold { sequence, tiles } => {
                let blocks = self.computer.fold(&tiles);
                self.effects.push(Effect::Record(Event::Folded { process: self.me, clock, tiles, blocks: blocks.clone() }));
                self.machine.folded(now, sequence, blocks);
            }
            Task::Batch { .. } | Task::Step { .. } => panic!("{task:?} in a training by rounds"),
        }
    }
}

fn node(to: To) -> Node {
    match to {
        To::Run => Node::Run,
        To::Shard(shard) => Node::Shard(shard),
    }
}

impl Shell for WorkerShell {
    fn receive(&mut self, now: Duration, from: Node, Message { call, body, .. }: Message) {
        match (from, body) {
            (Node::Run, Body::FromRun(FromRun::Order(order))) => {
                self.epoch = self.epoch.max(order.epoch);
                self.machine.from_run(now, call, FromRun::Order(order));
            }
            (Node::Run, Body::FromRun(answer)) => self.machine.from_run(now, call, answer),
            (Node::Shard(shard), Body::FromShard(answer)) => self.machine.from_shard(now, shard, call, answer),
            (from, body) => panic!("{from:?} sends {body:?} to a worker"),
        }
    }

    fn tick(&mut self, now: Duration) {
        self.machine.tick(now);
    }

    fn deadline(&self) -> Option<Duration> {
        self.machine.deadline()
    }

    fn effects(&mut self, _now: Duration) -> Vec<Effect> {
        for action in self.machine.actions() {
            self.act(action);
        }
        if let (false, Some((_, task))) = (self.is_busy, self.tasks.front()) {
            self.is_busy = true;
            let tiles = match task {
                Task::Expect(tiles) | Task::Fold { tiles, .. } => tiles.len() as u32,
                Task::Batch { slices, .. } => slices.len() as u32,
                _ => 0,
            };
            self.effects.push(Effect::Compute { tiles });
        }
        std::mem::take(&mut self.effects)
    }

    fn connected(&mut self, now: Duration, to: Node) {
        self.machine.reconnected(
            now,
            match to {
                Node::Shard(shard) => To::Shard(shard),
                _ => To::Run,
            },
        );
    }

    fn disconnected(&mut self, _now: Duration, to: Node) {
        self.effects.push(Effect::Connect(to));
    }

    fn computed(&mut self, now: Duration) {
        self.is_busy = false;
        if let Some((epoch, task)) = self.tasks.pop_front() {
            self.perform(now, epoch, task);
        }
    }

    fn leave(&mut self, now: Duration) {
        self.machine.leave(now);
    }

    fn is_serving(&self) -> bool {
        true
    }
}
