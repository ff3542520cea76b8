//! Trainings over links that are slow, late, cut at any byte, or stall: they end with the same model.
//!
//! QUELEA_LINKS says how many trainings there are (3); QUELEA_LINKS_SEED where their seeds begin (0).

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quelea_params::Timing;
use quelea_wire::{Listener, Protocol, Terms};

use crate::certificates::certificates;
use crate::cluster::{ANY_PORT, Addresses, Shard, terms, train};
use crate::cuts::is_calm;
use crate::proxy::{Fate, Proxy};
use crate::toy::{Plan, mix};

/// Connections through a proxy that fare badly; then calm comes.
const BAD: u64 = 8;
/// Connections that stall are given up before they are cut, and nobody is given up for one of them.
const STALL: Duration = Duration::from_secs(3);
const TIMING: Timing = Timing {
    keepalive: Duration::from_millis(200),
    lease: Duration::from_secs(2),
    request_timeout: Duration::from_millis(500),
    retries: 49,
};

/// How connection `number` of a proxy fares.
fn fate(seed: u64, number: u64) -> Fate {
    let random = mix(seed, number);
    if number >= BAD {
        return Fate::FINE;
    }
    // As often among the first bytes as among the last of a megabyte.
    let bits = (random >> 8) % 20;
    let last_byte = (1 << bits) + (random >> 32) % (1 << bits);
    match random % 6 {
        0 => Fate { delay: Duration::from_millis(random >> 16 & 15), ..Fate::FINE },
        1 => Fate { rate: 200_000 + (random >> 16 & 0xf_ffff), last_byte: 1 << 20, ..Fate::FINE },
        2 => Fate { last_byte, stall: STALL, ..Fate::FINE },
        _ => Fate { last_byte, ..Fate::FINE },
    }
}

fn seeds() -> Range<u64> {
    let number = |name: &str, or: u64| std::env::var(name).map_or(or, |value| value.parse().expect("a number"));
    let first = number("QUELEA_LINKS_SEED", 0);
    first..first + number("QUELEA_LINKS", 3)
}

#[test]
fn bad_links_lose_nothing() {
    let certificates = certificates();
    for seed in seeds() {
        let protocol = [Protocol::Rpc, Protocol::Grpc, Protocol::Rest][seed as usize % 3];
        let tls = (seed % 2 == 1).then(|| certificates.tls("localhost"));
        let what = format!("seed {seed}, {protocol:?}, TLS: {}", tls.is_some());
        let terms = Terms { protocol, tls, timing: TIMING, ..terms() };
        let plan = Plan { seed, tiles: 6, rounds: 60, period: 3, width: 10_000, pause_us: 1_000 };
        let shards: Vec<Shard> = (0..2).map(|_| Shard::start(&terms)).collect();
        let listener = Listener::bind(ANY_PORT, &terms).expect("a free port");
        let made = Arc::new(AtomicU64::new(0));
        let through = |to: &str, link: u64| {
            let made = made.clone();
            Proxy::start(to.into(), move |number| {
                made.fetch_add(1, Ordering::Relaxed);
                fate(mix(seed, link), number)
            })
        };
        let to_run = through(&listener.address(), 0);
        let of_shards =
            |link: u64| -> Vec<Proxy> { shards.iter().zip(link..).map(|(shard, link)| through(&shard.address, link)).collect() };
        let (of_run, of_workers) = (of_shards(1), of_shards(3));
        let addresses = |proxies: &[Proxy]| proxies.iter().map(|proxy| proxy.address.clone()).collect();
        let addresses =
            Addresses { run: to_run.address.clone(), shards_of_run: addresses(&of_run), shards_of_workers: addresses(&of_workers) };
        let trained = train(&plan, &terms, listener, &addresses, 2);
        assert_eq!(trained.model, plan.alone(), "{what}: {:?}", trained.notes);
        assert!(trained.workers.iter().all(is_calm), "{what}: {:?}", trained.workers);
        assert!(made.load(Ordering::Relaxed) > 8, "{what}: nothing was hurt");
    }
}
