//! A learner of integers whose model is a hash of all that ever happened: one wrong sum, and it is another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use quelea_core::block::Block;
use quelea_params::worker::Task;
use quelea_params::{Course, Made, Maker, Packet, Problem, Replica};
use quelea_wire::Computed;
use tokio::sync::mpsc::UnboundedSender;

#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub seed: u64,
    pub tiles: u32,
    pub rounds: u64,
    /// Every so many clocks is a boundary.
    pub period: u64,
    /// Integers of a block.
    pub width: u64,
    /// How long a fold takes at least.
    pub pause_us: u64,
}

/// A number that looks random (Steele et al. 2014, SplitMix).
pub fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.rotate_left(25).wrapping_add(b.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"))
}

impl Plan {
    pub fn packet(&self) -> Packet {
        let numbers = [self.seed, u64::from(self.tiles), self.rounds, self.period, self.width, self.pause_us];
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>().into()
    }

    fn read(packet: &Packet) -> Self {
        let at = |place: usize| number(&packet[8 * place..]);
        Self { seed: at(0), tiles: at(1) as u32, rounds: at(2), period: at(3), width: at(4), pause_us: at(5) }
    }

    pub fn tile(&self, tile: u32) -> Packet {
        mix(self.seed, 1_000 + u64::from(tile)).to_le_bytes().to_vec().into()
    }

    /// The model of a plain loop in one place.
    pub fn alone(&self) -> u64 {
        let mut model = Model { plan: *self, clock: 0, hash: self.seed };
        let tiles: Vec<Packet> = (0..self.tiles).map(|tile| self.tile(tile)).collect();
        while model.clock < self.rounds {
            let sums = model.fold(tiles.iter());
            model.advance(&sums.iter().map(candidate).collect::<Vec<_>>());
        }
        model.hash
    }
}

#[derive(Clone, Copy)]
struct Model {
    plan: Plan,
    clock: u64,
    hash: u64,
}

impl Model {
    fn new(plan: &Packet) -> Self {
        let plan = Plan::read(plan);
        Self { plan, clock: 0, hash: plan.seed }
    }

    /// Often fewer than shards.
    fn blocks(&self) -> u64 {
        1 + mix(self.plan.seed, self.clock) % 5
    }

    fn fold<'a>(&self, tiles: impl Iterator<Item = &'a Packet>) -> Vec<Block> {
        let of_tile = |tile: &Packet, block: u64| {
            let start = mix(number(tile), mix(self.hash, block));
            Block::Integers((0..self.plan.width).map(|place| (mix(start, place) >> 20) as i64 - (1 << 43)).collect())
        };
        let all = tiles.map(|tile| (0..self.blocks()).map(|block| of_tile(tile, block)).collect::<Vec<_>>());
        let add = |mut sums: Vec<Block>, more: Vec<Block>| {
            sums.iter_mut().zip(more).for_each(|(sum, block)| sum.merge(block).expect("small integers"));
            sums
        };
        all.reduce(add).expect("some tile is folded")
    }

    fn advance(&mut self, candidates: &[Packet]) {
        assert_eq!(candidates.len() as u64, self.blocks(), "candidates of clock {}", self.clock);
        self.hash = candidates.iter().fold(self.hash, |hash, candidate| mix(hash, number(candidate)));
        self.clock += 1;
    }
}

fn candidate(sum: &Block) -> Packet {
    let Block::Integers(values) = sum else { panic!("integers, not {sum:?}") };
    values.iter().fold(0, |hash, &value| mix(hash, value as u64)).to_le_bytes().to_vec().into()
}

/// The model of the replica that was made or moved last.
pub type Outcome = Arc<Mutex<u64>>;

struct Toy(Model, Outcome);

pub fn maker(outcome: Outcome) -> Maker {
    Box::new(move |plan| Ok(Made::Rounds(Box::new(Toy(Model::new(plan), outcome.clone())))))
}

impl Replica for Toy {
    fn update(&mut self, parts: Vec<(u32, Vec<Block>)>) -> Result<Vec<(u32, Packet)>, Problem> {
        parts.into_iter().map(|(number, parts)| Ok((number, candidate(&Block::sum(parts)?)))).collect()
    }

    fn advance(&mut self, candidates: &[Packet]) -> Result<(), Problem> {
        self.0.advance(candidates);
        *self.1.lock().expect("nobody panics with it") = self.0.hash;
        Ok(())
    }

    fn course(&self) -> Course {
        Course { boundary: self.0.clock.is_multiple_of(self.0.plan.period), done: self.0.clock == self.0.plan.rounds }
    }
}

/// The computing side of a worker.
pub fn compute(tasks: &mpsc::Receiver<Task>, computed: &UnboundedSender<Computed>) {
    let mut model = None;
    let mut kept: BTreeMap<u32, Packet> = BTreeMap::new();
    let open = |model: &Option<Model>| model.expect("the plan comes first");
    for task in tasks {
        match task {
            Task::Batch { .. } | Task::Step { .. } => unreachable!("this learner goes by rounds"),
            Task::Open(plan) => (model, kept) = (Some(Model::new(&plan)), BTreeMap::new()),
            Task::Restart => model = Some(Model::new(&open(&model).plan.packet())),
            Task::Advance(candidates) => model.as_mut().expect("the plan comes first").advance(&candidates),
            Task::Keep { tile, bytes } => drop(kept.insert(tile, bytes)),
            // It is free to wait for the order.
            Task::Expect(_) => {}
            Task::Own(tiles) => kept.retain(|tile, _| tiles.contains(tile)),
            Task::Fold { sequence, tiles } => {
                let model = open(&model);
                std::thread::sleep(Duration::from_micros(model.plan.pause_us));
                let blocks = model.fold(tiles.iter().map(|tile| &kept[tile]));
                // The worker may have gone.
                let _ = computed.send(Computed::Folded { sequence, blocks });
            }
        }
    }
}
