//! The `lavawall` program.

use std::process::ExitCode;

use clap::Parser;
use lavawall::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run().into()
}
