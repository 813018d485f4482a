//! The exit codes of the command line: the BSD `sysexits.h` numbers that scripts already know.

use std::process::ExitCode;

/// What the process tells its caller when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for was done.
    Ok = 0,
    /// The answer is no: a check failed, or the service is not ready.
    Failure = 1,
    /// The command line itself is wrong (`EX_USAGE`).
    Usage = 64,
    /// The input is not what it should be, for example too short (`EX_DATAERR`).
    Data = 65,
    /// The service, or the quorum of noise sources, is not there (`EX_UNAVAILABLE`).
    Unavailable = 69,
    /// A self-test failed or an invariant broke; restart, then report it (`EX_SOFTWARE`).
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
