//! `lavawall seed`: a seed of several services, for the kernel, a file or standard output.

mod seed_mix;
mod seed_request;
mod seed_servers;

use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use crate::api::sealed_seed::IdentityAnswer;
use crate::cli::admin_arguments::AdminArguments;
use crate::cli::error::CommandError;
use crate::cli::operator::Operator;
use crate::cli::print;
use crate::cli::seed::seed_mix::{Collected, TooFew};
use crate::cli::seed::seed_request::PreparedRequest;
use crate::cli::seed::seed_servers::{SeedServers, ServersError, check_credit};
use crate::durable;
use crate::exitcode::Exit;
use crate::machine::kernel_pool::{self, MIX_BYTES};

/// Take a seed of several lavawall services at once
///
/// Each answer is sealed to this command and signed by its service. All of them are hashed with bytes of
/// this machine's kernel into 64 bytes, which no one can predict who lacks the answer of one service. For
/// example: lavawall seed --servers seeds.toml --need 2 --to kernel
#[derive(Debug, Args)]
pub(crate) struct SeedArguments {
    /// File with the services and their identities
    #[arg(long, value_name = "FILE", required_unless_present = "identity")]
    servers: Option<PathBuf>,
    /// How many services must answer [default: as in the file, else all of them]
    #[arg(long, value_name = "K")]
    need: Option<usize>,
    /// Where the 64 bytes go: kernel, - for standard output, or a file, which is replaced
    #[arg(long, value_name = "kernel|FILE|-", default_value = "kernel")]
    to: String,
    /// Bits of entropy that the kernel counts for them [default: as in the file, else 0]; needs root
    #[arg(long, value_name = "N")]
    credit: Option<u32>,
    /// Print the identity of this machine's own service, for the files of its clients
    #[arg(long, conflicts_with_all = ["servers", "need", "to", "credit"])]
    identity: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

/// Where the bytes go.
#[derive(Debug, PartialEq, Eq)]
enum Destination<'a> {
    Kernel { credit_bits: u32 },
    Output,
    File(&'a Path),
}

impl From<ServersError> for CommandError {
    fn from(error: ServersError) -> Self {
        Self::new(Exit::Config, error)
    }
}

impl From<TooFew> for CommandError {
    fn from(error: TooFew) -> Self {
        Self::new(Exit::Unavailable, error)
    }
}

pub(crate) fn run(arguments: &SeedArguments) -> Result<(), CommandError> {
    let Some(path) = arguments.servers.as_ref().filter(|_| !arguments.identity) else {
        let answer: IdentityAnswer = Operator::new(&arguments.admin)?.get("/seed")?;
        return Ok(print::line(answer.identity)?);
    };
    let servers = SeedServers::load(path)?;
    let need = servers.needed(arguments.need).map_err(CommandError::usage)?;
    let to = destination(arguments, servers.credit)?;
    let secret = servers.secret()?;
    let request = PreparedRequest::new(servers.suite, secret.as_deref().map(Vec::as_slice))
        .map_err(|error| CommandError::new(Exit::Refused, error))?;
    let collected = Collected::of(&servers, request, need)?;
    for fault in &collected.faults {
        print::note(&format!("without {fault}"));
    }
    let mixed = collected.mixed().map_err(|error| CommandError::new(Exit::Io, error))?;
    deliver(&to, &mixed)
}

fn destination(
    arguments: &SeedArguments,
    credit_of_file: u32,
) -> Result<Destination<'_>, CommandError> {
    let to = match arguments.to.as_str() {
        "kernel" => {
            let credit_bits = arguments.credit.unwrap_or(credit_of_file);
            check_credit(credit_bits)
                .map_err(|reason| CommandError::usage(format!("--credit: {reason}")))?;
            if credit_bits > 0 && !rustix::process::geteuid().is_root() {
                let reason = format!(
                    "credit: only root may have the kernel count entropy; 0 mixes the seed in without \
                     (got {credit_bits})"
                );
                return Err(CommandError::new(Exit::Refused, reason));
            }
            return Ok(Destination::Kernel { credit_bits });
        }
        "-" => Destination::Output,
        path => Destination::File(plain_file(Path::new(path))?),
    };
    if let Some(credit) = arguments.credit.filter(|credit| *credit > 0) {
        let reason =
            format!("--credit: only the kernel counts entropy, --to kernel (got {credit})");
        return Err(CommandError::usage(reason));
    }
    Ok(to)
}

/// A path where a file is, or can be made: no device, no link.
fn plain_file(path: &Path) -> Result<&Path, CommandError> {
    match path.symlink_metadata() {
        Ok(found) if !found.is_file() => Err(CommandError::usage(format!(
            "--to {}: is no plain file, which the seed would replace; the kernel's pool is --to kernel",
            path.display()
        ))),
        _ => Ok(path),
    }
}

fn deliver(to: &Destination<'_>, seed: &Zeroizing<[u8; MIX_BYTES]>) -> Result<(), CommandError> {
    match to {
        Destination::Kernel { credit_bits } => {
            let is_used = kernel_pool::mix(seed, *credit_bits).map_err(|error| {
                CommandError::new(Exit::Refused, format!("the kernel's pool: {error}"))
            })?;
            if !is_used {
                print::note(&"the kernel uses the seed within minutes; for root, at once");
            }
            Ok(())
        }
        Destination::Output => Ok(print::write(seed.as_slice())?),
        Destination::File(path) => durable::replace(path, seed.as_slice())
            .map_err(|error| CommandError::unwritable(path, &error)),
    }
}
