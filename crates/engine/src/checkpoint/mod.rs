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
mod saver;
mod store;
#[cfg(test)]
mod testing;

use std::fs::File;
use std::time::{Duration, Instant};

use quelea_job::{Job, JobError};
use quelea_learn::registry;
use quelea_params::run::{Cut, Saved, Saving};
use quelea_params::tables::Chunk;

use background::Background;
use cuts::Cuts;
pub(crate) use log::Clock;
use log::Log;
use manifest::{Training, checksum};
use place::Place;
use saver::Saver;
use store::Store;

use crate::{Control, Error, Event, Result};

/// How long a training waits for its place, to go back to a cut, or at its end. Requests to buckets have limits of their own; a
/// folder that hangs has none.
const PATIENCE: Duration = Duration::from_secs(300);

/// The checkpoints of one training. Without `checkpoint.to` in its job it does nothing.
pub(crate) struct Checkpoints {
    kept: Kept,
    to: String,
    every: Duration,
    last: Instant,
    patience: Duration,
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
    Cuts(Saver),
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
            patience: PATIENCE,
            failing: false,
            _lock: None,
            control: control.clone(),
        }
    }

    /// The checkpoints that `job` asks for; `start_from` is the model file to go on from. With `resume` a checkpoint that is
    /// there must be of this job; without, there must be none, so that no work is lost.
    pub fn open(job: &Job, start_from: Option<&[u8]>, resume: bool, control: &Control) -> Result<Self> {
        let wrong = |problem: &str| JobError::Key { key: "checkpoint.to".into(), problem: problem.into() };
        let Some(to) = &job.checkpoint.to else {
            return if resume {
                Err(wrong("the key is missing; it says where --resume finds the checkpoint").into())
            } else {
                Ok(Self::none(control))
            };
        };
        let training = Training {
            version: env!("CARGO_PKG_VERSION").into(),
            job: job.portable(),
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
            true => Kept::Cuts(Saver::new(Cuts::new(store))),
            false => Kept::Log { log: Background::new(Log::new(store)), waiting: Vec::new() },
        };
        Ok(Self { kept, to: to.clone(), every: job.checkpoint.every, _lock, ..Self::none(control) })
    }

    /// The table is read: what the checkpoint holds of its training.
    pub fn begin(&mut self, fingerprint: &str) -> Result<Past> {
        self.last = Instant::now();
        let twice = || Error::internal("a training began twice");
        Ok(match &mut self.kept {
            Kept::Nothing => Past::default(),
            Kept::Log { log, .. } => Past { clocks: log.here().ok_or_else(twice)?.load(fingerprint)?, ..Past::default() },
            Kept::Cuts(saver) => Past { cut: saver.here().ok_or_else(twice)?.load(fingerprint)?, ..Past::default() },
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
                self.look(Duration::ZERO);
                self.write_log();
            }
        }
    }

    /// Whether it is time for a cut.
    pub fn is_due(&mut self) -> bool {
        if self.last.elapsed() < self.every {
            return false;
        }
        self.look(Duration::ZERO);
        let Kept::Cuts(saver) = &mut self.kept else { return false };
        saver.here().is_some()
    }

    /// Writes a cut in the background, once what is being written is; its pieces are asked for by the thread that writes.
    pub fn cut(&mut self, cut: Cut, pieces: impl Iterator<Item = Result<Saving>> + Send + 'static) {
        self.last = Instant::now();
        if let Kept::Cuts(saver) = &mut self.kept {
            saver.cut(cut, pieces);
        }
        self.look(Duration::ZERO);
    }

    /// Takes a cut piece by piece, and writes it in the background.
    pub fn save(&mut self, piece: Saving) {
        let Kept::Cuts(saver) = &mut self.kept else { return };
        match piece {
            Saving::Begin(cut) => {
                saver.cut_by_pieces(cut);
                self.last = Instant::now();
                self.look(Duration::ZERO);
            }
            piece => saver.piece(piece),
        }
    }

    /// Whether few enough pieces wait to be written.
    pub fn has_room(&self) -> bool {
        !matches!(&self.kept, Kept::Cuts(saver) if !saver.has_room())
    }

    /// The number of the cut that was being written, and whether it is saved; once, when that has ended.
    pub fn saved(&mut self) -> Option<(u64, bool)> {
        self.look(Duration::ZERO);
        let Kept::Cuts(saver) = &mut self.kept else { return None };
        saver.saved()
    }

    /// A part of a cut that is saved, before the training begins.
    pub fn part(&mut self, cut: u64, part: u64) -> Result<Chunk> {
        let gone = || Error::internal("nothing was saved");
        let Kept::Cuts(saver) = &mut self.kept else { return Err(gone()) };
        saver.here().ok_or_else(gone)?.part(cut, part)
    }

    /// A part of a cut that is saved, once a thread has read it; nobody waits for what is still being written, or for a slow place.
    /// A place from which nothing comes for minutes is an error.
    pub fn part_soon(&mut self, cut: u64, part: u64) -> Option<Result<Chunk>> {
        self.look(Duration::ZERO);
        let Kept::Cuts(saver) = &mut self.kept else { return Some(Err(Error::internal("nothing was saved"))) };
        let read = saver.part(cut, part);
        let is_late = read.is_none() && saver.waited() > self.patience;
        if is_late { Some(Err(self.hangs("the training must go back to what it holds"))) } else { read }
    }

    /// The training has ended without a model: what is known is saved, and how to go on is told.
    pub fn interrupted(mut self) {
        if self.settle() {
            self.write_log();
            self.settle();
        }
        let (saved, unit) = match &mut self.kept {
            Kept::Nothing => return,
            Kept::Log { log, .. } => (log.here().map(|log| log.saved()), "rounds"),
            Kept::Cuts(saver) => (saver.here().map(|cuts| cuts.commits()), "commits"),
        };
        if let Some(saved) = saved.filter(|saved| *saved > 0) {
            let to = &self.to;
            let message = format!("a checkpoint of the first {saved} {unit} is at {to}; the same command with --resume goes on from it");
            self.control.tell(Event::Checkpoint { message });
        }
    }

    /// The model is written; the checkpoint is not needed any more.
    pub fn remove(mut self) {
        if !self.settle() {
            return;
        }
        let removed = match &mut self.kept {
            Kept::Nothing => return,
            Kept::Log { log, .. } => log.here().map(|log| log.store.remove()),
            Kept::Cuts(saver) => saver.here().map(|cuts| cuts.store.remove()),
        };
        if let Some(Err(error)) = removed {
            self.control.warn(format!("the checkpoint is of no use any more, and is still there: {error}"));
        }
    }

    /// Waits for what is being written, and says whether that has ended; a cut that is not complete is given up.
    fn settle(&mut self) -> bool {
        if let Kept::Cuts(saver) = &mut self.kept {
            saver.give_up();
        }
        self.look(self.patience);
        let is_away = match &self.kept {
            Kept::Nothing => false,
            Kept::Log { log, .. } => log.is_away(),
            Kept::Cuts(saver) => saver.is_away(),
        };
        if is_away {
            self.control.warn(self.hangs("what it holds is left as it is").to_string());
        }
        !is_away
    }

    /// Nothing has come from the place for as long as it is waited for.
    fn hangs(&self, so: &str) -> Error {
        let problem = format!("it has not answered for {} seconds, and {so}; look after its disk or network", self.patience.as_secs());
        Error::Checkpoint { what: self.to.clone(), problem }
    }

    /// Notices that a thread ends within `wait`.
    fn look(&mut self, wait: Duration) {
        let written = match &mut self.kept {
            Kept::Nothing => Vec::new(),
            Kept::Log { log, .. } => log.look(wait).into_iter().collect(),
            Kept::Cuts(saver) => saver.look(wait),
        };
        written.into_iter().for_each(|written| self.tell(written));
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

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Whoever opens a pipe waits for its other end, as at a folder whose machine is gone.
    #[test]
    fn a_place_that_hangs_ends_the_training_and_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().to_str().unwrap();
        let training = Training { version: "1".into(), job: serde_json::json!({}), start_from: None, fingerprint: "f".into() };
        let store = Store::open(Place::open(to).unwrap(), training).unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let control = Control::new({
            let told = told.clone();
            move |event| told.lock().unwrap().push(format!("{event:?}"))
        });
        let kept = Kept::Cuts(Saver::new(Cuts::new(store)));
        let mut checkpoints = Checkpoints { kept, to: to.into(), ..Checkpoints::none(&control) };
        checkpoints.save(Saving::Begin(Cut { number: 1, commits: 5, ..Cut::default() }));
        checkpoints.save(Saving::Part(Chunk { table: 0, keys: vec![1], rows: vec![1.0] }));
        checkpoints.save(Saving::End);
        let saved = std::iter::from_fn(|| Some(checkpoints.saved())).flatten().next();
        assert_eq!(saved, Some((1, true)));
        let read = |from: &mut Checkpoints| std::iter::from_fn(|| Some(from.part_soon(1, 0))).flatten().next().unwrap();
        assert_eq!([read(&mut checkpoints).unwrap().keys, read(&mut checkpoints).unwrap().keys], [[1], [1]]);
        let named = |name: &std::path::Path| name.file_name().unwrap().to_str().unwrap().starts_with("checkpoint-rows");
        let rows = std::fs::read_dir(to).unwrap().map(|entry| entry.unwrap().path()).find(|path| named(path)).unwrap();
        std::fs::remove_file(&rows).unwrap();
        assert!(Command::new("mkfifo").arg(&rows).status().unwrap().success());
        checkpoints.patience = Duration::from_millis(20);
        let error = read(&mut checkpoints).unwrap_err().to_string();
        assert!(error.contains(to) && error.contains("has not answered"), "{error}");
        checkpoints.interrupted();
        assert!(told.lock().unwrap().iter().any(|event| event.contains(to) && event.contains("left as it is")), "{told:?}");
        drop(std::fs::OpenOptions::new().write(true).open(&rows).unwrap());
    }
}
