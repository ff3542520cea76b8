//! A program that calls a shard, one call after the other, without being part of a run.

use std::io;
use std::time::Duration;

use quelea_params::message::{FromShard, ToShard};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::message::OfShard;
use crate::peer::{Event, Peer};
use crate::{Terms, WireError};

/// Events that wait to be taken.
const MOST_EVENTS: usize = 16;

/// A connection to a shard.
pub struct Client {
    address: String,
    peer: Peer<OfShard>,
    events: mpsc::Receiver<Event<OfShard>>,
    calls: u64,
    patience: Duration,
}

impl Client {
    /// Connects to the shard at HOST:PORT; must be called within a runtime.
    pub async fn connect(address: &str, terms: &Terms) -> Result<Self, WireError> {
        let (tell, events) = mpsc::channel(MOST_EVENTS);
        let peer = Peer::start(address.into(), terms, tell, |event| event);
        let mut client = Self { address: address.into(), peer, events, calls: 0, patience: terms.timing.patience() };
        match client.events.recv().await {
            Some(Event::Up) => Ok(client),
            Some(Event::Failing(error) | Event::Refused(error)) => Err(error),
            _ => Err(client.broken(io::ErrorKind::ConnectionAborted)),
        }
    }

    /// The shard's answer. A call is not made again, neither when the connection breaks nor when no answer comes in time.
    pub async fn call(&mut self, ask: ToShard) -> Result<FromShard, WireError> {
        self.calls += 1;
        self.peer.call(self.calls, ask);
        let answer = timeout(self.patience, self.answer()).await;
        answer.unwrap_or_else(|_| Err(self.broken(io::ErrorKind::TimedOut)))
    }

    async fn answer(&mut self) -> Result<FromShard, WireError> {
        loop {
            match self.events.recv().await {
                Some(Event::Answered(call, answer)) if call == self.calls => return Ok(answer),
                // It came too late.
                Some(Event::Answered(..)) => {}
                Some(Event::Failing(error) | Event::Refused(error)) => return Err(error),
                Some(Event::Up | Event::Down) | None => return Err(self.broken(io::ErrorKind::ConnectionAborted)),
            }
        }
    }

    fn broken(&self, why: io::ErrorKind) -> WireError {
        WireError::unconnected(&self.address, why.into())
    }
}
