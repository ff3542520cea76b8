//! What tables, models, files and arguments hold never steers the terminal: it is shown escaped, and is whole in JSON.

mod parquet;
#[allow(dead_code, reason = "commands here have arguments that a line cannot hold")]
mod program;

use parquet::parquet;
use program::Folder;
use quelea_core::visible::is_invisible;
use serde_json::Value;

/// A screen is cleared, colours change, a bell rings, text is reversed, hidden and overwritten.
const COLUMN: &str = "\u{1b}[2Jsize\u{7}";
const TARGET: &str = "\u{9b}1msold\u{202e}";
const LABELS: [&str; 2] = ["yes\u{1b}[8m\r", "no\nerror: \u{200b}no\u{7f}"];

fn table() -> String {
    let row = |i: usize| {
        let color = ["\u{1b}]0;title\u{7}red", "gre\ten", "bl\u{2066}ue"][i % 3];
        format!("{},\"{color}\",\"{}\"\n", i * 37 % 101, LABELS[usize::from(i * 37 % 101 > 50)])
    };
    format!("{COLUMN},color\u{8},{TARGET}\n{}", (0..200).map(row).collect::<String>())
}

/// Runs a command with `code` in mind; nothing that it prints may be invisible but the ends of its lines.
fn run(folder: &Folder, arguments: &[&str], code: i32) -> String {
    let ended = folder.command("").args(arguments).output().unwrap();
    let text = [ended.stdout, ended.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {text:?}");
    let shown = text.replace('\n', "");
    assert!(!shown.contains(is_invisible), "{arguments:?}: {text:?}");
    text
}

/// The JSON lines of a command; they are whole, and a terminal shows all of them.
fn json(folder: &Folder, arguments: &[&str]) -> Vec<Value> {
    let ended = folder.command("").args(arguments).arg("--json").output().unwrap();
    let text = String::from_utf8(ended.stdout).unwrap();
    assert!(!text.replace('\n', "").contains(is_invisible), "{arguments:?}: {text:?}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const TRAIN: [&str; 9] = ["train", "--data", "t.csv", "--target", TARGET, "--model", "gradient-boosting", "--output", "m.onnx"];

#[test]
fn what_a_table_and_its_model_hold() {
    let folder = Folder::new();
    folder.write("t.csv", table()).write("t.parquet", parquet(&table()));
    for table in ["t.csv", "t.parquet"] {
        let shown = run(&folder, &["inspect", table], 0);
        for part in [r"\u{1b}[2Jsize\u{7}", r"color\u{8}", r"\u{9b}1msold\u{202e}", r"yes\u{1b}[8m\r (", r"no\nerror: \u{200b}no\u{7f} ("] {
            assert!(shown.contains(part), "{table}: {part}: {shown}");
        }
        assert_eq!(shown.lines().count(), 6, "{shown}");
    }
    let trained = run(&folder, &TRAIN, 0);
    assert!(trained.contains(r"as no\nerror: \u{200b}no\u{7f}") && trained.contains(r"\u{1b}[2Jsize\u{7}  "), "{trained}");
    let model = run(&folder, &["inspect", "m.onnx"], 0);
    assert!(model.contains(r"predicts \u{9b}1msold\u{202e}, one of no\nerror: \u{200b}no\u{7f}, yes\u{1b}[8m\r"), "{model}");
    assert!(run(&folder, &["evaluate", "m.onnx", "t.csv"], 0).contains(r"truly yes\u{1b}[8m\r"));
    run(&folder, &["predict", "m.onnx", "t.csv", "--output", "p.parquet"], 0);
}

#[test]
fn warnings_and_errors() {
    let folder = Folder::new();
    let odd = table().replacen("37,", "\u{1b}[5moops,", 1);
    folder.write("t.csv", &odd).write("\u{1b}[3mother.csv", "a\n1\n");
    let warned = run(&folder, &TRAIN, 0);
    assert!(warned.contains("warning") && warned.contains(r"\u{1b}[5moops"), "{warned}");
    folder.write("t.csv", table());
    run(&folder, &TRAIN, 0);
    folder.write("more.csv", odd.replace(TARGET, "mo\u{1b}[31mre"));
    let error = run(&folder, &["predict", "m.onnx", "more.csv", "--output", "p.csv"], 2);
    assert!(error.contains(r"mo\u{1b}[31mre") && error.contains(r"\u{1b}[5moops"), "{error}");
    run(&folder, &["train", "--data", "t.csv", "--target", "\u{1b}[1mso\u{9b}ld", "--model", "gradient-boosting"], 2);
    run(&folder, &["train", "--data", "\u{1b}[3mothe.csv", "--target", "y", "--model", "\u{1b}[m"], 2);
    for (arguments, shown) in [
        (["inspect", "\u{1b}[3m\u{202e}\nerror: none.csv"], r"\u{1b}[3m\u{202e}\nerror: none.csv"),
        (["inspect", "\u{9b}3m.onnx"], r"\u{9b}3m.onnx"),
        (["train", "\u{7}.toml"], r"\u{7}.toml"),
        (["\u{202e}train", "\u{7}.toml"], r"\u{202e}train"),
        (["train", "--\u{9b}31m"], r"--\u{9b}31m"),
    ] {
        let error = run(&folder, &arguments, 2);
        assert!(error.contains(shown), "{arguments:?}: {error}");
    }
}

#[test]
fn job_files_are_shown_and_written_without_what_they_hide() {
    let folder = Folder::new();
    folder.write("t.csv", table());
    folder.write("bad.toml", "[data]\n\"ta\\u001b[1mble\" = 1\n[model]\ntype = \"k-means\"\n");
    assert!(run(&folder, &["train", "bad.toml"], 2).contains(r"ta\u{1b}[1mble"));
    folder.write("broken.toml", "[data]\n\u{1b}[1m = \n");
    assert!(run(&folder, &["train", "broken.toml"], 2).contains("broken.toml: line 2"));
    let written = run(&folder, &["init", "t.csv", "--target", TARGET, "--output", "job\n\u{1b}[1m.toml"], 0);
    assert!(written.contains(r"wrote job\n\u{1b}[1m.toml"), "{written}");
    run(&folder, &["train", "job\n\u{1b}[1m.toml", "--set", "model.n_estimators=2"], 0);
}

#[test]
fn json_is_whole() {
    let folder = Folder::new();
    folder.write("t.csv", table());
    let summary = &json(&folder, &["inspect", "t.csv"]).pop().unwrap()["summary"];
    let column = |place: usize| summary["columns"][place]["name"].as_str().unwrap();
    assert_eq!((column(0), column(2)), (COLUMN, TARGET));
    assert_eq!(summary["columns"][2]["most_frequent"][0][0], LABELS[0]);
    let trained = json(&folder, &TRAIN).pop().unwrap();
    assert_eq!(trained["importances"][0]["feature"], COLUMN);
    let model = json(&folder, &["inspect", "m.onnx"]).pop().unwrap();
    assert_eq!(model["schema"]["target"]["name"], TARGET);
    let error = json(&folder, &["inspect", "\u{1b}[1m\u{10ffff}\u{e0041}.csv"]).pop().unwrap();
    assert!(error["message"].as_str().unwrap().starts_with("\u{1b}[1m\u{10ffff}\u{e0041}.csv"), "{error}");
}
