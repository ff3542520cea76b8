//! Something that is written by a thread of its own from time to time.

use std::thread::JoinHandle;

use crate::Result;

/// It is here, or with the thread that writes.
pub(super) enum Background<T> {
    Here(Box<T>),
    Away(JoinHandle<(Box<T>, Option<Result<()>>)>),
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

    /// Lets a thread work on it, if it is here. What comes of it is whether something was written; nothing, if that was not tried.
    pub fn start(&mut self, work: impl FnOnce(&mut T) -> Option<Result<()>> + Send + 'static) {
        *self = match std::mem::replace(self, Self::Lost) {
            Self::Here(mut what) => Self::Away(std::thread::spawn(move || {
                let worked = work(&mut what);
                (what, worked)
            })),
            other => other,
        };
    }

    /// Takes it back from its thread, if that has ended or is waited for; what it gives is how the writing ended.
    pub fn look(&mut self, wait: bool) -> Option<Result<()>> {
        match std::mem::replace(self, Self::Lost) {
            Self::Away(thread) if wait || thread.is_finished() => {
                let (what, worked) = thread.join().ok()?;
                *self = Self::Here(what);
                worked
            }
            other => {
                *self = other;
                None
            }
        }
    }
}
