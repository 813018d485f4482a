//! The class of each error of keyring and store.

use crate::http::refusal::{Class, LimitRefusal, Part, Refusal, Subject};
use crate::keyring::KeyringError;
use crate::keyring::seal::SealError;
use crate::kv::engine::{StorageAccess, StorageError};
use crate::kv::{KvError, QuotaExceeded};

/// For callers, in place of paths and system messages.
const STORE_FAILED: &str = "the store cannot be read or written at the moment";
const WRITE_FAILED: &str = "the store cannot be written at the moment";
const READ_ONLY: &str =
    "the store is damaged, and read-only until the operator repairs it with: lavawall kv repair";
const AUDIT_FAILED: &str = "the audit log cannot be written: no key is made or changed";
const NOT_OPEN: &str =
    "the store is not open: it is being opened, or /status has the reason why not";

impl From<KeyringError> for Refusal {
    fn from(error: KeyringError) -> Self {
        let text = error.to_string();
        let shown = |class, subject| Self::new(class, subject, text.clone());
        let hidden = |class, message: &'static str| {
            Self::new(class, Subject::Operation, message)
                .with_operator_message(text.clone())
                .into_fault()
        };
        match &error {
            KeyringError::Incomplete(_) | KeyringError::LeftBehind { .. } => {
                hidden(Class::Incomplete, STORE_FAILED)
            }
            KeyringError::Absent | KeyringError::Sealed | KeyringError::NotReady(_) => {
                shown(Class::Unavailable, Subject::Operation)
            }
            KeyringError::Audit(_) => hidden(Class::Unavailable, AUDIT_FAILED),
            KeyringError::File { .. } | KeyringError::Anchor(_) => {
                hidden(Class::Unavailable, STORE_FAILED)
            }
            KeyringError::Present
            | KeyringError::Unsealed
            | KeyringError::Unprepared
            | KeyringError::ActiveVersion { .. }
            | KeyringError::DestroyedVersion { .. } => shown(Class::Conflict, Subject::Operation),
            KeyringError::TitleTaken => shown(Class::Conflict, Subject::Title),
            KeyringError::Unproved { .. } => shown(Class::Forbidden, Subject::Operation),
            KeyringError::UnknownNamespace(_) => {
                let refusal = Self::new(Class::NotFound, Subject::Namespace, "namespace not found");
                refusal.with_operator_message(text)
            }
            KeyringError::UnknownVersion { .. } => shown(Class::NotFound, Subject::Operation),
            KeyringError::Changed { .. } | KeyringError::Format { .. } => {
                hidden(Class::Damaged, STORE_FAILED)
            }
            KeyringError::Title { .. } | KeyringError::TitleControl { .. } => {
                shown(Class::Invalid, Subject::Title)
            }
            KeyringError::TooMany { .. } | KeyringError::Transit(_) => {
                shown(Class::Invalid, Subject::Operation)
            }
            KeyringError::Seal(seal) => hidden(class_of_seal(seal), STORE_FAILED),
            _ => hidden(Class::Invalid, STORE_FAILED),
        }
    }
}

/// A disk or the system is at fault, or the secret is not the right one, or it is malformed.
fn class_of_seal(error: &SealError) -> Class {
    match error {
        SealError::NotReady(_)
        | SealError::Stretch { .. }
        | SealError::File { .. }
        | SealError::Exposed { .. } => Class::Unavailable,
        SealError::WrongPassphrase | SealError::OtherSet { .. } | SealError::False { .. } => {
            Class::Forbidden
        }
        _ => Class::Invalid,
    }
}

impl From<KvError> for Refusal {
    fn from(error: KvError) -> Self {
        let error = match error {
            KvError::Keyring(error) => return error.into(),
            error => error,
        };
        let text = error.to_string();
        let hidden =
            |message: &'static str| Self::unavailable(message).with_operator_message(&text);
        match &error {
            KvError::UnknownNamespace(_) => {
                Self::new(Class::NotFound, Subject::Namespace, "namespace not found")
                    .with_operator_message(text)
            }
            KvError::NameLength { value: 0, .. } | KvError::NameDots => {
                Self::invalid_part(Part::Name, text)
            }
            KvError::NameLength { .. } => {
                Self::new(Class::TooLarge, Subject::Part(Part::NameLength), text)
            }
            KvError::MetadataLength { .. } => {
                Self::new(Class::TooLarge, Subject::Part(Part::Metadata), text)
            }
            KvError::Expired { .. } => Self::invalid_part(Part::Expiration, text),
            KvError::ValueLength { limit, .. } => {
                Self::body_too_large(*limit).with_operator_message(text)
            }
            KvError::Quota(QuotaExceeded { field, most, wanted }) => {
                let (limit, value) = (most.to_string(), wanted.to_string());
                let limit = LimitRefusal { field, limit, value, retry_after: None };
                let message = format!(
                    "{field}: the owner of the namespace may keep at most {most} (would be {wanted})"
                );
                Self::new(Class::TooManyRequests, Subject::Limit(Box::new(limit)), message)
            }
            KvError::NotReady(_) | KvError::Contended => Self::unavailable(text),
            KvError::Closed => Self::unavailable(NOT_OPEN).with_operator_message(text),
            KvError::ReadOnly(_) => hidden(READ_ONLY),
            KvError::Orphaned | KvError::Sound => {
                Self::new(Class::Conflict, Subject::Operation, text)
            }
            KvError::Damaged(_)
            | KvError::Revoked { .. }
            | KvError::Destroyed { .. }
            | KvError::UnknownVersion { .. } => {
                Self::new(Class::Damaged, Subject::Record, text).into_fault()
            }
            KvError::Disagrees(_) => {
                Self::new(Class::Damaged, Subject::Namespace, text).into_fault()
            }
            KvError::Storage(StorageError { what: StorageAccess::Write, .. }) => {
                hidden(WRITE_FAILED).into_fault()
            }
            _ => hidden(STORE_FAILED).into_fault(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(error: KeyringError) -> Class {
        Refusal::from(error).class
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
            assert_eq!(class(error).status(), 503);
        }
        assert_eq!(class(SealError::WrongPassphrase.into()).status(), 403);
        assert_eq!(class(KeyringError::Unprepared).status(), 409);
    }

    #[test]
    fn paths_and_system_messages_are_for_the_operator_alone() {
        let error = KvError::Keyring(KeyringError::File {
            path: "/secret/place".into(),
            error: std::io::Error::other("disk on fire"),
        });
        let refusal = Refusal::from(error);
        assert_eq!(refusal.class, Class::Unavailable);
        assert!(!refusal.message.contains("secret") && !refusal.message.contains("fire"));
        assert!(refusal.operator_message().contains("/secret/place: disk on fire"));
    }
}
