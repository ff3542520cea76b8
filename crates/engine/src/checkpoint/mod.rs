//! Checkpoints of a training, and going on from one.
//!
//! A training by rounds is a function of its plan and of the candidates of all clocks, so that these, up to a boundary, are
//! all that is saved: whoever reads them comes to the same round, and makes row state anew.

mod log;
mod manifest;
mod place;
mod store;

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use quelea_core::spec::Job;
use quelea_learn::registry;

pub(crate) use log::Clock;
use manifest::{Training, checksum};
use place::Place;
use store::Store;

use crate::{Control, Error, Event, Result, job};

/// The checkpoints of one training. Without `checkpoint.to` in its job it does nothing.
pub(crate) struct Checkpoints {
    saver: Option<Saver>,
    control: Control,
}

struct Saver {
    to: String,
    every: Duration,
    last: Instant,
    state: State,
    /// Clocks up to a boundary that the store has not taken, because it is writing.
    waiting: Vec<Clock>,
    /// Whether the last one failed; it is told once.
    failing: bool,
}

/// The store is here, or with the thread that writes a checkpoint.
enum State {
    Idle(Box<Store>),
    Writing(JoinHandle<(Box<Store>, Result<()>)>),
    /// The thread has ended by a mistake of ours.
    Lost,
}

impl Checkpoints {
    /// No checkpoints.
    pub fn none(control: &Control) -> Self {
        Self { saver: None, control: control.clone() }
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
        if registry::find(&job.model.kind)?.by_steps {
            let problem = format!("{} trains by stochastic steps, of which no checkpoints are kept yet; drop the key", job.model.kind);
            return Err(wrong(&problem).into());
        }
        let training = Training {
            version: env!("CARGO_PKG_VERSION").into(),
            job: job::without_places(job),
            start_from: start_from.map(checksum),
            fingerprint: String::new(),
        };
        let (store, is_there) = Store::open(Place::open(to)?, training)?;
        if is_there && !resume {
            let what = store.name();
            store.manifest()?;
            let problem = "it is a checkpoint of this job; go on from it with --resume, or remove it to begin anew".into();
            return Err(Error::Checkpoint { what, problem });
        }
        if is_there {
            store.manifest()?;
        } else if resume {
            control.tell(Event::Checkpoint { message: format!("there is no checkpoint at {to}; the training begins anew") });
        }
        let every = Duration::from_secs_f64(job.checkpoint.every);
        let state = State::Idle(Box::new(store));
        let saver = Saver { to: to.clone(), every, last: Instant::now(), state, waiting: Vec::new(), failing: false };
        Ok(Self { saver: Some(saver), control: control.clone() })
    }

    /// The table is read: what the checkpoint holds of its training, clock by clock, up to a boundary.
    pub fn begin(&mut self, fingerprint: &str) -> Result<Vec<Clock>> {
        let Some(saver) = &mut self.saver else { return Ok(Vec::new()) };
        saver.last = Instant::now();
        match &mut saver.state {
            State::Idle(store) => store.load(fingerprint),
            _ => Err(Error::internal("a training began twice")),
        }
    }

    /// Whether clocks are wanted.
    pub fn are_on(&self) -> bool {
        self.saver.is_some()
    }

    /// Takes the clocks since the last boundary, at a boundary; writes a checkpoint in the background when it is time.
    pub fn boundary(&mut self, clocks: impl IntoIterator<Item = Clock>) {
        let Some(saver) = &mut self.saver else { return };
        saver.waiting.extend(clocks);
        if saver.last.elapsed() >= saver.every {
            saver.look(&self.control, false);
            saver.write();
        }
    }

    /// The training has ended without a model: what is known is saved, and how to go on is told.
    pub fn interrupted(mut self) {
        let Some(saver) = &mut self.saver else { return };
        saver.look(&self.control, true);
        saver.write();
        saver.look(&self.control, true);
        if let State::Idle(store) = &saver.state
            && store.saved() > 0
        {
            let (clock, to) = (store.saved(), &saver.to);
            let message = format!("a checkpoint of the first {clock} rounds is at {to}; the same command with --resume goes on from it");
            self.control.tell(Event::Checkpoint { message });
        }
    }

    /// The model is written; the checkpoint is not needed any more.
    pub fn remove(mut self) {
        let Some(saver) = &mut self.saver else { return };
        saver.look(&self.control, true);
        if let State::Idle(store) = std::mem::replace(&mut saver.state, State::Lost)
            && let Err(error) = store.remove()
        {
            self.control.warn(format!("the checkpoint is of no use any more, and is still there: {error}"));
        }
    }
}

impl Saver {
    /// Takes the store back from its thread, if that has ended or is waited for.
    fn look(&mut self, control: &Control, wait: bool) {
        match std::mem::replace(&mut self.state, State::Lost) {
            State::Writing(thread) if wait || thread.is_finished() => {
                let Ok((store, written)) = thread.join() else { return };
                self.state = State::Idle(store);
                self.tell(control, written);
            }
            state => self.state = state,
        }
    }

    /// A failure is told when it begins and when it is over.
    fn tell(&mut self, control: &Control, written: Result<()>) {
        match (written, self.failing) {
            (Err(error), false) => control.warn(format!("no checkpoint could be written, and the training goes on without: {error}")),
            (Ok(()), true) => control.tell(Event::Checkpoint { message: format!("checkpoints are written to {} again", self.to) }),
            (Err(_), true) | (Ok(()), false) => return,
        }
        self.failing = !self.failing;
    }

    /// Writes what is not saved on a thread of its own, unless one is still writing.
    fn write(&mut self) {
        match std::mem::replace(&mut self.state, State::Lost) {
            State::Idle(mut store) => {
                self.waiting.drain(..).for_each(|clock| store.append(&clock));
                self.last = Instant::now();
                self.state = match store.saved() < store.clock() {
                    true => State::Writing(std::thread::spawn(move || {
                        let written = store.save();
                        (store, written)
                    })),
                    false => State::Idle(store),
                };
            }
            state => self.state = state,
        }
    }
}
