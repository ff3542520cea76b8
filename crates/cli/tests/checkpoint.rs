//! Trainings that are cut off and go on: the same file as without, and nothing is lost without a word.
//!
//! QUELEA_RESUMES says how many trainings are cut off again and again at random (6); QUELEA_RESUMES_SEED where their seeds
//! begin (0).

mod program;
mod tiles;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use program::{Folder, table};
use tiles::{Choices, several_tiles};

const LEARNERS: [&str; 6] = [
    "--model gradient-boosting --target y --set model.n_estimators=60 --set data.validation=0.2 --set model.early_stopping_rounds=50",
    "--model gradient-boosting --target x0 --set model.n_estimators=20 --set model.objective=quantile --set data.ignore=[\"y\"]",
    "--model logistic-regression --target y --set model.tol=1e-9",
    "--model k-means --set model.n_clusters=20 --set model.tol=0 --set data.ignore=[\"y\"]",
    "--model sparse-logistic-regression --target y --set model.epochs=40 --set model.patience=0 --set model.batch_rows=1000",
    "--model factorization-machine --target y --set model.factors=4 --set model.epochs=20 --set model.patience=0",
];
/// In one process, and with several.
const PROCESSES: [&str; 3] =
    ["--threads 2", "--threads 1 --set cluster.workers=1", "--threads 1 --set cluster.workers=3 --set cluster.shards=2"];
const SAVED: &str = "--set checkpoint.to=saved --set checkpoint.every=0s";
const ENDLESS_STEPS: &str = "train --data t.csv --model sparse-logistic-regression --target y --set model.epochs=100000 \
                             --set model.patience=0 --set model.batch_rows=4000 --output m.onnx";
const ENDLESS: &str = "train --data t.csv --model gradient-boosting --target y --set model.n_estimators=100000 --output m.onnx";

/// A training that is under way, with what it prints.
fn begin(folder: &Folder, line: &str) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = folder.command(&format!("{line} --json")).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

/// Reads lines until one holds `word`; it must come.
fn wait_for(out: &mut impl BufRead, word: &str) -> String {
    let mut line = String::new();
    while !line.contains(word) {
        line.clear();
        assert_ne!(out.read_line(&mut line).unwrap(), 0, "it ended without {word:?}");
    }
    line
}

/// What is printed up to a line that holds `word`, or up to the end.
fn some_line(out: &mut impl BufRead, word: &str) -> String {
    let mut printed = String::new();
    while out.read_line(&mut printed).unwrap() > 0 && !printed.contains(word) {}
    printed
}

fn signal(child: &Child, signal: &str) {
    // It may have ended by itself.
    let _ = Command::new("kill").args([signal, &child.id().to_string()]).stderr(Stdio::null()).status();
}

/// Trains endlessly until a checkpoint is there, and kills the training.
fn cut_off(folder: &Folder, more: &str) {
    let (mut child, mut out) = begin(folder, &format!("{ENDLESS} {SAVED} {more}"));
    while !folder.path("saved/checkpoint").exists() {
        wait_for(&mut out, "\"training\"");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

fn files(folder: &Folder) -> Vec<String> {
    fs::read_dir(folder.path("saved")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_training_that_is_killed_again_and_again_makes_the_same_file() {
    let number = |name: &str, or: u64| std::env::var(name).map_or(or, |value| value.parse().unwrap());
    let folder = several_tiles(40_000);
    let train = |learner: usize, output: &str| format!("train --data t.csv {} --output {output}", LEARNERS[learner]);
    let expected: Vec<Vec<u8>> = (0..LEARNERS.len())
        .map(|learner| {
            folder.succeed(&train(learner, "whole.onnx"));
            fs::read(folder.path("whole.onnx")).unwrap()
        })
        .collect();
    let first = number("QUELEA_RESUMES_SEED", 0);
    for seed in first..first + number("QUELEA_RESUMES", 6) {
        let mut choices = Choices(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
        let learner = seed as usize % LEARNERS.len();
        let mut resumed = 0;
        let mut lives = 0;
        loop {
            // Whatever trained before, another number of processes goes on.
            let processes = PROCESSES[choices.below(3) as usize];
            let (mut child, mut out) = begin(&folder, &format!("{} {SAVED} --resume {processes}", train(learner, "cut.onnx")));
            lives += 1;
            // Some iterations, and a moment: a life is long enough to come further.
            let mut printed = String::new();
            for _ in 0..choices.below(6) {
                printed += &some_line(&mut out, "\"training\"");
            }
            sleep(Duration::from_millis(choices.below(60)));
            signal(&child, ["-KILL", "-KILL", "-INT"][choices.below(3) as usize]);
            out.read_to_string(&mut printed).unwrap();
            resumed += usize::from(printed.contains("\"resumed\""));
            if child.wait().unwrap().success() {
                break;
            }
            assert!(!printed.contains("\"error\"") || printed.contains("\"stopped\""), "seed {seed}: {printed}");
        }
        assert!(fs::read(folder.path("cut.onnx")).unwrap() == expected[learner], "seed {seed}: {}", LEARNERS[learner]);
        assert!(files(&folder).is_empty(), "seed {seed}: {:?}", files(&folder));
        println!("seed {seed}: {lives} lives, {resumed} went on from a checkpoint");
    }
}

#[test]
fn a_checkpoint_is_never_lost_without_a_word() {
    let folder = several_tiles(40_000);
    cut_off(&folder, "--threads 2");
    let before = fs::read(folder.path("saved/checkpoint")).unwrap();
    let resume = format!("{ENDLESS} {SAVED} --resume");
    folder.refuse(&format!("{ENDLESS} {SAVED}"), &["saved/checkpoint", "of this job", "--resume"]);
    folder.refuse(&format!("{ENDLESS} --resume"), &["checkpoint.to", "missing"]);
    folder.refuse(&format!("{resume} --set model.num_leaves=7"), &["another training", "model.num_leaves is 7 in the job, and 31"]);
    folder.refuse(&format!("{resume} --seed 4"), &["another training", "run.seed is 4 in the job, and 0"]);
    folder.refuse(&format!("{resume} --set data.ignore=[\"x1\"]"), &["another training", "data.ignore"]);
    folder.refuse(&format!("{ENDLESS} {SAVED} --seed 4"), &["another training", "run.seed"]);
    let rows = fs::read_to_string(folder.path("t.csv")).unwrap();
    folder.write("t.csv", format!("{rows}0.5,0.5,0.5,red,yes\n"));
    folder.refuse(&resume, &["another training", "the table holds other rows"]);
    folder.write("t.csv", rows);
    assert_eq!(fs::read(folder.path("saved/checkpoint")).unwrap(), before);
    // What is damaged is named, and nothing is trained anew instead.
    let part = files(&folder).into_iter().find(|name| name.starts_with("checkpoint-log-")).unwrap();
    let whole = fs::read(folder.path(&format!("saved/{part}"))).unwrap();
    folder.write(&format!("saved/{part}"), &whole[..whole.len() - 1]);
    folder.refuse(&resume, &[&part, "damaged", "to begin anew"]);
    fs::remove_file(folder.path(&format!("saved/{part}"))).unwrap();
    folder.refuse(&resume, &[&part, "not there"]);
    folder.write("saved/checkpoint", &before[..before.len() - 1]);
    folder.refuse(&resume, &["saved/checkpoint", "damaged"]);
    folder.write("saved/checkpoint", "size,color\n");
    folder.refuse(&resume, &["saved/checkpoint", "no checkpoint of quelea"]);
}

#[test]
fn two_trainings_do_not_share_a_place() {
    let folder = several_tiles(40_000);
    let (mut child, mut out) = begin(&folder, &format!("{ENDLESS} {SAVED}"));
    while !folder.path("saved/checkpoint").exists() {
        wait_for(&mut out, "\"training\"");
    }
    for more in ["", "--resume", "--seed 4"] {
        folder.refuse(&format!("{ENDLESS} {SAVED} {more}"), &["saved", "another training has its checkpoints here"]);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (mut child, mut out) = begin(&folder, &format!("{ENDLESS} {SAVED} --resume"));
    wait_for(&mut out, "\"resumed\"");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_stopped_training_says_how_to_go_on() {
    let folder = several_tiles(40_000);
    for (processes, endless) in PROCESSES.iter().flat_map(|processes| [(processes, ENDLESS), (processes, ENDLESS_STEPS)]) {
        // None is written by the clock: the stop itself saves what is known.
        let (mut child, mut out) = begin(&folder, &format!("{endless} --set checkpoint.to=saved --set checkpoint.every=1000s {processes}"));
        wait_for(&mut out, "\"done\":5,");
        signal(&child, "-INT");
        let told = wait_for(&mut out, "\"checkpoint\"");
        assert!(told.contains("--resume") && told.contains("saved"), "{told}");
        assert_eq!(child.wait().unwrap().code(), Some(130));
        let (mut child, mut out) = begin(&folder, &format!("{endless} {SAVED} --resume {processes}"));
        let resumed = wait_for(&mut out, "\"resumed\"");
        let done: u64 = resumed.split("\"done\":").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
        // The fifth tree is told when it is grown, and saved when the next round has begun.
        assert!(done >= 4, "{resumed}");
        child.kill().unwrap();
        child.wait().unwrap();
        fs::remove_dir_all(folder.path("saved")).unwrap();
    }
}

#[test]
fn places_that_cannot_be_used_are_known_at_once() {
    let folder = Folder::new();
    folder.write("t.csv", table()).write("file", "");
    let train = "train --data t.csv --target sold --model gradient-boosting --output m.onnx";
    folder.refuse(&format!("{train} --set checkpoint.to=file"), &["file", "make the folder"]);
    folder.refuse(&format!("{train} --set checkpoint.to=/proc/saved"), &["/proc/saved"]);
    folder.refuse(&format!("{train} --set checkpoint.to=gs://b/c"), &["checkpoint.to", "s3://BUCKET/PREFIX"]);
    folder.refuse(&format!("{train} --set checkpoint.to=saved --set checkpoint.every=-1s"), &["checkpoint.every", "-1"]);
    folder.refuse(&format!("{train} --set checkpoint.to=saved --set checkpoint.evry=1s"), &["did you mean checkpoint.every?"]);
    let told = folder.succeed(&format!("{train} --set checkpoint.to=saved --resume")).err;
    assert!(told.contains("no checkpoint at saved; the training begins anew"), "{told}");
    assert!(files(&folder).is_empty());
}

#[test]
fn a_training_survives_a_place_that_fails() {
    for endless in [ENDLESS, ENDLESS_STEPS] {
        survives_a_place_that_fails(endless);
    }
}

fn survives_a_place_that_fails(endless: &str) {
    let folder = several_tiles(40_000);
    // Files of at most 512 or 1024 bytes stand for a full disk: the probe fits, a checkpoint does not.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_quelea")]);
    command.args(format!("{endless} {SAVED} --json").split_whitespace()).current_dir(folder.path("."));
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let told = wait_for(&mut out, "\"warning\"");
    assert!(told.contains("no checkpoint could be written") && told.contains("saved/checkpoint"), "{told}");
    let mut line = String::new();
    for _ in 0..10 {
        line.clear();
        out.read_line(&mut line).unwrap();
        assert!(line.contains("\"training\""), "it must warn once and go on: {line}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    fs::remove_dir_all(folder.path("saved")).unwrap();

    // A folder that vanishes and comes back: the whole checkpoint is written anew.
    let (mut child, mut out) = begin(&folder, &format!("{endless} {SAVED}"));
    while !folder.path("saved/checkpoint").exists() {
        wait_for(&mut out, "\"training\"");
    }
    fs::rename(folder.path("saved"), folder.path("away")).unwrap();
    wait_for(&mut out, "\"warning\"");
    fs::create_dir(folder.path("saved")).unwrap();
    wait_for(&mut out, "again");
    child.kill().unwrap();
    child.wait().unwrap();
    let (mut child, mut out) = begin(&folder, &format!("{endless} {SAVED} --resume"));
    wait_for(&mut out, "\"resumed\"");
    child.kill().unwrap();
    child.wait().unwrap();
    fs::set_permissions(folder.path("saved"), fs::Permissions::from_mode(0o755)).unwrap();
}
