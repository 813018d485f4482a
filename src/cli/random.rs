//! `lavawall random`: random bytes on standard output.

use std::io::Read;

use bytesize::ByteSize;
use clap::Args;
use zeroize::Zeroizing;

use crate::cli::config_arguments::ConfigArguments;
use crate::cli::error::CommandError;
use crate::cli::output_format::OutputFormat;
use crate::cli::print;
use crate::cli::service_arguments::ServiceArguments;
use crate::daemon::local::LocalGenerator;
use crate::exitcode::Exit;

/// Write random bytes to standard output
///
/// They come from a running service, or with --local from this machine's own noise sources. For
/// example: lavawall random 32 --format hex
#[derive(Debug, Args)]
pub(crate) struct RandomArguments {
    /// How many bytes, such as 32 or 1MiB
    #[arg(default_value = "32")]
    bytes: ByteSize,
    /// How to write them [default: hex on a terminal, raw otherwise]
    #[arg(long, short, value_enum)]
    format: Option<OutputFormat>,
    /// Wait for a seed made only of noise taken from now on (prediction resistance)
    #[arg(long)]
    fresh: bool,
    /// Without a service: collect from this machine's sources, answer, and end
    #[arg(long, conflicts_with_all = ["url", "token_file", "ca_file"])]
    local: bool,
    #[command(flatten)]
    service: ServiceArguments,
    #[command(flatten)]
    config: ConfigArguments,
}

pub(crate) fn run(arguments: &RandomArguments) -> Result<(), CommandError> {
    let format = arguments.format.unwrap_or_else(|| {
        if rustix::termios::isatty(std::io::stdout()) {
            OutputFormat::Hex
        } else {
            OutputFormat::Raw
        }
    });
    if arguments.bytes.as_u64() == 0 {
        return Err(CommandError::usage("bytes: must be at least 1 (got 0)"));
    }
    if arguments.local { from_here(arguments, format) } else { from_service(arguments, format) }
}

fn from_service(arguments: &RandomArguments, format: OutputFormat) -> Result<(), CommandError> {
    let fresh = if arguments.fresh { "&fresh=true" } else { "" };
    let path = format!("/random?format=raw&bytes={}{fresh}", arguments.bytes.as_u64());
    let client = arguments.service.client();
    let answer = client.and_then(|client| client.call("GET", &path, None)?.accepted(&[200]));
    let answer = answer.map_err(|error| CommandError::new(Exit::Unavailable, error))?;
    let mut body = answer.into_reader();
    copy(arguments.bytes.as_u64(), format, |chunk| {
        body.read_exact(chunk).map_err(|error| error.to_string())
    })
}

fn from_here(arguments: &RandomArguments, format: OutputFormat) -> Result<(), CommandError> {
    let config = arguments.config.load()?;
    let local = LocalGenerator::seeded(&config)
        .map_err(|error| CommandError::new(Exit::Unavailable, error))?;
    copy(arguments.bytes.as_u64(), format, |chunk| {
        local.generator.fill(chunk).map_err(|refusal| refusal.to_string())
    })
}

/// Writes `left` bytes, chunk by chunk in constant memory.
fn copy(
    mut left: u64,
    format: OutputFormat,
    mut fill: impl FnMut(&mut [u8]) -> Result<(), String>,
) -> Result<(), CommandError> {
    let mut buffer = Zeroizing::new(vec![0; OutputFormat::CHUNK_BYTES]);
    while left > 0 {
        let len = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let chunk = &mut buffer[..len];
        fill(chunk).map_err(|reason| {
            let reason = format!("the answer broke off with {left} bytes to come: {reason}");
            CommandError::new(Exit::Io, reason)
        })?;
        print::write(&Zeroizing::new(format.encode(chunk)))?;
        left -= len as u64;
    }
    Ok(print::write(format.end())?)
}
