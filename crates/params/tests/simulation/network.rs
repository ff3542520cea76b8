//! Connections between processes, and what becomes of messages on their way.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::faults::Weather;
use crate::random::Random;
use crate::trace::{Node, Process};

/// A connection: the client made it, and calls.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    pub client: Process,
    pub server: Process,
    pub is_up: bool,
    /// Whether each end was told that it is down, or will never be.
    client_told: bool,
    server_told: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Client,
    Server,
}

impl Link {
    pub fn process(&self, end: End) -> Process {
        match end {
            End::Client => self.client,
            End::Server => self.server,
        }
    }

    /// Whether this end is to be told now that the connection is down; once at most.
    fn tell(&mut self, end: End) -> bool {
        let told = match end {
            End::Client => &mut self.client_told,
            End::Server => &mut self.server_told,
        };
        !self.is_up && !std::mem::replace(told, true)
    }
}

pub struct Network {
    random: Random,
    weather: Weather,
    calm: Duration,
    links: BTreeMap<u64, Link>,
    cuts: Vec<(Node, Node, Duration)>,
}

/// Somebody learns after `delay` that a connection is down.
pub struct Notice {
    pub link: u64,
    pub end: End,
    pub delay: Duration,
}

impl Network {
    pub fn new(seed: u64, weather: Weather, calm: Duration) -> Self {
        Self { random: Random::new(seed, 2), weather, calm, links: BTreeMap::new(), cuts: Vec::new() }
    }

    pub fn link(&self, link: u64) -> Option<Link> {
        self.links.get(&link).copied()
    }

    pub fn connect(&mut self, now: Duration, client: Process, server: Process) -> Option<u64> {
        if self.is_cut(now, client.node, server.node) || self.is_cut(now, server.node, client.node) {
            return None;
        }
        let link = self.links.len() as u64 + 1;
        self.links.insert(link, Link { client, server, is_up: true, client_told: false, server_told: false });
        Some(link)
    }

    pub fn cut(&mut self, from: Node, to: Node, until: Duration) {
        self.cuts.push((from, to, until));
    }

    /// When the copies of a message arrive that is sent now; none if it is lost.
    pub fn journeys(&mut self, now: Duration) -> Vec<Duration> {
        let Weather { drop, duplicate, long_delay, usual, .. } = self.weather;
        if now >= self.calm {
            return vec![self.random.between(Duration::from_micros(200), usual)];
        }
        if self.random.chance(drop) {
            return Vec::new();
        }
        let copies = if self.random.chance(duplicate) { 2 } else { 1 };
        let long = |random: &mut Random| random.millis(100, 15_000);
        let delay = |random: &mut Random| if random.chance(long_delay) { long(random) } else { random.between(usual / 5, usual) };
        (0..copies).map(|_| delay(&mut self.random)).collect()
    }

    /// Who gets what arrives over a connection, if it gets through.
    pub fn receiver(&self, now: Duration, link: u64, end: End) -> Option<Process> {
        let link = self.links.get(&link).filter(|link| link.is_up)?;
        let is_cut = match end {
            End::Server => self.is_cut(now, link.client.node, link.server.node),
            End::Client => self.is_cut(now, link.server.node, link.client.node),
        };
        (!is_cut).then(|| link.process(end))
    }

    /// Takes a connection down; who learns of it.
    pub fn reset(&mut self, link: u64) -> Vec<Notice> {
        if let Some(link) = self.links.get_mut(&link) {
            link.is_up = false;
        }
        [End::Client, End::Server].into_iter().filter_map(|end| self.notice(link, end)).collect()
    }

    /// An end may learn that its connection is down, when that happens or when it sends something.
    pub fn notice(&mut self, link: u64, end: End) -> Option<Notice> {
        let probability = self.weather.notice;
        let is_noticed = self.random.chance(probability);
        let is_told = is_noticed && self.links.get_mut(&link)?.tell(end);
        is_told.then(|| Notice { link, end, delay: self.random.millis(0, 50) })
    }

    /// One end closes a connection, and knows.
    pub fn close(&mut self, link: u64, by: End) -> Vec<Notice> {
        if let Some(link) = self.links.get_mut(&link) {
            link.is_up = false;
            link.tell(by);
        }
        self.reset(link)
    }

    pub fn of(&self, process: Process) -> Vec<u64> {
        let is_of = |link: &Link| link.is_up && (link.client == process || link.server == process);
        self.links.iter().filter(|(_, link)| is_of(link)).map(|(&id, _)| id).collect()
    }

    pub fn between(&self, client: Node, server: Node) -> Vec<u64> {
        let is_between = |link: &Link| link.is_up && link.client.node == client && link.server.node == server;
        self.links.iter().filter(|(_, link)| is_between(link)).map(|(&id, _)| id).collect()
    }

    fn is_cut(&self, now: Duration, from: Node, to: Node) -> bool {
        self.cuts.iter().any(|&(a, b, until)| (a, b) == (from, to) && now < until)
    }
}
