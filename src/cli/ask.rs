//! Asking for what must not be seen: a passphrase, a share.

use std::io::{self, BufRead, IsTerminal, Read};

use zeroize::Zeroizing;

use crate::cli::stop::Stop;
use crate::exitcode::Exit;

/// No passphrase and no share is longer, in bytes.
const LIMIT: u64 = 4096;

/// Asks without echo on a terminal; otherwise reads a line of standard input. Spaces around it are no
/// part of it.
pub(super) fn secret(prompt: &str) -> Result<Zeroizing<String>, Stop> {
    let failed = |error: io::Error| Stop::new(Exit::Io, format!("{prompt}: {error}"));
    if io::stdin().is_terminal() {
        let text = rpassword::prompt_password(format!("{prompt}: ")).map_err(failed)?;
        let text = Zeroizing::new(text);
        return Ok(Zeroizing::new(text.trim().to_owned()));
    }
    let mut line = Zeroizing::new(String::with_capacity(256));
    let read = io::stdin().lock().take(LIMIT).read_line(&mut line).map_err(failed)?;
    if read == 0 {
        return Err(Stop::data(format!("{prompt}: standard input has ended")));
    }
    Ok(Zeroizing::new(line.trim().to_owned()))
}

/// A new passphrase; on a terminal it is asked for twice.
pub(super) fn new_passphrase() -> Result<Zeroizing<String>, Stop> {
    let one = secret("new passphrase")?;
    if io::stdin().is_terminal() && *secret("the same again")? != *one {
        return Err(Stop::data("the two passphrases are not the same; nothing was changed"));
    }
    Ok(one)
}

/// Whether somebody is there who can be asked again.
pub(super) fn can_repeat() -> bool {
    io::stdin().is_terminal()
}
