//! `lavawall completions`: what the shell needs to complete our commands.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::{Cli, print};
use crate::exitcode::Exit;

/// Print a completion script for a shell
///
/// For example: lavawall completions bash > /etc/bash_completion.d/lavawall
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "lavawall", &mut script);
    print::write(&script).err().unwrap_or(Exit::Ok)
}
