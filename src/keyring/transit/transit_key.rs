//! A key that callers use by name, with its versions; and its bytes in the keyring's file.

use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::crypto::codec::{Malformed, Reader, Writer};
use crate::crypto::key::{KEY_BYTES, Key};
use crate::crypto::signing::SignatureScheme;
use crate::crypto::transit::{TransitCipher, mac_key};
use crate::keyring::key_version::{KeyVersion, VersionState};
use crate::keyring::provenance::KeyProvenance;
use lavawall_entropy::{Generator, NotReady};

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

/// The sizes of a key for HMAC alone, in bytes: those of Vault.
pub(crate) const MAC_KEY_SIZES: RangeInclusive<u16> = 32..=512;

/// The interface that a key is for. A key of one is not there for another, whatever its name.
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
    Ed25519 = 3,
    EcdsaP256 = 4,
    Hmac = 5,
}

/// What keys of a type do. Each of them also makes MACs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransitWork {
    Seal(TransitCipher),
    Sign(SignatureScheme),
    Mac,
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
    /// The size of the key of a key for HMAC alone, in bytes; 0 for other types.
    pub(crate) mac_key_bytes: u16,
}

/// One key with its versions.
///
/// ```text
/// 1   purpose: 1 transit, 2 KMS, 3 AWS KMS; not in format 4, whose keys are for transit
/// 2+n owner
/// 2+n name
/// 16  id, for the audit log
/// 1   type: 1 AES-256-GCM-SIV, 2 ChaCha20-Poly1305, and since format 6: 3 Ed25519, 4 ECDSA P-256, 5 HMAC
/// 2   of type 5 alone: size of the key for HMAC, in bytes
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
    /// Every type, with its name on the wire and its work.
    const ALL: [(Self, &'static str, TransitWork); 5] = [
        (Self::Aes256Gcm96, "aes256-gcm96", TransitWork::Seal(TransitCipher::Aes256GcmSiv)),
        (
            Self::ChaCha20Poly1305,
            "chacha20-poly1305",
            TransitWork::Seal(TransitCipher::ChaCha20Poly1305),
        ),
        (Self::Ed25519, "ed25519", TransitWork::Sign(SignatureScheme::Ed25519)),
        (Self::EcdsaP256, "ecdsa-p256", TransitWork::Sign(SignatureScheme::EcdsaP256)),
        (Self::Hmac, "hmac", TransitWork::Mac),
    ];

    /// The type of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(kind, ..)| *kind)
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        self.entry().1
    }

    /// What its keys do.
    pub(crate) fn work(self) -> TransitWork {
        self.entry().2
    }

    /// Its cipher, if its keys seal.
    pub(crate) fn cipher(self) -> Option<TransitCipher> {
        match self.work() {
            TransitWork::Seal(cipher) => Some(cipher),
            TransitWork::Sign(_) | TransitWork::Mac => None,
        }
    }

    /// Its scheme, if its keys sign.
    pub(crate) fn scheme(self) -> Option<SignatureScheme> {
        match self.work() {
            TransitWork::Sign(scheme) => Some(scheme),
            TransitWork::Seal(_) | TransitWork::Mac => None,
        }
    }

    /// Whether each context can have a key of its own.
    pub(crate) fn supports_derivation(self) -> bool {
        !matches!(self, Self::EcdsaP256 | Self::Hmac)
    }

    /// Draws the key of a version.
    ///
    /// # Errors
    /// When the generator refuses.
    pub(crate) fn draw(self, generator: &Generator) -> Result<(Key, KeyProvenance), NotReady> {
        self.first_key(|| KeyProvenance::draw(generator))
    }

    /// The first that is a key of this type.
    fn first_key(
        self,
        mut draw: impl FnMut() -> Result<(Key, KeyProvenance), NotReady>,
    ) -> Result<(Key, KeyProvenance), NotReady> {
        loop {
            let drawn = draw()?;
            if self.is_key(&drawn.0) {
                return Ok(drawn);
            }
        }
    }

    fn is_key(self, key: &Key) -> bool {
        self.scheme().is_none_or(|scheme| scheme.is_private_key(key))
    }

    fn entry(self) -> &'static (Self, &'static str, TransitWork) {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).expect("every type is in the table")
    }

    fn read(format: u8, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let number = from.byte()?;
        let kind = Self::ALL.iter().map(|(kind, ..)| *kind).find(|kind| *kind as u8 == number);
        // A file of an older format has none of the newer types.
        kind.filter(|kind| format > 5 || kind.cipher().is_some()).ok_or(Malformed)
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

    /// The key of a version that seals, signs, opens and verifies, if its policy and its state allow it.
    pub(crate) fn usable(&self, number: u32) -> Option<&Arc<Key>> {
        self.opening(number).filter(|it| it.state != VersionState::Revoked)?.key.as_ref()
    }

    /// The key of a version that opens what is sealed again at once: also of a revoked one.
    pub(crate) fn usable_to_rewrap(&self, number: u32) -> Option<&Arc<Key>> {
        self.opening(number)?.key.as_ref()
    }

    /// Whether a version is revoked.
    pub(crate) fn is_revoked(&self, number: u32) -> bool {
        self.version(number).is_some_and(|it| it.state == VersionState::Revoked)
    }

    fn opening(&self, number: u32) -> Option<&KeyVersion> {
        self.version(number).filter(|it| it.number >= self.settings.min_decryption)
    }

    /// The key for HMAC of a version's key.
    pub(crate) fn mac_key(&self, key: &Key) -> Zeroizing<Vec<u8>> {
        match self.settings.mac_key_bytes {
            0 => mac_key(key, KEY_BYTES),
            bytes => mac_key(key, usize::from(bytes)),
        }
    }

    /// The purpose of a key of this name, as operators see it: the work of keys that sign or make MACs alone,
    /// or else the interface.
    pub(crate) fn purpose(&self, name: &TransitName) -> &'static str {
        match self.kind.work() {
            TransitWork::Sign(_) => "sign",
            TransitWork::Mac => "mac",
            TransitWork::Seal(_) => name.purpose.name(),
        }
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
        to.byte(self.kind as u8);
        if self.kind == TransitType::Hmac {
            to.bytes(&it.mac_key_bytes.to_be_bytes());
        }
        to.byte(flags).u64(it.auto_rotate_seconds);
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
        let kind = TransitType::read(format, from)?;
        let mac_key_bytes = match kind {
            TransitType::Hmac => u16::from_be_bytes(from.array()?),
            _ => 0,
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
            mac_key_bytes,
        };
        let min_available = from.u32()?;
        let count = from.u32()?;
        let versions: Vec<_> =
            (0..count).map(|_| KeyVersion::read(from)).collect::<Result<_, _>>()?;
        let is_sound = versions.last().is_some_and(|last| last.state == VersionState::Active)
            && versions.iter().filter_map(|it| it.key.as_ref()).all(|key| kind.is_key(key))
            && (kind != TransitType::Hmac || MAC_KEY_SIZES.contains(&mac_key_bytes));
        if !is_sound {
            return Err(Malformed);
        }
        Ok((name, Self { id, kind, settings, min_available, versions }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::signing::SignatureForm;
    use crate::crypto::test_support::{failing_after, generator, unseeded};

    #[test]
    fn what_is_no_private_key_is_drawn_again() {
        let provenance = KeyProvenance::draw(&generator()).expect("seeded").1;
        let mut drawn = [[0xff; KEY_BYTES], [0; KEY_BYTES], [7; KEY_BYTES], [8; KEY_BYTES]];
        let mut drawn = drawn.iter_mut();
        let mut draw = || Ok((Key::take(drawn.next().expect("more")), provenance.clone()));
        let key = TransitType::EcdsaP256.first_key(&mut draw).expect("drawn").0;
        assert_eq!(key.expose(), &[7; KEY_BYTES]);
        let key = TransitType::Ed25519.first_key(&mut draw).expect("drawn").0;
        assert_eq!(key.expose(), &[8; KEY_BYTES]);
    }

    #[test]
    fn a_key_of_no_type_comes_from_elsewhere_when_the_generator_refuses() {
        for (kind, ..) in TransitType::ALL {
            assert!(kind.draw(&unseeded()).is_err(), "{kind:?}");
        }
    }

    #[test]
    fn each_version_of_each_type_takes_32_bytes_of_the_generator_and_nothing_else() {
        for (kind, ..) in TransitType::ALL {
            // Every answer of the generator asks the operating system once.
            let generator = failing_after(1);
            let drawn = kind.draw(&generator).expect("one answer");
            assert!(kind.draw(&generator).is_err(), "{kind:?}");
            let key = TransitKey::new([1; 16], kind, TransitSettings::default(), drawn);
            let Some(scheme) = kind.scheme() else { continue };
            // A signature takes none.
            let secret = key.usable(1).expect("the first version");
            assert!(!scheme.sign(secret, b"text", SignatureForm::Asn1).is_empty());
        }
    }

    #[test]
    fn the_purpose_of_a_key_is_its_work_or_else_its_interface() {
        let purpose = |purpose, kind: TransitType| {
            let name = TransitName { purpose, owner: String::new(), name: "a".to_owned() };
            let drawn = kind.draw(&generator()).expect("seeded");
            TransitKey::new([1; 16], kind, TransitSettings::default(), drawn).purpose(&name)
        };
        assert_eq!(purpose(KeyPurpose::Transit, TransitType::ChaCha20Poly1305), "transit");
        assert_eq!(purpose(KeyPurpose::Transit, TransitType::Ed25519), "sign");
        assert_eq!(purpose(KeyPurpose::Transit, TransitType::EcdsaP256), "sign");
        assert_eq!(purpose(KeyPurpose::Transit, TransitType::Hmac), "mac");
        assert_eq!(purpose(KeyPurpose::AwsKms, TransitType::Hmac), "mac");
        assert_eq!(purpose(KeyPurpose::AwsKms, TransitType::Aes256Gcm96), "aws-kms");
        assert_eq!(purpose(KeyPurpose::Kms, TransitType::Aes256Gcm96), "kms");
    }

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
