//! A run, its shards and its workers in threads of this process, over real sockets.

use std::future::pending;
use std::sync::mpsc;
use std::thread::{JoinHandle, scope, spawn};
use std::time::Duration;

use quelea_params::message::Candidates;
use quelea_params::run::{Note, Run, Saved, Saving, Settings, Status, Sync};
use quelea_params::tables::Chunk;
use quelea_params::{Packet, Problem, Timing, Traffic};
use quelea_wire::{Hooks, Listener, Protocol, Terms, Token, WireError, join_run, serve_run, serve_shard};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::toy::{Outcome, Plan, compute, maker};

pub const ANY_PORT: &str = "127.0.0.1:0";

pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

pub fn terms() -> Terms {
    let timing = Timing {
        keepalive: Duration::from_millis(300),
        lease: Duration::from_secs(20),
        request_timeout: Duration::from_secs(2),
        retries: 4,
    };
    Terms {
        protocol: Protocol::Rpc,
        tls: None,
        token: Token::random().expect("random bytes"),
        timing,
        connect_timeout: Duration::from_secs(10),
    }
}

/// A shard that ends with this value.
pub struct Shard {
    pub address: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), WireError>>>,
}

impl Shard {
    pub fn start(terms: &Terms) -> Self {
        Self::start_at(ANY_PORT, terms)
    }

    pub fn start_at(address: &str, terms: &Terms) -> Self {
        let listener = Listener::bind(address, terms).expect("a free address");
        let (address, terms) = (listener.address(), terms.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let serve = move || runtime().block_on(serve_shard(listener, terms, maker(Outcome::default()), stopped));
        Self { address, stop: Some(stop), thread: Some(spawn(serve)) }
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(matches!(ended, Some(Ok(Ok(())))), "a shard failed: {ended:?}");
        }
    }
}

/// Where everybody finds everybody; proxies may lie between.
pub struct Addresses {
    /// The run's, for workers.
    pub run: String,
    /// The shards', for the run and for workers.
    pub shards_of_run: Vec<String>,
    pub shards_of_workers: Vec<String>,
}

/// How a training ended.
pub struct Trained {
    pub model: u64,
    pub notes: Vec<Note>,
    pub workers: Vec<Result<Result<(), Problem>, WireError>>,
}

/// Trains over what listens at `addresses`.
pub fn train(plan: &Plan, terms: &Terms, listener: Listener, addresses: &Addresses, workers: usize) -> Trained {
    scope(|scope| {
        let work = |worker: usize| scope.spawn(move || work(&addresses.run, worker, terms));
        let workers: Vec<_> = (0..workers).map(work).collect();
        let settings = Settings {
            history: Vec::new(),
            run: 1 + plan.seed,
            timing: terms.timing,
            workers: workers.len(),
            grace: Duration::from_secs(5),
            patience: Duration::from_secs(60),
            sync: Sync::Bsp,
            traffic: Traffic::default(),
            tiles: plan.tiles,
            shards: addresses.shards_of_workers.clone(),
            copies: 1,
            plan: plan.packet(),
            cut: Saved::default(),
            cut_every: None,
        };
        let outcome = Outcome::default();
        let run = Run::new(Duration::ZERO, settings, maker(outcome.clone())).expect("the plan can be read");
        let mut hooks = Told { plan: *plan, notes: Vec::new() };
        let ended = runtime().block_on(serve_run(run, listener, terms, &addresses.shards_of_run, &mut hooks, pending()));
        let workers = workers.into_iter().map(|worker| worker.join().expect("a worker does not panic")).collect();
        assert!(matches!(ended, Ok(Ok(()))), "the run failed: {ended:?}; {:?}", hooks.notes);
        let model = *outcome.lock().expect("nobody panics with it");
        Trained { model, notes: hooks.notes, workers }
    })
}

/// A worker that is killed after a while, in the middle of whatever it does.
pub fn die_working(run: &str, terms: &Terms, after: Duration) {
    let (tasks, to_do) = mpsc::channel();
    let (tell, computed) = tokio::sync::mpsc::unbounded_channel();
    spawn(move || compute(&to_do, &tell));
    let joined = join_run(run, "one who dies".into(), terms.clone(), tasks, computed, pending());
    let ended = runtime().block_on(async { tokio::time::timeout(after, joined).await });
    assert!(ended.is_err(), "it had more to do: {ended:?}");
}

fn work(run: &str, worker: usize, terms: &Terms) -> Result<Result<(), Problem>, WireError> {
    let (tasks, to_do) = mpsc::channel();
    let (tell, computed) = tokio::sync::mpsc::unbounded_channel();
    spawn(move || compute(&to_do, &tell));
    runtime().block_on(join_run(run, format!("worker {worker}"), terms.clone(), tasks, computed, pending()))
}

struct Told {
    plan: Plan,
    notes: Vec<Note>,
}

impl Hooks for Told {
    fn tell(&mut self, note: Note) {
        self.notes.push(note);
    }
    fn show(&mut self, _: u64, _: Vec<Status>) {}
    fn tile(&mut self, tile: u32) -> Packet {
        self.plan.tile(tile)
    }
    fn settled(&mut self, _: &[Candidates]) {}
    fn save(&mut self, _: Saving) {}
    fn saved(&mut self) -> Option<(u64, bool)> {
        None
    }
    fn has_room(&self) -> bool {
        true
    }
    fn part(&mut self, _: u64, _: u64) -> Option<Result<Chunk, Problem>> {
        unreachable!("nothing is saved")
    }
    fn revive(&mut self, _: u32) {}
}
