//! Supervises the workers and shards that a run has started: restarts them while it lasts, and ends them with it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use quelea_job::Transport;

use crate::launcher::{End, Launcher, Process, Role};
use crate::{Control, Error, Result};

/// How often a worker that ends is started again before it is left alone.
const MOST_RESTARTS: u32 = 10;
/// How long a worker must have lived for its restarts to be forgotten.
const HEALTHY: Duration = Duration::from_secs(60);
/// The pause after a start that failed.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a shard is started that is killed or stopped before it listens, and how long that may take.
const MOST_STARTS: u32 = 3;
const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a process is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How long a process may take to end when it is asked to.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Starts the processes of one run.
#[derive(Clone)]
pub(crate) struct Starter {
    /// What starts them.
    pub launcher: Arc<dyn Launcher>,
    /// How they talk.
    pub transport: Transport,
}

impl Starter {
    fn start(&self, role: &Role) -> io::Result<Box<dyn Process>> {
        self.launcher.start(role, &self.transport)
    }
}

/// The shards that a run has started, by place.
pub(crate) struct Shards {
    starter: Starter,
    threads: Option<usize>,
    processes: Vec<Box<dyn Process>>,
    addresses: Vec<String>,
}

impl Shards {
    /// `count` shards of so many threads each; of as many as the machine has cores when it is not given.
    pub fn start(starter: Starter, count: usize, threads: Option<usize>) -> Result<Self> {
        let mut shards = Self { starter, threads, processes: Vec::new(), addresses: Vec::new() };
        for shard in 0..count {
            let started = start_shard(&shards.starter, &Role::Shard { listen: "127.0.0.1:0".into(), threads });
            let (process, address) = started.map_err(|e| Error::Process { who: format!("shard {shard}"), problem: e.to_string() })?;
            shards.processes.push(process);
            shards.addresses.push(address);
        }
        Ok(shards)
    }

    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Ends shard number `shard`, and starts it anew at the same address. When that fails, the run gives it up in time.
    pub fn revive(&mut self, shard: usize) -> io::Result<()> {
        let (Some(process), Some(address)) = (self.processes.get_mut(shard), self.addresses.get(shard)) else { return Ok(()) };
        end(process.as_mut(), Duration::ZERO);
        *process = self.starter.start(&Role::Shard { listen: address.clone(), threads: self.threads })?;
        Ok(())
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        end_all(&mut self.processes);
    }
}

/// A worker, while it runs.
type Place = Mutex<Option<Box<dyn Process>>>;

/// The workers that a run has started. Each is started again when it ends.
pub(crate) struct Workers {
    over: Arc<AtomicBool>,
    keepers: Vec<JoinHandle<()>>,
    places: Vec<Arc<Place>>,
}

impl Workers {
    pub fn start(starter: &Starter, count: usize, run: &str, threads: usize, control: &Control) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let role = Role::Worker { run: run.into(), threads };
        let places: Vec<Arc<Place>> = (0..count).map(|_| Arc::default()).collect();
        let keep = |place: &Arc<Place>| {
            let (starter, over, place, role) = (starter.clone(), over.clone(), place.clone(), role.clone());
            let control = control.clone();
            std::thread::spawn(move || keep_alive(&starter, &role, &place, &over, &control))
        };
        let keepers = places.iter().map(keep).collect();
        Self { over, keepers, places }
    }

    /// Ends the worker with this process id, which does not answer any more; it is started again.
    pub fn end_process(&self, id: u32) {
        for place in &self.places {
            if let Some(process) = lock(place).as_mut()
                && process.id() == Some(id)
            {
                end(process.as_mut(), Duration::ZERO);
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.keepers.drain(..).for_each(|keeper| {
            let _ = keeper.join();
        });
        let mut processes: Vec<Box<dyn Process>> = self.places.iter().filter_map(|place| lock(place).take()).collect();
        end_all(&mut processes);
    }
}

fn lock(place: &Place) -> std::sync::MutexGuard<'_, Option<Box<dyn Process>>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keep_alive(starter: &Starter, role: &Role, place: &Place, over: &AtomicBool, control: &Control) {
    let is_over = || over.load(Ordering::Relaxed);
    let mut starts = 0;
    while !is_over() {
        if starts > MOST_RESTARTS {
            return control.warn(format!("a worker was started {starts} times and ended each time; it is left alone"));
        }
        let started = Instant::now();
        match starter.start(role) {
            Ok(process) => *lock(place) = Some(process),
            Err(error) => {
                control.warn(format!("a worker cannot be started: {error}"));
                std::thread::sleep(PAUSE);
            }
        }
        let ended = || match lock(place).as_mut().map(|process| process.try_wait()) {
            Some(Ok(end)) => end,
            Some(Err(_)) | None => Some(End::Failed),
        };
        let mut end = ended();
        while end.is_none() && !is_over() {
            std::thread::sleep(POLL_INTERVAL);
            end = ended();
        }
        if end == Some(End::Done) {
            // The run has told it that it is over.
            return;
        }
        starts = if started.elapsed() > HEALTHY { 1 } else { starts + 1 };
    }
}

/// Starts a shard, and waits for its address. One that is killed or stopped before it listens is started again.
fn start_shard(starter: &Starter, role: &Role) -> io::Result<(Box<dyn Process>, String)> {
    let mut left = MOST_STARTS;
    loop {
        let mut process = starter.start(role)?;
        left -= 1;
        match process.address(LISTEN_TIMEOUT) {
            Ok(address) => return Ok((process, address)),
            Err(error) => {
                let end = end(process.as_mut(), STOP_TIMEOUT);
                // One that fails has said why.
                if end != End::Killed || left == 0 {
                    return Err(error);
                }
            }
        }
    }
}

fn end_all(processes: &mut [Box<dyn Process>]) {
    processes.iter_mut().for_each(|process| process.stop());
    for process in processes {
        end(process.as_mut(), STOP_TIMEOUT);
    }
}

/// Asks a process to end, and kills it when it takes longer than it may.
fn end(process: &mut dyn Process, timeout: Duration) -> End {
    process.stop();
    let until = Instant::now() + timeout;
    loop {
        match process.try_wait() {
            Ok(Some(end)) => return end,
            Ok(None) if Instant::now() < until => std::thread::sleep(POLL_INTERVAL),
            _ => {
                process.kill();
                return End::Killed;
            }
        }
    }
}
