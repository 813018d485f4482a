//! `lavawall audit`: checks the hash chain of the audit log.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;

use clap::Args;

use crate::audit;
use crate::audit::HeadFound;
use crate::cli::admin_arguments::AdminArguments;
use crate::cli::error::CommandError;
use crate::cli::print;
use crate::durable;
use crate::exitcode::Exit;
use crate::state::AUDIT_LOG;

/// Check that no line of the audit log was changed, removed or inserted
///
/// Every key operation, performed or refused, is a line of `audit.log` in the state directory, bound to
/// the line before it by SHA-256. Prints the number of lines and the head, the hash that binds all of
/// them. Keep the head on another machine: --head then also detects a log that was truncated or
/// rewritten since. Exits with 1 when the chain is broken.
#[derive(Debug, Args)]
pub(crate) struct AuditArguments {
    /// The log [default: audit.log in the state directory]
    file: Option<PathBuf>,
    /// A head that was printed earlier, which some line must have
    #[arg(long, value_name = "HEX")]
    head: Option<String>,
    #[command(flatten)]
    admin: AdminArguments,
}

/// The given head as the log has it.
fn given_head(text: &str) -> Result<String, CommandError> {
    const DIGITS: usize = 64;
    let head = text.trim().to_ascii_lowercase();
    let is_hex = head.bytes().all(|digit| digit.is_ascii_hexdigit());
    if is_hex && head.len() == DIGITS {
        return Ok(head);
    }
    let got = if is_hex { format!("{} digits", head.len()) } else { "other characters".to_owned() };
    let reason = format!("--head: must be {DIGITS} hexadecimal digits (got {got})");
    Err(CommandError::new(Exit::Data, reason))
}

pub(crate) fn run(arguments: &AuditArguments) -> Result<(), CommandError> {
    let (path, log) = if let Some(path) = &arguments.file {
        (path.clone(), File::open(path))
    } else {
        let path = arguments.admin.state_dir()?.join(AUDIT_LOG);
        let log = durable::open(&path, OpenOptions::new().read(true));
        (path, log)
    };
    let unreadable = |error: std::io::Error| CommandError::unreadable(&path, &error);
    let log = log.map_err(unreadable)?;
    let head = arguments.head.as_deref().map(given_head).transpose()?;
    let read = audit::check(log, head.as_deref()).map_err(unreadable)?;
    for finding in &read.findings {
        print::error(&format!("{}: {finding}", path.display()));
    }
    if head.is_some() {
        let reason = match read.head {
            HeadFound::Found => None,
            HeadFound::Mistyped { line, digits } => Some(CommandError::data(format!(
                "{}: the head is mistyped: that of line {line} differs in {digits} of 64 digits",
                path.display()
            ))),
            HeadFound::Absent => Some(CommandError::failure(format!(
                "{}: no line has this head: lines are missing, or it is the head of another log",
                path.display()
            ))),
        };
        reason.map_or(Ok(()), Err)?;
    }
    if read.unfinished > 0 {
        print::note(&format!(
            "the last {} bytes are an incomplete line, left by a crash",
            read.unfinished
        ));
    }
    let printed =
        print::line(format_args!("{} lines, head {}", read.chain.sequence, read.chain.head()));
    if read.findings.is_empty() { Ok(printed?) } else { Err(Exit::Failure.into()) }
}
