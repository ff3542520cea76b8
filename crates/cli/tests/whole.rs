//! The program from a table to predictions, for any form of the table and any number of threads.

mod parquet;
mod program;

use std::io::Write;

use parquet::parquet;
use program::{Folder, table};

#[test]
fn tables_are_found_wherever_they_lie() {
    let folder = Folder::new();
    folder.write("data/sales.csv", table()).write("elsewhere/a b%20c#ü.csv", table()).write("jobs/deep/none.txt", "");
    std::os::unix::fs::symlink(folder.path("jobs/deep"), folder.path("link")).unwrap();
    let odd = "[data]\ntable = \"../elsewhere/a b%20c#ü.csv\"\ntarget = \"sold\"\n[model]\ntype = \"gradient-boosting\"\n";
    folder.write("jobs/job.toml", odd);
    let train = "train --target sold --model gradient-boosting --output m.onnx --data";
    // Behind a link, `..` is the parent of what the link leads to.
    for path in ["data/sales.csv", "./data/../data/sales.csv", "link/../../data/sales.csv", "jobs/../data", "jobs/../data/*.csv"] {
        folder.succeed(&format!("{train} {path}"));
    }
    folder.succeed("train jobs/job.toml --output m.onnx");
}

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
    let accuracy = last["metrics"]["train"]["accuracy"].as_f64().unwrap();
    let evaluated = folder.succeed("evaluate model.onnx t.csv --json").out;
    let evaluated: serde_json::Value = serde_json::from_str(evaluated.lines().last().unwrap()).unwrap();
    assert_eq!(evaluated["metrics"], last["metrics"]["train"]);
    let rows_right = evaluated["metrics"]["confusion"][0][0].as_f64().unwrap() + evaluated["metrics"]["confusion"][1][1].as_f64().unwrap();
    assert_eq!(accuracy, rows_right / 200.0);
    let model = folder.succeed("inspect model.onnx --json").out;
    let model: serde_json::Value = serde_json::from_str(model.lines().last().unwrap()).unwrap();
    assert_eq!(model["about"]["metrics"], last["metrics"]);
    let failed = folder.run("train --data t.csv --target solt --model gradient-boosting --json");
    let line: serde_json::Value = serde_json::from_str(failed.out.lines().last().unwrap()).unwrap();
    assert_eq!((failed.code, &line["event"]), (Some(2), &"error".into()));
}

#[test]
fn metrics_without_a_test_part_are_said_to_be_of_training_rows() {
    let folder = Folder::new();
    folder.write("t.csv", table());
    let train = "train --data t.csv --target sold --model gradient-boosting --set model.n_estimators=3";
    for (more, rows) in [("", "training rows;"), ("--set data.validation=0.2", "training and validation rows;")] {
        let told = format!("these metrics are for {rows} to measure the model on rows that it has not seen, set data.test");
        let shown = folder.succeed(&format!("{train} {more}")).out;
        assert!(shown.contains(&told), "{shown}");
        let json = folder.succeed(&format!("{train} {more} --json")).out;
        let last: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
        assert!(last["note"].as_str().unwrap().starts_with(&told), "{last}");
    }
    for test in ["0.2", "t.csv"] {
        let shown = folder.succeed(&format!("{train} --set data.test={test}")).out;
        assert!(!shown.contains("these metrics") && shown.contains("test"), "{shown}");
        let json = folder.succeed(&format!("{train} --set data.test={test} --json")).out;
        let last: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
        assert!(last["note"].is_null() && last["metrics"]["test"]["roc_auc"].is_number(), "{last}");
    }
}

#[test]
fn compressed_files_folders_and_globs_are_one_table() {
    let folder = Folder::new();
    let table = table();
    let (head, rows) = table.split_once('\n').unwrap();
    let lines: Vec<&str> = rows.lines().collect();
    for (name, lines) in [("a.csv", &lines[..80]), ("b.csv", &lines[80..])] {
        let part = format!("{head}\n{}\n", lines.join("\n"));
        folder.write(&format!("parts/{name}"), &part);
        folder.write(&format!("packed/{name}.gz"), gzip(&part));
    }
    folder.write("t.csv", &table).write("t.csv.gz", gzip(&table)).write("t.csv.zst", zstd::encode_all(table.as_bytes(), 0).unwrap());
    let train = |data: &str| {
        folder.succeed(&format!("train --data {data} --target sold --model gradient-boosting --output m.onnx"));
        std::fs::read(folder.path("m.onnx")).unwrap()
    };
    let predict = |data: &str| folder.succeed(&format!("predict m.onnx {data} --keep size --output -")).out;
    let (model, predictions) = (train("t.csv"), predict("t.csv"));
    // What other programs leave beside a table is no part of it.
    folder.write("parts/_SUCCESS", "").write("parts/.0.csv.crc", "x").write("parts/notes.txt", "x");
    for data in ["t.csv.gz", "t.csv.zst", "parts", "parts/*", "parts/*.csv", "packed", "packed/*.gz"] {
        assert!(train(data) == model, "{data}");
        assert_eq!(predict(data), predictions, "{data}");
    }
}

#[test]
fn truth_values_are_the_same_in_every_file() {
    let table = |truths: [&str; 2]| -> String {
        let row = |i: usize| format!("{},{},{}\n", i * 37 % 101, truths[i % 2], truths[usize::from(i * 37 % 101 > 50)]);
        format!("size,flag,sold\n{}", (0..300).map(row).collect::<String>())
    };
    let folder = Folder::new();
    folder.write("t.parquet", parquet(&table(["false", "true"])));
    folder.write("capital.csv", table(["False", "True"])).write("loud.csv", table(["FALSE", "TRUE"]));
    let tables = ["t.parquet", "capital.csv", "loud.csv"];
    for categories in ["[]", "[\"flag\"]"] {
        let settings = format!("--target sold --model gradient-boosting --set data.categories={categories} --output m.onnx");
        let made = tables.map(|trained| {
            folder.succeed(&format!("train --data {trained} {settings}"));
            let scored = tables.map(|table| {
                let ended = folder.succeed(&format!("evaluate m.onnx {table} --json"));
                assert!(!ended.out.contains("warning"), "{trained} and {table}: {}", ended.out);
                folder.succeed(&format!("predict m.onnx {table} --output -")).out
            });
            assert!(scored[1] == scored[0] && scored[2] == scored[0], "trained on {trained}");
            scored[0].clone()
        });
        assert!(made[1] == made[0] && made[2] == made[0], "categories {categories}");
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

/// CSV with the row's number, two columns of random digits that do not compress, and a target of two classes.
fn digits(rows: std::ops::Range<u64>) -> String {
    let random = |seed: u64| {
        let mixed = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11
    };
    let row = |id: u64| {
        let [x, z] = [random(2 * id), random(2 * id + 1)].map(|r| r as f64 / (1u64 << 53) as f64);
        format!("{id},{x},{z},{}\n", if x + z * z > 0.8 { "yes" } else { "no" })
    };
    format!("id,x,z,sold\n{}", rows.map(row).collect::<String>())
}

/// Trains on `data` and predicts it with 1, 2 and 5 threads: always the same bytes, and rows in order.
fn does_not_depend_on_threads(folder: &Folder, data: &str, rows: usize) {
    let made = [1, 2, 5].map(|threads| {
        let model = r#"--target sold --model gradient-boosting --set model.n_estimators=3 --set data.ignore=["id"] --output m.onnx"#;
        folder.succeed(&format!("train --data {data} {model} --threads {threads}"));
        folder.succeed(&format!("predict m.onnx {data} --keep id --output p.csv --threads {threads}"));
        (std::fs::read(folder.path("m.onnx")).unwrap(), std::fs::read_to_string(folder.path("p.csv")).unwrap())
    });
    assert!(made[1].0 == made[0].0 && made[2].0 == made[0].0, "{data}: the model depends on the number of threads");
    assert!(made[1].1 == made[0].1 && made[2].1 == made[0].1, "{data}: the predictions depend on the number of threads");
    let ids = made[0].1.lines().skip(1).map(|line| line.split(',').next().unwrap().parse::<usize>().unwrap());
    assert!(ids.eq(0..rows), "{data}: rows are not in the table's order");
}

#[test]
fn a_large_parquet_file_does_not_depend_on_threads() {
    // Several groups of rows, and more bytes than are read in one piece.
    let rows = 500_000;
    let folder = Folder::new();
    folder.write("t.parquet", parquet(&digits(0..rows)));
    assert!(std::fs::metadata(folder.path("t.parquet")).unwrap().len() > 10 << 20);
    does_not_depend_on_threads(&folder, "t.parquet", rows as usize);
}

#[test]
fn a_folder_of_files_does_not_depend_on_threads() {
    let folder = Folder::new();
    for (file, rows) in [0..9_000, 9_000..9_001, 9_001..20_000, 20_000..33_000, 33_000..50_000].into_iter().enumerate() {
        folder.write(&format!("t/{file}.csv"), digits(rows));
    }
    does_not_depend_on_threads(&folder, "t", 50_000);
}
