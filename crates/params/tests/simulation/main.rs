//! Deterministic simulation of run, shards, workers and their network. Every history hangs on its seed alone.
//!
//! `QUELEA_SIMULATION_SEEDS=n` plays n histories, `QUELEA_SIMULATION_SEED=n` plays history n and shows what happens in it.

mod broken;
mod checker;
mod faults;
mod network;
mod processes;
mod random;
mod step_checker;
mod steps;
mod toy;
mod trace;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use broken::Defect;
use faults::Scenario;
use trace::{Entry, Event, fingerprint};
use world::World;

const USUAL_SEEDS: u64 = 60;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {value}")))
}

/// What happens under a seed, and what is wrong with it.
fn play(seed: u64, defect: Defect) -> (Vec<Entry>, Result<(), String>) {
    let scenario = Scenario::new(seed);
    let (trace, played) = World::new(scenario.clone(), defect).play();
    let checked = match scenario.steps {
        None => checker::check(&scenario, &trace),
        Some(plan) => step_checker::check(&scenario, plan, &trace),
    };
    (trace, played.and(checked))
}

/// As [`play`], without the trace, and with panics as a fault like others.
fn verdict(seed: u64, defect: Defect) -> Result<(), String> {
    let played = catch_unwind(AssertUnwindSafe(|| play(seed, defect).1));
    played.unwrap_or_else(|_| Err("somebody panicked".into()))
}

#[test]
fn every_history_keeps_the_contract() {
    if let Some(seed) = setting("QUELEA_SIMULATION_SEED") {
        println!("{:#?}", Scenario::new(seed));
        let (trace, verdict) = play(seed, Defect::Nothing);
        trace.iter().enumerate().for_each(|(line, entry)| println!("{line:6} {:?} {:?}", entry.at, entry.event));
        return verdict.unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
    }
    let mut failed = Vec::new();
    for seed in 0..setting("QUELEA_SIMULATION_SEEDS").unwrap_or(USUAL_SEEDS) {
        if let Err(problem) = verdict(seed, Defect::Nothing) {
            println!("seed {seed}: {problem}");
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "{} histories failed; replay one with QUELEA_SIMULATION_SEED={}", failed.len(), failed[0]);
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 0..10 {
        let (first, second) = (play(seed, Defect::Nothing).0, play(seed, Defect::Nothing).0);
        assert_eq!(fingerprint(&first), fingerprint(&second), "seed {seed}");
    }
    assert_ne!(fingerprint(&play(1, Defect::Nothing).0), fingerprint(&play(2, Defect::Nothing).0));
}

#[test]
fn runs_with_several_shards_go_back_to_cuts() {
    let goes_back = |seed: &u64| {
        let several = Scenario::new(*seed).shards > 1;
        several && play(*seed, Defect::Nothing).0.iter().any(|entry| matches!(entry.event, Event::CutRestored(_)))
    };
    assert!((0..2 * USUAL_SEEDS).any(|seed| goes_back(&seed)));
}

/// Whether a defect is found out in some history by rounds, and in some by steps.
fn is_caught(defect: Defect) -> [bool; 2] {
    [false, true].map(|by_steps| {
        let mut seeds = (0..2 * USUAL_SEEDS).filter(|&seed| Scenario::new(seed).steps.is_some() == by_steps);
        seeds.any(|seed| verdict(seed, defect).is_err())
    })
}

#[test]
fn shards_without_a_window_are_caught() {
    assert_eq!(is_caught(Defect::NoWindow), [true, true], "pushes are applied again");
}

#[test]
fn shards_that_count_all_that_is_staged_are_caught() {
    assert_eq!(is_caught(Defect::NoStaging), [true, true], "commits take all that is staged");
}

#[test]
fn shards_that_answer_too_soon_are_caught() {
    assert_eq!(is_caught(Defect::IgnoresLeast), [false, true], "rows are read before enough is committed");
}

#[test]
fn shards_that_load_no_cut_are_caught() {
    assert_eq!(is_caught(Defect::LoadsNothing), [false, true], "a run goes back to a cut without its rows");
}
