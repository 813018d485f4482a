//! What the operator is told when a key operation is not done: all of it, paths included.

use hyper::StatusCode;

use crate::http::problem::Problem;
use crate::keyring::KeyringError;
use crate::keyring::seal::SealError;
use crate::kv::KvError;

/// The keyring's file could not be read at the start.
pub(crate) fn no_keyring() -> Problem {
    Problem::of_keys(
        StatusCode::SERVICE_UNAVAILABLE,
        "the keyring could not be read at the start; `lavawall status` and the log say why",
    )
}

impl From<KeyringError> for Problem {
    fn from(error: KeyringError) -> Self {
        let status = match &error {
            KeyringError::Incomplete(_) | KeyringError::LeftBehind { .. } => {
                return Self::of_keys_half_done(error.to_string());
            }
            KeyringError::Absent
            | KeyringError::Sealed
            | KeyringError::NotReady(_)
            | KeyringError::Audit(_)
            | KeyringError::File { .. }
            | KeyringError::Anchor(_)
            | KeyringError::Seal(
                SealError::NotReady(_)
                | SealError::Stretch { .. }
                | SealError::File { .. }
                | SealError::Exposed { .. },
            ) => StatusCode::SERVICE_UNAVAILABLE,
            KeyringError::Present
            | KeyringError::Unsealed
            | KeyringError::Unprepared
            | KeyringError::ActiveVersion { .. } => StatusCode::CONFLICT,
            KeyringError::Unproved { .. }
            | KeyringError::Seal(
                SealError::WrongPassphrase | SealError::OtherSet { .. } | SealError::False { .. },
            ) => StatusCode::FORBIDDEN,
            KeyringError::UnknownNamespace(_) | KeyringError::UnknownVersion { .. } => {
                StatusCode::NOT_FOUND
            }
            KeyringError::Changed { .. } | KeyringError::Format { .. } => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            _ => StatusCode::BAD_REQUEST,
        };
        Self::of_keys(status, error.to_string())
    }
}

impl From<KvError> for Problem {
    fn from(error: KvError) -> Self {
        match error {
            KvError::Keyring(error) => error.into(),
            KvError::Orphaned => Self::of_keys(StatusCode::CONFLICT, error.to_string()),
            KvError::UnknownNamespace(_) => Self::of_keys(StatusCode::NOT_FOUND, error.to_string()),
            error => Self::of_keys(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(error: KeyringError) -> StatusCode {
        Problem::from(error).response().status()
    }

    #[test]
    fn a_disk_that_fails_is_503_and_only_what_was_entered_wrongly_is_403() {
        let full = || std::io::ErrorKind::StorageFull.into();
        let path = || "seal-key".into();
        for error in [
            SealError::File { path: path(), error: full() }.into(),
            SealError::Exposed { path: path(), mode: 0o644 }.into(),
            KeyringError::File { path: path(), error: full() },
            KeyringError::LeftBehind { path: path(), error: full() },
            KeyringError::Incomplete(Box::new(KeyringError::File { path: path(), error: full() })),
        ] {
            assert_eq!(status(error), StatusCode::SERVICE_UNAVAILABLE);
        }
        assert_eq!(status(SealError::WrongPassphrase.into()), StatusCode::FORBIDDEN);
        assert_eq!(status(KeyringError::Unprepared), StatusCode::CONFLICT);
    }
}
