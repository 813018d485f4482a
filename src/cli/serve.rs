//! `lavawall serve`: runs the service.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::cli::error::CommandError;
use crate::cli::start_arguments::StartArguments;
use crate::daemon;
use crate::daemon::Options;
use crate::exitcode::Exit;
use crate::machine::return_freed_memory;
use crate::service_log;

/// Run the randomness service
///
/// Without a configuration it uses every noise source of the machine, listens on 127.0.0.1:8080 and
/// keeps its state in $XDG_STATE_HOME/lavawall. SIGHUP reloads certificates, tokens and sources;
/// SIGTERM finishes the answers in progress and stops.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    start: StartArguments,
    /// File to write the address to once the service answers
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Without a camera, render a lava wall; it is mixed in and credited 0
    #[arg(long)]
    demo: bool,
    /// Log filter, such as info, debug or lavawall=debug
    #[arg(long, value_name = "FILTER", env = "LAVAWALL_LOG", default_value = "info")]
    log: String,
    /// Log format
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object per line
    Json,
}

pub(crate) fn run(arguments: &ServeArguments) -> Result<(), CommandError> {
    return_freed_memory();
    arguments.start_log()?;
    let ended = arguments.serve();
    // What follows is written to standard error directly.
    service_log::flush();
    ended
}

impl ServeArguments {
    fn serve(&self) -> Result<(), CommandError> {
        let config = self.start.config()?;
        let options = Options { ready_file: self.ready_file.clone(), demo: self.demo };
        daemon::run(&config, &options, || self.start.config())
            .map_err(|error| CommandError::new(error.exit(), error))
    }

    fn start_log(&self) -> Result<(), CommandError> {
        let filter = EnvFilter::try_new(&self.log)
            .map_err(|error| CommandError::usage(format!("--log {:?}: {error}", self.log)))?;
        // No colours in a file or a journal.
        let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let queue = service_log::start().map_err(|error| {
            CommandError::new(Exit::Refused, format!("no thread for the log: {error}"))
        })?;
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(colours)
            .with_writer(queue)
            .log_internal_errors(false)
            .with_target(false);
        match self.log_format {
            LogFormat::Text => log.init(),
            LogFormat::Json => log.json().init(),
        }
        Ok(())
    }
}
