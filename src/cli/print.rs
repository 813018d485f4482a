//! All output of the command line.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;

use crate::exitcode::Exit;

/// Writes one line to standard output.
///
/// # Errors
/// As [`write()`].
pub(crate) fn line(text: impl Display) -> Result<(), Exit> {
    write(format!("{text}\n").as_bytes())
}

/// Writes a value as one line of JSON.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Exit> {
    match serde_json::to_string(value) {
        Ok(text) => line(text),
        Err(error) => {
            self::error(&error);
            Err(Exit::Software)
        }
    }
}

/// As [`line()`], for a command with more to do or a verdict to give: a closed pipe does not end it.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn line_if_read(text: impl Display) -> Result<(), Exit> {
    line(text).or_else(|exit| if exit == Exit::Ok { Ok(()) } else { Err(exit) })
}

/// Writes bytes to standard output.
///
/// # Errors
/// The exit code to end with. It is [`Exit::Ok`] when the reader has closed the pipe, as `head` does.
pub(crate) fn write(bytes: &[u8]) -> Result<(), Exit> {
    self::bytes(bytes).map_err(|error| {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Exit::Ok;
        }
        self::error(&format!("standard output: {error}"));
        Exit::Io
    })
}

/// Writes bytes to standard output, for a command that is not done when the reader closes the pipe.
///
/// # Errors
/// The system's error.
pub(crate) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush())
}

/// Writes `lavawall: …` to standard error.
pub(crate) fn error(text: &dyn Display) {
    // A closed standard error cannot be reported.
    let _ = writeln!(io::stderr().lock(), "lavawall: {text}");
}

/// Writes a line of output to standard error.
///
/// # Errors
/// As [`write()`].
pub(crate) fn error_line(text: &dyn Display) -> Result<(), Exit> {
    writeln!(io::stderr().lock(), "{text}").map_err(|_| Exit::Io)
}

/// Writes a remark to standard error, apart from the output.
pub(crate) fn note(text: &dyn Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Escapes control characters: text from elsewhere must not control the terminal.
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
