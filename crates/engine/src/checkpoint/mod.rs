//! Checkpoints of a training, and going on from one.
//!
//! A training by rounds is a function of its plan and of the candidates of all clocks, so that these, up to a boundary, are
//! all that is saved: whoever reads them comes to the same round, and makes row state anew. Of a training by steps a cut is saved:
//! how far each tile is, and all that is known of the rows of its tables.

mod background;
mod cuts;
mod log;
mod manifest;
mod place;
mod store;
#[cfg(test)]
mod testing;

use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use quelea_core::spec::Job;
use quelea_learn::registry;
use quelea_params::run::{Cut, Saved, Saving};
use quelea_params::tables::Chunk;

use background::Background;
use cuts::Cuts;
pub(crate) use log::Clock;
use log::Log;
use manifest::{Training, checksum};
use place::Place;
use store::Store;

use crate::{Control, Error, Event, Result, job};

/// Pieces of a cut that may wait to be written; each is some megabytes.
const MOST_WAITING: usize = 8;

/// The checkpoints of one training. Without `checkpoint.to` in its job it does nothing.
pub(crate) struct Checkpoints {
    kept: Kept,
    to: String,
    every: Duration,
    last: Instant,
    /// Whether the last one failed; it is told once.
    failing: bool,
    /// Keeps other trainings out of the place.
    _lock: Option<File>,
    control: Control,
}

enum Kept {
    Nothing,
    /// By rounds.
    Log {
        log: Background<Log>,
        /// Clocks up to a boundary that the log has not taken, because it is being written.
        waiting: Vec<Clock>,
    },
    /// By steps.
    Cuts {
        cuts: Background<Cuts>,
        /// A cut that is to be written when the thread has ended that is still busy with one that was given up.
        next: Option<(Cut, Pieces)>,
        /// The way to the thread that writes a cut, and how many pieces are on it.
        way: Option<mpsc::Sender<Result<Saving>>>,
        waiting: Arc<AtomicUsize>,
        /// The number of that cut, until its end is told.
        number: Option<u64>,
        /// A part that a thread reads.
        reading: Option<Reading>,
    },
}

/// What a cut consists of, as it comes.
type Pieces = Box<dyn Iterator<Item = Result<Saving>> + Send>;

/// A part of a cut, by its number and its place, that a thread reads.
struct Reading {
    cut: u64,
    part: u64,
    read: mpsc::Receiver<Result<Chunk>>,
}

/// What a checkpoint holds of a training: nothing but one of these, or none.
#[derive(Default)]
pub(crate) struct Past {
    /// By rounds: the candidates of all clocks up to a boundary.
    pub clocks: Vec<Clock>,
    /// By steps: the cut.
    pub cut: Saved,
}

impl Checkpoints {
    /// No checkpoints.
    pub fn none(control: &Control) -> Self {
        Self {
            kept: Kept::Nothing,
            to: String::new(),
            every: Duration::ZERO,
            last: Instant::now(),
            failing: false,
            _lock: None,
            control: control.clone(),
        }
    }

    /// The checkpoints that `job` asks for; `start_from` is the model file to go on from. With `resume` a checkpoint that is
    /// there must be of this job; without, there must be none, so that no work is lost.
    pub fn open(job: &Job, start_from: Option<&[u8]>, resume: bool, control: &Control) -> Result<Self> {
        let wrong = |problem: &str| job::JobError::Key { key: "checkpoint.to".into(), problem: problem.into() };
        let Some(to) = &job.checkpoint.to else {
            return if resume {
                Err(wrong("the key is missing; it says where --resume finds the checkpoint").into())
            } else {
                Ok(Self::none(control))
            };
        };
        let training = Training {
            version: env!("CARGO_PKG_VERSION").into(),
            job: job::without_places(job),
            start_from: start_from.map(checksum),
            fingerprint: String::new(),
        };
        let place = Place::open(to)?;
        let _lock = place.lock()?;
        let store = Store::open(place, training)?;
        if store.is_there() {
            store.manifest()?;
            if !resume {
                let problem = "it is a checkpoint of this job; go on from it with --resume, or remove it to begin anew".into();
                return Err(Error::Checkpoint { what: store.name(), problem });
            }
        } else if resume {
            control.tell(Event::Checkpoint { message: format!("there is no checkpoint at {to}; the training begins anew") });
        }
        let kept = match registry::find(&job.model.kind)?.by_steps {
            true => Kept::Cuts {
                cuts: Background::new(Cuts::new(store)),
                next: None,
                way: None,
                waiting: Arc::default(),
                number: None,
                reading: None,
            },
            false => Kept::Log { log: Background::new(Log::new(store)), waiting: Vec::new() },
        };
        Ok(Self { kept, to: to.clone(), every: Duration::from_secs_f64(job.checkpoint.every), _lock, ..Self::none(control) })
    }

    /// The table is read: what the checkpoint holds of its training.
    pub fn begin(&mut self, fingerprint: &str) -> Result<Past> {
        self.last = Instant::now();
        let twice = || Error::internal("a training began twice");
        Ok(match &mut self.kept {
            Kept::Nothing => Past::default(),
            Kept::Log { log, .. } => Past { clocks: log.here().ok_or_else(twice)?.load(fingerprint)?, ..Past::default() },
            Kept::Cuts { cuts, .. } => Past { cut: cuts.here().ok_or_else(twice)?.load(fingerprint)?, ..Past::default() },
        })
    }

    /// Whether anything is saved.
    pub fn are_on(&self) -> bool {
        !matches!(self.kept, Kept::Nothing)
    }

    /// After how long the next one is written, if any is.
    pub fn every(&self) -> Option<Duration> {
        self.are_on().then_some(self.every)
    }

    /// Takes the clocks since the last boundary, at a boundary; writes a checkpoint in the background when it is time.
    pub fn boundary(&mut self, clocks: impl IntoIterator<Item = Clock>) {
        if let Kept::Log { waiting, .. } = &mut self.kept {
            waiting.extend(clocks);
            if self.last.elapsed() >= self.every {
                self.look(false);
                self.write_log();
            }
        }
    }

    /// Whether it is time for a cut.
    pub fn is_due(&mut self) -> bool {
        let is_time = self.last.elapsed() >= self.every;
        if is_time {
            self.look(false);
        }
        is_time && matches!(self.kept, Kept::Cuts { cuts: Background::Here(_), .. })
    }

    /// Writes a cut in the background, once what is being written is; its pieces are asked for by the thread that writes.
    pub fn cut(&mut self, cut: Cut, pieces: impl Iterator<Item = Result<Saving>> + Send + 'static) {
        self.last = Instant::now();
        if let Kept::Cuts { next, number, .. } = &mut self.kept {
            *number = Some(cut.number);
            *next = Some((cut, Box::new(pieces)));
        }
        self.look(false);
    }

    /// Takes a cut piece by piece, and writes it in the background.
    pub fn save(&mut self, piece: Saving) {
        if let Saving::Begin(cut) = piece {
            let (pass, passed) = mpsc::channel();
            let pieces = Arc::new(AtomicUsize::new(0));
            let taken = pieces.clone();
            let passed = passed.into_iter().inspect(move |_| {
                taken.fetch_sub(1, Ordering::Relaxed);
            });
            self.cut(cut, passed);
            if let Kept::Cuts { way, waiting, .. } = &mut self.kept {
                (*way, *waiting) = (Some(pass), pieces);
            }
        } else if let Kept::Cuts { way, waiting, .. } = &mut self.kept
            && let Some(to_thread) = way
        {
            let is_last = matches!(piece, Saving::End | Saving::Abandon);
            waiting.fetch_add(1, Ordering::Relaxed);
            // A thread that has ended has told why.
            let _ = to_thread.send(Ok(piece));
            way.take_if(|_| is_last);
        }
    }

    /// Whether few enough pieces wait to be written.
    pub fn has_room(&self) -> bool {
        match &self.kept {
            Kept::Cuts { way: Some(_), waiting, .. } => waiting.load(Ordering::Relaxed) < MOST_WAITING,
            _ => true,
        }
    }

    /// The number of the cut that was being written, and whether it is saved; once, when that has ended.
    pub fn saved(&mut self) -> Option<(u64, bool)> {
        self.look(false);
        let Kept::Cuts { cuts, number, .. } = &mut self.kept else { return None };
        let newest = cuts.here()?.number();
        number.take().map(|number| (number, newest == number))
    }

    /// A part of a cut that is saved, before the training begins.
    pub fn part(&mut self, cut: u64, part: u64) -> Result<Chunk> {
        let gone = || Error::internal("nothing was saved");
        let Kept::Cuts { cuts, .. } = &mut self.kept else { return Err(gone()) };
        cuts.here().ok_or_else(gone)?.part(cut, part)
    }

    /// A part of a cut that is saved, once a thread has read it; nobody waits for what is still being written, or for a slow place.
    pub fn part_soon(&mut self, cut: u64, part: u64) -> Option<Result<Chunk>> {
        self.look(false);
        let Kept::Cuts { cuts, reading, .. } = &mut self.kept else { return Some(Err(Error::internal("nothing was saved"))) };
        if matches!(cuts, Background::Lost) {
            return Some(Err(Error::internal("the thread that writes checkpoints has ended")));
        }
        if let Some(found) = reading.take_if(|reading| (reading.cut, reading.part) == (cut, part)) {
            return match found.read.try_recv() {
                Ok(read) => Some(read),
                Err(mpsc::TryRecvError::Disconnected) => Some(Err(Error::internal("a checkpoint cannot be read"))),
                Err(mpsc::TryRecvError::Empty) => {
                    *reading = Some(found);
                    None
                }
            };
        }
        if cuts.here().is_some() {
            let (tell, read) = mpsc::channel();
            *reading = Some(Reading { cut, part, read });
            cuts.start(move |cuts| {
                // Whoever does not want it any more does not listen.
                let _ = tell.send(cuts.part(cut, part));
                None
            });
        }
        None
    }

    /// The training has ended without a model: what is known is saved, and how to go on is told.
    pub fn interrupted(mut self) {
        self.settle();
        self.write_log();
        self.look(true);
        let (saved, unit) = match &mut self.kept {
            Kept::Nothing => return,
            Kept::Log { log, .. } => (log.here().map(|log| log.saved()), "rounds"),
            Kept::Cuts { cuts, .. } => (cuts.here().map(|cuts| cuts.commits()), "commits"),
        };
        if let Some(saved) = saved.filter(|saved| *saved > 0) {
            let to = &self.to;
            let message = format!("a checkpoint of the first {saved} {unit} is at {to}; the same command with --resume goes on from it");
            self.control.tell(Event::Checkpoint { message });
        }
    }

    /// The model is written; the checkpoint is not needed any more.
    pub fn remove(mut self) {
        self.settle();
        let removed = match &mut self.kept {
            Kept::Nothing => return,
            Kept::Log { log, .. } => log.here().map(|log| log.store.remove()),
            Kept::Cuts { cuts, .. } => cuts.here().map(|cuts| cuts.store.remove()),
        };
        if let Some(Err(error)) = removed {
            self.control.warn(format!("the checkpoint is of no use any more, and is still there: {error}"));
        }
    }

    /// Waits for what is being written; a cut that is not complete is given up.
    fn settle(&mut self) {
        if let Kept::Cuts { way, .. } = &mut self.kept {
            *way = None;
        }
        self.look(true);
    }

    /// Notices that a thread has ended, or waits for it. A cut that waits is written next.
    fn look(&mut self, wait: bool) {
        loop {
            let written = match &mut self.kept {
                Kept::Nothing => None,
                Kept::Log { log, .. } => log.look(wait),
                Kept::Cuts { cuts, .. } => cuts.look(wait),
            };
            if let Some(written) = written {
                self.tell(written);
            }
            let Kept::Cuts { cuts, next, .. } = &mut self.kept else { return };
            let Some((cut, pieces)) = next.take_if(|_| cuts.here().is_some()) else { return };
            cuts.start(move |cuts| cuts.save(&cut, pieces).map(|saved| saved.then_some(())).transpose());
        }
    }

    /// A failure is told when it begins and when it is over.
    fn tell(&mut self, written: Result<()>) {
        match (written, self.failing) {
            (Err(error), false) => self.control.warn(format!("no checkpoint could be written, and the training goes on without: {error}")),
            (Ok(()), true) => self.control.tell(Event::Checkpoint { message: format!("checkpoints are written to {} again", self.to) }),
            (Err(_), true) | (Ok(()), false) => return,
        }
        self.failing = !self.failing;
    }

    /// Writes what is not saved of the log on a thread of its own, unless one is still writing.
    fn write_log(&mut self) {
        if let Kept::Log { log: background, waiting } = &mut self.kept
            && let Some(log) = background.here()
        {
            waiting.drain(..).for_each(|clock| log.append(&clock));
            self.last = Instant::now();
            if log.saved() < log.clock() {
                background.start(|log| Some(log.save()));
            }
        }
    }
}
