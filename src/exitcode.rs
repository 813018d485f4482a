//! The exit codes of the command line: the BSD `sysexits.h` numbers that scripts know.

use std::process::ExitCode;

/// The exit code of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Success.
    Ok = 0,
    /// The answer is no: a check failed, or the service is not ready.
    Failure = 1,
    /// The command line itself is wrong (`EX_USAGE`).
    Usage = 64,
    /// The input is malformed, for example too short (`EX_DATAERR`).
    Data = 65,
    /// The service, or the quorum of noise sources, is unavailable (`EX_UNAVAILABLE`).
    Unavailable = 69,
    /// A self-test failed or an invariant is broken; restart, then report it (`EX_SOFTWARE`).
    Software = 70,
    /// A file or directory cannot be created or written (`EX_CANTCREAT`).
    CannotCreate = 73,
    /// Reading or writing failed part way (`EX_IOERR`).
    Io = 74,
    /// The operating system refused, for example the address is in use (`EX_NOPERM`).
    Refused = 77,
    /// The configuration is wrong; the message names file, line, key and reason (`EX_CONFIG`).
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
