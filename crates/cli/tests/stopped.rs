//! What the program leaves behind when it is stopped, or cannot go on, halfway.

mod program;

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use program::{Folder, table};

/// Runs a command, sends it `signal` as soon as it prints an event of this name, and expects that it stops and leaves `output` as it was.
fn stop(folder: &Folder, signal: &str, event: &str, line: &str, output: &str) {
    folder.write(output, "old");
    let mut child =
        folder.command(&format!("{line} --output {output} --json")).stderr(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut printed = String::new();
    while !printed.contains(&format!("\"event\":\"{event}\"")) {
        printed.clear();
        assert_ne!(out.read_line(&mut printed).unwrap(), 0, "{line}: ended before an event {event:?}");
    }
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    out.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{line}: after {signal}");
    assert_eq!(std::fs::read_to_string(folder.path(output)).unwrap(), "old", "{line}: after {signal}");
    folder.is_clean();
}

#[test]
fn a_stopped_training_leaves_the_old_model() {
    let folder = Folder::new();
    let rows: String = (0..50_000).map(|i| format!("{},{}\n", i % 977, i % 2)).collect();
    folder.write("t.csv", format!("x,y\n{rows}"));
    let settings = "--set model.n_estimators=100000 --set model.min_child_samples=1";
    for signal in ["-INT", "-TERM"] {
        stop(&folder, signal, "training", &format!("train --data t.csv --target y --model gradient-boosting {settings}"), "m.onnx");
    }
}

#[test]
fn a_stopped_prediction_leaves_the_old_file() {
    let folder = Folder::new();
    folder.write("few.csv", table());
    folder.succeed("train --data few.csv --target sold --model gradient-boosting --output m.onnx");
    folder.write("t.csv", format!("size,color\n{}", "1.5,red\n".repeat(4_000_000)));
    for (signal, output) in [("-INT", "p.csv"), ("-TERM", "p.parquet")] {
        stop(&folder, signal, "scoring", "predict m.onnx t.csv", output);
    }
}

#[test]
fn a_second_stop_leaves_no_half_of_a_file() {
    let folder = Folder::new();
    folder.write("few.csv", table());
    folder.succeed("train --data few.csv --target sold --model gradient-boosting --output m.onnx");
    folder.write("t.csv", format!("size,color\n{}", "1.5,red\n".repeat(4_000_000)));
    for _ in 0..5 {
        stop_twice(&folder, "predict m.onnx t.csv --output p.csv --json");
    }
}

/// Runs a command, interrupts it twice at once as soon as it scores, and expects that nothing is left of it.
fn stop_twice(folder: &Folder, line: &str) {
    let mut child = folder.command(line).stderr(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut printed = String::new();
    while !printed.contains("\"scoring\"") {
        printed.clear();
        assert_ne!(out.read_line(&mut printed).unwrap(), 0, "{line}: ended before it scored");
    }
    let kill = format!("kill -INT {0}; sleep 0.001; kill -INT {0} 2> /dev/null; true", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    out.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{line}");
    folder.is_clean();
    assert!(!folder.path("p.csv").exists());
}

/// Runs a command that may write files of at most 512 or 1024 bytes, and expects that it names `output` and leaves it as it was.
fn run_out_of_disk(folder: &Folder, line: &str, output: &str) {
    folder.write(output, "old");
    // The limit stands for a full disk; ignoring its signal makes the write itself fail.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_quelea")]);
    command.args(line.split_whitespace()).args(["--output", output]).current_dir(folder.path("."));
    let ended = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{line}: {text}");
    assert!(text.contains(output) && text.contains("write"), "{line}: {text}");
    assert_eq!(std::fs::read_to_string(folder.path(output)).unwrap(), "old", "{line}");
    folder.is_clean();
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    let folder = Folder::new();
    folder.write("t.csv", table());
    folder.succeed("train --data t.csv --target sold --model gradient-boosting --output m.onnx");
    run_out_of_disk(&folder, "train --data t.csv --target sold --model gradient-boosting", "full.onnx");
    run_out_of_disk(&folder, "predict m.onnx t.csv --keep size --keep color", "full.csv");
    run_out_of_disk(&folder, "predict m.onnx t.csv --keep size --keep color", "full.parquet");
}

#[test]
fn a_folder_without_permission_is_named() {
    let folder = Folder::new();
    folder.write("t.csv", table()).write("locked/m.onnx", "old");
    std::fs::set_permissions(folder.path("locked"), std::fs::Permissions::from_mode(0o555)).unwrap();
    // Root may write anywhere.
    if std::fs::write(folder.path("locked/probe"), "").is_err() {
        folder.refuse("train --data t.csv --target sold --model gradient-boosting --output locked/m.onnx", &["locked", "no permission"]);
        assert_eq!(std::fs::read_to_string(folder.path("locked/m.onnx")).unwrap(), "old");
    }
    std::fs::set_permissions(folder.path("locked"), std::fs::Permissions::from_mode(0o755)).unwrap();
}
