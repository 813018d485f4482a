//! The command line: one file or folder per command.

#![expect(clippy::doc_markdown, reason = "doc comments of arguments are the help a terminal shows")]

mod admin_arguments;
mod ask;
mod assess;
mod audit;
mod calibrate;
mod cameras;
mod capture;
mod check;
mod clock;
mod completions;
mod config_arguments;
mod connection_arguments;
mod error;
mod key_versions;
mod keys;
mod kv;
mod noise_capture;
mod operator;
mod output_format;
mod print;
mod progress;
mod random;
mod report;
mod rotate;
mod rotation;
mod seals;
mod seed;
mod serve;
mod service_arguments;
mod source_arguments;
mod start_arguments;
mod status;
mod tenant;
mod thread_arguments;
mod token;
mod when;

use clap::{CommandFactory, Parser, Subcommand};

use crate::cli::error::CommandError;
use crate::daemon::harden;
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
    Serve(serve::ServeArguments),
    Random(random::RandomArguments),
    Seed(seed::SeedArguments),
    Status(status::StatusArguments),
    Cameras(cameras::CamerasArguments),
    Check(check::CheckArguments),
    Clock(clock::ClockArguments),
    Capture(capture::CaptureArguments),
    Assess(assess::AssessArguments),
    Calibrate(calibrate::CalibrateArguments),
    Report(Box<report::ReportArguments>),
    Init(seals::InitArguments),
    Unseal(seals::UnsealArguments),
    Seal(seals::SealCommandArguments),
    Rekey(seals::RekeyArguments),
    Rotate(rotate::RotateArguments),
    Keys(keys::KeysArguments),
    Audit(audit::AuditArguments),
    Kv(Box<kv::KvArguments>),
    Tenant(tenant::TenantArguments),
    Token(token::TokenArguments),
    Completions(completions::CompletionsArguments),
}

impl Cli {
    /// Runs the command, reports its error and returns the exit code.
    #[must_use]
    pub fn run(self) -> Exit {
        if let Err(error) = harden::survive_file_size_limit() {
            print::note(&format!("a limit on the size of files would end this command: {error}"));
        }
        let ended = match self.command {
            Command::Serve(arguments) => serve::run(&arguments),
            Command::Random(arguments) => random::run(&arguments),
            Command::Seed(arguments) => seed::run(&arguments),
            Command::Status(arguments) => status::run(&arguments),
            Command::Cameras(arguments) => cameras::run(&arguments),
            Command::Check(arguments) => check::run(&arguments),
            Command::Clock(arguments) => clock::run(&arguments),
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
            Command::Tenant(arguments) => tenant::run(&arguments),
            Command::Token(arguments) => token::run(&arguments),
            Command::Completions(arguments) => completions::run(&arguments, &mut Self::command()),
        };
        ended.map_or_else(CommandError::report, |()| Exit::Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_can_be_parsed() {
        Cli::command().debug_assert();
    }
}
