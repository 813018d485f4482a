//! A key that callers use by name, with its versions; and its bytes in the keyring's file.

use std::sync::Arc;

use serde::Serialize;

use crate::crypto::codec::{Malformed, Reader, Writer};
use crate::crypto::key::Key;
use crate::crypto::transit::TransitCipher;
use crate::keyring::key_version::{KeyVersion, VersionState};
use crate::keyring::provenance::KeyProvenance;

/// The most keys of one owner.
pub(crate) const KEYS_LIMIT: usize = 1000;

/// The most keys of all owners.
pub(crate) const ALL_KEYS_LIMIT: usize = 10_000;

/// The most versions of one key that have a key: a daily rotation for more than ten years.
pub(crate) const VERSIONS_LIMIT: usize = 4096;

/// The most versions of all keys of one owner: a tenth of those of all, so that one owner cannot take the room
/// of the others.
pub(crate) const OWNER_VERSIONS_LIMIT: usize = 10_000;

/// The most versions of all keys: six megabytes of the keyring's file, which every change writes.
pub(crate) const ALL_VERSIONS_LIMIT: usize = 100_000;

/// The least time between two rotations by age, in seconds.
pub(crate) const ROTATION_LEAST: u64 = 60 * 60;

/// The longest name of a key, in bytes.
const NAME_MOST: usize = 128;

/// What a key is for. A key of one purpose is not there for another, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub(crate) enum KeyPurpose {
    /// Vault's transit engine.
    Transit = 1,
    /// Kubernetes KMS v2.
    Kms = 2,
    /// AWS KMS.
    AwsKms = 3,
}

/// What a key is for, whose it is, and its name. The operator's keys have no owner's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TransitName {
    /// What it is for.
    pub(crate) purpose: KeyPurpose,
    /// The tenant; empty for the operator.
    pub(crate) owner: String,
    /// The name, unlike all others of the owner for this purpose.
    pub(crate) name: String,
}

/// The type of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum TransitType {
    Aes256Gcm96 = 1,
    ChaCha20Poly1305 = 2,
}

/// What may be done with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the switches of Vault's keys")]
pub(crate) struct TransitSettings {
    /// Each use needs a context, from which its key is derived.
    pub(crate) derived: bool,
    /// Its versions may be read. Never taken back.
    pub(crate) exportable: bool,
    /// Vault's consent to a backup in clear, which this service does not make. Never taken back.
    pub(crate) allow_plaintext_backup: bool,
    /// It may be deleted.
    pub(crate) deletion_allowed: bool,
    /// The age of a version at which the next one is made, in seconds; 0 for never.
    pub(crate) auto_rotate_seconds: u64,
    /// Older versions open nothing.
    pub(crate) min_decryption: u32,
    /// Older versions seal nothing; 0 for no such limit.
    pub(crate) min_encryption: u32,
}

/// One key with its versions.
///
/// ```text
/// 1   purpose: 1 transit, 2 KMS, 3 AWS KMS; not in format 4, whose keys are for transit
/// 2+n owner
/// 2+n name
/// 16  id, for the audit log
/// 1   type
/// 1   flags: 1 derived, 2 exportable, 4 backup in clear, 8 deletion allowed
/// 8   age at which it is rotated, in seconds
/// 4   oldest version that opens
/// 4   oldest version that seals
/// 4   oldest version that is kept, 0 when none was destroyed
/// 4   number of versions, then each as in a namespace, oldest first
/// ```
#[derive(Clone)]
pub(crate) struct TransitKey {
    pub(crate) id: [u8; 16],
    pub(crate) kind: TransitType,
    pub(crate) settings: TransitSettings,
    /// Older versions were destroyed.
    pub(crate) min_available: u32,
    /// Oldest first; the last one is active.
    pub(crate) versions: Vec<KeyVersion>,
}

impl KeyPurpose {
    /// Every purpose, with its name on the wire.
    const ALL: [(Self, &'static str); 3] =
        [(Self::Transit, "transit"), (Self::Kms, "kms"), (Self::AwsKms, "aws-kms")];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(purpose, _)| *purpose == self).map_or("", |(_, name)| name)
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let number = from.byte()?;
        let known = Self::ALL.iter().find(|(purpose, _)| *purpose as u8 == number);
        known.map(|(purpose, _)| *purpose).ok_or(Malformed)
    }
}

/// Whether a text can be the name of a key: letters, digits, `_`, and within it `-` and `.`.
#[must_use]
pub(crate) fn is_key_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = name.as_bytes();
    (1..=NAME_MOST).contains(&bytes.len())
        && bytes.iter().all(|byte| is_letter(*byte) || matches!(byte, b'-' | b'.'))
        && [bytes.first(), bytes.last()].iter().all(|end| end.is_some_and(|byte| is_letter(*byte)))
}

impl TransitType {
    /// Every type, with its name on the wire.
    const ALL: [(Self, &'static str); 2] =
        [(Self::Aes256Gcm96, "aes256-gcm96"), (Self::ChaCha20Poly1305, "chacha20-poly1305")];

    /// The type of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// Its cipher.
    pub(crate) fn cipher(self) -> TransitCipher {
        match self {
            Self::Aes256Gcm96 => TransitCipher::Aes256GcmSiv,
            Self::ChaCha20Poly1305 => TransitCipher::ChaCha20Poly1305,
        }
    }
}

impl TransitKey {
    /// A key with its first version.
    pub(crate) fn new(
        id: [u8; 16],
        kind: TransitType,
        settings: TransitSettings,
        drawn: (Key, KeyProvenance),
    ) -> Self {
        let settings = TransitSettings { min_decryption: 1, min_encryption: 0, ..settings };
        let mut key = Self { id, kind, settings, min_available: 0, versions: Vec::new() };
        key.rotate(drawn);
        key
    }

    /// The number of the version that seals.
    pub(crate) fn latest(&self) -> u32 {
        self.versions.last().map_or(0, |last| last.number)
    }

    /// A version, if it is there.
    pub(crate) fn version(&self, number: u32) -> Option<&KeyVersion> {
        self.versions.iter().find(|version| version.number == number)
    }

    /// Adds a version that seals from now on.
    pub(crate) fn rotate(&mut self, (key, provenance): (Key, KeyProvenance)) {
        if let Some(last) = self.versions.last_mut() {
            last.state = VersionState::Retired;
        }
        let number = self.latest() + 1;
        let (state, key) = (VersionState::Active, Some(Arc::new(key)));
        self.versions.push(KeyVersion { number, state, provenance, key });
    }

    /// Appends it.
    pub(crate) fn write(&self, name: &TransitName, to: &mut Writer) {
        let it = &self.settings;
        let flags = [it.derived, it.exportable, it.allow_plaintext_backup, it.deletion_allowed];
        let flags = flags.iter().rev().fold(0, |sum, flag| sum << 1 | u8::from(*flag));
        to.byte(name.purpose as u8);
        to.short(name.owner.as_bytes()).short(name.name.as_bytes()).bytes(&self.id);
        to.byte(self.kind as u8).byte(flags).u64(it.auto_rotate_seconds);
        to.u32(it.min_decryption).u32(it.min_encryption).u32(self.min_available);
        to.u32(u32::try_from(self.versions.len()).expect("versions are limited"));
        for version in &self.versions {
            version.write(to);
        }
    }

    /// Reads it, in a keyring of this format.
    pub(crate) fn read(
        format: u8,
        from: &mut Reader<'_>,
    ) -> Result<(TransitName, Self), Malformed> {
        let purpose = if format > 4 { KeyPurpose::read(from)? } else { KeyPurpose::Transit };
        let (owner, name) = (from.text()?.to_owned(), from.text()?.to_owned());
        let name = TransitName { purpose, owner, name };
        let id = from.array()?;
        let kind = match from.byte()? {
            1 => TransitType::Aes256Gcm96,
            2 => TransitType::ChaCha20Poly1305,
            _ => return Err(Malformed),
        };
        let flags = from.byte()?;
        if flags > 0b1111 {
            return Err(Malformed);
        }
        let settings = TransitSettings {
            derived: flags & 1 != 0,
            exportable: flags & 2 != 0,
            allow_plaintext_backup: flags & 4 != 0,
            deletion_allowed: flags & 8 != 0,
            auto_rotate_seconds: from.u64()?,
            min_decryption: from.u32()?,
            min_encryption: from.u32()?,
        };
        let min_available = from.u32()?;
        let count = from.u32()?;
        let versions: Vec<_> =
            (0..count).map(|_| KeyVersion::read(from)).collect::<Result<_, _>>()?;
        let is_sound = versions.last().is_some_and(|last| last.state == VersionState::Active);
        if !is_sound {
            return Err(Malformed);
        }
        Ok((name, Self { id, kind, settings, min_available, versions }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_letters_digits_and_underscores_at_its_ends() {
        for name in ["a", "a-b.c_D9", "_", "9", &"x".repeat(128)] {
            assert!(is_key_name(name), "{name}");
        }
        for name in ["", "-a", "a-", ".", "a b", "a%20b", "ä", "a/b", &"x".repeat(129)] {
            assert!(!is_key_name(name), "{name}");
        }
    }
}
