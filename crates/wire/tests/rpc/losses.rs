//! Trainings over every protocol that lose a worker, or a shard, half-way.

use std::thread::{scope, sleep};
use std::time::Duration;

use quelea_params::run::Note;
use quelea_wire::{Listener, Protocol, Terms};

use crate::cluster::{ANY_PORT, Addresses, Shard, Trained, die_working, terms, train};
use crate::toy::Plan;

const PROTOCOLS: [Protocol; 3] = [Protocol::Rpc, Protocol::Grpc, Protocol::Rest];

/// Trains over a protocol while something is lost.
fn train_and_lose(plan: &Plan, protocol: Protocol, lose: impl FnOnce(&str, &Terms, &mut Vec<Shard>) + Send) -> Trained {
    let terms = Terms { protocol, ..terms() };
    let mut shards: Vec<Shard> = (0..2).map(|_| Shard::start(&terms)).collect();
    let of_shards: Vec<String> = shards.iter().map(|shard| shard.address.clone()).collect();
    let listener = Listener::bind(ANY_PORT, &terms).expect("a free port");
    let addresses = Addresses { run: listener.address(), shards_of_run: of_shards.clone(), shards_of_workers: of_shards };
    scope(|scope| {
        scope.spawn(|| lose(&addresses.run, &terms, &mut shards));
        train(plan, &terms, listener, &addresses, 2)
    })
}

#[test]
fn a_worker_that_is_killed_leaves_nothing_behind() {
    let plan = Plan { seed: 31, tiles: 6, rounds: 300, period: 3, width: 1_000, pause_us: 5_000 };
    for protocol in PROTOCOLS {
        let trained = train_and_lose(&plan, protocol, |run, terms, _| die_working(run, terms, Duration::from_millis(700)));
        assert_eq!(trained.model, plan.alone(), "{protocol:?}");
        assert!(trained.notes.iter().any(|note| matches!(note, Note::Gone { .. })), "{protocol:?}: {:?}", trained.notes);
        assert!(trained.workers.iter().all(|ended| matches!(ended, Ok(Ok(())))), "{protocol:?}: {:?}", trained.workers);
    }
}

#[test]
fn a_shard_that_is_started_again_takes_the_run_back() {
    let plan = Plan { seed: 32, tiles: 6, rounds: 300, period: 3, width: 1_000, pause_us: 5_000 };
    for protocol in PROTOCOLS {
        let trained = train_and_lose(&plan, protocol, |_, terms, shards| {
            sleep(Duration::from_millis(700));
            let address = shards[0].address.clone();
            drop(shards.remove(0));
            shards.insert(0, Shard::start_at(&address, terms));
        });
        assert_eq!(trained.model, plan.alone(), "{protocol:?}");
        assert!(trained.notes.iter().any(|note| matches!(note, Note::ShardLost { .. })), "{protocol:?}: {:?}", trained.notes);
        assert!(trained.workers.iter().all(|ended| matches!(ended, Ok(Ok(())))), "{protocol:?}: {:?}", trained.workers);
    }
}
