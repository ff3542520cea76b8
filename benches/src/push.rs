//! Pushing dense blocks to shards over `rpc`, and copying as many bytes over plain TCP: both between threads of this process.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Barrier};
use std::thread::scope;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use quelea_core::block::Block;
use quelea_params::message::{After, Apply, Contribution, FromShard, Member, PushId, Pushed, ToShard};
use quelea_params::{Course, Packet, Problem, Replica};
use quelea_wire::{Client, Protocol, Terms};
use serde_json::{Value, json};

use crate::shards::{or_end, runtime, with_shards};

/// What one worker pushes in a round, to all shards together.
const BYTES: usize = 64 << 20;
const ANY_PORT: &str = "127.0.0.1:0";
const RUN: u64 = 1;

/// Gigabytes per second of each round.
fn rates(workers: usize, seconds: &[f64]) -> Value {
    let rates: Vec<f64> = seconds.iter().map(|seconds| (workers * BYTES) as f64 / 1e9 / seconds).collect();
    json!({ "gb_per_s": rates })
}

/// Rounds of plain copies: for each pair of worker and shard a connection, a sender and a receiver, each with a buffer of its own.
pub fn plain(workers: usize, shards: usize, rounds: usize) -> Result<Value> {
    let sockets: Vec<TcpListener> = (0..workers * shards).map(|_| TcpListener::bind(ANY_PORT)).collect::<Result<_, _>>()?;
    let barrier = Barrier::new(2 * sockets.len() + 1);
    scope(|scope| {
        for socket in &sockets {
            let barrier = &barrier;
            scope.spawn(move || receive(socket, BYTES / shards, rounds, barrier));
            scope.spawn(move || send(socket, BYTES / shards, rounds, barrier));
        }
        let seconds: Vec<f64> = (0..rounds).map(|_| between(&barrier)).collect();
        Ok(rates(workers, &seconds))
    })
}

/// The time between two meetings at the barrier.
fn between(barrier: &Barrier) -> f64 {
    barrier.wait();
    let start = Instant::now();
    barrier.wait();
    start.elapsed().as_secs_f64()
}

fn send(socket: &TcpListener, bytes: usize, rounds: usize, barrier: &Barrier) {
    let address = socket.local_addr().expect("a bound socket");
    let mut stream = TcpStream::connect(address).expect("it listens");
    let buffer = vec![1u8; bytes];
    for _ in 0..rounds {
        barrier.wait();
        stream.write_all(&buffer).expect("the receiver reads");
        stream.read_exact(&mut [0]).expect("the receiver says when it has all");
        barrier.wait();
    }
}

fn receive(socket: &TcpListener, bytes: usize, rounds: usize, barrier: &Barrier) {
    let (mut stream, _) = socket.accept().expect("somebody connects");
    let mut buffer = vec![1u8; bytes];
    for _ in 0..rounds {
        barrier.wait();
        stream.read_exact(&mut buffer).expect("the sender sends");
        stream.write_all(&[1]).expect("the sender waits");
        barrier.wait();
    }
}

/// A protocol by its name.
pub fn protocol(name: &str) -> Result<Protocol> {
    Ok(match name {
        "rpc" => Protocol::Rpc,
        "grpc" => Protocol::Grpc,
        "rest" => Protocol::Rest,
        _ => bail!("{name:?} is no protocol"),
    })
}

/// Rounds of pushes of this number, many times, until all are staged; and the median microseconds of a small call.
pub fn messages(protocol: Protocol, (workers, shards): (usize, usize), rounds: usize, number: i64) -> Result<Value> {
    let barrier = Barrier::new(workers + 1);
    with_shards(protocol, shards, maker, |terms, addresses| {
        scope(|scope| {
            for worker in 0..workers {
                let barrier = &barrier;
                scope.spawn(move || or_end(push_all(worker, terms, addresses, (rounds, number), barrier)));
            }
            Ok(or_end(lead(workers, terms, addresses, rounds, &barrier)))
        })
    })
}

fn maker() -> quelea_params::Maker {
    Box::new(|_| Ok(quelea_params::Made::Rounds(Box::new(Nothing))))
}

/// A learner that keeps nothing.
struct Nothing;

impl Replica for Nothing {
    fn update(&mut self, parts: Vec<(u32, Vec<Block>)>) -> Result<Vec<(u32, Packet)>, Problem> {
        Ok(parts.into_iter().map(|(number, _)| (number, Packet::default())).collect())
    }
    fn advance(&mut self, _: &[Packet]) -> Result<(), Problem> {
        Ok(())
    }
    fn course(&self) -> Course {
        Course { boundary: true, done: false }
    }
}

fn contribution(worker: usize) -> Contribution {
    Contribution { member: Member { run: RUN, worker: worker as u32, incarnation: 0 }, sequence: 1 }
}

async fn connect(terms: &Terms, addresses: &[String]) -> Result<Vec<Client>> {
    let mut clients = Vec::new();
    for address in addresses {
        clients.push(Client::connect(address, terms).await?);
    }
    Ok(clients)
}

/// The run's part: opens the shards, times the rounds, and commits each.
fn lead(workers: usize, terms: &Terms, addresses: &[String], rounds: usize, barrier: &Barrier) -> Result<Value> {
    let runtime = runtime()?;
    let mut clients = runtime.block_on(connect(terms, addresses))?;
    for (shard, client) in (0..).zip(&mut clients) {
        let shards = addresses.len() as u32;
        let open = ToShard::Open {
            run: RUN,
            epoch: 1,
            shard,
            shards,
            life: 0,
            plan: Packet::default(),
            timing: terms.timing,
            after: After::default(),
            window: Vec::new(),
        };
        runtime.block_on(client.call(open))?;
    }
    let mut seconds = Vec::new();
    for clock in 0..rounds as u64 {
        seconds.push(between(barrier));
        for (shard, client) in (0u32..).zip(&mut clients) {
            let contributions = (0..workers).map(contribution).collect();
            let commit = ToShard::Commit { run: RUN, epoch: 1, clock, contributions, apply: Apply::Together, copy: false };
            let answer = runtime.block_on(client.call(commit))?;
            ensure!(matches!(answer, FromShard::Committed { .. }), "{answer:?}");
            let others = (0..addresses.len() as u32).filter(|other| *other != shard).map(|other| (other, Packet::default())).collect();
            runtime.block_on(client.call(ToShard::Advance { run: RUN, epoch: 1, clock, others }))?;
        }
    }
    let mut answer = rates(workers, &seconds);
    answer["small_call_us"] = json!(runtime.block_on(small_call(&mut clients[0]))?);
    Ok(answer)
}

/// The median microseconds of a call without blocks.
async fn small_call(client: &mut Client) -> Result<f64> {
    let mut taken = Vec::new();
    for _ in 0..5_000 {
        let start = Instant::now();
        client.call(ToShard::Ping { run: RUN, clock: 0 }).await?;
        taken.push(start.elapsed().as_secs_f64() * 1e6);
    }
    taken.sort_by(f64::total_cmp);
    Ok(taken[taken.len() / 2])
}

/// A worker's part: pushes to all shards at once.
fn push_all(worker: usize, terms: &Terms, addresses: &[String], (rounds, number): (usize, i64), barrier: &Barrier) -> Result<()> {
    let runtime = runtime()?;
    let clients = runtime.block_on(connect(terms, addresses))?;
    let sums = |shard: u32| vec![(shard, Block::Integers(vec![number; BYTES / 8 / addresses.len()]))];
    let blocks: Vec<_> = (0..addresses.len() as u32).map(|shard| Arc::new(sums(shard))).collect();
    let mut clients: Vec<(Client, Arc<_>)> = clients.into_iter().zip(blocks).collect();
    for clock in 0..rounds as u64 {
        barrier.wait();
        let mut pushes = tokio::task::JoinSet::new();
        for (shard, (mut client, blocks)) in (0..).zip(clients) {
            let id = PushId { run: RUN, epoch: 1, shard, clock, contribution: contribution(worker) };
            pushes.spawn_on(
                async move {
                    let answer = client.call(ToShard::Push { id, weight: 0, list: None, blocks: blocks.clone() }).await;
                    (shard, (client, blocks), answer)
                },
                runtime.handle(),
            );
        }
        let mut pushed = runtime.block_on(pushes.join_all());
        barrier.wait();
        for (_, _, answer) in &pushed {
            ensure!(matches!(answer, Ok(FromShard::Pushed { pushed: Pushed::Applied, .. })), "{answer:?}");
        }
        pushed.sort_by_key(|(shard, ..)| *shard);
        clients = pushed.into_iter().map(|(_, client, _)| client).collect();
    }
    Ok(())
}
