//! `lavawall token`: a new bearer token, and its line for the tokens file.

use std::fmt::Display;

use clap::Args;

use crate::caller::token::{draw_token, hash_token};
use crate::cli::config_arguments::ConfigArguments;
use crate::cli::error::CommandError;
use crate::cli::print;
use crate::daemon::local::LocalGenerator;
use crate::exitcode::Exit;

/// Make a bearer token for a caller
///
/// Prints the token on standard output, once, and on standard error the line to add to the file
/// that `http.tokens` names. The service keeps only the hash. For example:
/// lavawall token backup-job > token 2>> tokens
#[derive(Debug, Args)]
pub(crate) struct TokenArguments {
    /// Name of the caller, for the tokens file
    name: String,
    #[command(flatten)]
    config: ConfigArguments,
}

pub(crate) fn run(arguments: &TokenArguments) -> Result<(), CommandError> {
    let is_name = |name: &str| {
        (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
    };
    if !is_name(&arguments.name) {
        return Err(CommandError::usage(
            "name: must be 1 to 64 printable characters, without spaces or #",
        ));
    }
    let config = arguments.config.load()?;
    let unavailable = |error: &dyn Display| CommandError::new(Exit::Unavailable, error);
    let local = LocalGenerator::seeded(&config).map_err(|error| unavailable(&error))?;
    let token = draw_token(&local.generator).map_err(|error| unavailable(&error))?;
    // Without its hash the token would be good for nothing.
    print::error_line(&format!("{} {}", arguments.name, hash_token(&token)))?;
    Ok(print::line(token.as_str())?)
}
