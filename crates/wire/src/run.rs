//! A run that listens for workers and calls its shards.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use quelea_params::message::{Candidates, FromRun, ToShard};
use quelea_params::run::{Action, Note, Run, Saving, Status};
use quelea_params::tables::Chunk;
use quelea_params::{Packet, Problem};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::driver::Clock;
use crate::message::{OfRun, OfShard};
use crate::peer::{self, Peer};
use crate::server::{self, Server};
use crate::{Listener, Terms, WireError};

/// Events of shards that wait to be taken.
const MOST_EVENTS: usize = 1_024;
/// How long a run stays to tell workers that it is over.
const FAREWELL: Duration = Duration::from_secs(1);
/// How often it is looked whether a part of a cut is read, or whether there is room for more of one.
const LOOKED_EVERY: Duration = Duration::from_millis(2);
/// How often the state of the workers is shown.
const SHOWN_EVERY: Duration = Duration::from_millis(250);

/// What a run needs of its process.
pub trait Hooks {
    /// Tells the user.
    fn tell(&mut self, note: Note);
    /// Shows how the workers are doing.
    fn show(&mut self, clock: u64, status: Vec<Status>);
    /// A tile's bytes.
    fn tile(&mut self, tile: u32) -> Packet;
    /// Saves what is in the log of the run for good; it is given all of it, again and again.
    fn settled(&mut self, log: &[Candidates]);
    /// Saves a cut, piece by piece, and keeps nobody waiting.
    fn save(&mut self, saving: Saving);
    /// Whether it can take more pieces now; those that come all the same are taken too.
    fn has_room(&self) -> bool;
    /// The number of a cut that was given, and whether it is saved now; once for each. The one before it stays until the
    /// next begins.
    fn saved(&mut self) -> Option<(u64, bool)>;
    /// A part of a cut that is saved, once it is read; until then it is asked for again and again.
    fn part(&mut self, cut: u64, part: u64) -> Option<Result<Chunk, Problem>>;
    /// Starts a shard anew, if it is this process's own; the run connects to it by itself.
    fn revive(&mut self, shard: u32);
}

struct Shell<'a, H> {
    run: Run,
    server: Server<OfRun>,
    shards: Vec<Peer<OfShard>>,
    hooks: &'a mut H,
    /// The part of a cut that the run waits for.
    restoring: Option<(u64, u64)>,
}

/// Serves `run` until it ends, or winds it down when `stop` is over. The run must have been made just now.
pub async fn serve_run<H: Hooks>(
    run: Run,
    listener: Listener,
    terms: &Terms,
    shards: &[String],
    hooks: &mut H,
    stop: impl Future<Output = ()>,
) -> Result<Result<(), Problem>, WireError> {
    let clock = Clock::start();
    let (tell, mut events) = mpsc::channel(MOST_EVENTS);
    let connect = |(shard, address): (u32, &String)| Peer::start(address.clone(), terms, tell.clone(), move |event| (shard, event));
    let peers = (0..).zip(shards).map(connect).collect();
    let mut shell = Shell { run, server: Server::start(listener, terms)?, shards: peers, hooks, restoring: None };
    let mut stop = pin!(stop);
    let mut stopped = false;
    let mut refused = None;
    let mut shown = Duration::ZERO;
    let result = loop {
        let deadline = shell.run.deadline();
        let is_saver_busy = shell.restoring.is_some() || !shell.hooks.has_room();
        tokio::select! {
            event = shell.server.next() => shell.hear(clock.now(), event),
            Some((shard, event)) = events.recv() => match event {
                peer::Event::Up => shell.run.shard_is_up(clock.now(), shard),
                peer::Event::Down => shell.run.shard_closed(clock.now(), shard),
                peer::Event::Failing(_) => {}
                peer::Event::Refused(error) => {
                    refused.get_or_insert(error);
                    shell.run.stop(clock.now());
                }
                peer::Event::Answered(call, answer) => shell.run.from_shard(clock.now(), shard, call, answer),
            },
            () = clock.until(deadline) => {}
            () = sleep(LOOKED_EVERY), if is_saver_busy => {}
            () = &mut stop, if !stopped => {
                stopped = true;
                shell.run.wind_down(clock.now());
            }
        }
        let now = clock.now();
        shell.run.tick(now);
        shell.hooks.settled(shell.run.settled());
        if let Some((cut, is_saved)) = shell.hooks.saved() {
            shell.run.cut_is_saved(now, cut, is_saved);
        }
        if shell.hooks.has_room() {
            shell.run.save_more(now);
        }
        shell.restore(now);
        if let Some(result) = shell.act() {
            break result;
        }
        if now - shown >= SHOWN_EVERY {
            shown = now;
            shell.hooks.show(shell.run.clock(), shell.run.status());
        }
    };
    let farewell = clock.now() + FAREWELL;
    while shell.run.untold() > 0 && clock.now() < farewell {
        tokio::select! {
            event = shell.server.next() => shell.hear(clock.now(), event),
            () = clock.until(Some(farewell)) => {}
        }
        shell.act();
    }
    peer::finish_all(shell.shards).await;
    shell.server.finish().await;
    refused.map_or(Ok(result), Err)
}

impl<H: Hooks> Shell<'_, H> {
    fn hear(&mut self, now: Duration, event: server::Event<OfRun>) {
        match event {
            server::Event::Asked(from, ask) => self.run.from_worker(now, from, ask),
            server::Event::Closed(peer) => self.run.closed(now, peer),
        }
    }

    /// Gives the run the part of a cut that it waits for, if it is there.
    fn restore(&mut self, now: Duration) {
        if let Some((cut, part)) = self.restoring
            && let Some(chunk) = self.hooks.part(cut, part)
        {
            self.restoring = None;
            self.run.restored(now, cut, part, chunk);
        }
    }

    /// Does what the run wants done; what it gives is the run's end.
    fn act(&mut self) -> Option<Result<(), Problem>> {
        for action in self.run.actions() {
            match action {
                Action::Answer { to, answer } => self.server.answer(to, answer),
                // Tiles are large; one that was asked for again is not made again.
                Action::GiveTile { to, .. } if self.server.is_answering(to) => {}
                Action::GiveTile { to, tile } => {
                    let bytes = self.hooks.tile(tile);
                    self.server.answer(to, FromRun::Tile { tile, bytes });
                }
                Action::Call { shard, call, ask } => self.call(shard, call, ask),
                Action::Save(saving) => self.hooks.save(saving),
                Action::Restore { cut, part } => self.restoring = Some((cut, part)),
                Action::Revive { shard } => {
                    self.hooks.revive(shard);
                    self.shards[shard as usize].renew();
                }
                Action::Tell(note) => self.hooks.tell(note),
                Action::End(result) => return Some(result),
            }
        }
        None
    }

    fn call(&self, shard: u32, call: u64, ask: ToShard) {
        self.shards[shard as usize].call(call, ask);
    }
}
