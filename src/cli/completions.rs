//! `lavawall completions`: completion scripts for shells.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::cli::error::CommandError;
use crate::cli::print;

/// Print a completion script for a shell
///
/// For example: lavawall completions bash > /etc/bash_completion.d/lavawall
#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(
    arguments: &CompletionsArguments,
    command: &mut Command,
) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, command, "lavawall", &mut script);
    Ok(print::write(&script)?)
}
