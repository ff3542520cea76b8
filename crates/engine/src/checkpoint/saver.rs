//! Saves and reads the cuts of a training by steps on a thread, so that nobody waits for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use quelea_params::run::{Cut, Saving};
use quelea_params::tables::Chunk;

use super::background::Background;
use super::cuts::Cuts;
use crate::{Error, Result};

/// Pieces of a cut that may wait to be written; each is some megabytes.
const MOST_WAITING: usize = 8;

/// Cuts, and what their thread is to do.
pub(super) struct Saver {
    cuts: Background<Cuts>,
    /// A cut that is to be written when the thread has ended that is still busy with something else.
    next: Option<(Cut, Pieces)>,
    /// The way to the thread that writes a cut, and how many pieces are on it.
    way: Option<mpsc::Sender<Result<Saving>>>,
    waiting: Arc<AtomicUsize>,
    /// The number of that cut, until its end is told.
    number: Option<u64>,
    /// A part that is waited for.
    reading: Option<Reading>,
}

/// What a cut consists of, as it comes.
type Pieces = Box<dyn Iterator<Item = Result<Saving>> + Send>;

/// A part of a cut, by its number and its place, that is waited for, and what comes from the thread that reads it.
struct Reading {
    cut: u64,
    part: u64,
    since: Instant,
    read: Option<mpsc::Receiver<Result<Chunk>>>,
}

impl Saver {
    pub fn new(cuts: Cuts) -> Self {
        Self { cuts: Background::new(cuts), next: None, way: None, waiting: Arc::default(), number: None, reading: None }
    }

    /// The cuts, if no thread works on them.
    pub fn here(&mut self) -> Option<&mut Cuts> {
        self.cuts.here()
    }

    /// If a thread works on them.
    pub fn is_away(&self) -> bool {
        self.cuts.is_away()
    }

    /// Takes a cut, whose pieces are asked for by the thread that writes it.
    pub fn cut(&mut self, cut: Cut, pieces: impl Iterator<Item = Result<Saving>> + Send + 'static) {
        self.number = Some(cut.number);
        self.next = Some((cut, Box::new(pieces)));
    }

    /// Takes a cut, whose pieces come with [`Saver::piece`].
    pub fn cut_by_pieces(&mut self, cut: Cut) {
        let (pass, passed) = mpsc::channel();
        self.waiting = Arc::default();
        let waiting = self.waiting.clone();
        let taken = move |_: &Result<Saving>| {
            waiting.fetch_sub(1, Ordering::Relaxed);
        };
        self.cut(cut, passed.into_iter().inspect(taken));
        self.way = Some(pass);
    }

    /// Takes the next piece of the cut.
    pub fn piece(&mut self, piece: Saving) {
        if let Some(way) = &self.way {
            let is_last = matches!(piece, Saving::End | Saving::Abandon);
            self.waiting.fetch_add(1, Ordering::Relaxed);
            // A thread that has ended has told why.
            let _ = way.send(Ok(piece));
            self.way.take_if(|_| is_last);
        }
    }

    /// No more pieces come.
    pub fn give_up(&mut self) {
        self.way = None;
    }

    /// Whether few enough pieces wait to be written.
    pub fn has_room(&self) -> bool {
        self.way.is_none() || self.waiting.load(Ordering::Relaxed) < MOST_WAITING
    }

    /// The number of the cut that was being written, and whether it is saved; once, when that has ended.
    pub fn saved(&mut self) -> Option<(u64, bool)> {
        let newest = self.cuts.here()?.number();
        self.number.take().map(|number| (number, newest == number))
    }

    /// A part of a cut that is saved, once the thread has read it; until then it is asked for again and again.
    pub fn part(&mut self, cut: u64, part: u64) -> Option<Result<Chunk>> {
        if self.reading.as_ref().is_none_or(|reading| (reading.cut, reading.part) != (cut, part)) {
            self.reading = Some(Reading { cut, part, since: Instant::now(), read: None });
        }
        let reading = self.reading.as_mut()?;
        let lost = || Some(Err(Error::internal("the thread that writes checkpoints has ended")));
        if let Some(read) = &reading.read {
            let read = match read.try_recv() {
                Ok(read) => read,
                Err(mpsc::TryRecvError::Empty) => return None,
                Err(mpsc::TryRecvError::Disconnected) => return lost(),
            };
            // It may be wanted again.
            self.reading = None;
            return Some(read);
        }
        if matches!(self.cuts, Background::Lost) {
            return lost();
        }
        if self.cuts.here().is_some() {
            let (tell, read) = mpsc::channel();
            reading.read = Some(read);
            self.cuts.start(move |cuts| {
                // Whoever does not want it any more does not listen.
                let _ = tell.send(cuts.part(cut, part));
                None
            });
        }
        None
    }

    /// How long the part has been waited for that was asked for last.
    pub fn waited(&self) -> Duration {
        self.reading.as_ref().map_or(Duration::ZERO, |reading| reading.since.elapsed())
    }

    /// Notices that the thread ends within `wait`, and lets the next one begin; what it gives is how all that was written ended.
    pub fn look(&mut self, wait: Duration) -> Vec<Result<()>> {
        let mut written = Vec::new();
        loop {
            written.extend(self.cuts.look(wait));
            let Some((cut, pieces)) = self.next.take_if(|_| self.cuts.here().is_some()) else { return written };
            self.cuts.start(move |cuts| cuts.save(&cut, pieces).map(|saved| saved.then_some(())).transpose());
        }
    }
}
