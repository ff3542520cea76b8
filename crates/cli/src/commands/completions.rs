//! `quelea completions`: completions for a shell.

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::view::print;

/// Print completions for a shell
#[derive(Args)]
#[command(
    after_help = "Examples:\n  quelea completions bash > ~/.local/share/bash-completion/completions/quelea\n  quelea completions zsh > ~/.zfunc/_quelea"
)]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints the completions of program `P`.
pub fn run<P: CommandFactory>(arguments: Arguments) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut P::command(), "quelea", &mut script);
    print(&String::from_utf8(script)?)
}
