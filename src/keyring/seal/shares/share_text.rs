//! The text of a share: it can be printed, read aloud and typed.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::crypto::codec::{Malformed, Reader, Writer};
use crate::crypto::key::{KEY_BYTES, Key};
use crate::crypto::label;
use crate::keyring::seal::error::SealError;
use lavawall_entropy::Secret;

/// How the text begins; the number is the format's version.
const PREFIX: &str = "lava1:";

/// The size of the identifier of one split's shares in bytes.
pub(crate) const SET_BYTES: usize = 8;

/// The size of the checksum in bytes: one mistyped share in 2³² passes it.
const SUM_BYTES: usize = 4;

/// Letters between two hyphens.
const GROUP: usize = 6;

/// The longest text, blanks included.
const TEXT_LIMIT: usize = 256;

/// One share.
///
/// ```text
/// lava1:XXXXXX-XXXXXX-…      RFC 4648 base32, case and hyphens do not matter, of
///
/// 1   number, 1 to n
/// 1   threshold k
/// 1   count n
/// 8   set
/// 32  share
/// 4   SHA-256("lavawall v1 share" ‖ all of the above)[..4]
/// ```
pub struct Share {
    pub(crate) number: u8,
    pub(crate) threshold: u8,
    pub(crate) count: u8,
    pub(crate) set: [u8; SET_BYTES],
    pub(crate) part: Key,
}

impl Share {
    /// Its number, from 1.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.number
    }

    /// The number of shares needed.
    #[must_use]
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// The number of shares made.
    #[must_use]
    pub fn count(&self) -> u8 {
        self.count
    }

    /// The text to give out. Each call discloses a secret and must be reviewed.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        let letters = Zeroizing::new(BASE32_NOPAD.encode(&self.bytes()));
        let mut text = Zeroizing::new(String::with_capacity(TEXT_LIMIT));
        text.push_str(PREFIX);
        for (at, letter) in letters.chars().enumerate() {
            if at > 0 && at % GROUP == 0 {
                text.push('-');
            }
            text.push(letter);
        }
        text
    }

    /// Reads a text as its holder typed it.
    ///
    /// # Errors
    /// [`SealError::Mistyped`].
    pub fn parse(text: &[u8]) -> Result<Self, SealError> {
        let prefix = text.get(..PREFIX.len()).ok_or(SealError::Mistyped)?;
        if text.len() > TEXT_LIMIT || !prefix.eq_ignore_ascii_case(PREFIX.as_bytes()) {
            return Err(SealError::Mistyped);
        }
        let mut letters = Zeroizing::new(Vec::with_capacity(TEXT_LIMIT));
        let is_letter = |byte: &&u8| **byte != b'-' && !byte.is_ascii_whitespace();
        letters.extend(text[PREFIX.len()..].iter().filter(is_letter).map(u8::to_ascii_uppercase));
        let bytes = BASE32_NOPAD.decode(&letters).map_err(|_| SealError::Mistyped)?;
        Self::read(&Zeroizing::new(bytes)).map_err(|Malformed| SealError::Mistyped)
    }

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let (body, sum) = bytes.split_last_chunk().ok_or(Malformed)?;
        if checksum(body) != *sum {
            return Err(Malformed);
        }
        let mut from = Reader::of(body);
        let (number, threshold, count, set) =
            (from.byte()?, from.byte()?, from.byte()?, from.array()?);
        let mut part = Zeroizing::new(from.array::<KEY_BYTES>()?);
        from.end()?;
        Ok(Self { number, threshold, count, set, part: Secret::take(&mut part) })
    }

    fn bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::default();
        writer.byte(self.number).byte(self.threshold).byte(self.count);
        writer.bytes(&self.set).bytes(self.part.expose());
        let mut bytes = writer.finish();
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum);
        bytes
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Share({} of {})", self.number, self.count)
    }
}

fn checksum(bytes: &[u8]) -> [u8; SUM_BYTES] {
    let hash = Sha256::new().chain_update(label::SHARE_SUM).chain_update(bytes).finalize();
    *hash.first_chunk().expect("SHA-256 gives 32 bytes")
}
