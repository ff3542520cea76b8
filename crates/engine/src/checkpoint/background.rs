//! Something that is written by a thread of its own from time to time.

use std::sync::mpsc;
use std::time::Duration;

use crate::Result;

/// It is here, or with the thread that writes.
pub(super) enum Background<T> {
    Here(Box<T>),
    Away(mpsc::Receiver<(Box<T>, Option<Result<()>>)>),
    /// The thread has ended by a mistake of ours.
    Lost,
}

impl<T: Send + 'static> Background<T> {
    pub fn new(what: T) -> Self {
        Self::Here(Box::new(what))
    }

    /// If it is here.
    pub fn here(&mut self) -> Option<&mut T> {
        match self {
            Self::Here(what) => Some(what),
            Self::Away(_) | Self::Lost => None,
        }
    }

    /// If a thread works on it.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Away(_))
    }

    /// Lets a thread work on it, if it is here. What comes of it is whether something was written; nothing, if that was not tried.
    pub fn start(&mut self, work: impl FnOnce(&mut T) -> Option<Result<()>> + Send + 'static) {
        *self = match std::mem::replace(self, Self::Lost) {
            Self::Here(mut what) => {
                let (give, given) = mpsc::channel();
                std::thread::spawn(move || {
                    let worked = work(&mut what);
                    // A training that has ended waits for it no longer.
                    let _ = give.send((what, worked));
                });
                Self::Away(given)
            }
            other => other,
        };
    }

    /// Takes it back from its thread, if that ends within `wait`; what it gives is how the writing ended.
    pub fn look(&mut self, wait: Duration) -> Option<Result<()>> {
        let Self::Away(given) = self else { return None };
        match given.recv_timeout(wait) {
            Ok((what, worked)) => {
                *self = Self::Here(what);
                worked
            }
            Err(mpsc::RecvTimeoutError::Timeout) => None,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                *self = Self::Lost;
                None
            }
        }
    }
}
