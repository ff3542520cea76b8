//! How a command is followed: bars on a terminal, plain lines elsewhere, JSON lines for programs.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use quelea_core::learner::Progress;
use quelea_core::visible::{is_invisible, visible};
use quelea_engine::{Control, Event, WorkerStatus};
use serde_json::{Value, json};

use crate::text;

/// Where a command's progress and result are shown.
#[derive(Clone)]
pub struct View {
    style: Style,
}

#[derive(Clone)]
enum Style {
    Bars(Arc<Mutex<Shown>>),
    Lines(Arc<Mutex<Shown>>),
    Json,
}

/// What has been shown so far.
struct Shown {
    bar: ProgressBar,
    phase: Phase,
    since: Instant,
    last_line: Option<Instant>,
    train_rows: u64,
    /// Iterations that were done before, and are not counted in what is done a second.
    done_before: u64,
    /// How the workers of a cluster are doing.
    workers: Vec<WorkerStatus>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    None,
    Reading,
    Training,
    Scoring,
}

/// The least time between two lines of progress.
const BETWEEN_LINES: Duration = Duration::from_secs(2);

impl View {
    /// JSON lines if `json`, else bars where a person watches the standard error, else plain lines.
    pub fn new(json: bool) -> Self {
        let shown = || Arc::new(Mutex::new(Shown::new()));
        let style = match () {
            () if json => Style::Json,
            () if std::io::stderr().is_terminal() => Style::Bars(shown()),
            () => Style::Lines(shown()),
        };
        Self { style }
    }

    /// A control whose events are shown here.
    pub fn control(&self) -> Control {
        let view = self.clone();
        Control::new(move |event| view.show(event))
    }

    /// Takes away what only mattered on the way.
    pub fn clear(&self) {
        if let Style::Bars(shown) = &self.style {
            lock(shown).bar.finish_and_clear();
        }
    }

    /// Shows a command's result. Line breaks in `text` are ours: what it shows of data is [`visible`] already.
    pub fn result(&self, json: Value, text: impl FnOnce() -> String) -> anyhow::Result<()> {
        match &self.style {
            Style::Json => print(&(shown_json(&json) + "\n")),
            _ => print(&text().lines().map(|line| format!("{}\n", visible(line))).collect::<String>()),
        }
    }

    /// Shows why a command ended without a result.
    pub fn error(&self, message: &str) {
        self.clear();
        if let Style::Json = self.style {
            print_json(&json!({"event": "error", "message": message}));
        }
        say(&format!("error: {message}"));
    }

    fn show(&self, event: Event) {
        match &self.style {
            Style::Json => print_json(&as_json(event)),
            Style::Bars(shown) => lock(shown).advance_bar(event),
            Style::Lines(shown) => lock(shown).print_line(event),
        }
    }
}

fn lock(shown: &Mutex<Shown>) -> std::sync::MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shown {
    fn new() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            phase: Phase::None,
            since: Instant::now(),
            last_line: None,
            train_rows: 0,
            done_before: 0,
            workers: Vec::new(),
        }
    }

    /// Notes the phase; true when it has just begun.
    fn enter(&mut self, phase: Phase) -> bool {
        let is_new = self.phase != phase;
        if is_new {
            self.phase = phase;
            self.since = Instant::now();
            self.last_line = None;
        }
        is_new
    }

    fn advance_bar(&mut self, event: Event) {
        match event {
            Event::Reading { rows, of } => self.advance_rows(Phase::Reading, "reading", rows, of),
            Event::Scoring { rows, of } => self.advance_rows(Phase::Scoring, "scoring", rows, of),
            Event::Training { progress } => {
                if self.enter(Phase::Training) {
                    self.begin_bar("training", Some(progress.of), "{prefix:>9} {bar:32} {pos}/{len} {msg}");
                }
                self.bar.set_length(progress.of);
                self.bar.set_position(progress.done);
                let worker_lines: String = self.worker_lines().map(|line| format!("\n{}", visible(&line))).collect();
                self.bar.set_message(self.training_text(&progress) + &worker_lines);
            }
            Event::Prepared { .. } => {
                let line = self.prepared_text(&event);
                self.bar.finish_and_clear();
                say(&line);
            }
            Event::Warning { message } => self.bar.suspend(|| say(&format!("warning: {message}"))),
            Event::Cluster { message } | Event::Checkpoint { message } => self.bar.suspend(|| say(&message)),
            Event::Resumed { progress } => {
                let line = self.resumed_text(&progress);
                self.bar.suspend(|| say(&line));
            }
            Event::Workers { workers, .. } => self.workers = workers,
        }
    }

    fn advance_rows(&mut self, phase: Phase, name: &'static str, rows: u64, of: Option<u64>) {
        if self.enter(phase) {
            let template = if of.is_some() {
                "{prefix:>9} {bar:32} {human_pos}/{human_len} rows, {per_sec}, {eta} left"
            } else {
                "{prefix:>9} {human_pos} rows, {per_sec}"
            };
            self.begin_bar(name, of, template);
        }
        self.bar.set_position(rows);
    }

    fn begin_bar(&mut self, name: &'static str, length: Option<u64>, template: &str) {
        self.bar.finish_and_clear();
        let style = ProgressStyle::with_template(template).expect("the templates above are right").progress_chars("█▉▊▋▌▍▎▏ ");
        self.bar = ProgressBar::new(length.unwrap_or(0)).with_prefix(name).with_style(style);
    }

    fn print_line(&mut self, event: Event) {
        match event {
            Event::Prepared { .. } => say(&self.prepared_text(&event)),
            Event::Warning { message } => say(&format!("warning: {message}")),
            Event::Cluster { message } | Event::Checkpoint { message } => say(&message),
            Event::Resumed { progress } => say(&self.resumed_text(&progress)),
            Event::Workers { workers, .. } => self.workers = workers,
            Event::Training { progress } => {
                self.enter(Phase::Training);
                if progress.done == progress.of || self.is_time_for_a_line() {
                    say(&format!("{} {}/{} {}", progress.unit, progress.done, progress.of, self.training_text(&progress)));
                    self.worker_lines().for_each(|line| say(&line));
                }
            }
            Event::Reading { rows, of } | Event::Scoring { rows, of } => {
                let (phase, name) =
                    if matches!(event, Event::Reading { .. }) { (Phase::Reading, "reading") } else { (Phase::Scoring, "scoring") };
                let is_new = self.enter(phase);
                if !is_new && self.is_time_for_a_line() {
                    let of = of.map_or(String::new(), |of| format!(" of {}", text::count(of)));
                    say(&format!("{name}: {}{of} rows", text::count(rows)));
                }
            }
        }
    }

    fn is_time_for_a_line(&mut self) -> bool {
        let now = Instant::now();
        let is_time = now.duration_since(self.last_line.unwrap_or(self.since)) >= BETWEEN_LINES;
        if is_time {
            self.last_line = Some(now);
        }
        is_time
    }

    fn prepared_text(&mut self, event: &Event) -> String {
        let Event::Prepared { train_rows, validation_rows, test_rows, features, classes } = *event else { return String::new() };
        self.train_rows = train_rows;
        let classes = if classes > 0 { format!(", {classes} classes") } else { String::new() };
        let [train, validation, test] = [train_rows, validation_rows, test_rows].map(text::count);
        format!("{train} rows to train on, {validation} to validate, {test} to test; {features} features{classes}")
    }

    fn resumed_text(&mut self, progress: &Progress) -> String {
        self.done_before = progress.done;
        format!("going on from the checkpoint: {} {}/{}", progress.unit, progress.done, progress.of)
    }

    /// A line for each worker of a cluster.
    fn worker_lines(&self) -> impl Iterator<Item = String> {
        let seconds = self.since.elapsed().as_secs_f64().max(1e-9);
        self.workers.iter().map(move |of| {
            let dropped = if of.dropped > 0 { format!(", {} dropped", of.dropped) } else { String::new() };
            format!(
                "  worker {} ({}): round {}, {} behind, {} tiles, {:.1} M rows/s, {} sent and received{dropped}",
                of.worker,
                of.process,
                of.clock,
                of.staleness,
                of.tiles,
                of.rows as f64 / seconds / 1e6,
                text::bytes(of.bytes)
            )
        })
    }

    /// Losses, rows per second and the time that is left.
    fn training_text(&self, progress: &Progress) -> String {
        let seconds = self.since.elapsed().as_secs_f64();
        let done = progress.done.saturating_sub(self.done_before);
        let rate = done as f64 * self.train_rows as f64 / seconds.max(1e-9);
        let left = seconds / done.max(1) as f64 * progress.of.saturating_sub(progress.done) as f64;
        let loss = |name: &str, loss: Option<f64>| loss.map_or(String::new(), |loss| format!("{name} {}, ", text::number(loss)));
        let losses = loss("loss", progress.last.loss) + &loss("validation", progress.last.validation_loss);
        format!("{losses}{:.1} M rows/s, {left:.0} s left", rate / 1e6)
    }
}

/// Writes a result to the standard output.
pub fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout().lock().write_all(text.as_bytes()).context("cannot write to the standard output")
}

/// Prints a line on the standard error; a full or closed one stops nothing.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", visible(line));
}

/// Prints a line; that nobody reads it any more is seen when the result is written.
fn print_json(line: &Value) {
    let _ = writeln!(std::io::stdout(), "{}", shown_json(line));
}

/// The value on one line, with all characters that are not visible as escapes of JSON: it may be read by a person too.
fn shown_json(value: &Value) -> String {
    let mut shown = String::new();
    for character in value.to_string().chars() {
        match character {
            // Outside of texts JSON has none.
            invisible if is_invisible(invisible) => {
                shown.extend(invisible.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
            }
            other => shown.push(other),
        }
    }
    shown
}

fn worker_as_json(of: &WorkerStatus) -> Value {
    json!({"worker": of.worker, "process": of.process, "round": of.clock, "staleness": of.staleness, "tiles": of.tiles, "rows": of.rows, "bytes": of.bytes, "dropped": of.dropped})
}

fn as_json(event: Event) -> Value {
    match event {
        Event::Reading { rows, of } => json!({"event": "reading", "rows": rows, "of": of}),
        Event::Scoring { rows, of } => json!({"event": "scoring", "rows": rows, "of": of}),
        Event::Prepared { train_rows, validation_rows, test_rows, features, classes } => {
            json!({"event": "prepared", "train_rows": train_rows, "validation_rows": validation_rows, "test_rows": test_rows, "features": features, "classes": classes})
        }
        Event::Training { progress } => {
            json!({"event": "training", "unit": progress.unit, "done": progress.done, "of": progress.of, "loss": progress.last.loss, "validation_loss": progress.last.validation_loss})
        }
        Event::Warning { message } => json!({"event": "warning", "message": message}),
        Event::Resumed { progress } => {
            json!({"event": "resumed", "unit": progress.unit, "done": progress.done, "of": progress.of})
        }
        Event::Checkpoint { message } => json!({"event": "checkpoint", "message": message}),
        Event::Cluster { message } => json!({"event": "cluster", "message": message}),
        Event::Workers { clock, workers } => {
            json!({"event": "workers", "round": clock, "workers": workers.iter().map(worker_as_json).collect::<Vec<_>>()})
        }
    }
}
