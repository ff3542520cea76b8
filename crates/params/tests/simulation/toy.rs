//! A learner of a few integers that shows every mistake: each sum, each candidate and each round's rows leave their mark
//! in the model, which is a hash.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use quelea_core::block::Block;
use quelea_params::{Course, Packet, Problem, Replica};

use crate::random::mix;

/// Integers of a block.
const WIDTH: u64 = 3;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    pub seed: u64,
    pub tiles: u32,
    pub rounds: u64,
    /// Every so many clocks is a boundary.
    pub period: u64,
}

impl Plan {
    pub fn packet(&self) -> Packet {
        let numbers = [self.seed, u64::from(self.tiles), self.rounds, self.period];
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>().into()
    }

    fn read(packet: &Packet) -> Self {
        let at = |place: usize| number(&packet[8 * place..]);
        Self { seed: at(0), tiles: at(1) as u32, rounds: at(2), period: at(3) }
    }

    /// Blocks of the round at `clock`: often fewer than shards.
    fn blocks(&self, clock: u64) -> u32 {
        1 + (mix(self.seed, clock) % 5) as u32
    }

    pub fn is_boundary(&self, clock: u64) -> bool {
        clock.is_multiple_of(self.period)
    }

    pub fn tile(&self, tile: u32) -> Packet {
        mix(self.seed, 1_000 + u64::from(tile)).to_le_bytes().to_vec().into()
    }
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"))
}

/// What everybody knows between two rounds.
#[derive(Debug, Clone, Copy)]
struct Model {
    plan: Plan,
    clock: u64,
    hash: u64,
}

impl Model {
    fn new(plan: Plan) -> Self {
        Self { plan, clock: 0, hash: plan.seed }
    }

    /// Takes candidates to the next clock, and gives what rows remember of them.
    fn advance(&mut self, candidates: &[Packet]) -> u64 {
        assert_eq!(candidates.len(), self.plan.blocks(self.clock) as usize, "candidates of clock {}", self.clock);
        let found = candidates.iter().fold(self.clock, |hash, candidate| mix(hash, number(candidate)));
        self.hash = mix(self.hash, found);
        self.clock += 1;
        found
    }

    fn is_boundary(&self) -> bool {
        self.plan.is_boundary(self.clock)
    }

    /// The sums of a tile whose rows are in state `row`.
    fn fold(&self, row: u64) -> Vec<Block> {
        let value = |block: u32, place: u64| (mix(mix(row, self.hash), u64::from(block) * WIDTH + place) >> 20) as i64 - (1 << 43);
        (0..self.plan.blocks(self.clock)).map(|block| Block::Integers((0..WIDTH).map(|place| value(block, place)).collect())).collect()
    }
}

fn fresh_row(tile: &Packet) -> u64 {
    mix(number(tile), 1)
}

fn integers(block: &Block) -> &[i64] {
    match block {
        Block::Integers(values) => values,
        other => panic!("the toy learner has integers only, not {other:?}"),
    }
}

/// What a shard remembers of a block until the next boundary.
fn keep(kept: &mut BTreeMap<u32, u64>, number: u32, sum: &Block) -> u64 {
    let value = kept.entry(number).or_default();
    *value = integers(sum).iter().fold(mix(*value, u64::from(number)), |hash, &integer| mix(hash, integer as u64));
    *value
}

/// An update that a shard made.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    pub sums: Vec<(u32, Block)>,
    pub candidates: Vec<(u32, Packet)>,
}

/// What replicas leave for the simulation: the updates made, and the model of the newest replica.
#[derive(Default)]
pub struct Journal {
    pub updates: Vec<Update>,
    pub model: u64,
}

struct Toy {
    model: Model,
    kept: BTreeMap<u32, u64>,
    /// Goes into candidates, but not into the model: tells one update from its repetition in a later epoch.
    salt: Option<u64>,
    journal: Arc<Mutex<Journal>>,
}

/// A replica that writes to `journal`; no two processes may have the same `salt`, if they have any.
pub fn replica(plan: &Packet, salt: Option<u64>, journal: &Arc<Mutex<Journal>>) -> Box<dyn Replica> {
    let model = Model::new(Plan::read(plan));
    journal.lock().expect("one thread").model = model.hash;
    Box::new(Toy { model, kept: BTreeMap::new(), salt: salt.map(|salt| salt << 32), journal: journal.clone() })
}

impl Replica for Toy {
    fn update(&mut self, parts: Vec<(u32, Vec<Block>)>) -> Result<Vec<(u32, Packet)>, Problem> {
        let sum = |(number, parts)| Ok((number, Block::sum(parts)?));
        let sums: Vec<(u32, Block)> = parts.into_iter().map(sum).collect::<Result<_, Problem>>()?;
        let mut candidates = Vec::new();
        for (number, sum) in &sums {
            self.salt.iter_mut().for_each(|salt| *salt += 1);
            let value = keep(&mut self.kept, *number, sum);
            let bytes = [value.to_le_bytes(), self.salt.unwrap_or_default().to_le_bytes()].concat();
            candidates.push((*number, bytes.into()));
        }
        self.journal.lock().expect("one thread").updates.push(Update { sums, candidates: candidates.clone() });
        Ok(candidates)
    }

    fn advance(&mut self, candidates: &[Packet]) -> Result<(), Problem> {
        self.model.advance(candidates);
        if self.model.is_boundary() {
            self.kept.clear();
        }
        self.journal.lock().expect("one thread").model = self.model.hash;
        Ok(())
    }

    fn course(&self) -> Course {
        Course { boundary: self.model.is_boundary(), done: self.model.clock == self.model.plan.rounds }
    }
}

/// The computing side of a worker.
#[derive(Default)]
pub struct Computer {
    model: Option<Model>,
    /// What rows remember of each round since the last boundary.
    found: Vec<u64>,
    rows: BTreeMap<u32, (Packet, u64)>,
    /// The sums of tiles that were folded before it was ordered, in a clock.
    ahead: Option<(u64, Vec<u32>, Vec<Block>)>,
}

impl Computer {
    pub fn open(&mut self, plan: &Packet) {
        *self = Self { model: Some(Model::new(Plan::read(plan))), ..Self::default() };
    }

    pub fn restart(&mut self) {
        let plan = self.model().plan;
        (self.model, self.ahead) = (Some(Model::new(plan)), None);
        self.forget();
    }

    pub fn clock(&self) -> u64 {
        self.model().clock
    }

    pub fn advance(&mut self, candidates: &[Packet]) {
        let mut model = *self.model();
        let found = model.advance(candidates);
        self.model = Some(model);
        if model.is_boundary() {
            return self.forget();
        }
        self.found.push(found);
        self.rows.values_mut().for_each(|(_, row)| *row = mix(*row, found));
    }

    /// The state of rows is rebuilt from the tile and from what was found.
    pub fn keep(&mut self, tile: u32, bytes: Packet) {
        let row = self.found.iter().fold(fresh_row(&bytes), |row, &found| mix(row, found));
        self.rows.insert(tile, (bytes, row));
    }

    pub fn own(&mut self, tiles: &[u32]) {
        self.rows.retain(|tile, _| tiles.contains(tile));
    }

    pub fn expect(&mut self, tiles: Vec<u32>) {
        if !self.model().is_boundary() {
            let blocks = self.fold(&tiles);
            self.ahead = Some((self.clock(), tiles, blocks));
        }
    }

    pub fn fold(&self, tiles: &[u32]) -> Vec<Block> {
        if let Some((clock, these, blocks)) = &self.ahead
            && (*clock, these.as_slice()) == (self.clock(), tiles)
        {
            return blocks.clone();
        }
        let folds = tiles.iter().map(|tile| self.model().fold(self.rows.get(tile).unwrap_or_else(|| panic!("tile {tile} is not kept")).1));
        folds.reduce(sum).expect("some tile is to be folded")
    }

    fn model(&self) -> &Model {
        self.model.as_ref().expect("the computing side was opened")
    }

    fn forget(&mut self) {
        self.found.clear();
        self.rows.values_mut().for_each(|(tile, row)| *row = fresh_row(tile));
    }
}

pub fn sum(mut a: Vec<Block>, b: Vec<Block>) -> Vec<Block> {
    assert_eq!(a.len(), b.len(), "blocks of the same round");
    a.iter_mut().zip(b).for_each(|(a, b)| a.merge(b).expect("small integers"));
    a
}

/// The model that one process comes to, with nothing between it and its tiles.
pub fn sequential(plan: &Plan) -> u64 {
    let mut computer = Computer::default();
    computer.open(&plan.packet());
    let tiles: Vec<u32> = (0..plan.tiles).collect();
    tiles.iter().for_each(|&tile| computer.keep(tile, plan.tile(tile)));
    let mut kept = BTreeMap::new();
    for clock in 0..plan.rounds {
        if plan.is_boundary(clock) {
            kept.clear();
        }
        let sums = computer.fold(&tiles);
        let candidates = (0..).zip(&sums).map(|(number, sum)| keep(&mut kept, number, sum).to_le_bytes().to_vec().into());
        let candidates: Vec<Packet> = candidates.collect();
        computer.advance(&candidates);
    }
    computer.model().hash
}
