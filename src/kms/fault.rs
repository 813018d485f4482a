//! Why a call is refused, and its code in gRPC.

use tonic::{Code, Status};

use crate::caller::limiter::Exceeded;
use crate::caller::tenants::TenantError;
use crate::http::refusal::Refusal;
use crate::keyring::KeyringError;
use crate::service_log::log_limit::LogLimit;

/// Lines about faults of the service itself.
static FAULTS: LogLimit = LogLimit::new();

/// A call is refused. The text has nothing that the client sent but lengths.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KmsFault {
    /// No keyring exists yet, or none could be read.
    #[error("there is no keyring")]
    Absent,
    /// The keyring is sealed.
    #[error("the keyring is sealed")]
    Sealed,
    /// The generator refuses: nothing can be sealed.
    #[error("the generator refuses: {0}")]
    Refusing(String),
    /// The tenants were not read yet.
    #[error("the tenants are read once the keyring is open")]
    TenantsUnknown,
    /// The keyring's files cannot be read or written.
    #[error("the key cannot be used now; the log of the service says why")]
    Unusable,
    /// The socket's tenant does not exist, or may not use the key.
    #[error("the tenant of this socket may not use the key")]
    NotPermitted,
    /// A limit.
    #[error("{0}")]
    Limit(String),
    /// A field that is too long, or empty.
    #[error("{field}: must be 1 to {most} bytes (got {got})")]
    Length {
        /// The field.
        field: &'static str,
        /// Its limit.
        most: usize,
        /// Its length.
        got: usize,
    },
    /// Of no version of the key.
    #[error("key_id: is of no version of this key that opens")]
    UnknownKeyId,
    /// Of a version that was revoked.
    #[error("key_id: is of a revoked version of this key")]
    Revoked,
    /// It was changed, or has other annotations.
    #[error("ciphertext: does not open with this key_id and these annotations")]
    DoesNotOpen,
}

impl KmsFault {
    /// The code (gRPC, doc/statuscodes.md).
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Absent
            | Self::Sealed
            | Self::Refusing(_)
            | Self::TenantsUnknown
            | Self::Unusable => Code::Unavailable,
            Self::NotPermitted => Code::PermissionDenied,
            Self::Limit(_) => Code::ResourceExhausted,
            Self::Length { .. } | Self::DoesNotOpen => Code::InvalidArgument,
            Self::UnknownKeyId => Code::NotFound,
            Self::Revoked => Code::FailedPrecondition,
        }
    }
}

impl From<KmsFault> for Status {
    fn from(fault: KmsFault) -> Self {
        Self::new(fault.code(), fault.to_string())
    }
}

impl From<KeyringError> for KmsFault {
    fn from(error: KeyringError) -> Self {
        match error {
            KeyringError::Absent => Self::Absent,
            KeyringError::Sealed => Self::Sealed,
            KeyringError::NotReady(error) => Self::Refusing(error.to_string()),
            KeyringError::TooMany { .. } => Self::Limit(error.to_string()),
            error => {
                if FAULTS.passes() {
                    tracing::error!("kms: {error}");
                }
                Self::Unusable
            }
        }
    }
}

impl From<TenantError> for KmsFault {
    fn from(error: TenantError) -> Self {
        match error {
            TenantError::NotLoaded => Self::TenantsUnknown,
            _ => Self::NotPermitted,
        }
    }
}

impl From<Exceeded> for KmsFault {
    fn from(exceeded: Exceeded) -> Self {
        Self::Limit(Refusal::from(exceeded).message.into_owned())
    }
}
