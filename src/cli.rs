//! The command line: what each command takes, and which file does it.

#![expect(clippy::doc_markdown, reason = "doc comments of arguments are the help a terminal shows")]

pub(crate) mod error;

mod ask;
mod assess;
mod audit;
mod calibrate;
mod cameras;
mod capture;
mod check;
mod completions;
mod format;
mod keys;
mod kv;
mod operator;
mod print;
mod progress;
mod random;
mod report;
mod rotate;
mod seals;
mod serve;
mod status;
mod token;
mod when;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, ConfigError};
use crate::exitcode::Exit;

/// Randomness from a wall of lava lamps and other independent noise sources.
///
/// Start the service with `lavawall serve`, then: curl '127.0.0.1:8080/random?bytes=32&format=hex'
#[derive(Debug, Parser)]
#[command(name = "lavawall", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Arguments),
    Random(random::Arguments),
    Status(status::Arguments),
    Cameras(cameras::Arguments),
    Check(check::Arguments),
    Capture(capture::Arguments),
    Assess(assess::Arguments),
    Calibrate(calibrate::Arguments),
    Report(Box<report::Arguments>),
    Init(seals::InitArguments),
    Unseal(seals::UnsealArguments),
    Seal(seals::SealCommandArguments),
    Rekey(seals::RekeyArguments),
    Rotate(rotate::Arguments),
    Keys(keys::Arguments),
    Audit(audit::Arguments),
    Kv(Box<kv::Arguments>),
    Token(token::Arguments),
    Completions(completions::Arguments),
}

impl Cli {
    /// Does what was asked and says how it went.
    #[must_use]
    pub fn run(self) -> Exit {
        match self.command {
            Command::Serve(arguments) => serve::run(&arguments),
            Command::Random(arguments) => random::run(&arguments),
            Command::Status(arguments) => status::run(&arguments),
            Command::Cameras(arguments) => cameras::run(&arguments),
            Command::Check(arguments) => check::run(&arguments),
            Command::Capture(arguments) => capture::run(&arguments),
            Command::Assess(arguments) => assess::run(&arguments),
            Command::Calibrate(arguments) => calibrate::run(&arguments),
            Command::Report(arguments) => report::run(&arguments),
            Command::Init(arguments) => seals::init(&arguments),
            Command::Unseal(arguments) => seals::unseal(&arguments),
            Command::Seal(arguments) => seals::seal(&arguments),
            Command::Rekey(arguments) => seals::rekey(&arguments),
            Command::Rotate(arguments) => rotate::run(&arguments),
            Command::Keys(arguments) => keys::run(&arguments),
            Command::Audit(arguments) => audit::run(&arguments),
            Command::Kv(arguments) => kv::run(&arguments),
            Command::Token(arguments) => token::run(&arguments),
            Command::Completions(arguments) => completions::run(&arguments),
        }
    }
}

/// Where the configuration comes from.
#[derive(Debug, Args)]
pub(crate) struct ConfigArguments {
    /// Configuration file; without it /etc/lavawall/lavawall.toml if there is one, else defaults
    #[arg(long, value_name = "FILE", env = "LAVAWALL_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

impl ConfigArguments {
    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Config::load(self.config.as_deref(), environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_command_can_be_parsed() {
        Cli::command().debug_assert();
    }
}
