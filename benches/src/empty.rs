//! Steps without a learner: workers read rows of a table from shards over `rpc` and push as many sums back, and every step is
//! committed; all between threads of this process.

use std::sync::{Arc, Barrier};
use std::thread::scope;
use std::time::Instant;

use anyhow::{Result, ensure};
use quelea_core::block::Block;
use quelea_core::counter::mix;
use quelea_core::steps::{Course, Fetched, Parameters, Rule, Start};
use quelea_params::message::{After, Apply, Contribution, FromShard, Member, PushId, Pushed, ToShard};
use quelea_params::tables::shard_of;
use quelea_params::{Bits, Made, Maker, Packet, Problem, Stepper};
use quelea_wire::{Client, Protocol, Terms};
use serde_json::{Value, json};

use crate::shards::{or_end, runtime, with_shards};

const RUN: u64 = 1;
/// Numbers of the table that one message loads.
const LOADED_AT_ONCE: u64 = 1 << 22;
/// What all rows hold, and what is pushed to them: numbers as a training has them, which need most of their bytes.
const VALUE: f32 = 0.1;
const SUM: i64 = 123_457;

/// The keys of a table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// 0, 1, 2, …
    Numbered,
    /// All over the 63-bit numbers, as hashes are.
    Spread,
}

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// The keys of the table's rows.
    pub keys: Keys,
    /// Workers at once.
    pub workers: usize,
    /// Shards.
    pub shards: u32,
    /// Rows of the table.
    pub rows: u64,
    /// Numbers of a row.
    pub width: usize,
    /// Rows that a worker reads and pushes in a step; all of them, if they are as many as the table has.
    pub of_step: u64,
    /// Steps.
    pub steps: u64,
}

impl Size {
    /// The key of a row; it grows with the row's number.
    fn key(&self, row: u64) -> u64 {
        let free = (self.rows - 1).leading_zeros().min(63) - 1;
        match self.keys {
            Keys::Numbered => row,
            Keys::Spread => row << free | mix(row) >> (64 - free),
        }
    }

    /// The keys of a worker's step that a shard has, in ascending order.
    fn keys_of(&self, worker: usize, step: u64, shard: u32) -> Vec<u64> {
        let drawn = |place| mix(mix(mix(worker as u64 + 1) ^ step) ^ place) % self.rows;
        let rows: Vec<u64> = if self.of_step == self.rows { (0..self.rows).collect() } else { (0..self.of_step).map(drawn).collect() };
        let mut keys: Vec<u64> = rows.into_iter().map(|row| self.key(row)).filter(|key| shard_of(*key, self.shards) == shard).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

/// Seconds of each worker's reads and pushes, and of whole steps.
pub fn steps(size: Size) -> Result<Value> {
    let barrier = Barrier::new(size.workers + 1);
    with_shards(
        Protocol::Rpc,
        size.shards as usize,
        || maker(size.width),
        |terms, addresses| {
            scope(|scope| {
                let work = |worker| {
                    let barrier = &barrier;
                    scope.spawn(move || or_end(work(worker, size, terms, addresses, barrier)))
                };
                let workers: Vec<_> = (0..size.workers).map(work).collect();
                let whole = or_end(lead(size, terms, addresses, &barrier));
                let (mut reads, mut pushes) = (Vec::new(), Vec::new());
                for worker in workers {
                    let (read, pushed) = worker.join().expect("a worker does not panic");
                    reads.extend(read);
                    pushes.extend(pushed);
                }
                Ok(json!({ "reads": reads, "pushes": pushes, "steps": whole }))
            })
        },
    )
}

fn maker(width: usize) -> Maker {
    let table = Parameters { name: "weights".into(), width, start: Start::Zero, rule: Rule::Sum, unit: 1e-6 };
    Box::new(move |_| Ok(Made::Steps(Box::new(Empty([table.clone()])))))
}

/// A learner by steps that nobody drives.
struct Empty([Parameters; 1]);

impl Stepper for Empty {
    fn tables(&self) -> &[Parameters] {
        &self.0
    }
    fn course(&self) -> Course {
        Course { passes: 1, slices: 1 }
    }
    fn pass(&mut self, _: Vec<i128>) -> Result<bool, Problem> {
        Ok(true)
    }
    fn finish(&mut self, _: Vec<Fetched>) -> Result<(), Problem> {
        Ok(())
    }
}

fn contribution(worker: usize, step: u64) -> Contribution {
    Contribution { member: Member { run: RUN, worker: worker as u32, incarnation: 0 }, sequence: step as u32 + 1 }
}

/// The run's part: fills the table, and times and commits the steps.
fn lead(size: Size, terms: &Terms, addresses: &[String], barrier: &Barrier) -> Result<Vec<f64>> {
    let runtime = runtime()?;
    let mut clients = Vec::new();
    for (shard, address) in (0..).zip(addresses) {
        let mut client = runtime.block_on(Client::connect(address, terms))?;
        runtime.block_on(fill(&mut client, size, shard, terms))?;
        clients.push(client);
    }
    let mut seconds = Vec::new();
    for clock in 0..size.steps {
        barrier.wait();
        let start = Instant::now();
        barrier.wait();
        for client in &mut clients {
            let contributions = (0..size.workers).map(|worker| contribution(worker, clock)).collect();
            let commit = ToShard::Commit { run: RUN, epoch: 1, clock, contributions, apply: Apply::Together, copy: false };
            let answer = runtime.block_on(client.call(commit))?;
            ensure!(matches!(answer, FromShard::Committed { .. }), "{answer:?}");
        }
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(seconds)
}

async fn fill(client: &mut Client, size: Size, shard: u32, terms: &Terms) -> Result<()> {
    let (plan, after, timing) = (Packet::default(), After::default(), terms.timing);
    let open = ToShard::Open { run: RUN, epoch: 1, shard, shards: size.shards, life: 0, plan, timing, after, window: Vec::new() };
    client.call(open).await?;
    let at_once = (LOADED_AT_ONCE / size.width as u64).max(1);
    for part in 0..size.rows.div_ceil(at_once) {
        let all = part * at_once..size.rows.min((part + 1) * at_once);
        let keys: Vec<u64> = all.map(|row| size.key(row)).filter(|key| shard_of(*key, size.shards) == shard).collect();
        let rows = vec![VALUE; keys.len() * size.width];
        let blocks = Arc::new(vec![(0, Block::Keys(keys)), (1, Block::Values(rows))]);
        let answer = client.call(ToShard::Load { run: RUN, epoch: 1, part, table: 0, blocks }).await?;
        ensure!(matches!(answer, FromShard::At { .. }), "{answer:?}");
    }
    Ok(())
}

/// A worker's part: seconds of its reads, and of its pushes.
fn work(worker: usize, size: Size, terms: &Terms, addresses: &[String], barrier: &Barrier) -> Result<(Vec<f64>, Vec<f64>)> {
    let runtime = runtime()?;
    let connect = |address: &String| runtime.block_on(Client::connect(address, terms));
    let mut clients: Vec<Client> = addresses.iter().map(connect).collect::<Result<_, _>>()?;
    let (mut reads, mut pushes) = (Vec::new(), Vec::new());
    for clock in 0..size.steps {
        let keys: Vec<Vec<u64>> = (0..size.shards).map(|shard| size.keys_of(worker, clock, shard)).collect();
        let sums: Vec<Vec<i64>> = keys.iter().map(|keys| vec![SUM; keys.len() * size.width]).collect();
        barrier.wait();
        let start = Instant::now();
        for (client, keys) in clients.iter_mut().zip(&keys) {
            let blocks = Arc::new(vec![(0, Block::Keys(keys.clone()))]);
            let answer =
                runtime.block_on(client.call(ToShard::Read { run: RUN, epoch: 1, least: clock, bits: Bits::All, list: None, blocks }))?;
            ensure!(matches!(answer, FromShard::Rows { .. }), "{answer:?}");
        }
        let read = start.elapsed().as_secs_f64();
        for ((shard, client), (keys, sums)) in (0..).zip(&mut clients).zip(keys.into_iter().zip(sums)) {
            let id = PushId { run: RUN, epoch: 1, shard, clock, contribution: contribution(worker, clock) };
            let blocks = Arc::new(vec![(0, Block::Keys(keys)), (1, Block::Integers(sums))]);
            let answer = runtime.block_on(client.call(ToShard::Push { id, weight: 1, list: None, blocks }))?;
            ensure!(matches!(answer, FromShard::Pushed { pushed: Pushed::Applied, .. }), "{answer:?}");
        }
        reads.push(read);
        pushes.push(start.elapsed().as_secs_f64() - read);
        barrier.wait();
    }
    Ok((reads, pushes))
}
