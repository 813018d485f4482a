//! `lavawall token`: a new bearer token, and the line that lets it in.

use clap::Args;
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use crate::caller::token::hash_token;
use crate::cli::{ConfigArguments, print};
use crate::daemon::local;
use crate::daemon::local::Local;
use crate::exitcode::Exit;

/// Make a bearer token for a caller
///
/// Prints the token on standard output, once, and on standard error the line to add to the file
/// that `http.tokens` names. The service keeps only the hash. For example:
/// lavawall token backup-job > token 2>> tokens
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Who the token is for; appears in the tokens file only
    name: String,
    #[command(flatten)]
    config: ConfigArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    let is_name = |name: &str| {
        (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
    };
    if !is_name(&arguments.name) {
        print::error(&"name: must be 1 to 64 printable characters, without spaces or #");
        return Exit::Usage;
    }
    let config = match arguments.config.load() {
        Ok(config) => config,
        Err(error) => {
            print::error(&error);
            return Exit::Config;
        }
    };
    let mut bytes = Zeroizing::new([0; 32]);
    let drawn = Local::start(&config).and_then(|local| {
        local.wait_for_seed(local::PATIENCE)?;
        local
            .generator
            .fill(bytes.as_mut_slice())
            .map_err(|reason| local::LocalError::NoSeed { waited: local::PATIENCE, reason })
    });
    if let Err(error) = drawn {
        print::error(&error);
        return Exit::Unavailable;
    }
    let token = Zeroizing::new(BASE64URL_NOPAD.encode(bytes.as_slice()));
    print::note(&format!("{} {}", arguments.name, hash_token(&token)));
    print::line(token.as_str())
}
