//! The `quelea` program: arguments become domain objects, one `match` runs the command, errors become exit codes.

mod child;
mod commands;
mod environment;
mod interrupt;
mod launcher;
mod text;
mod view;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use quelea_core::visible::visible;

use crate::commands::{completions, evaluate, init, inspect, predict, schema, shard, train, worker};
use crate::view::View;

/// Gives memory back to the system, and shares it among threads, better than the system's allocator: a training of a
/// million rows adds a third as much and takes a sixth less time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Train models on tables and predict with them.
#[derive(Parser)]
#[command(name = "quelea", version, arg_required_else_help = true, propagate_version = true, max_term_width = 110)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(train::Arguments),
    Shard(shard::Arguments),
    Worker(worker::Arguments),
    Evaluate(evaluate::Arguments),
    Predict(predict::Arguments),
    Inspect(inspect::Arguments),
    Init(init::Arguments),
    Schema(schema::Arguments),
    Completions(completions::Arguments),
}

fn main() -> ExitCode {
    let command = match Program::try_parse() {
        Ok(program) => program.command,
        Err(refusal) => return refuse(&refusal),
    };
    let view = View::new(matches!(
        &command,
        Command::Train(train::Arguments { json: true, .. })
            | Command::Evaluate(evaluate::Arguments { json: true, .. })
            | Command::Predict(predict::Arguments { json: true, .. })
            | Command::Inspect(inspect::Arguments { json: true, .. })
    ));
    // A panic is a mistake of ours; its message has been printed.
    match std::panic::catch_unwind(|| run(command, &view)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => exit_code(&error, &view),
        Err(_) => {
            view.error("this is a defect of quelea, please report it");
            ExitCode::from(1)
        }
    }
}

fn run(command: Command, view: &View) -> anyhow::Result<()> {
    match command {
        Command::Train(arguments) => train::run(arguments, view),
        Command::Shard(arguments) => shard::run(arguments, view),
        Command::Worker(arguments) => worker::run(arguments, view),
        Command::Evaluate(arguments) => evaluate::run(arguments, view),
        Command::Predict(arguments) => predict::run(arguments, view),
        Command::Inspect(arguments) => inspect::run(arguments, view),
        Command::Init(arguments) => init::run(arguments),
        Command::Schema(_) => schema::run(),
        Command::Completions(arguments) => completions::run::<Program>(arguments),
    }
}

/// Prints clap's answer: help on the standard output, or what is wrong with the arguments on the standard error. The latter quotes
/// the arguments, which may hold control characters.
fn refuse(refusal: &clap::Error) -> ExitCode {
    let code = ExitCode::from(refusal.exit_code() as u8);
    if !refusal.use_stderr() {
        // Help that cannot be printed is no error.
        let _ = refusal.print();
        return code;
    }
    let text = refusal.render().to_string();
    // A closed standard error changes nothing.
    text.lines().for_each(|line| drop(writeln!(std::io::stderr(), "{}", visible(line))));
    code
}

/// 2 for what the user can mend, 1 for a mistake of ours, 130 when the user stopped the command.
fn exit_code(error: &anyhow::Error, view: &View) -> ExitCode {
    let of_engine = error.downcast_ref::<quelea_engine::Error>();
    let of_output = error.downcast_ref::<std::io::Error>();
    if of_engine.is_some_and(quelea_engine::Error::is_broken_pipe) || of_output.is_some_and(|e| e.kind() == ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    match of_output {
        Some(cause) => view.error(&format!("{error}: {cause}")),
        None => view.error(&error.to_string()),
    }
    match of_engine {
        Some(quelea_engine::Error::Cancelled) => ExitCode::from(130),
        Some(error) if !error.is_users() => ExitCode::from(1),
        _ => ExitCode::from(2),
    }
}
