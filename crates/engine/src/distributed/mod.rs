//! Training with several processes: the run lives in this one, workers and shards in others.
//!
//! The same rounds as on one machine, taken apart: workers fold (`compute`), shards update and all advance (`replica`).

mod compute;
mod plan;
mod processes;
pub(crate) mod replica;
mod roles;
mod stepping;
mod tiles;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quelea_core::learner::Learner;
use quelea_core::learner::{Fitted, Progress};
use quelea_core::steps::{Parameters, StepLearner};
use quelea_core::tile::Tile;
use quelea_job::{Compression, Job, Mode, Shards as ShardsOfJob, Sync as SyncOfJob};
use quelea_learn::registry::Visitor;
use quelea_params::message::{Candidates, Member};
use quelea_params::run::{Note, Run, Saving, Settings, Status, Sync, Why};
use quelea_params::tables::Chunk;
use quelea_params::{Bits, Packet, Problem, Traffic};
use quelea_wire::{Hooks, Listener, Terms, serve_run};

use crate::checkpoint::{Checkpoints, Clock, Past};
use crate::control::WorkerStatus;
use crate::launcher::Launcher;
use crate::platform::{BatchScheduling, host_name};
use crate::prepare::Prepared;
use crate::threads::Threads;
use crate::{Control, Error, Event, Result};
use plan::Plan;
use processes::{Shards, Starter, Workers};
use replica::Outcome;
pub use roles::{shard, worker};

/// How long the first clock waits for more workers once there is one.
const GRACE: Duration = Duration::from_secs(3);
/// How long a run waits for its first worker, or for a shard that was lost.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where processes that a run starts by itself find it when it listens everywhere.
const OWN_HOST: &str = "127.0.0.1";
/// Rounds that the fastest worker may be ahead of the slowest in mode "ssp", when the job does not say.
const STALENESS: u64 = 3;
/// The warning of a run with a table `compression`.
const LEFT_OUT: &str = "workers leave out some of what they send (compression): the model depends on how many of them there are";

/// Trains on prepared rows as `job` says, from what is saved on; `start_from` is the model file to go on from.
pub(crate) fn fit(
    job: &Job,
    prepared: &Prepared,
    start_from: Option<Vec<u8>>,
    threads: &Threads,
    (past, checkpoints): (Past, &mut Checkpoints),
    launcher: Arc<dyn Launcher>,
    control: &Control,
) -> Result<Fitted> {
    let _batch = BatchScheduling::begin();
    let mut plan = Plan {
        learner: job.model.kind.clone(),
        parameters: job.model.parameters.clone(),
        schema: prepared.schema.clone(),
        seed: job.run.seed,
        start_from,
        tables: Vec::new(),
    };
    let (tables, slices) = plan.clone().with_learner(Begin { tiles: &prepared.tiles })??;
    plan.tables = tables;
    let terms = roles::terms(&job.transport)?;
    let listener = Listener::bind(&job.cluster.listen, &terms)?;
    let starter = Starter { launcher, transport: job.transport.clone() };
    let (mut own_shards, addresses) = shards(job, &starter, threads)?;
    let (own_url, url) =
        (roles::url(&terms, &listener.address(), OWN_HOST), roles::url(&terms, &listener.address(), &host_name().unwrap_or_default()));
    control.tell(Event::Cluster { message: format!("the run listens at {url}; more workers join with `quelea worker --run {url}`") });
    let share = threads.count.div_ceil(job.cluster.workers.max(1));
    let workers = Workers::start(&starter, job.cluster.workers, &own_url, share, control);
    if job.compression != Compression::default() {
        control.tell(Event::Cluster { message: LEFT_OUT.into() });
    }
    let outcome = Outcome::default();
    let settings = Settings {
        run: run_number(),
        timing: terms.timing,
        workers: job.cluster.workers,
        grace: GRACE,
        patience: PATIENCE,
        tiles: prepared.tiles.len() as u32,
        shards: addresses.clone(),
        copies: 1 + job.cluster.replicas,
        plan: plan.write()?,
        sync: sync(&job.sync),
        traffic: traffic(job, &plan.tables),
        history: past.clocks.into_iter().map(|clock| (0..).zip(clock).collect()).collect(),
        cut: past.cut,
        cut_every: checkpoints.every(),
    };
    let told = Arc::new(Told::default());
    let on_progress = {
        let (told, control) = (told.clone(), control.clone());
        Arc::new(move |now| told.tell(now, &control))
    };
    let maker = replica::maker(threads.pool(), outcome.clone(), on_progress);
    let settled = settings.history.len();
    let run = Run::new(Duration::ZERO, settings, maker)?;
    told.begin(control);
    let mut hooks =
        OfEngine { tiles: &prepared.tiles, slices, control, shards: own_shards.as_mut(), workers: &workers, settled, checkpoints };
    serve(run, listener, &terms, &addresses, &mut hooks)?;
    drop(workers);
    let fitted = outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
    fitted.ok_or_else(|| Error::internal("the run ended without a result"))
}

/// The tables of a learner by steps, and into how many slices it cuts a tile; a learner by rounds has none and takes tiles whole.
struct Begin<'a> {
    tiles: &'a [Arc<Tile>],
}

impl Visitor for Begin<'_> {
    type Output = quelea_core::Result<(Vec<Parameters>, u64)>;

    fn visit<L: Learner + 'static>(self, _: L) -> Self::Output {
        Ok((Vec::new(), 1))
    }

    fn visit_steps<L: StepLearner + 'static>(self, learner: L) -> Self::Output {
        Ok((learner.begin(self.tiles)?, learner.course().slices))
    }
}

fn sync(sync: &SyncOfJob) -> Sync {
    match sync.mode {
        Mode::Bsp => Sync::Bsp,
        Mode::Quorum => Sync::Quorum(sync.quorum.unwrap_or(1)),
        Mode::Ssp => Sync::Ssp(sync.staleness.unwrap_or(STALENESS)),
        Mode::Asp => Sync::Asp,
    }
}

fn traffic(job: &Job, tables: &[Parameters]) -> Traffic {
    let Compression { bits, top_k, significance_filter } = job.compression;
    let bits = match bits {
        8 => Bits::Eight,
        16 => Bits::Sixteen,
        _ => Bits::All,
    };
    Traffic { bits, top: top_k, significance: significance_filter, units: tables.iter().map(|table| table.unit).collect() }
}

/// What has been told of the progress of a run.
#[derive(Default)]
struct Told {
    /// Nothing is told while the clocks of a checkpoint are gone through.
    begun: AtomicBool,
    last: Mutex<Option<Progress>>,
}

impl Told {
    /// A run that goes back does iterations again; they are told once.
    fn tell(&self, now: Progress, control: &Control) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.done <= now.done) {
            *last = Some(now);
            if self.begun.load(Ordering::Relaxed) {
                control.tell(Event::Training { progress: now });
            }
        }
    }

    fn begin(&self, control: &Control) {
        self.begun.store(true, Ordering::Relaxed);
        if let Some(progress) = *self.last.lock().unwrap_or_else(PoisonError::into_inner) {
            control.tell(Event::Resumed { progress });
        }
    }
}

/// The shards that are started here, if the job does not name others, and where all of them listen.
fn shards(job: &Job, starter: &Starter, threads: &Threads) -> Result<(Option<Shards>, Vec<String>)> {
    let count = match &job.cluster.shards {
        Some(ShardsOfJob::Addresses(addresses)) => return Ok((None, addresses.clone())),
        Some(ShardsOfJob::Count(count)) => *count,
        None => 1,
    };
    let processes = count * (1 + job.cluster.replicas);
    // In lockstep they compute while workers wait.
    let threads = job.run.threads.map(|_| threads.count.div_ceil(processes.max(1)));
    let shards = Shards::start(starter.clone(), processes, threads)?;
    let addresses = shards.addresses().to_vec();
    Ok((Some(shards), addresses))
}

fn serve(run: Run, listener: Listener, terms: &Terms, addresses: &[String], hooks: &mut OfEngine<'_>) -> Result<()> {
    let control = hooks.control;
    let ended = roles::runtime()?.block_on(serve_run(run, listener, terms, addresses, hooks, roles::stopped(control)))?;
    Ok(ended?)
}

/// A number that no other run has.
fn run_number() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_nanos() as u64 ^ u64::from(std::process::id()).rotate_left(48)
}

struct OfEngine<'a> {
    tiles: &'a [Arc<Tile>],
    /// What workers fold at once are such parts of tiles.
    slices: u64,
    control: &'a Control,
    shards: Option<&'a mut Shards>,
    workers: &'a Workers,
    /// Clocks of the log that need not be saved any more.
    settled: usize,
    checkpoints: &'a mut Checkpoints,
}

impl Hooks for OfEngine<'_> {
    fn tell(&mut self, note: Note) {
        if let Note::Gone { name, why: Why::Silent | Why::Late, .. } = &note
            && let Some(process) = own_process(name)
        {
            self.workers.end_process(process);
        }
        match &note {
            Note::Joined { .. } | Note::ReplicaBack { .. } => self.control.tell(Event::Cluster { message: words(&note) }),
            _ => self.control.warn(words(&note)),
        }
    }

    fn show(&mut self, clock: u64, status: Vec<Status>) {
        let of_tile = |tile: &Arc<Tile>| tile.rows as u64;
        let rows = self.tiles.iter().map(of_tile).sum::<u64>() / self.tiles.len().max(1) as u64;
        let show = |status: Status| WorkerStatus {
            worker: status.member.worker,
            process: status.name,
            clock: status.clock,
            staleness: status.staleness,
            tiles: status.tiles,
            rows: status.folded * rows / self.slices,
            bytes: status.bytes,
            dropped: status.dropped,
        };
        self.control.tell(Event::Workers { clock, workers: status.into_iter().map(show).collect() });
    }

    fn tile(&mut self, tile: u32) -> Packet {
        // A tile that cannot be written is refused by whoever reads it, with its reason.
        self.tiles.get(tile as usize).and_then(|tile| tiles::write(tile).ok()).unwrap_or_default()
    }

    fn settled(&mut self, log: &[Candidates]) {
        let new = log.get(self.settled..).unwrap_or_default();
        if !new.is_empty() && self.checkpoints.are_on() {
            self.settled = log.len();
            self.checkpoints.boundary(new.iter().map(of_blocks));
        }
    }

    fn save(&mut self, saving: Saving) {
        self.checkpoints.save(saving);
    }

    fn saved(&mut self) -> Option<(u64, bool)> {
        self.checkpoints.saved()
    }

    fn has_room(&self) -> bool {
        self.checkpoints.has_room()
    }

    fn part(&mut self, cut: u64, part: u64) -> Option<Result<Chunk, Problem>> {
        self.checkpoints.part_soon(cut, part).map(|read| read.map_err(|e| Problem::Checkpoint { what: e.to_string() }))
    }

    fn revive(&mut self, shard: u32) {
        if let Some(Err(error)) = self.shards.as_mut().map(|shards| shards.revive(shard as usize)) {
            self.control.warn(format!("shard {shard} cannot be started again: {error}"));
        }
    }
}

/// The candidates of a clock in the order of their blocks.
fn of_blocks(candidates: &Candidates) -> Clock {
    let mut candidates = candidates.clone();
    candidates.sort_by_key(|(block, _)| *block);
    candidates.into_iter().map(|(_, candidate)| candidate).collect()
}

/// The number of a process of this machine, out of its name.
fn own_process(name: &str) -> Option<u32> {
    let process = name.rsplit('/').next()?.parse().ok()?;
    (roles::name_of(process) == name).then_some(process)
}

fn words(note: &Note) -> String {
    let who = |member: &Member, name: &str| format!("worker {} ({name})", member.worker);
    let because = |why: &Why| match why {
        Why::Closed => "its connection was closed".into(),
        Why::Silent => "it has been silent for too long".into(),
        Why::Late => "it took far longer than all others".into(),
        Why::Left => "it left".into(),
        Why::Restarted => "it was started anew, or had given this run up".into(),
        Why::Failed(problem) => Problem::to_string(problem),
    };
    match note {
        Note::Joined { member, name } => format!("{} has joined", who(member, name)),
        Note::Gone { member, name, why, tiles } => {
            format!("{} is gone: {}; others take over its {tiles} tiles", who(member, name), because(why))
        }
        Note::ReplicaLost { shard, why } => {
            format!("shard {shard} is gone: {}; the run goes on with a replica of it", because(why))
        }
        Note::NoCut { shard, problem } => format!("no checkpoint is made this time: {problem} (shard {shard})"),
        Note::ReplicaBack { shard } => format!("shard {shard} is there again, and has what it missed"),
        Note::ShardLost { shard, why, from, to } if from == to => {
            format!("shard {shard} is gone: {}; the run waits for it to come back", because(why))
        }
        Note::ShardLost { shard, why, from, to } => {
            format!("shard {shard} is gone: {}; the run goes back from round {from} to round {to}", because(why))
        }
    }
}
