//! Runs the program in a folder of its own, as a user would.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A folder with files, in which commands run.
pub struct Folder {
    folder: TempDir,
}

/// What a command gave.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Folder {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), content).unwrap();
        self
    }

    /// Runs `quelea` with the words of `line`.
    pub fn run(&self, line: &str) -> Ended {
        let Output { status, stdout, stderr } = self.command(line).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { code: status.code(), out: text(stdout), err: text(stderr) }
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quelea"));
        command.current_dir(self.folder.path()).args(line.split_whitespace()).stdin(std::process::Stdio::null());
        command
    }

    /// Runs a command that must succeed.
    pub fn succeed(&self, line: &str) -> Ended {
        let ended = self.run(line);
        assert_eq!(ended.code, Some(0), "quelea {line}\n{}", ended.err);
        ended
    }

    /// Runs a command that must end with exit code 2, a message that holds all of `parts`, and no file of its own left behind.
    pub fn refuse(&self, line: &str, parts: &[&str]) {
        let ended = self.run(line);
        assert_eq!(ended.code, Some(2), "quelea {line}\n{}{}", ended.out, ended.err);
        for part in parts {
            assert!(ended.err.contains(part), "quelea {line}\nmust say {part:?}, says {}", ended.err);
        }
        self.is_clean();
    }

    /// No half-written file is left.
    pub fn is_clean(&self) {
        let left: Vec<String> = files(self.folder.path()).into_iter().filter(|name| name.contains(".quelea-")).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}

fn files(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// CSV of 200 rows: a number, a text, and a target of two classes that follows from them.
#[allow(dead_code, reason = "not every test needs it")]
pub fn table() -> String {
    let row = |i: usize| {
        format!("{},{},{}\n", (i * 37 % 101) as f64 / 10.0, ["red", "green", "blue"][i % 3], if i * 37 % 101 > 50 { "yes" } else { "no" })
    };
    format!("size,color,sold\n{}", (0..200).map(row).collect::<String>())
}
