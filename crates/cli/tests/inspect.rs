//! `quelea inspect` shows a table as it is, and what keeps it from being trained on.

mod parquet;
mod program;

use parquet::parquet;
use program::Folder;
use serde_json::{Value, json};

fn summary(folder: &Folder, table: &str) -> Value {
    let ended = folder.succeed(&format!("inspect {table} --json"));
    let last: Value = serde_json::from_str(ended.out.lines().last().unwrap()).unwrap();
    last["summary"].clone()
}

#[test]
fn smallest_and_largest_values_are_those_of_the_table() {
    let ids: String =
        (0..100).map(|i| format!("20180131,{},{}.5,2018-01-31T10:00:{:02}\n", 1_234_567_890_123_u64 + i, i, i % 60)).collect();
    let table = format!("day,id,x,at\n{ids}");
    let folder = Folder::new();
    folder.write("t.csv", &table).write("t.parquet", parquet(&table));
    for name in ["t.csv", "t.parquet"] {
        let summary = summary(&folder, name);
        let range = |column: usize| summary["columns"][column]["range"].clone();
        assert_eq!(range(0), json!([20_180_131, 20_180_131]), "{name}");
        assert_eq!(range(1), json!([1_234_567_890_123_u64, 1_234_567_890_222_u64]), "{name}");
        assert_eq!(range(2), json!([0.5, 99.5]), "{name}");
        assert_eq!(range(3), json!(["2018-01-31T10:00:00", "2018-01-31T10:00:59"]), "{name}");
        assert_eq!((&summary["rows"], &summary["problems"]), (&json!(100), &json!([])));
        let shown = folder.succeed(&format!("inspect {name}")).out;
        assert!(shown.contains("20180131 to 20180131") && shown.contains("1234567890123 to 1234567890222"), "{shown}");
    }
}

#[test]
fn a_summary_does_not_depend_on_how_the_table_is_cut() {
    let rows = |from: u64, to: u64| {
        let row = |i: u64| format!("{},{},t{}\n", i * 7919 % 10_007, if i.is_multiple_of(97) { "nan" } else { "1.5" }, i % 300);
        format!("n,x,c\n{}", (from..to).map(row).collect::<String>())
    };
    let folder = Folder::new();
    folder.write("whole.csv", rows(0, 20_000));
    for (file, (from, to)) in [(0, 1), (1, 7_000), (7_000, 20_000)].into_iter().enumerate() {
        folder.write(&format!("cut/{file}.csv"), rows(from, to));
    }
    let (whole, cut) = (summary(&folder, "whole.csv"), summary(&folder, "cut"));
    assert_eq!(whole["columns"], cut["columns"]);
    assert_eq!((&whole["rows"], &cut["files"]), (&json!(20_000), &json!(3)));
    assert_eq!(whole["columns"][1]["missing"], 207);
    assert_eq!(whole["columns"][2]["values"], 300);
}

#[test]
fn values_that_training_refuses_are_told_with_their_file_and_row() {
    let numbers: String = (0..11_000).map(|i| format!("{i},red,2013-01-01\n")).collect();
    let folder = Folder::new();
    // Far down, where the types of the columns are settled already.
    folder.write("t/a.csv", "n,c,t\n1,red,2013-01-01\n").write("t/b.csv", format!("n,c,t\n{numbers}oops,blue,never\ninf,blue,\n"));
    let summary = summary(&folder, "t");
    let problem = |place: usize| summary["problems"][place].as_str().unwrap_or_default();
    assert!(problem(0).contains("b.csv: row 11001, column \"n\": \"oops\" is not a number"), "{summary}");
    assert!(problem(1).contains("b.csv: row 11001, column \"t\": \"never\" is not a date"), "{summary}");
    assert_eq!(summary["columns"][0]["range"], json!([0, "inf"]));
    assert_eq!(summary["rows"], 11_003);
    let shown = folder.succeed("inspect t").out;
    assert!(shown.contains("0 to inf") && shown.contains("what training refuses:\n") && shown.contains(problem(0)), "{shown}");
}

#[test]
fn a_table_with_an_infinity_is_shown() {
    let folder = Folder::new();
    let rows: String = (0..99).map(|i| format!("{i}.5,{}\n", i % 2)).collect();
    folder.write("t.parquet", parquet(&format!("x,y\n{rows}inf,1\n")));
    let ended = folder.succeed("inspect t.parquet");
    for part in ["0.5 to inf", "t.parquet: row 100, column \"x\": infinite", "0 to 1"] {
        assert!(ended.out.contains(part), "{part}: {}", ended.out);
    }
    folder.refuse("train --data t.parquet --target y --model gradient-boosting", &["t.parquet: row 100, column \"x\": infinite"]);
}

#[test]
fn tables_that_nothing_can_be_learned_from_are_shown() {
    let folder = Folder::new();
    folder.write("none.csv", "a,b\n").write("noname.csv", "a,,b\n1,2,3\n").write("missing.csv", "a,b\n,\n,\n");
    assert!(folder.succeed("inspect none.csv").out.contains("none.csv: the table has no rows"));
    let shown = folder.succeed("inspect noname.csv").out;
    assert!(shown.contains("column 2 has no name") && shown.contains("3 to 3"), "{shown}");
    let missing = summary(&folder, "missing.csv");
    assert_eq!((&missing["columns"][0]["missing"], &missing["columns"][0]["range"]), (&json!(2), &Value::Null));
}
