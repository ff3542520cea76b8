//! Connections that are cut in the middle of whatever they carry.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use quelea_params::Problem;
use quelea_params::run::Note;
use quelea_wire::{Listener, WireError};

use crate::cluster::{ANY_PORT, Addresses, Shard, Trained, terms, train};
use crate::proxy::{Fate, Proxy};
use crate::toy::{Plan, mix};

/// Which connections are cut.
enum Link {
    WorkerToShard,
    RunToShard,
    WorkerToRun,
}

/// Trains while connections are cut at random times, and gives how often they were.
fn train_with_cuts(plan: &Plan, link: Link, pauses_ms: std::ops::Range<u64>) -> (Trained, usize) {
    let terms = terms();
    let shards: Vec<Shard> = (0..2).map(|_| Shard::start(&terms)).collect();
    let straight: Vec<String> = shards.iter().map(|shard| shard.address.clone()).collect();
    let listener = Listener::bind(ANY_PORT, &terms).expect("a free port");
    let mut addresses = Addresses { run: listener.address(), shards_of_run: straight.clone(), shards_of_workers: straight.clone() };
    let to = if matches!(link, Link::WorkerToRun) { vec![addresses.run.clone()] } else { straight };
    let proxies: Vec<Proxy> = to.into_iter().map(|to| Proxy::start(to, |_| Fate::FINE)).collect();
    let through: Vec<String> = proxies.iter().map(|proxy| proxy.address.clone()).collect();
    match link {
        Link::WorkerToShard => addresses.shards_of_workers = through,
        Link::RunToShard => addresses.shards_of_run = through,
        Link::WorkerToRun => addresses.run = through[0].clone(),
    }
    let over = AtomicBool::new(false);
    scope(|scope| {
        let cutting = scope.spawn(|| {
            let mut cuts = 0;
            while !over.load(Ordering::Relaxed) {
                let random = mix(plan.seed, cuts);
                sleep(Duration::from_millis(pauses_ms.start + random % (pauses_ms.end - pauses_ms.start)));
                proxies[(random >> 32) as usize % proxies.len()].cut();
                cuts += 1;
            }
            cuts as usize
        });
        let trained = train(plan, &terms, listener, &addresses, 2);
        over.store(true, Ordering::Relaxed);
        (trained, cutting.join().expect("cutting does not panic"))
    })
}

/// Who was away when the run ended hears nothing of it any more.
pub fn is_calm(ended: &Result<Result<(), Problem>, WireError>) -> bool {
    matches!(ended, Ok(Ok(())) | Ok(Err(Problem::Silent { .. })) | Err(WireError::Connection(quelea_tls::Error::Connect { .. })))
}

#[test]
fn cuts_between_workers_and_shards_lose_nothing() {
    let plan = Plan { seed: 11, tiles: 6, rounds: 120, period: 4, width: 60_000, pause_us: 1_000 };
    let (trained, cuts) = train_with_cuts(&plan, Link::WorkerToShard, 1..60);
    assert_eq!(trained.model, plan.alone(), "{cuts} cuts");
    assert!(cuts > 10, "{cuts} cuts");
    assert!(trained.notes.iter().all(|note| matches!(note, Note::Joined { .. })), "nobody is lost for that: {:?}", trained.notes);
    assert!(trained.workers.iter().all(is_calm), "{:?}", trained.workers);
}

#[test]
fn cuts_between_run_and_shards_take_the_run_back() {
    let plan = Plan { seed: 12, tiles: 4, rounds: 150, period: 2, width: 100, pause_us: 3_000 };
    let (trained, cuts) = train_with_cuts(&plan, Link::RunToShard, 60..250);
    assert_eq!(trained.model, plan.alone(), "{cuts} cuts");
    assert!(trained.notes.iter().any(|note| matches!(note, Note::ShardLost { .. })), "{cuts} cuts: {:?}", trained.notes);
    assert!(trained.workers.iter().all(is_calm), "{:?}", trained.workers);
}

#[test]
fn workers_that_are_cut_off_join_anew() {
    let plan = Plan { seed: 13, tiles: 6, rounds: 100, period: 3, width: 1_000, pause_us: 3_000 };
    let (trained, cuts) = train_with_cuts(&plan, Link::WorkerToRun, 60..250);
    assert_eq!(trained.model, plan.alone(), "{cuts} cuts");
    assert!(trained.notes.iter().any(|note| matches!(note, Note::Gone { .. })), "{cuts} cuts: {:?}", trained.notes);
    assert!(trained.workers.iter().all(is_calm), "{:?}", trained.workers);
}
