//! Why a change of a key is refused, in the words of OpenBao.

/// A change that the key's state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransitFault {
    /// There is no such key.
    #[error("key not found")]
    Unknown,
    /// There is no such version. Not a text of OpenBao, which revokes none.
    #[error("the key has no version {version}")]
    UnknownVersion {
        /// The given version.
        version: u32,
    },
    /// The key may not be deleted.
    #[error("deletion is not allowed for this key")]
    DeletionNotAllowed,
    /// The key may not be read.
    #[error("private key material is not exportable")]
    NotExportable,
    /// No such version would open.
    #[error("cannot set min decryption version of {value}, latest key version is {latest}")]
    DecryptionBeyond {
        /// The given version.
        value: u32,
        /// The last one.
        latest: u32,
    },
    /// No such version would seal.
    #[error("cannot set min encryption version of {value}, latest key version is {latest}")]
    EncryptionBeyond {
        /// The given version.
        value: u32,
        /// The last one.
        latest: u32,
    },
    /// A version would seal what it does not open.
    #[error(
        "cannot set min encryption/decryption values; min encryption version of {encryption} must be \
         greater than or equal to min decryption version of {decryption}"
    )]
    EncryptionBelow {
        /// The oldest version that seals.
        encryption: u32,
        /// The oldest version that opens.
        decryption: u32,
    },
    /// A version was destroyed.
    #[error("min decryption version should not be less then min available version")]
    BelowAvailable,
    /// Versions that may seal would be destroyed.
    #[error("minimum available version cannot be set when minimum encryption version is not set")]
    EncryptionUnset,
    /// Versions are not brought back.
    #[error("minimum available version cannot be decremented")]
    Decremented,
    /// Versions that may seal would be destroyed.
    #[error("minimum available version cannot be greater than minmum encryption version")]
    AboveEncryption,
    /// Versions that may open would be destroyed.
    #[error("minimum available version cannot be greater than minimum decryption version")]
    AboveDecryption,
}
