//! The processes that a run starts on this machine: kept alive while it lasts, and ended with it, whatever happens.
//!
//! A child ends by itself when its standard input does, so that none stays behind when this process is killed.

use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::{Control, Error, Result};

/// How often a worker that ends is started again before it is left alone.
const MOST_RESTARTS: u32 = 10;
/// How long a worker must have lived for its restarts to be forgotten.
const HEALTHY: Duration = Duration::from_secs(60);
/// The pause after a start that failed.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a shard is started that is killed or stopped before it listens, and how long that may take.
const MOST_STARTS: u32 = 3;
const LISTENING: Duration = Duration::from_secs(10);
/// How often a child is looked at.
const GLANCE: Duration = Duration::from_millis(20);
/// How long a child may take to end by itself.
const FAREWELL: Duration = Duration::from_secs(2);

/// What children are told on their command line.
pub(crate) struct Program {
    /// The program's file.
    pub file: PathBuf,
    /// Arguments that every child is given.
    pub common: Vec<String>,
}

impl Program {
    fn start(&self, arguments: &[String]) -> io::Result<Child> {
        let mut command = Command::new(&self.file);
        command.args(arguments).args(&self.common).stdin(Stdio::piped()).stdout(Stdio::piped());
        // Ctrl-C is for this process alone; it ends its children itself.
        command.process_group(0);
        command.spawn()
    }
}

/// Shards of this process, by place.
pub(crate) struct Shards {
    program: Arc<Program>,
    threads: Option<usize>,
    children: Vec<Child>,
    addresses: Vec<String>,
}

impl Shards {
    /// `count` shards of so many threads each; of as many as the machine has cores when it is not given.
    pub fn start(program: Arc<Program>, count: usize, threads: Option<usize>) -> Result<Self> {
        let mut shards = Self { program, threads, children: Vec::new(), addresses: Vec::new() };
        for shard in 0..count {
            let started = start_shard(&shards.program, &listen("127.0.0.1:0", threads));
            let (child, address) = started.map_err(|e| Error::Process { who: format!("shard {shard}"), problem: e.to_string() })?;
            shards.children.push(child);
            shards.addresses.push(address);
        }
        Ok(shards)
    }

    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Ends shard number `shard`, and starts it anew at the same address. When that fails, the run gives it up in time.
    pub fn revive(&mut self, shard: usize) -> io::Result<()> {
        let (Some(child), Some(address)) = (self.children.get_mut(shard), self.addresses.get(shard)) else { return Ok(()) };
        end(child, Duration::ZERO);
        *child = self.program.start(&listen(address, self.threads))?;
        Ok(())
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        end_all(&mut self.children);
    }
}

/// Workers of this process. Each is started again when it ends.
pub(crate) struct Workers {
    over: Arc<AtomicBool>,
    keepers: Vec<JoinHandle<()>>,
    children: Vec<Arc<Mutex<Option<Child>>>>,
}

impl Workers {
    pub fn start(program: Arc<Program>, count: usize, run: &str, threads: usize, control: &Control) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let arguments = ["worker", "--run", run, "--threads", &threads.to_string()].map(String::from).to_vec();
        let children: Vec<Arc<Mutex<Option<Child>>>> = (0..count).map(|_| Arc::default()).collect();
        let keep = |child: &Arc<Mutex<Option<Child>>>| {
            let (program, over, child, arguments) = (program.clone(), over.clone(), child.clone(), arguments.clone());
            let control = control.clone();
            std::thread::spawn(move || keep_alive(&program, &arguments, &child, &over, &control))
        };
        let keepers = children.iter().map(keep).collect();
        Self { over, keepers, children }
    }

    /// Ends the worker with this process id, which does not answer any more; it is started again.
    pub fn end_process(&self, process: u32) {
        for child in &self.children {
            if let Some(child) = child.lock().unwrap_or_else(PoisonError::into_inner).as_mut()
                && child.id() == process
            {
                end(child, Duration::ZERO);
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.keepers.drain(..).for_each(|keeper| {
            let _ = keeper.join();
        });
        let mut children: Vec<Child> =
            self.children.iter().filter_map(|child| child.lock().unwrap_or_else(PoisonError::into_inner).take()).collect();
        end_all(&mut children);
    }
}

fn keep_alive(program: &Program, arguments: &[String], place: &Mutex<Option<Child>>, over: &AtomicBool, control: &Control) {
    let is_over = || over.load(Ordering::Relaxed);
    let mut starts = 0;
    while !is_over() {
        if starts > MOST_RESTARTS {
            return control.warn(format!("a worker was started {starts} times and ended each time; it is left alone"));
        }
        let started = Instant::now();
        match program.start(arguments) {
            Ok(child) => *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(child),
            Err(error) => {
                control.warn(format!("a worker cannot be started: {error}"));
                std::thread::sleep(PAUSE);
            }
        }
        let ended = || match place.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(Child::try_wait) {
            Some(Ok(status)) => status.map(|status| status.success()),
            Some(Err(_)) | None => Some(false),
        };
        let mut end = ended();
        while end.is_none() && !is_over() {
            std::thread::sleep(GLANCE);
            end = ended();
        }
        if end == Some(true) {
            // The run has told it that it is over.
            return;
        }
        starts = if started.elapsed() > HEALTHY { 1 } else { starts + 1 };
    }
}

fn listen(address: &str, threads: Option<usize>) -> Vec<String> {
    let mut arguments = ["shard", "--listen", address].map(String::from).to_vec();
    arguments.extend(threads.into_iter().flat_map(|threads| ["--threads".into(), threads.to_string()]));
    arguments
}

/// Starts a shard, and waits for its address. One that is killed or stopped before it tells it is started again.
fn start_shard(program: &Program, arguments: &[String]) -> io::Result<(Child, String)> {
    let mut left = MOST_STARTS;
    loop {
        let mut child = program.start(arguments)?;
        left -= 1;
        match first_line(&mut child) {
            Ok(address) => return Ok((child, address)),
            Err(error) => {
                end(&mut child, FAREWELL);
                // One that ends by itself has said why.
                let ended_by_itself = child.wait()?.code().is_some();
                if ended_by_itself || left == 0 {
                    return Err(error);
                }
            }
        }
    }
}

/// The address that a shard tells on its first line.
fn first_line(child: &mut Child) -> io::Result<String> {
    let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line).map(|_| line);
        // Nobody listens any more when it took too long.
        let _ = tell.send(read);
    });
    let silent = || io::Error::new(io::ErrorKind::TimedOut, "it does not tell where it listens");
    let line = told.recv_timeout(LISTENING).map_err(|_| silent())??;
    match line.trim().rsplit(' ').next() {
        Some(address) if !address.is_empty() => Ok(address.into()),
        _ => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended at once")),
    }
}

fn end_all(children: &mut [Child]) {
    children.iter_mut().for_each(|child| drop(child.stdin.take()));
    children.iter_mut().for_each(|child| end(child, FAREWELL));
}

/// Waits for a child, and kills it when it takes longer than it may.
fn end(child: &mut Child, patience: Duration) {
    drop(child.stdin.take());
    let until = Instant::now() + patience;
    while matches!(child.try_wait(), Ok(None)) {
        if Instant::now() >= until {
            let _ = child.kill();
            let _ = child.wait();
            return;
        }
        std::thread::sleep(GLANCE);
    }
}
