//! What every protocol must do: carry a training as if nothing lay between.

use quelea_params::run::Note;
use quelea_wire::{Listener, Protocol, Terms};

use crate::certificates::certificates;
use crate::cluster::{ANY_PORT, Addresses, Shard, Trained, terms, train};
use crate::toy::Plan;

/// Holds for a protocol when `train(plan, shards, workers)` trains over it; the shards serve one run after the other.
fn conforms(train_all: impl Fn(&[Plan], usize, usize) -> Vec<Trained>) {
    let small = Plan { seed: 1, tiles: 7, rounds: 40, period: 5, width: 3, pause_us: 0 };
    let large = Plan { seed: 2, tiles: 3, rounds: 4, period: 1, width: 300_000, pause_us: 0 };
    let empty = Plan { seed: 3, tiles: 2, rounds: 3, period: 2, width: 0, pause_us: 0 };
    for (shards, workers) in [(1, 1), (2, 1), (1, 3), (3, 2)] {
        let plans = [small, large, empty];
        for (plan, trained) in plans.iter().zip(train_all(&plans, shards, workers)) {
            assert_eq!(trained.model, plan.alone(), "{plan:?} with {shards} shards and {workers} workers");
            let are_calm = trained.notes.iter().all(|note| matches!(note, Note::Joined { .. }));
            assert!(are_calm, "nobody was lost: {:?}", trained.notes);
            assert!(trained.workers.iter().all(|ended| matches!(ended, Ok(Ok(())))), "{:?}", trained.workers);
        }
    }
}

fn over(protocol: Protocol, with_tls: bool) {
    let tls = with_tls.then(|| certificates().tls("localhost"));
    let terms = Terms { protocol, tls, ..terms() };
    conforms(|plans, shards, workers| {
        let shards: Vec<Shard> = (0..shards).map(|_| Shard::start(&terms)).collect();
        let of_shards: Vec<String> = shards.iter().map(|shard| shard.address.clone()).collect();
        let one = |plan: &Plan| {
            let listener = Listener::bind(ANY_PORT, &terms).expect("a free port");
            let addresses = Addresses { run: listener.address(), shards_of_run: of_shards.clone(), shards_of_workers: of_shards.clone() };
            train(plan, &terms, listener, &addresses, workers)
        };
        plans.iter().map(one).collect()
    });
}

#[test]
fn rpc_conforms() {
    over(Protocol::Rpc, false);
}

#[test]
fn rpc_conforms_under_tls() {
    over(Protocol::Rpc, true);
}

#[test]
fn grpc_conforms() {
    over(Protocol::Grpc, false);
}

#[test]
fn grpc_conforms_under_tls() {
    over(Protocol::Grpc, true);
}

#[test]
fn rest_conforms() {
    over(Protocol::Rest, false);
}

#[test]
fn rest_conforms_under_tls() {
    over(Protocol::Rest, true);
}
