//! Training with several processes: the same file as with one, whoever dies on the way, and nothing stays behind.
//!
//! QUELEA_KILLS says how many runs are hurt at random (8); QUELEA_KILLS_SEED where their seeds begin (0).

mod program;
mod tiles;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use program::{Folder, table};
use tiles::{Choices, several_tiles};

const LEARNERS: [&str; 8] = [
    "--model gradient-boosting --target y --set model.n_estimators=12",
    "--model gradient-boosting --target x0 --set model.n_estimators=4 --set model.objective=quantile --set data.ignore=[\"y\"]",
    "--model logistic-regression --target y",
    "--model k-means --set model.n_clusters=7 --set data.ignore=[\"y\"]",
    BY_STEPS,
    "--model linear-svm --target y --set model.optimizer=adagrad --set model.epochs=20 --set model.patience=0",
    "--model factorization-machine --target y --set model.factors=4 --set model.epochs=20 --set model.patience=0",
    "--model mini-batch-k-means --set model.n_clusters=7 --set model.epochs=20 --set model.patience=0 --set data.ignore=[\"y\"]",
];
const BY_STEPS: &str =
    "--model sparse-logistic-regression --target y --set model.epochs=30 --set model.patience=0 --set model.batch_rows=1000";
const MODES: [&str; 3] =
    ["--set sync.mode=quorum --set sync.quorum=2", "--set sync.mode=ssp --set sync.staleness=2", "--set sync.mode=asp"];
/// Waits that make a dead process known soon, and a busy machine not dead.
const PATIENT: &str = "--set transport.keepalive=200ms --set transport.lease=3s --set transport.request_timeout=1s";

fn train(folder: &Folder, learner: &str, output: &str, more: &str) -> Child {
    let line = format!("train --data t.csv {learner} --output {output} --threads 1 --json {more}");
    folder.command(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for a training that must succeed.
fn model(folder: &Folder, child: Child, output: &str) -> Vec<u8> {
    let ended = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{out}\n{err}");
    fs::read(folder.path(output)).unwrap()
}

fn alone(folder: &Folder, learner: &str) -> Vec<u8> {
    model(folder, train(folder, learner, "alone.onnx", ""), "alone.onnx")
}

/// The living children of a process, with their command lines.
fn children(of: u32) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let after_name: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        if after_name.get(1) == Some(&of.to_string().as_str()) && after_name[0] != "Z" {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push((process, String::from_utf8_lossy(&line).replace('\0', " ")));
        }
    }
    found
}

fn send(signal: &str, process: u32) {
    // It may have ended by itself.
    let _ = Command::new("kill").args([signal, &process.to_string()]).stderr(Stdio::null()).status();
}

/// Waits until none of these processes is there any more.
fn wait_for_the_end(processes: &BTreeSet<u32>) {
    let is_there = |process: &u32| fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| !line.is_empty());
    while processes.iter().any(is_there) {
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn workers_and_shards_make_the_same_file() {
    let folder = several_tiles(30_000);
    for learner in LEARNERS {
        let expected = alone(&folder, learner);
        for (workers, shards) in [(1, 1), (2, 2), (3, 1)] {
            let cluster = format!("--set cluster.workers={workers} --set cluster.shards={shards}");
            let found = model(&folder, train(&folder, learner, "many.onnx", &cluster), "many.onnx");
            assert!(found == expected, "{learner}: {workers} workers, {shards} shards");
        }
    }
    folder.is_clean();
}

#[test]
fn every_protocol_makes_the_same_file() {
    let folder = several_tiles(30_000);
    for learner in [LEARNERS[0], BY_STEPS] {
        let expected = alone(&folder, learner);
        for protocol in ["rpc", "grpc", "rest"] {
            let more = format!("--set cluster.workers=2 --set cluster.shards=2 --set transport.protocol={protocol}");
            assert!(model(&folder, train(&folder, learner, "many.onnx", &more), "many.onnx") == expected, "{learner}: {protocol}");
        }
    }
    folder.is_clean();
}

/// Makes an authority and a certificate as the manual says; whether it could: there may be no openssl.
fn make_certificates(folder: &Folder) -> bool {
    let manual = include_str!("../../../docs/operating.md");
    let recipe = manual.split("```sh\n").find(|text| text.starts_with("openssl req -x509")).unwrap();
    let script = recipe.split("```").next().unwrap().replace("DNS:%s", "DNS:%s,IP:127.0.0.1");
    let shell = Command::new("sh").args(["-euc", &script]).current_dir(folder.path("")).stderr(Stdio::null()).status();
    let is_made = shell.is_ok_and(|status| status.success());
    assert!(is_made || Command::new("openssl").arg("version").output().is_err(), "{script}");
    is_made
}

/// How a run's messages are carried, as its seed draws it.
fn carried(seed: u64, may_have_tls: bool) -> String {
    let mut choices = Choices(seed.wrapping_mul(0xbf58_476d_1ce4_e5b9) + 1);
    let protocol = ["rpc", "grpc", "rest"][choices.below(3) as usize];
    let tls = "--set transport.tls.certificate=node1.example.pem --set transport.tls.key=node1.example.key --set transport.tls.authority=authority.pem";
    format!("--set transport.protocol={protocol} {}", if may_have_tls && choices.below(2) == 1 { tls } else { "" })
}

/// The area under the curve of the training rows, as the run tells it.
fn auc(child: Child) -> f64 {
    let ended = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{out}\n{err}");
    let trained: serde_json::Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    trained["metrics"]["train"]["roc_auc"].as_f64().unwrap_or_else(|| panic!("{out}"))
}

#[test]
fn in_every_mode_a_hurt_training_ends_as_good_as_another() {
    let folder = several_tiles(30_000);
    let has_tls = make_certificates(&folder);
    let lockstep = auc(train(&folder, BY_STEPS, "mode.onnx", ""));
    for seed in seeds(6) {
        let (mode, carried) = (MODES[seed as usize % MODES.len()], carried(seed, has_tls));
        let more = format!("{PATIENT} {mode} {carried} --set cluster.workers=3 --set cluster.shards=2");
        let child = train(&folder, BY_STEPS, "mode.onnx", &more);
        let id = child.id();
        let (done, seen) = hurt(&child, seed);
        let found = auc(child);
        assert!((found - lockstep).abs() < 0.01, "seed {seed}, {more}: {found}, in lockstep {lockstep}; {done:?}");
        assert!(children(id).is_empty());
        wait_for_the_end(&seen);
    }
    folder.is_clean();
}

#[test]
fn what_workers_leave_out_costs_hardly_anything() {
    let folder = several_tiles(30_000);
    let whole = auc(train(&folder, BY_STEPS, "less.onnx", ""));
    let expected = fs::read(folder.path("less.onnx")).unwrap();
    for less in [
        "--set compression.bits=16",
        "--set compression.bits=8",
        "--set compression.top_k=0.5",
        "--set compression.significance_filter=0.001",
    ] {
        for mode in ["bsp", "asp"] {
            let more = format!("{less} --set sync.mode={mode} --set cluster.workers=2 --set cluster.shards=2");
            let found = auc(train(&folder, BY_STEPS, "less.onnx", &more));
            assert!((found - whole).abs() < 0.01, "{more}: {found}, and {whole} with everything");
            // In lockstep it would be the same file if nothing were left out.
            let is_other = fs::read(folder.path("less.onnx")).unwrap() != expected;
            assert!(is_other || mode != "bsp" || less.contains("significance"), "{more}");
        }
    }
    folder.is_clean();
}

/// Seeds of runs that are hurt.
fn seeds(few: u64) -> std::ops::Range<u64> {
    let number = |name: &str, or: u64| std::env::var(name).map_or(or, |value| value.parse().unwrap());
    let first = number("QUELEA_KILLS_SEED", 0);
    first..first + number("QUELEA_KILLS", few)
}

/// Kills or stops some workers and shards of a run at random moments; what it gives is whom, and who was seen.
fn hurt(run: &Child, seed: u64) -> (Vec<String>, BTreeSet<u32>) {
    let mut choices = Choices(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
    let mut seen = BTreeSet::new();
    let mut done = Vec::new();
    for _ in 0..=choices.below(3) {
        sleep(Duration::from_millis(choices.below(900)));
        let now = children(run.id());
        seen.extend(now.iter().map(|(process, _)| *process));
        let kind = [" worker ", " shard "][choices.below(2) as usize];
        let signal = ["-KILL", "-KILL", "-STOP"][choices.below(3) as usize];
        let victims: Vec<u32> = now.iter().filter(|(_, line)| line.contains(kind)).map(|(process, _)| *process).collect();
        if let Some(victim) = victims.get(choices.below(victims.len().max(1) as u64) as usize) {
            send(signal, *victim);
            done.push(format!("{signal}{kind}{victim}"));
        }
    }
    (done, seen)
}

#[test]
fn whoever_dies_or_hangs_the_file_is_the_same() {
    let folder = several_tiles(30_000);
    let has_tls = make_certificates(&folder);
    let expected: Vec<Vec<u8>> = LEARNERS.iter().map(|learner| alone(&folder, learner)).collect();
    for seed in seeds(8) {
        let (learner, carried) = (seed as usize % LEARNERS.len(), carried(seed, has_tls));
        let saved = ["", "--set checkpoint.to=saved --set checkpoint.every=100ms"][(seed as usize + seed as usize / LEARNERS.len()) % 2];
        let more = format!("{PATIENT} {carried} --set cluster.workers=3 --set cluster.shards=2 {saved}");
        let child = train(&folder, LEARNERS[learner], "hurt.onnx", &more);
        let (done, seen) = hurt(&child, seed);
        let id = child.id();
        let found = model(&folder, child, "hurt.onnx");
        assert!(found == expected[learner], "seed {seed}, {}, {more}: {done:?}", LEARNERS[learner]);
        assert!(children(id).is_empty());
        wait_for_the_end(&seen);
    }
    folder.is_clean();
}

#[test]
fn a_shard_that_is_hurt_as_it_starts_is_started_again() {
    let folder = several_tiles(30_000);
    let expected = alone(&folder, LEARNERS[2]);
    for signal in ["-KILL", "-STOP"] {
        let child = train(&folder, LEARNERS[2], "born.onnx", "--set cluster.workers=1");
        let shard = loop {
            if let Some((shard, _)) = children(child.id()).into_iter().find(|(_, line)| line.contains(" shard ")) {
                break shard;
            }
        };
        send(signal, shard);
        assert!(model(&folder, child, "born.onnx") == expected, "{signal}");
    }
    folder.is_clean();
}

/// Without a checkpoint it would begin anew.
#[test]
fn a_lost_shard_takes_a_training_by_steps_back_to_its_checkpoint() {
    let folder = several_tiles(30_000);
    let more = format!("{PATIENT} --set cluster.workers=2 --set cluster.shards=2 --set checkpoint.to=saved --set checkpoint.every=0s");
    let factors = format!("{} --set model.batch_rows=2000", LEARNERS[6]);
    for (mode, learner) in [("", BY_STEPS), ("--set sync.mode=asp", BY_STEPS), ("", &factors)] {
        let child = train(&folder, learner, "lost.onnx", &format!("{more} {mode} --set model.epochs=150"));
        while !folder.path("saved/checkpoint").exists() {
            sleep(Duration::from_millis(5));
        }
        let shard = children(child.id()).into_iter().find(|(_, line)| line.contains(" shard ")).expect("a shard lives").0;
        send("-KILL", shard);
        let ended = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success(), "{told}\n{}", String::from_utf8_lossy(&ended.stderr));
        let back = told.lines().find(|line| line.contains("goes back from")).unwrap_or_else(|| panic!("{told}"));
        assert!(!back.contains("to round 0"), "{back}");
        if mode.is_empty() {
            assert!(fs::read(folder.path("lost.onnx")).unwrap() == alone(&folder, &format!("{learner} --set model.epochs=150")));
        }
    }
    folder.is_clean();
}

/// The run does not go back, and the shard that comes in its place counts again, so that the replica can die in turn.
#[test]
fn a_replica_stands_in_for_a_shard_that_dies() {
    let folder = several_tiles(30_000);
    let more = format!("{PATIENT} --set cluster.workers=2 --set cluster.shards=2 --set cluster.replicas=1");
    let boosting = "--model gradient-boosting --target y --set model.n_estimators=150";
    for (learner, mode) in [(BY_STEPS, ""), (BY_STEPS, "--set sync.mode=asp"), (BY_STEPS, MODES[0]), (boosting, "")] {
        let longer = if learner == boosting { "" } else { "--set model.epochs=400" };
        let mut child = train(&folder, learner, "stood.onnx", &format!("{more} {mode} {longer}"));
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut told = String::new();
        // Shard 0 and then its replica, number 2: by then it is the second of the four, and the new shard 0 is the last.
        for victim in [0, 1] {
            read_until(&mut out, &mut told, "\"training\"");
            let mut shards: Vec<u32> =
                children(child.id()).into_iter().filter(|(_, line)| line.contains(" shard ")).map(|(p, _)| p).collect();
            shards.sort_unstable();
            send("-KILL", shards[victim]);
            read_until(&mut out, &mut told, "there again");
        }
        out.read_to_string(&mut told).unwrap();
        assert!(child.wait().unwrap().success(), "{told}");
        assert_eq!((told.matches("goes on with a replica").count(), told.matches("goes back").count()), (2, 0), "{told}");
        if mode.is_empty() {
            assert!(fs::read(folder.path("stood.onnx")).unwrap() == alone(&folder, &format!("{learner} {longer}")));
        }
    }
    folder.is_clean();
}

/// Reads what a training prints until a line holds `word`, or to its end.
fn read_until(out: &mut impl BufRead, told: &mut String, word: &str) {
    let mut line = String::new();
    while out.read_line(&mut line).unwrap() > 0 {
        told.push_str(&line);
        if line.contains(word) {
            return;
        }
        line.clear();
    }
}

#[test]
fn a_killed_run_leaves_no_process_behind() {
    let folder = several_tiles(30_000);
    let endless = "--model gradient-boosting --target y --set model.n_estimators=100000";
    let mut child = train(&folder, endless, "never.onnx", "--set cluster.workers=2");
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("\"training\"") {
        line.clear();
        assert_ne!(out.read_line(&mut line).unwrap(), 0, "it ended before it trained");
    }
    let processes: BTreeSet<u32> = children(child.id()).into_iter().map(|(process, _)| process).collect();
    assert_eq!(processes.len(), 3, "two workers and a shard");
    send("-KILL", child.id());
    child.wait().unwrap();
    wait_for_the_end(&processes);
}

#[test]
fn processes_started_by_hand_train_too() {
    let folder = several_tiles(30_000);
    let expected = alone(&folder, LEARNERS[0]);
    fs::write(folder.path("secret"), "0123456789abcdef0123456789abcdef").unwrap();
    fs::set_permissions(folder.path("secret"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut shard =
        folder.command("shard --listen 127.0.0.1:0 --token-file secret").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(shard.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().rsplit(' ').next().unwrap().to_string();
    // The same shard serves one run after the other.
    for output in ["first.onnx", "second.onnx"] {
        let more = format!("--set transport.token_file=secret --set cluster.shards=[\"{address}\"]");
        let mut run = train(&folder, LEARNERS[0], output, &more);
        let mut out = BufReader::new(run.stdout.take().unwrap());
        let url = loop {
            line.clear();
            assert_ne!(out.read_line(&mut line).unwrap(), 0, "it ended before it listened");
            if let Some((_, rest)) = line.split_once("rpc://") {
                break format!("rpc://{}", rest.split(|c: char| c == ';' || c == '"' || c.is_whitespace()).next().unwrap());
            }
        };
        // A worker with another secret is refused, and told why.
        fs::write(folder.path("other"), "fedcba9876543210fedcba9876543210").unwrap();
        fs::set_permissions(folder.path("other"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        folder.refuse(&format!("worker --run {url} --token-file other"), &["does not know this token", "token file"]);
        let mut worker = folder.command(&format!("worker --run {url} --token-file secret --threads 1")).spawn().unwrap();
        out.read_to_end(&mut Vec::new()).unwrap();
        assert!(run.wait().unwrap().success());
        assert!(worker.wait().unwrap().success());
        assert!(fs::read(folder.path(output)).unwrap() == expected, "{output}");
    }
    send("-TERM", shard.id());
    assert!(shard.wait().unwrap().success());
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = Folder::new();
    folder.write("t.csv", table());
    let train = "train --data t.csv --target sold --model gradient-boosting --output m.onnx";
    for (keys, words) in [
        ("--set cluster.workers=9999", ["cluster.workers", "1024"]),
        ("--set cluster.shards=0", ["cluster.shards", "from 1"]),
        ("--set cluster.shards=[]", ["cluster.shards", "empty"]),
        ("--set cluster.shards=[\"127.0.0.1:1\",\"127.0.0.1:1\"]", ["cluster.shards", "twice"]),
        ("--set transport.lease=100ms", ["transport.keepalive", "transport.lease"]),
        ("--set transport.retries=-1", ["transport.retries", "-1"]),
        ("--set cluster.workers=1 --set cluster.listen=0.0.0.0:0", ["0.0.0.0:0", "TLS"]),
        ("--set cluster.workers=1 --set cluster.listen=nowhere", ["nowhere", "HOST:PORT"]),
        ("--set cluster.workers=1 --set transport.token_file=t.csv", ["t.csv", "chmod 600"]),
    ] {
        folder.refuse(&format!("{train} {keys}"), &words);
    }
    // Files that a job names are looked for beside it.
    let tls = "transport.tls = { certificate = \"c.pem\", key = \"k.pem\", authority = \"a.pem\" }";
    let job = "data = { table = \"../t.csv\", target = \"sold\" }\nmodel.type = \"gradient-boosting\"\ncluster.workers = 1";
    folder.write("jobs/j.toml", format!("{job}\n{tls}\n"));
    folder.refuse("train jobs/j.toml", &["jobs/a.pem"]);
    folder.succeed(&format!("{train} --workers 2"));
    folder.refuse("worker --run 127.0.0.1:1", &["rpc://"]);
    folder.refuse("shard --listen 0.0.0.0:0", &["TLS"]);
}
