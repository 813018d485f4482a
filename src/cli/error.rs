//! Why a command ends before it has done what was asked.

use std::fmt::Display;
use std::path::Path;

use crate::calibrate::capture::CaptureError;
use crate::cli::print;
use crate::client::ClientError;
use crate::config::ConfigError;
use crate::exitcode::Exit;

/// What is said, and the exit code.
#[derive(Debug)]
pub(crate) struct Stop {
    exit: Exit,
    /// `None` when it has been said, or there is nobody left to tell.
    reason: Option<String>,
}

impl Stop {
    pub(crate) fn new(exit: Exit, reason: impl Display) -> Self {
        Self { exit, reason: Some(reason.to_string()) }
    }

    /// The command line is wrong.
    pub(crate) fn usage(reason: impl Display) -> Self {
        Self::new(Exit::Usage, reason)
    }

    /// The input is not what it should be.
    pub(crate) fn data(reason: impl Display) -> Self {
        Self::new(Exit::Data, reason)
    }

    /// The answer is no.
    pub(crate) fn no(reason: impl Display) -> Self {
        Self::new(Exit::Failure, reason)
    }

    /// A file cannot be read.
    pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        let exit = match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => Exit::Usage,
            std::io::ErrorKind::FileTooLarge => Exit::Data,
            _ => Exit::Io,
        };
        Self::new(exit, format!("{}: {error}", path.display()))
    }

    /// A file would be replaced unasked.
    pub(crate) fn there(path: &Path) -> Self {
        let reason = format!("{} is there already; --force replaces it", path.display());
        Self::new(Exit::CannotCreate, reason)
    }

    /// The same with more behind what is said.
    pub(crate) fn and(mut self, more: &str) -> Self {
        if let Some(reason) = &mut self.reason {
            reason.push_str(more);
        }
        self
    }

    /// Tells the user.
    pub(crate) fn say(self) -> Exit {
        if let Some(reason) = &self.reason {
            print::error(reason);
        }
        self.exit
    }
}

impl From<ConfigError> for Stop {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Config, error)
    }
}

impl From<CaptureError> for Stop {
    fn from(error: CaptureError) -> Self {
        let exit = match error {
            CaptureError::Unknown { .. } => Exit::Usage,
            _ => Exit::Unavailable,
        };
        Self::new(exit, error)
    }
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        Self::new(error.exit(), error)
    }
}

/// Standard output said how to end.
impl From<Exit> for Stop {
    fn from(exit: Exit) -> Self {
        Self { exit, reason: None }
    }
}
