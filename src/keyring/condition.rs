//! The condition of a keyring, as its callers see it.

use crate::keyring::seal::SealKind;

/// Absent, sealed or unsealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// No keyring exists.
    Absent,
    /// Its keys can be used only after unsealing.
    Sealed(SealKind),
    /// Its keys can be used.
    Unsealed(SealKind),
}

impl Condition {
    /// Its name on the wire, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Sealed(_) => "sealed",
            Self::Unsealed(_) => "open",
        }
    }

    /// The kind of its seal, if there is a keyring.
    #[must_use]
    pub fn seal(self) -> Option<SealKind> {
        match self {
            Self::Absent => None,
            Self::Sealed(kind) | Self::Unsealed(kind) => Some(kind),
        }
    }
}

/// The progress of an unsealing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The keyring is unsealed.
    Unsealed,
    /// More pieces are needed.
    More {
        /// The number of pieces given.
        have: u8,
        /// The number of pieces needed.
        need: u8,
    },
}
