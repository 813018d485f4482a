//! What `Encrypt` and `GenerateDataKey` give, and `Decrypt` takes back.
//!
//! ```text
//! 1   format: 1
//! 16  id of the key
//! 4   version of the key
//! n   nonce ‖ sealed text ‖ tag, with the bytes before and the encryption context as associated data
//! ```

use std::collections::BTreeMap;

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::crypto::key::Key;
use crate::crypto::transit;
use crate::crypto::transit::TransitCipher;
use crate::dialect::aws_kms::fault::Fault;
use crate::keyring::transit::TransitKey;
use lavawall_entropy::Generator;

const FORMAT: u8 = 1;

/// The bytes before the sealed text.
const HEAD_BYTES: usize = 1 + 16 + 4;

/// The most bytes of an encryption context, each key and value with its length: that of AWS.
const CONTEXT_MOST: usize = 8192;

/// Pairs that must be the same when a text is opened, and are not secret.
pub(crate) type EncryptionContext = BTreeMap<String, String>;

/// A sealed text, split.
pub(crate) struct Ciphertext<'a> {
    /// The id of its key.
    pub(crate) key_id: Uuid,
    /// The version that sealed it.
    pub(crate) version: u32,
    head: &'a [u8],
    sealed: &'a [u8],
}

/// Seals `text` under the last version of a key.
///
/// # Errors
/// When the generator refuses, or the context is too long.
pub(crate) fn seal(
    generator: &Generator,
    key_id: Uuid,
    key: &TransitKey,
    context: &EncryptionContext,
    text: &[u8],
) -> Result<Vec<u8>, Fault> {
    let number = key.latest();
    let mut blob = Vec::with_capacity(HEAD_BYTES);
    blob.push(FORMAT);
    blob.extend_from_slice(key_id.as_bytes());
    blob.extend_from_slice(&number.to_be_bytes());
    let data = associated(&blob, context)?;
    let secret = key.usable(number).ok_or_else(Fault::ciphertext)?;
    let cipher = key.kind.cipher().ok_or_else(Fault::ciphertext)?;
    let sealed = transit::seal(generator, cipher, secret, &data, text)?;
    blob.extend_from_slice(&sealed);
    Ok(blob)
}

impl<'a> Ciphertext<'a> {
    /// Splits what [`seal`] gave.
    pub(crate) fn split(blob: &'a [u8]) -> Option<Self> {
        let (head, sealed) = blob.split_at_checked(HEAD_BYTES)?;
        let (format, rest) = head.split_first()?;
        let (id, version) = rest.split_first_chunk::<16>()?;
        let version = u32::from_be_bytes(version.try_into().ok()?);
        (*format == FORMAT).then_some(Self { key_id: Uuid::from_bytes(*id), version, head, sealed })
    }

    /// Opens it with the key of its version. Says no more than that it does not open.
    ///
    /// # Errors
    /// When it was changed, or is of another context or key.
    pub(crate) fn open(
        &self,
        cipher: TransitCipher,
        secret: &Key,
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let data = associated(self.head, context)?;
        transit::open(cipher, secret, &data, self.sealed).map_err(|_| Fault::ciphertext())
    }
}

/// The head, then each key and value of the context with its length, sorted by key.
fn associated(head: &[u8], context: &EncryptionContext) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let fields = context.iter().flat_map(|(key, value)| [key, value]);
    let bytes: usize = fields.clone().map(|field| 4 + field.len()).sum();
    if bytes > CONTEXT_MOST {
        let most = "Member must have length less than or equal to 8192 bytes";
        return Err(Fault::constraint(format!("{bytes} bytes"), "encryptionContext", most));
    }
    let mut data = Zeroizing::new(Vec::with_capacity(head.len() + bytes));
    data.extend_from_slice(head);
    for field in fields {
        let len = u32::try_from(field.len()).expect("it is bounded");
        data.extend_from_slice(&len.to_be_bytes());
        data.extend_from_slice(field.as_bytes());
    }
    Ok(data)
}
