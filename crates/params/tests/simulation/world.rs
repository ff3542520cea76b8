//! The world of a history: virtual time, an agenda of what comes next, and processes that are started, paused and killed.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::broken::Defect;
use crate::faults::{Fate, Fault, Scenario};
use crate::network::{End, Network, Notice};
use crate::processes::{Effect, RunShell, ShardShell, Shell, WorkerShell};
use crate::random::Random;
use crate::trace::{Entry, Event, Message, Node, Process};

const FOREVER: Duration = Duration::from_secs(1_000_000);
/// More than this happens in no history that makes progress.
const MOST_STEPS: u64 = 400_000;

/// What is to come.
enum Item {
    Deliver { to: End, message: Message },
    Notice { link: u64, end: End },
    Wake { process: Process, at: Duration },
    Computed(Process),
    Connect { process: Process, to: Node, attempt: u64 },
    Start(Node),
}

/// A place for a process, and the process if it lives.
#[derive(Default)]
struct Seat {
    life: u32,
    shell: Option<Box<dyn Shell>>,
    paused_until: Duration,
    wake: Option<Duration>,
    is_starting: bool,
    is_gone: bool,
    /// Its connections as a client.
    links: BTreeMap<Node, u64>,
    attempts: BTreeMap<Node, u64>,
}

impl Seat {
    /// Whether there is a process that should end with the run.
    fn is_left(&self) -> bool {
        !self.is_gone && self.shell.as_ref().is_some_and(|shell| shell.is_serving())
    }
}

pub struct World {
    now: Duration,
    steps: u64,
    agenda: BTreeMap<(Duration, u64), Item>,
    planned: u64,
    network: Network,
    random: Random,
    seats: BTreeMap<Node, Seat>,
    scenario: Scenario,
    defect: Defect,
    run_ended: Option<Duration>,
    fate_struck: bool,
    trace: Vec<Entry>,
}

impl World {
    pub fn new(scenario: Scenario, defect: Defect) -> Self {
        let network = Network::new(scenario.seed, scenario.weather, scenario.calm);
        let random = Random::new(scenario.seed, 3);
        let mut world = Self {
            now: Duration::ZERO,
            steps: 0,
            agenda: BTreeMap::new(),
            planned: 0,
            network,
            random,
            seats: BTreeMap::new(),
            defect,
            run_ended: None,
            fate_struck: false,
            trace: Vec::new(),
            scenario,
        };
        let shards: Vec<Duration> = (0..world.scenario.shards).map(|_| world.random.millis(0, 300)).collect();
        let starts = (0..).zip(&shards).map(|(shard, &at)| (Node::Shard(shard), at));
        let workers = (0..).zip(&world.scenario.workers).map(|(worker, &at)| (Node::Worker(worker), at));
        let all: Vec<(Node, Duration)> = starts.chain(workers).chain([(Node::Run, Duration::ZERO)]).collect();
        for (node, at) in all {
            world.seats.insert(node, Seat::default());
            world.start(node, at);
        }
        world
    }

    /// Lets everything happen, until the run has ended and all are gone. What happened; and why it went wrong, if it did.
    pub fn play(mut self) -> (Vec<Entry>, Result<(), String>) {
        let result = self.play_on();
        (self.trace, result)
    }

    fn play_on(&mut self) -> Result<(), String> {
        let end = self.scenario.end();
        while let Some(((at, _), item)) = self.agenda.pop_first() {
            self.now = at;
            self.steps += 1;
            if self.run_ended.is_none() && (self.now > end || self.steps > MOST_STEPS) {
                return Err(format!("after {:?} and {} steps the run goes on; it should have ended by {end:?}", self.now, self.steps));
            }
            let Some(since) = self.run_ended else {
                self.happen(item)?;
                self.strike();
                continue;
            };
            if self.is_over(since)? {
                return Ok(());
            }
            self.happen(item)?;
        }
        let left: Vec<&Node> = self.seats.iter().filter(|(_, seat)| seat.is_left()).map(|(node, _)| node).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("nothing is left to happen, and {left:?} have not ended")) }
    }

    /// The run answers for a while after its end; then all others end too.
    fn is_over(&mut self, since: Duration) -> Result<bool, String> {
        let timing = self.scenario.timing;
        if self.now >= since + timing.lease {
            self.die(Node::Run);
        }
        let left = self.seats.iter().find(|(_, seat)| seat.is_left()).map(|(&node, _)| node);
        let late = self.calm().max(since) + 2 * timing.lease + 2 * timing.patience();
        match left {
            None => Ok(true),
            Some(_) if self.now <= late => Ok(false),
            Some(node) => Err(format!("the run ended at {since:?}, and {node:?} goes on at {:?}", self.now)),
        }
    }

    fn calm(&self) -> Duration {
        self.scenario.calm + Duration::from_secs(15)
    }

    fn happen(&mut self, item: Item) -> Result<(), String> {
        let Some(node) = self.target(&item) else { return Ok(()) };
        let seat = &self.seats[&node];
        if seat.paused_until > self.now && !matches!(item, Item::Start(_)) {
            if seat.paused_until < FOREVER {
                self.plan(seat.paused_until - self.now, item);
            }
            return Ok(());
        }
        match item {
            Item::Deliver { message, to } => self.deliver(node, to, message),
            Item::Notice { link, end } => self.notify(node, link, end),
            Item::Wake { at, .. } => return self.wake(node, at),
            Item::Computed(_) => self.with(node, |shell, now| shell.computed(now)),
            Item::Connect { to, attempt, .. } => self.connect(node, to, attempt),
            Item::Start(_) => self.begin(node),
        }
        Ok(())
    }

    /// Whom an item concerns, if it still does.
    fn target(&self, item: &Item) -> Option<Node> {
        let process = match item {
            Item::Start(node) => return Some(*node),
            Item::Deliver { to, message } => self.network.receiver(self.now, message.link, *to)?,
            Item::Notice { link, end } => self.network.link(*link)?.process(*end),
            Item::Wake { process, .. } | Item::Computed(process) | Item::Connect { process, .. } => *process,
        };
        let seat = &self.seats[&process.node];
        (seat.life == process.life && seat.shell.is_some()).then_some(process.node)
    }

    fn deliver(&mut self, node: Node, to: End, message: Message) {
        let link = self.network.link(message.link).expect("a message goes over a connection");
        self.record(Event::Received(link.process(to), message.clone()));
        let from = link.process(if to == End::Client { End::Server } else { End::Client }).node;
        self.with(node, |shell, now| shell.receive(now, from, message));
    }

    fn notify(&mut self, node: Node, link: u64, end: End) {
        match end {
            End::Server => self.with(node, |shell, now| shell.closed(now, link)),
            End::Client => {
                let to = self.network.link(link).expect("it was made").server.node;
                if self.seat(node).links.get(&to) == Some(&link) {
                    self.seat(node).links.remove(&to);
                    self.with(node, |shell, now| shell.disconnected(now, to));
                }
            }
        }
    }

    fn wake(&mut self, node: Node, at: Duration) -> Result<(), String> {
        let now = self.now;
        let seat = self.seat(node);
        if seat.wake != Some(at) {
            return Ok(());
        }
        seat.wake = None;
        self.with(node, |shell, now| {
            if shell.deadline().is_some_and(|deadline| deadline <= now) {
                shell.tick(now);
            }
        });
        let deadline = self.seat(node).shell.as_ref().and_then(|shell| shell.deadline());
        match deadline {
            Some(deadline) if deadline <= now => Err(format!("{node:?} is idle at {now:?}, and wants to be woken at {deadline:?}")),
            _ => Ok(()),
        }
    }

    fn connect(&mut self, node: Node, to: Node, attempt: u64) {
        let now = self.now;
        if self.seat(node).attempts.get(&to) != Some(&attempt) {
            return;
        }
        let (client, server) = (self.process(node), self.process(to));
        let link = if self.seats[&to].shell.is_some() { self.network.connect(now, client, server) } else { None };
        match link {
            None => {
                let again = self.random.millis(100, 300);
                self.plan(again, Item::Connect { process: client, to, attempt });
            }
            Some(link) => {
                self.seat(node).links.insert(to, link);
                self.with(node, |shell, now| shell.connected(now, to));
            }
        }
    }

    /// Lets a process do something, and brings about what it wants.
    fn with(&mut self, node: Node, work: impl FnOnce(&mut dyn Shell, Duration)) {
        let now = self.now;
        let Some(mut shell) = self.seat(node).shell.take() else { return };
        work(shell.as_mut(), now);
        let effects = shell.effects(now);
        self.seat(node).shell = Some(shell);
        for effect in effects {
            self.bring_about(node, effect);
        }
        self.set_alarm(node);
    }

    fn bring_about(&mut self, node: Node, effect: Effect) {
        let process = self.process(node);
        match effect {
            Effect::Record(event) => {
                if let Event::RunEnded { .. } = event {
                    self.run_ended.get_or_insert(self.now);
                    self.plan(self.scenario.timing.lease, Item::Start(Node::Run));
                }
                self.record(event);
            }
            Effect::Call { to, call, body } => {
                let link = self.seat(node).links.get(&to).copied().unwrap_or_default();
                self.send(process, End::Server, Message { link, call, body });
            }
            Effect::Answer { to, body } => self.send(process, End::Client, Message { link: to.peer, call: to.call, body }),
            Effect::Connect(to) => self.try_to_connect(node, to),
            Effect::Revive(shard) => self.revive(shard),
            Effect::Compute { tiles } => {
                let slow = if node == Node::Worker(0) { self.scenario.slow } else { 1 };
                let usual = self.scenario.fold * tiles * slow;
                let time = self.random.between(usual / 2, usual * 2) + self.random.millis(0, 1);
                self.plan(time, Item::Computed(process));
            }
            Effect::Exit => self.die(node),
        }
    }

    fn send(&mut self, from: Process, to: End, message: Message) {
        self.record(Event::Sent(from, message.clone()));
        let Some(link) = self.network.link(message.link) else { return };
        if !link.is_up {
            let end = if to == End::Server { End::Client } else { End::Server };
            let notice = self.network.notice(message.link, end);
            return self.plan_notices(notice);
        }
        for delay in self.network.journeys(self.now) {
            self.plan(delay, Item::Deliver { to, message: message.clone() });
        }
    }

    fn try_to_connect(&mut self, node: Node, to: Node) {
        let process = self.process(node);
        if let Some(old) = self.seat(node).links.remove(&to) {
            let notices = self.network.close(old, End::Client);
            self.plan_notices(notices);
        }
        let attempt = self.seat(node).attempts.get(&to).copied().unwrap_or_default() + 1;
        self.seat(node).attempts.insert(to, attempt);
        let after = self.random.millis(0, 20);
        self.plan(after, Item::Connect { process, to, attempt });
    }

    fn revive(&mut self, shard: u32) {
        let node = Node::Shard(shard);
        let is_killed = self.random.chance(self.scenario.killed_when_lost);
        if is_killed && !self.seats[&node].is_gone {
            self.die(node);
        }
        if self.seats[&node].shell.is_none() {
            let delay = self.random.millis(10, 2_000);
            self.start(node, delay);
        }
        self.try_to_connect(Node::Run, node);
    }

    fn start(&mut self, node: Node, delay: Duration) {
        let seat = self.seat(node);
        if !seat.is_starting && !seat.is_gone {
            seat.is_starting = true;
            self.plan(delay, Item::Start(node));
        }
    }

    fn begin(&mut self, node: Node) {
        let (now, defect, over) = (self.now, self.defect, self.run_ended.is_some());
        let seat = self.seat(node);
        seat.is_starting = false;
        if over || seat.is_gone || seat.shell.is_some() {
            return;
        }
        *seat = Seat { life: seat.life + 1, ..Seat::default() };
        let process = self.process(node);
        let shell: Box<dyn Shell> = match node {
            Node::Run => Box::new(RunShell::new(now, &self.scenario)),
            Node::Worker(_) => Box::new(WorkerShell::new(now, process, &self.scenario)),
            Node::Shard(shard) => Box::new(ShardShell::new(process, u64::from(process.life * 8 + shard + 1), &self.scenario, defect)),
        };
        self.seat(node).shell = Some(shell);
        self.record(Event::Started(process));
        self.with(node, |_, _| {});
    }

    fn die(&mut self, node: Node) {
        let process = self.process(node);
        if self.seat(node).shell.take().is_none() {
            return;
        }
        self.record(Event::Died(process));
        for link in self.network.of(process) {
            let notices = self.network.reset(link);
            self.plan_notices(notices);
        }
        let is_restarted = match node {
            Node::Worker(_) => true,
            // Whom the run is about to connect to, its shell starts.
            Node::Shard(_) => self.scenario.supervised || !self.seats[&Node::Run].links.contains_key(&node),
            Node::Run => false,
        };
        if is_restarted {
            let delay = self.random.pick(&[50, 1_000, 8_000]);
            let delay = self.random.millis(10, delay);
            self.start(node, delay);
        }
    }

    /// Brings about the faults that are due.
    fn strike(&mut self) {
        if self.steps >= self.scenario.fate_step && !std::mem::replace(&mut self.fate_struck, true) {
            self.seal();
        }
        let (steps, is_calm) = (self.steps, self.now >= self.scenario.calm);
        let due: Vec<Fault> = self.scenario.faults.extract_if(.., |(at, _)| *at <= steps).map(|(_, fault)| fault).collect();
        for fault in due.into_iter().filter(|_| !is_calm) {
            self.record(Event::Fault(format!("{fault:?}")));
            self.inflict(fault);
        }
    }

    fn inflict(&mut self, fault: Fault) {
        let until = |lasting: Duration, world: &Self| (world.now + lasting).min(world.scenario.calm);
        match fault {
            Fault::Kill(node) => self.die(node),
            Fault::Pause(node, lasting) => {
                let until = until(lasting, self);
                let seat = self.seat(node);
                seat.paused_until = seat.paused_until.max(until);
            }
            Fault::Cut(from, to, lasting) => self.network.cut(from, to, until(lasting, self)),
            Fault::Reset(client, server) => {
                for link in self.network.between(client, server) {
                    let notices = self.network.reset(link);
                    self.plan_notices(notices);
                }
            }
            Fault::Leave(worker) => {
                let node = Node::Worker(worker);
                if self.seats[&node].paused_until <= self.now {
                    self.with(node, |shell, now| shell.leave(now));
                }
            }
        }
    }

    /// Brings about what lasts for ever.
    fn seal(&mut self) {
        let workers: Vec<Node> = self.seats.keys().copied().filter(|node| matches!(node, Node::Worker(_))).collect();
        match self.scenario.fate {
            Fate::Model => return,
            Fate::NoWorkers => workers.into_iter().for_each(|node| self.bury(node)),
            Fate::ShardDies(shard) => self.bury(Node::Shard(shard)),
            Fate::ShardStops(shard) => {
                let seat = self.seat(Node::Shard(shard));
                seat.is_gone = true;
                seat.paused_until = FOREVER;
            }
            Fate::ShardUnreachable(shard) => workers.into_iter().for_each(|node| self.network.cut(node, Node::Shard(shard), FOREVER)),
        }
        self.record(Event::Fault(format!("{:?}", self.scenario.fate)));
    }

    fn bury(&mut self, node: Node) {
        self.seat(node).is_gone = true;
        self.die(node);
    }

    fn set_alarm(&mut self, node: Node) {
        let late = self.random.between(Duration::ZERO, Duration::from_millis(3));
        let (now, process) = (self.now, self.process(node));
        let seat = self.seat(node);
        let deadline = seat.shell.as_ref().and_then(|shell| shell.deadline());
        if let Some(at) = deadline.filter(|deadline| seat.wake.is_none_or(|wake| *deadline < wake)) {
            seat.wake = Some(at);
            self.plan(at.saturating_sub(now) + late, Item::Wake { process, at });
        }
    }

    fn plan_notices(&mut self, notices: impl IntoIterator<Item = Notice>) {
        for Notice { link, end, delay } in notices {
            self.plan(delay, Item::Notice { link, end });
        }
    }

    fn plan(&mut self, delay: Duration, item: Item) {
        self.planned += 1;
        self.agenda.insert((self.now + delay, self.planned), item);
    }

    fn seat(&mut self, node: Node) -> &mut Seat {
        self.seats.get_mut(&node).expect("every node has a seat")
    }

    fn process(&self, node: Node) -> Process {
        Process { node, life: self.seats[&node].life }
    }

    fn record(&mut self, event: Event) {
        self.trace.push(Entry { at: self.now, turn: self.steps, event });
    }
}
