//! CSV files: wide ones, codes with leading zeros, and the same file read as a table and by a query.

#![allow(missing_docs)]

mod program;

use std::process::Stdio;

use program::Folder;

/// Runs a command that must succeed, and gives the most memory that it had, in megabytes.
fn memory(folder: &Folder, line: &str) -> u64 {
    let mut child = folder.command(line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    loop {
        let peak = std::fs::read_to_string(&status).unwrap_or_default();
        let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<u64>().ok());
        most = most.max(peak.unwrap_or(0) / 1024);
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success(), "quelea {line}");
            assert!(most > 0, "quelea {line}: ended before its memory was seen");
            return most;
        }
    }
}

/// Rows of many whole numbers and a target.
fn wide(rows: usize, columns: usize) -> String {
    let names: Vec<String> = (0..columns).map(|column| format!("c{column}")).collect();
    let row = |row: usize| -> String { (0..columns).map(|column| format!("{},", (row * 31 + column * 17) % 100)).collect() };
    let rows: String = (0..rows).map(|at| format!("{}{}\n", row(at), at % 2)).collect();
    format!("{},y\n{rows}", names.join(","))
}

#[test]
fn wide_files_take_memory_for_their_rows_and_no_more() {
    let folder = Folder::new();
    folder.write("t.csv", wide(40, 3_000)).write("one.csv", wide(1, 3_000));
    for file in 0..8 {
        folder.write(&format!("many/{file}.csv"), wide(5, 3_000));
    }
    let learner = "--target y --model gradient-boosting --set model.n_estimators=1 --output m.onnx";
    let query = r#"--set data.query="SELECT*FROM/**/t" --set data.tables={t="t.csv"}"#;
    for line in [
        format!("train --data t.csv {learner}"),
        format!("train --data many {learner}"),
        format!("train {query} {learner}"),
        "predict m.onnx one.csv --output p.csv".into(),
        "evaluate m.onnx many".into(),
        "inspect t.csv".into(),
    ] {
        let megabytes = memory(&folder, &line);
        assert!(megabytes < 500, "quelea {line}: {megabytes} MB");
    }
}

#[test]
fn codes_with_leading_zeros_are_warned_of() {
    let rows: String = (0..200).map(|i| format!("{:05},{},{}\n", i * 7 % 150, i % 9, i % 2)).collect();
    let folder = Folder::new();
    folder.write("t.csv", format!("zip,n,y\n{rows}"));
    let train = "train --data t.csv --target y --model gradient-boosting --set model.n_estimators=1 --output m.onnx";
    for line in [train, "inspect t.csv"] {
        let err = folder.succeed(line).err;
        assert!(err.contains("\"zip\"") && err.contains("\"00000\" in row 1") && err.contains("data.categories"), "{line}: {err}");
    }
    for setting in ["data.categories=[\"zip\"]", "data.ignore=[\"zip\"]"] {
        assert!(!folder.succeed(&format!("{train} --set {setting}")).err.contains("leading zeros"), "{setting}");
    }
    let query = r#"train --set data.query="SELECT*FROM/**/t" --set data.tables={t="t.csv"} --target y --model gradient-boosting"#;
    assert!(folder.succeed(query).err.contains("leading zeros"));
    let of_target = folder.succeed("train --data t.csv --target zip --model gradient-boosting --set model.n_estimators=1").err;
    assert!(of_target.contains("leading zeros") && !of_target.contains("data.categories"), "{of_target}");
    folder.write("t.csv", format!("zip,n,y\n{}", rows.replace(",0\n", ",2\n").replace('0', "1")));
    assert!(!folder.succeed(train).err.contains("leading zeros"));
}

/// More rows than the types of columns are told from, and then `last`.
fn long(header: &str, row: impl Fn(usize) -> String, last: &str) -> String {
    format!("{header}\n{}{last}\n", (0..10_050).map(|i| row(i) + "\n").collect::<String>())
}

/// The fingerprint of what a job sees, and its model's predictions for `t.csv`.
fn seen(folder: &Folder, source: &str, settings: &str) -> (String, String) {
    let model = "--target y --model gradient-boosting --set model.n_estimators=5 --output m.onnx --json";
    let out = folder.succeed(&format!("train {source} {model} {settings}")).out;
    let trained: serde_json::Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    (trained["fingerprint"].as_str().unwrap().into(), folder.succeed("predict m.onnx t.csv --output -").out)
}

const QUERY: &str = r#"--set data.query="SELECT*FROM/**/t" --set data.tables={t="t.csv"}"#;

#[test]
fn a_query_sees_what_a_table_that_is_read_directly_holds() {
    let folder = Folder::new();
    let yes = |i: usize| ["yes", "no"][usize::from(i % 11 < 5)];
    let plain = |i: usize| format!("{},{},2013-01-{:02},{},{}", i % 97, i.is_multiple_of(2), 1 + i % 28, ["a", "b"][i % 2], yes(i));
    let marked = |i: usize| match i % 7 {
        0 => format!("NA,,NA,?,{}", yes(i)),
        1 => format!(",NA,,,{}", yes(i)),
        _ => plain(i),
    };
    let loud = |i: usize| plain(i).replace("true", "TRUE").replace("false", "False");
    let zoned = |i: usize| format!("{},{},2013-01-01T{:02}:30:00+02:00,x,{}", i % 97, i % 2, i % 24, yes(i));
    let markers = "--set data.null_values=[\"NA\",\"?\"]";
    for (what, content, settings) in [
        ("a fraction", long("x,b,t,c,y", plain, "2.5,true,2013-01-31,a,yes"), ""),
        ("a number beyond 64 bits", long("x,b,t,c,y", plain, "99999999999999999999,true,2013-01-31,a,yes"), ""),
        ("a time of day", long("x,b,t,c,y", plain, "2,true,2013-01-31T17:20:00,a,yes"), ""),
        ("a number among truth values", long("x,b,t,c,y", plain, "2,0.25,2013-01-31,a,yes"), ""),
        ("markers", long("x,b,t,c,y", marked, "?,?,?,NA,yes"), markers),
        ("truth values in capitals", long("x,b,t,c,y", loud, "2,true,2013-01-31,a,yes"), ""),
        ("times with a zone", long("x,b,t,c,y", zoned, "2,1,2013-01-31T17:20:00Z,a,yes"), ""),
    ] {
        folder.write("t.csv", content);
        let direct = seen(&folder, "--data t.csv", settings);
        let by_query = seen(&folder, QUERY, settings);
        assert!(direct.0 == by_query.0, "{what}: the rows differ");
        assert!(direct.1 == by_query.1, "{what}: the predictions differ");
    }
}

#[test]
fn a_query_over_a_value_that_cannot_be_used_names_file_line_and_column() {
    let folder = Folder::new();
    let refuse = |parts: &[&str]| folder.refuse(&format!("train {QUERY} --target y --model gradient-boosting --output m.onnx"), parts);
    // A quoted line break makes a row of two lines.
    let row = |i: usize| if i == 3 { "1,\"a\nb\",yes".into() } else { format!("{},c,{}", i % 9, ["yes", "no"][i % 2]) };
    folder.write("t.csv", long("x,c,y", row, "oops,c,yes"));
    refuse(&["t.csv: line 10053, column \"x\": \"oops\" is not a number", "data.null_values"]);
    folder.write("t.csv", long("t,c,y", |i| format!("2013-01-{:02},c,{}", 1 + i % 28, i % 2), "2013-02-30,c,1"));
    refuse(&["t.csv: line 10052, column \"t\"", "2013-02-30"]);
    folder.write("t.csv", long("x,c,y", row, "1,yes"));
    refuse(&["t.csv: line 10053: it has 2 values", "names 3 columns"]);
    folder.write("t.csv", [long("x,c,y", row, "1,c,yes").as_bytes(), b"1,\xff,no\n"].concat());
    refuse(&["t.csv: line 10054, column \"c\"", "UTF-8"]);
}
