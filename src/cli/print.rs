//! The one place where the command line writes to the terminal.

use std::fmt::Display;
use std::io::{self, Write};

use crate::exitcode::Exit;

/// Writes one line to standard output. A reader that has gone away, as `head` does, is no failure.
pub(crate) fn line(text: impl Display) -> Exit {
    write(format!("{text}\n").as_bytes()).err().unwrap_or(Exit::Ok)
}

/// Writes bytes to standard output.
///
/// # Errors
/// How to end, since no more can be written: well, when the reader has gone away.
pub(crate) fn write(bytes: &[u8]) -> Result<(), Exit> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Exit::Ok;
        }
        crate::cli::print::error(&format!("standard output: {error}"));
        Exit::Io
    })
}

/// Writes `lavawall: …` to standard error.
pub(crate) fn error(text: &dyn Display) {
    // With standard error gone there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "lavawall: {text}");
}

/// Writes a remark to standard error, where it does not mix with output.
pub(crate) fn note(text: &dyn Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A text as a terminal may show it: what others wrote must not steer it.
pub(crate) fn shown(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, letter| {
        if letter.is_control() {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
        out
    })
}
