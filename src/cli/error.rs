//! Why a command ends early: its message and exit code.

use std::fmt::{self, Display, Formatter};
use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::io::Errno;

use crate::calibrate::capture::CaptureError;
use crate::cli::print;
use crate::client::ClientError;
use crate::config::ConfigError;
use crate::exitcode::Exit;
use crate::state::StateDirError;

/// A message for the user, and an exit code.
#[derive(Debug)]
pub(crate) struct CommandError {
    exit: Exit,
    /// `None` when there is nothing to say: it was said already, or the reader has gone away.
    message: Option<String>,
}

impl CommandError {
    pub(crate) fn new(exit: Exit, message: impl Display) -> Self {
        Self { exit, message: Some(message.to_string()) }
    }

    /// The command line is wrong.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The input is invalid.
    pub(crate) fn data(message: impl Display) -> Self {
        Self::new(Exit::Data, message)
    }

    /// The answer is no.
    pub(crate) fn failure(message: impl Display) -> Self {
        Self::new(Exit::Failure, message)
    }

    /// A file cannot be read.
    pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Self {
        let exit = match error.kind() {
            ErrorKind::NotFound | ErrorKind::PermissionDenied => Exit::Usage,
            ErrorKind::FileTooLarge => Exit::Data,
            _ => Exit::Io,
        };
        Self::new(exit, format!("{}: {error}", path.display()))
    }

    /// A file cannot be created, or its disk is full or fails.
    pub(crate) fn unwritable(path: &Path, error: &io::Error) -> Self {
        let is_of_disk = matches!(
            error.kind(),
            ErrorKind::StorageFull
                | ErrorKind::QuotaExceeded
                | ErrorKind::FileTooLarge
                | ErrorKind::WriteZero
        ) || error.raw_os_error() == Some(Errno::IO.raw_os_error());
        let exit = if is_of_disk { Exit::Io } else { Exit::CannotCreate };
        Self::new(exit, format!("{}: {error}", path.display()))
    }

    /// A file exists and may not be replaced.
    pub(crate) fn exists(path: &Path) -> Self {
        let message = format!("{}: exists; --force replaces it", path.display());
        Self::new(Exit::CannotCreate, message)
    }

    /// The same error with `more` after its message.
    pub(crate) fn and(mut self, more: &str) -> Self {
        if let Some(message) = &mut self.message {
            message.push_str(more);
        }
        self
    }

    /// Prints the message; returns the exit code.
    pub(crate) fn report(self) -> Exit {
        if let Some(message) = &self.message {
            print::error(message);
        }
        self.exit
    }
}

impl Display for CommandError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.as_deref().unwrap_or_default())
    }
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Config, error)
    }
}

impl From<StateDirError> for CommandError {
    fn from(error: StateDirError) -> Self {
        Self::new(Exit::Config, error)
    }
}

impl From<CaptureError> for CommandError {
    fn from(error: CaptureError) -> Self {
        let exit = match error {
            CaptureError::Unknown { .. } => Exit::Usage,
            _ => Exit::Unavailable,
        };
        Self::new(exit, error)
    }
}

impl From<ClientError> for CommandError {
    fn from(error: ClientError) -> Self {
        Self::new(error.exit(), error)
    }
}

/// Standard output cannot be written, which was said already, or its reader has gone away.
impl From<Exit> for CommandError {
    fn from(exit: Exit) -> Self {
        Self { exit, message: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_full_or_fails_is_told_from_a_file_that_cannot_be_made() {
        let exit =
            |error: Errno| CommandError::unwritable(Path::new("out"), &io::Error::from(error)).exit;
        for error in [Errno::NOSPC, Errno::DQUOT, Errno::FBIG, Errno::IO] {
            assert_eq!(exit(error), Exit::Io, "{error}");
        }
        for error in [Errno::NOENT, Errno::ACCESS, Errno::ROFS, Errno::NOTDIR, Errno::ISDIR] {
            assert_eq!(exit(error), Exit::CannotCreate, "{error}");
        }
    }
}
