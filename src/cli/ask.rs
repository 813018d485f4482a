//! Hidden input: passphrases and shares.

use std::io::{self, BufRead, IsTerminal, Read};

use zeroize::Zeroizing;

use crate::cli::error::CommandError;
use crate::exitcode::Exit;

/// The most bytes of a passphrase or share.
const LIMIT: usize = 4096;

/// Asks without echo on a terminal; otherwise reads a line of standard input. Surrounding white space
/// is removed.
pub(crate) fn secret(prompt: &str) -> Result<Zeroizing<String>, CommandError> {
    let ended = || CommandError::data(format!("{prompt}: standard input has ended"));
    next_secret(prompt)?.ok_or_else(ended)
}

/// Asks without echo on the terminal, whatever standard input is.
pub(crate) fn terminal(prompt: &str) -> Result<Zeroizing<String>, CommandError> {
    let text = rpassword::prompt_password(format!("{prompt}: ")).map_err(|error| {
        let reason = format!("{prompt}: no terminal to ask on: {error}");
        CommandError::new(Exit::Io, reason)
    })?;
    let text = Zeroizing::new(text);
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// As [`secret`]; `None` where standard input has ended.
pub(crate) fn next_secret(prompt: &str) -> Result<Option<Zeroizing<String>>, CommandError> {
    if io::stdin().is_terminal() {
        return terminal(prompt).map(Some);
    }
    line(&mut io::stdin().lock(), prompt)
}

fn line(from: &mut impl BufRead, prompt: &str) -> Result<Option<Zeroizing<String>>, CommandError> {
    // Room for the longest line: a string that grows leaves copies.
    let mut line = Zeroizing::new(String::with_capacity(LIMIT + 1));
    let read = from.take(LIMIT as u64 + 1).read_line(&mut line);
    let read = read.map_err(|error| CommandError::new(Exit::Io, format!("{prompt}: {error}")))?;
    if read == 0 {
        return Ok(None);
    }
    // Truncated, it would be a wrong secret, and the rest of the line the next one.
    if read > LIMIT {
        return Err(CommandError::data(format!("{prompt}: the line has more than {LIMIT} bytes")));
    }
    Ok(Some(Zeroizing::new(line.trim().to_owned())))
}

/// Asks for a new passphrase, on a terminal twice.
pub(crate) fn new_passphrase() -> Result<Zeroizing<String>, CommandError> {
    let one = secret("new passphrase")?;
    if io::stdin().is_terminal() && *secret("repeat it")? != *one {
        return Err(CommandError::data("the two passphrases differ; nothing was changed"));
    }
    Ok(one)
}

/// Whether a wrong entry can be repeated: standard input is a terminal.
pub(crate) fn can_repeat() -> bool {
    io::stdin().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_refused_and_never_truncated() {
        let longest = "x".repeat(LIMIT - 1);
        for text in [format!("{longest}\nnext\n"), longest.clone(), format!("{longest}x")] {
            let read = line(&mut text.as_bytes(), "passphrase");
            let read = read.ok().flatten();
            assert!(read.is_some_and(|read| read.starts_with(&longest)), "{} bytes", text.len());
        }
        for text in [format!("{longest}x\n"), "x".repeat(LIMIT + 1), "x".repeat(1 << 20)] {
            assert!(line(&mut text.as_bytes(), "passphrase").is_err(), "{} bytes", text.len());
        }
    }
}
