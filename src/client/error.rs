//! Why a call got no answer, or a refusal, and the exit code for it.

use std::error::Error;
use std::path::PathBuf;

use crate::exitcode::Exit;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ClientError {
    /// A token or certificate file cannot be used.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The address has another form.
    #[error("--url {url}: must be http://…, https://… or unix:/path/admin.sock")]
    Address {
        /// The address.
        url: String,
    },
    /// The address has a user or a password, which would be shown in errors.
    #[error("--url: must have no user and password; give a token with --token-file")]
    UserInfo,
    /// The client's own thread cannot be started.
    #[error("cannot start a thread for the connection: {0}")]
    Thread(std::io::Error),
    /// The service cannot be reached, or did not answer.
    #[error("{url}: {reason}; is the service running? start it with: lavawall serve")]
    Unreachable {
        /// The address.
        url: String,
        /// The reason.
        reason: String,
    },
    /// The body ended early, or is longer than it may be.
    #[error("{url}: the answer broke off: {reason}")]
    BrokenOff {
        /// The address.
        url: String,
        /// The reason.
        reason: String,
    },
    /// The service answered with an error.
    #[error("{url}: {status}: {reason}")]
    Refused {
        /// The address.
        url: String,
        /// The status code.
        status: u16,
        /// The reason that the service gave.
        reason: String,
    },
}

impl ClientError {
    /// The exit code for this error.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Address { .. } | Self::UserInfo => Exit::Usage,
            Self::File { .. } => Exit::Config,
            Self::BrokenOff { .. } => Exit::Io,
            Self::Refused { status: 401 | 403, .. } | Self::Thread(_) => Exit::Refused,
            Self::Refused { status: 404 | 409, .. } => Exit::Failure,
            Self::Refused { status: 400..=499, .. } => Exit::Data,
            Self::Unreachable { .. } | Self::Refused { .. } => Exit::Unavailable,
        }
    }
}

/// An error with its causes: `hyper` says in the first only that the connection failed.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
