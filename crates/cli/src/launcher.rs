//! Starts workers and shards as processes of this program.
//!
//! A child ends by itself when its standard input does, so that none stays behind when this process is killed.

use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result};
use quelea_engine::launcher::{End, Launcher, Process, Role};
use quelea_job::Transport;

/// Starts this program again, as `quelea worker` or `quelea shard`.
pub struct Program {
    file: PathBuf,
}

impl Program {
    /// This program.
    pub fn this() -> Result<Self> {
        Ok(Self { file: std::env::current_exe().context("cannot find this program to start workers and shards")? })
    }
}

impl Launcher for Program {
    fn start(&self, role: &Role, transport: &Transport) -> io::Result<Box<dyn Process>> {
        let mut command = Command::new(&self.file);
        match role {
            Role::Worker { run, threads } => command.args(["worker", "--run", run, "--threads", &threads.to_string()]),
            Role::Shard { listen, threads: None } => command.args(["shard", "--listen", listen]),
            Role::Shard { listen, threads: Some(threads) } => {
                command.args(["shard", "--listen", listen, "--threads", &threads.to_string()])
            }
        };
        command.arg("--child").arg(serde_json::to_string(transport)?).stdin(Stdio::piped()).stdout(Stdio::piped());
        leave_group(&mut command);
        Ok(Box::new(Started(command.spawn()?)))
    }
}

/// Ctrl-C is for this process alone; it ends its children itself.
#[cfg(unix)]
fn leave_group(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(not(unix))]
fn leave_group(_: &mut Command) {}

struct Started(Child);

impl Process for Started {
    fn id(&self) -> Option<u32> {
        Some(self.0.id())
    }

    fn address(&mut self, timeout: Duration) -> io::Result<String> {
        let stdout = self.0.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let (sender, line) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(stdout).read_line(&mut line).map(|_| line);
            // Nobody waits for it any more when it took too long.
            let _ = sender.send(read);
        });
        let silent = |_| io::Error::new(io::ErrorKind::TimedOut, "it does not tell where it listens");
        let line = line.recv_timeout(timeout).map_err(silent)??;
        match line.trim().rsplit(' ').next() {
            Some(address) if !address.is_empty() => Ok(address.into()),
            _ => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended at once")),
        }
    }

    fn try_wait(&mut self) -> io::Result<Option<End>> {
        let end = |status: ExitStatus| match status.code() {
            Some(0) => End::Done,
            Some(_) => End::Failed,
            None => End::Killed,
        };
        Ok(self.0.try_wait()?.map(end))
    }

    fn stop(&mut self) {
        drop(self.0.stdin.take());
    }

    fn kill(&mut self) {
        // One that has ended already cannot be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.kill();
    }
}
