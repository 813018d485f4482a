//! Asking for what must not be seen: a passphrase, a share.

use std::io::{self, BufRead, IsTerminal, Read};

use zeroize::Zeroizing;

use crate::cli::error::CommandError;
use crate::exitcode::Exit;

/// No passphrase and no share is longer, in bytes.
const LIMIT: usize = 4096;

/// Asks without echo on a terminal; otherwise reads a line of standard input. Spaces around it are no
/// part of it.
pub(crate) fn secret(prompt: &str) -> Result<Zeroizing<String>, CommandError> {
    if io::stdin().is_terminal() {
        let failed = |error: io::Error| CommandError::new(Exit::Io, format!("{prompt}: {error}"));
        let text = rpassword::prompt_password(format!("{prompt}: ")).map_err(failed)?;
        let text = Zeroizing::new(text);
        return Ok(Zeroizing::new(text.trim().to_owned()));
    }
    line(&mut io::stdin().lock(), prompt)
}

fn line(from: &mut impl BufRead, prompt: &str) -> Result<Zeroizing<String>, CommandError> {
    // Room for all of it: a text that grows leaves copies.
    let mut line = Zeroizing::new(String::with_capacity(LIMIT + 1));
    let read = from.take(LIMIT as u64 + 1).read_line(&mut line);
    let read = read.map_err(|error| CommandError::new(Exit::Io, format!("{prompt}: {error}")))?;
    if read == 0 {
        return Err(CommandError::data(format!("{prompt}: standard input has ended")));
    }
    // Cut off, it would be another than was meant, and what is left the answer to the next question.
    if read > LIMIT {
        return Err(CommandError::data(format!("{prompt}: the line has more than {LIMIT} bytes")));
    }
    Ok(Zeroizing::new(line.trim().to_owned()))
}

/// A new passphrase; on a terminal it is asked for twice.
pub(crate) fn new_passphrase() -> Result<Zeroizing<String>, CommandError> {
    let one = secret("new passphrase")?;
    if io::stdin().is_terminal() && *secret("the same again")? != *one {
        return Err(CommandError::data(
            "the two passphrases are not the same; nothing was changed",
        ));
    }
    Ok(one)
}

/// Whether somebody is there who can be asked again.
pub(crate) fn can_repeat() -> bool {
    io::stdin().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_refused_and_never_cut_off() {
        let longest = "x".repeat(LIMIT - 1);
        for text in [format!("{longest}\nnext\n"), longest.clone(), format!("{longest}x")] {
            let read = line(&mut text.as_bytes(), "passphrase");
            assert!(read.is_ok_and(|read| read.starts_with(&longest)), "{} bytes", text.len());
        }
        for text in [format!("{longest}x\n"), "x".repeat(LIMIT + 1), "x".repeat(1 << 20)] {
            assert!(line(&mut text.as_bytes(), "passphrase").is_err(), "{} bytes", text.len());
        }
    }
}
