//! `lavawall random`: random bytes on standard output.

use std::io::Read;

use bytesize::ByteSize;
use clap::Args;
use zeroize::Zeroizing;

use crate::cli::format::Format;
use crate::cli::{ConfigArguments, print};
use crate::client::ServiceArguments;
use crate::daemon::local;
use crate::daemon::local::Local;
use crate::exitcode::Exit;

/// Write random bytes to standard output
///
/// They come from a running service, or with --local from this machine's own noise sources. For
/// example: lavawall random 32 --format hex
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many bytes, such as 32 or 1MiB
    #[arg(default_value = "32")]
    bytes: ByteSize,
    /// How to write them [default: hex on a terminal, raw otherwise]
    #[arg(long, short, value_enum)]
    format: Option<Format>,
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

pub(crate) fn run(arguments: &Arguments) -> Exit {
    let format = arguments.format.unwrap_or_else(|| {
        if rustix::termios::isatty(std::io::stdout()) { Format::Hex } else { Format::Raw }
    });
    if arguments.bytes.as_u64() == 0 {
        print::error(&"bytes: must be at least 1 (got 0)");
        return Exit::Usage;
    }
    if arguments.local { from_here(arguments, format) } else { from_service(arguments, format) }
}

fn from_service(arguments: &Arguments, format: Format) -> Exit {
    let fresh = if arguments.fresh { "&fresh=true" } else { "" };
    let path = format!("/random?format=raw&bytes={}{fresh}", arguments.bytes.as_u64());
    let mut body = match arguments.service.get(&path, &[200]) {
        Ok(body) => body,
        Err(error) => {
            print::error(&error);
            return Exit::Unavailable;
        }
    };
    copy(arguments.bytes.as_u64(), format, |piece| {
        body.read_exact(piece).map_err(|e| e.to_string())
    })
}

fn from_here(arguments: &Arguments, format: Format) -> Exit {
    let config = match arguments.config.load() {
        Ok(config) => config,
        Err(error) => {
            print::error(&error);
            return Exit::Config;
        }
    };
    let local = match Local::start(&config).and_then(|local| {
        local.wait_for_seed(local::PATIENCE)?;
        Ok(local)
    }) {
        Ok(local) => local,
        Err(error) => {
            print::error(&error);
            return Exit::Unavailable;
        }
    };
    copy(arguments.bytes.as_u64(), format, |piece| {
        local.generator.fill(piece).map_err(|refusal| refusal.to_string())
    })
}

/// Writes `left` bytes, piece by piece in constant memory.
fn copy(
    mut left: u64,
    format: Format,
    mut fill: impl FnMut(&mut [u8]) -> Result<(), String>,
) -> Exit {
    let mut buffer = Zeroizing::new(vec![0; Format::PIECE_BYTES]);
    while left > 0 {
        let len = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let piece = &mut buffer[..len];
        if let Err(reason) = fill(piece) {
            print::error(&format!("the answer broke off with {left} bytes to come: {reason}"));
            return Exit::Io;
        }
        if let Err(exit) = print::write(&Zeroizing::new(format.encode(piece))) {
            return exit;
        }
        left -= len as u64;
    }
    print::write(format.end()).err().unwrap_or(Exit::Ok)
}
