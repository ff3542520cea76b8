//! What a seed draws: the size of a run, the weather of its network, and which faults come when.

use std::time::Duration;

use quelea_core::steps::Course;
use quelea_params::run::Sync;
use quelea_params::{Bits, Timing};

use crate::random::Random;
use crate::steps::StepPlan;
use crate::toy::Plan;
use crate::trace::Node;

/// How messages fare until calm comes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weather {
    pub drop: f64,
    pub duplicate: f64,
    /// A delay that is longer than what anybody waits for an answer.
    pub long_delay: f64,
    /// Messages usually take so long, each as it likes: they overtake each other.
    pub usual: Duration,
    /// How often the other end of a connection learns that it is gone.
    pub notice: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    Kill(Node),
    Pause(Node, Duration),
    /// Nothing gets from the first to the second.
    Cut(Node, Node, Duration),
    Reset(Node, Node),
    Leave(u32),
}

/// What becomes of a run that never finds calm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fate {
    /// It ends in a model.
    Model,
    /// All workers die, and none comes back.
    NoWorkers,
    /// A shard dies for good.
    ShardDies(u32),
    /// A shard stops for good, but its port is open.
    ShardStops(u32),
    /// No worker reaches this shard any more, while the run does.
    ShardUnreachable(u32),
}

#[derive(Debug, Clone)]
pub struct Scenario {
    pub seed: u64,
    pub plan: Plan,
    /// The training is by steps.
    pub steps: Option<StepPlan>,
    pub shards: u32,
    /// So many of them hold each part of the parameters.
    pub copies: u32,
    /// When each worker comes first.
    pub workers: Vec<Duration>,
    /// How many workers the run waits for.
    pub wanted: usize,
    pub timing: Timing,
    pub grace: Duration,
    pub patience: Duration,
    pub weather: Weather,
    /// A tile is folded in about this time.
    pub fold: Duration,
    /// One worker takes so many times as long.
    pub slow: u32,
    /// How often cuts are saved, if they are.
    pub cut_every: Option<Duration>,
    /// How likely the disk is too full for a cut.
    pub disk_full: f64,
    /// Somebody other than the run starts dead shards again.
    pub supervised: bool,
    /// The run kills a shard that it has lost, rather than connecting to it once more.
    pub killed_when_lost: f64,
    /// How often a shard has forgotten a list of keys that it is told the name of.
    pub forgotten: f64,
    /// Each comes when so many things have happened.
    pub faults: Vec<(u64, Fault)>,
    pub fate: Fate,
    /// When `fate` strikes.
    pub fate_step: u64,
    /// No faults from here on.
    pub calm: Duration,
}

impl Scenario {
    pub fn new(seed: u64) -> Self {
        let random = &mut Random::new(seed, 1);
        let plan = Plan { seed, tiles: 1 + random.below(9) as u32, rounds: random.below(13), period: 1 + random.below(5) };
        let copies = Random::new(seed, 7).pick(&[1, 1, 2, 3]);
        let (shards, workers) = (copies * (1 + random.below(3) as u32), 1 + random.below(5));
        let late = random.pick(&[0, 100, 5_000]);
        let workers: Vec<Duration> = (0..workers).map(|_| random.millis(0, late)).collect();
        let fold = Duration::from_millis(random.pick(&[2, 20, 200]));
        let weather = weather(random);
        // About what happens in a history without faults.
        let busy = 40 + plan.rounds * (workers.len() as u64 * u64::from(6 + 4 * shards) + u64::from(plan.tiles));
        let cuts = &mut Random::new(seed, 5);
        let kinds = random.below(12);
        let faults = (0..kinds).map(|_| (random.below(2 * busy), fault(random, shards, workers.len() as u64))).collect();
        Self {
            seed,
            steps: steps(seed),
            wanted: random.below(2 + workers.len() as u64) as usize,
            timing: timing(random),
            grace: random.millis(0, 3_000),
            patience: Duration::from_secs(90),
            slow: random.pick(&[1, 1, 3, 40]),
            cut_every: cuts.pick(&[None, Some(Duration::ZERO), Some(Duration::from_millis(300)), Some(Duration::from_secs(3))]),
            disk_full: cuts.pick(&[0.0, 0.0, 0.5]),
            supervised: random.chance(0.5),
            killed_when_lost: random.pick(&[0.0, 0.5, 1.0]),
            forgotten: Random::new(seed, 8).pick(&[0.0, 0.3, 1.0]),
            fate: fate(random, shards),
            fate_step: random.below(2 * busy),
            calm: random.millis(500, 60_000),
            faults,
            plan,
            shards,
            copies,
            workers,
            fold,
            weather,
        }
    }

    /// In how many parts shards hold the parameters.
    pub fn parts(&self) -> u32 {
        self.shards / self.copies
    }

    /// When a run must have ended, whatever happened before calm.
    pub fn end(&self) -> Duration {
        let round = self.fold * self.plan.tiles * 3 * self.slow + 20 * self.weather.usual + Duration::from_secs(1);
        let recovery = 4 * (self.timing.lease + self.timing.patience()) + Duration::from_secs(20);
        let give_up = if self.fate == Fate::Model { Duration::ZERO } else { 2 * self.patience };
        // By steps, tiles can be behind each other, and after the last fault all begins anew.
        let rounds = self.steps.map_or(self.plan.rounds, |steps| 3 * steps.course.passes * steps.course.slices);
        self.calm + recovery + round * (2 * rounds as u32 + 2) + give_up
    }
}

/// Half of all trainings are by steps, in one of four modes.
fn steps(seed: u64) -> Option<StepPlan> {
    let random = &mut Random::new(seed, 4);
    let sync = match random.below(8) {
        0 => Sync::Bsp,
        1 => Sync::Quorum(1 + random.below(4) as usize),
        2 => Sync::Ssp(random.below(4)),
        3 => Sync::Asp,
        _ => return None,
    };
    let course = Course { passes: random.below(4), slices: 1 + random.below(4) };
    let bits = random.pick(&[Bits::All, Bits::Sixteen, Bits::Eight, Bits::Eight]);
    let less = (bits, random.pick(&[1.0, 1.0, 0.3]), random.pick(&[0.0, 0.0, 0.5]));
    Some(StepPlan { seed, course, sync, less: random.chance(0.5).then_some(less) })
}

fn weather(random: &mut Random) -> Weather {
    Weather {
        drop: random.pick(&[0.0, 0.0, 0.01, 0.1, 0.3]),
        duplicate: random.pick(&[0.0, 0.0, 0.01, 0.1, 0.3]),
        long_delay: random.pick(&[0.0, 0.0, 0.005, 0.05]),
        usual: Duration::from_millis(random.pick(&[1, 5, 40])),
        notice: random.pick(&[0.0, 0.5, 1.0, 1.0]),
    }
}

fn timing(random: &mut Random) -> Timing {
    let second = Duration::from_secs(1);
    random.pick(&[
        Timing { keepalive: second, lease: 5 * second, request_timeout: 2 * second, retries: 4 },
        Timing { keepalive: second / 2, lease: 3 * second, request_timeout: second, retries: 9 },
        // Calls that wait are made again before they are answered.
        Timing { keepalive: 2 * second, lease: 6 * second, request_timeout: second / 2, retries: 20 },
    ])
}

fn fate(random: &mut Random, shards: u32) -> Fate {
    let shard = random.below(u64::from(shards)) as u32;
    match random.below(24) {
        0 => Fate::NoWorkers,
        1 => Fate::ShardDies(shard),
        2 => Fate::ShardStops(shard),
        3 => Fate::ShardUnreachable(shard),
        _ => Fate::Model,
    }
}

fn fault(random: &mut Random, shards: u32, workers: u64) -> Fault {
    let shard = Node::Shard(random.below(u64::from(shards)) as u32);
    let worker = random.below(workers) as u32;
    let (other, lasting) = (random.pick(&[Node::Run, shard]), random.pick(&[300, 3_000, 12_000]));
    let lasting = random.millis(lasting / 10, lasting);
    match random.below(20) {
        0..4 => Fault::Kill(Node::Worker(worker)),
        4..7 => Fault::Kill(shard),
        7..9 => Fault::Pause(Node::Worker(worker), lasting),
        9..11 => Fault::Pause(shard, lasting),
        11 => Fault::Pause(Node::Run, lasting),
        12 => Fault::Cut(Node::Worker(worker), other, lasting),
        13 => Fault::Cut(other, Node::Worker(worker), lasting),
        14 => Fault::Cut(shard, Node::Run, lasting),
        15 => Fault::Cut(Node::Run, shard, lasting),
        16 => Fault::Reset(Node::Worker(worker), other),
        17 => Fault::Reset(Node::Run, shard),
        18 => Fault::Reset(Node::Worker(worker), shard),
        _ => Fault::Leave(worker),
    }
}
