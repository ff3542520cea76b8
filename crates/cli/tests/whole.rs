//! The program from a table to predictions, and what it leaves behind when it is stopped.

mod program;

use std::time::Duration;

use program::{Folder, table};

#[test]
fn from_a_table_to_predictions() {
    let folder = Folder::new();
    folder.write("t.csv", table());
    folder.succeed("init t.csv --target sold");
    folder.refuse("init t.csv --target sold", &["job.toml", "--force"]);
    let trained = folder.succeed("train job.toml --set output.model=m.onnx");
    assert!(trained.out.contains("roc auc") && trained.out.contains("wrote m.onnx"), "{}", trained.out);
    assert!(folder.succeed("evaluate m.onnx t.csv").out.contains("accuracy"));
    assert!(folder.succeed("inspect m.onnx").out.contains("gradient-boosting trained on"));
    assert!(folder.succeed("inspect t.csv").out.contains("200 rows"));
    let predicted = folder.succeed("predict m.onnx t.csv --keep size --output -").out;
    let mut lines = predicted.lines();
    assert_eq!(lines.next(), Some("size,prediction,probability_no,probability_yes"));
    assert_eq!(lines.count(), 200);
    folder.is_clean();
}

#[test]
fn every_learner_starts_from_a_job_that_init_writes() {
    let folder = Folder::new();
    folder.write("t.csv", table());
    for (model, target) in [("gradient-boosting", "--target sold"), ("logistic-regression", "--target sold"), ("k-means", "")] {
        folder.succeed(&format!("init t.csv {target} --model {model} --force"));
        folder.succeed("train job.toml --threads 2");
    }
}

#[test]
fn programs_read_json() {
    let folder = Folder::new();
    folder.write("t.csv", table());
    let out = folder.succeed("train --data t.csv --target sold --model gradient-boosting --json").out;
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["event"] == "training"));
    let last = lines.last().unwrap();
    assert!(last["event"] == "trained" && last["metrics"]["train"]["rows"] == 200, "{last}");
    let failed = folder.run("train --data t.csv --target solt --model gradient-boosting --json");
    let line: serde_json::Value = serde_json::from_str(failed.out.lines().last().unwrap()).unwrap();
    assert_eq!((failed.code, &line["event"]), (Some(2), &"error".into()));
}

#[test]
fn compressed_files_folders_and_globs_are_one_table() {
    let folder = Folder::new();
    let table = table();
    let (head, rows) = table.split_once('\n').unwrap();
    let lines: Vec<&str> = rows.lines().collect();
    for (name, lines) in [("parts/a.csv", &lines[..80]), ("parts/b.csv", &lines[80..])] {
        folder.write(name, format!("{head}\n{}\n", lines.join("\n")));
    }
    folder.write("t.csv", &table);
    for (data, output) in [("t.csv", "whole.onnx"), ("parts", "folder.onnx"), ("parts/*.csv", "glob.onnx")] {
        folder.succeed(&format!("train --data {data} --target sold --model gradient-boosting --output {output}"));
    }
    let bytes = |name| std::fs::read(folder.path(name)).unwrap();
    assert!(bytes("whole.onnx") == bytes("folder.onnx") && bytes("whole.onnx") == bytes("glob.onnx"));
}

#[test]
fn a_stopped_run_leaves_the_old_model() {
    let folder = Folder::new();
    let rows: String = (0..50_000).map(|i| format!("{},{}\n", i % 977, i % 2)).collect();
    folder.write("t.csv", format!("x,y\n{rows}")).write("m.onnx", "old");
    let line = "train --data t.csv --target y --model gradient-boosting --output m.onnx --set model.n_estimators=100000 --set model.min_child_samples=1";
    let mut child = folder.command(line).stderr(std::process::Stdio::null()).stdout(std::process::Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(800));
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(std::fs::read_to_string(folder.path("m.onnx")).unwrap(), "old");
    folder.is_clean();
}
