//! What a table's name may be and lead to: any name that a file can have, links, pipes; and outputs behind links.

#![allow(missing_docs)]

mod parquet;
mod program;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use parquet::parquet;
use program::{Folder, table};

/// Names that other programs read otherwise than as they are.
const NAMES: [&str; 33] = [
    "%",
    "%zz",
    "%3A",
    "%2F",
    "%20",
    "a b",
    " lead",
    "trail ",
    "t#1",
    "q?m",
    "st*r",
    "br[1]",
    "curly{a,b}",
    "semi;colon",
    "back\\slash",
    "quote'\"x",
    "new\nline",
    "ta\tb",
    "bell\u{7}",
    "del\u{7f}",
    "\u{85}",
    "$HOME",
    "-dash",
    "~",
    "plus+sign",
    "é中",
    "emoji😀",
    "a:b",
    "k=v",
    "dot..dot",
    "file:",
    "s3:",
    "@",
];

/// Runs a command whose words may hold blanks.
fn run(folder: &Folder, words: &[&str]) -> (Option<i32>, String) {
    let ended = folder.command("").args(words).output().unwrap();
    (ended.status.code(), String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned())
}

#[test]
fn a_file_of_any_name_is_read() {
    let folder = Folder::new();
    let (csv, parquet) = (table(), parquet(&table()));
    for name in NAMES {
        for (ending, content) in [("csv", csv.as_bytes()), ("parquet", &parquet)] {
            // As a file, as the only file of a folder of that name, and by a query.
            let (file, folder_of) = (format!("./{name}.{ending}"), format!("./{name}_"));
            folder.write(&file, content).write(&format!("{folder_of}/{name}.{ending}"), content);
            let learner =
                ["--target", "sold", "--model", "gradient-boosting", "--set", "model.n_estimators=1", "--output", "m.onnx", "--json"];
            let quoted = |text: &str| serde_json::Value::from(text).to_string();
            let tables = format!("data.tables={{t={}}}", quoted(&file).replace("\u{7f}", "\\u007f"));
            let query = ["--set", "data.query=\"SELECT * FROM t\"", "--set", &tables];
            for source in [&["--data", &file][..], &["--data", &folder_of], &query] {
                let (code, out) = run(&folder, &[&["train"], source, &learner].concat());
                assert!(code == Some(0) && out.contains("\"train_rows\":200"), "{source:?}: {out}");
            }
            let (code, out) = run(&folder, &["predict", "m.onnx", &file, "--output", "p.csv", "--json"]);
            assert!(code == Some(0) && out.contains("\"rows\":200}"), "{file:?}: {out}");
            std::fs::remove_dir_all(folder.path(&folder_of)).unwrap();
        }
    }
}

#[test]
fn names_that_are_no_text_are_read_with_their_folder() {
    let folder = Folder::new();
    folder.write("t/a.csv", table());
    std::fs::write(folder.path("t").join(OsString::from_vec(b"\xff\xfe.csv".to_vec())), table()).unwrap();
    assert!(folder.succeed("inspect t").out.contains("400 rows in 2 files"));
}

#[test]
fn links_lead_to_files_and_folders() {
    let folder = Folder::new();
    folder.write("real/t.csv", table()).write("real/t.parquet", parquet(&table()));
    symlink("real/t.csv", folder.path("t.csv")).unwrap();
    symlink("t.csv", folder.path("again.csv")).unwrap();
    symlink("real/t.parquet", folder.path("t.parquet")).unwrap();
    symlink("real", folder.path("folder")).unwrap();
    symlink("nothing", folder.path("dangling.csv")).unwrap();
    symlink("loop.csv", folder.path("loop.csv")).unwrap();
    for table in ["t.csv", "again.csv", "t.parquet", "folder/t.csv", "folder/*.csv", "folder/../t.csv", "./real/../real/t.parquet"] {
        assert!(folder.succeed(&format!("inspect {table}")).out.contains("200 rows in 1 file"), "{table}");
    }
    folder.refuse("inspect dangling.csv", &["dangling.csv", "No such file"]);
    folder.refuse("inspect loop.csv", &["loop.csv", "symbolic links"]);
    // A part that is missing is no reason to go on without it.
    folder.write("parts/a.csv", table());
    symlink("nothing", folder.path("parts/b.csv")).unwrap();
    folder.refuse("inspect parts", &["parts/b.csv", "No such file"]);
    folder.refuse("inspect parts/*", &["parts/b.csv", "No such file"]);
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn what_cannot_be_read_twice_is_refused_at_once() {
    let folder = Folder::new();
    folder.write("t.csv", table()).write("parts/a.csv", table()).write("folder.csv/none.txt", "");
    for pipe in ["p.csv", "p.csv.gz", "p.parquet", "p.svm", "parts/b.csv"] {
        make_pipe(&folder.path(pipe));
    }
    symlink("p.csv", folder.path("link.csv")).unwrap();
    symlink("/dev/zero", folder.path("device.csv")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(folder.path("socket.csv")).unwrap();
    for table in ["p.csv", "p.csv.gz", "p.parquet", "p.svm", "link.csv", "parts", "parts/*.csv"] {
        folder.refuse(&format!("inspect {table}"), &["it is a pipe", "a table must be a file"]);
    }
    folder.refuse("inspect device.csv", &["device.csv: it is a device"]);
    folder.refuse("inspect socket.csv", &["socket.csv: it is a socket"]);
    folder.refuse("inspect folder.csv", &["folder.csv", "holds no"]);
    drop(socket);
    let train = "train --target sold --model gradient-boosting --output m.onnx";
    folder.refuse(&format!("{train} --data p.csv"), &["p.csv: it is a pipe"]);
    folder.refuse(&format!("{train} --data t.csv --set data.validation=p.csv"), &["p.csv: it is a pipe"]);
    folder.refuse(&format!(r#"{train} --set data.query="SELECT*FROM/**/t" --set data.tables={{t="p.csv"}}"#), &["p.csv: it is a pipe"]);
    folder.succeed(&format!("{train} --data t.csv"));
    folder.refuse("predict m.onnx p.csv --output o.csv", &["p.csv: it is a pipe"]);
    folder.refuse("evaluate m.onnx p.parquet", &["p.parquet: it is a pipe"]);
}

#[test]
fn one_signal_ends_a_program_that_waits_for_a_file() {
    let folder = Folder::new();
    folder.write("t.csv", table());
    make_pipe(&folder.path("m.onnx"));
    for signal in ["-TERM", "-INT"] {
        let mut child = folder.command("predict m.onnx t.csv --output p.csv").stderr(Stdio::null()).spawn().unwrap();
        // The pipe opens when the program has opened its other end; then it waits for what is never written.
        let pipe = std::fs::File::options().write(true).open(folder.path("m.onnx")).unwrap();
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130), "after {signal}");
        drop(pipe);
    }
}

#[test]
fn an_output_behind_a_link_is_written_and_the_link_stays() {
    let folder = Folder::new();
    folder.write("t.csv", table()).write("real/old.onnx", "old").write("real/old.csv", "old").write("real/old.parquet", "old");
    let train = "train --data t.csv --target sold --model gradient-boosting --set model.n_estimators=1 --output";
    folder.succeed(&format!("{train} m.onnx"));
    let predict = "predict m.onnx t.csv --output";
    for (command, name) in [(train, "onnx"), (predict, "csv"), (predict, "parquet")] {
        // To a file, to a link to it, by a whole path, and to a file that is not there yet.
        for (link, target, real) in [
            ("a", format!("real/old.{name}"), format!("real/old.{name}")),
            ("b", format!("a.{name}"), format!("real/old.{name}")),
            ("c", folder.path(&format!("real/old.{name}")).display().to_string(), format!("real/old.{name}")),
            ("real/d", format!("new.{name}"), format!("real/new.{name}")),
        ] {
            let link = format!("{link}.{name}");
            symlink(&target, folder.path(&link)).unwrap();
            folder.succeed(&format!("{command} {link}"));
            assert_eq!(folder.path(&link).read_link().unwrap(), Path::new(&target));
            assert!(std::fs::metadata(folder.path(&real)).unwrap().len() > 100, "{link}: {real} is not written");
            folder.write(&real, "old");
        }
        folder.is_clean();
        symlink(format!("loop.{name}"), folder.path(&format!("loop.{name}"))).unwrap();
        folder.refuse(&format!("{command} loop.{name}"), &[&format!("loop.{name}"), "links lead to each other"]);
        symlink(format!("nowhere/x.{name}"), folder.path(&format!("lost.{name}"))).unwrap();
        folder.refuse(&format!("{command} lost.{name}"), &[&format!("lost.{name}"), "there is no folder nowhere"]);
        symlink("real", folder.path(&format!("folder.{name}"))).unwrap();
        folder.refuse(&format!("{command} folder.{name}"), &[&format!("folder.{name}"), "it is a folder"]);
    }
    // A link to the table itself would replace it.
    symlink("t.csv", folder.path("self.csv")).unwrap();
    folder.refuse("predict m.onnx t.csv --output self.csv", &["t.csv", "also the output"]);
    assert_eq!(std::fs::read_to_string(folder.path("t.csv")).unwrap(), table());
}
