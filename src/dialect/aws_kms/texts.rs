//! `Encrypt`, `Decrypt`, `ReEncrypt`, and data keys.

use std::borrow::Cow;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::dialect::aws_kms::ciphertext::{self, Ciphertext, EncryptionContext};
use crate::dialect::aws_kms::fault::Fault;
use crate::dialect::aws_kms::key_record::{ENCRYPT_DECRYPT, FoundKey};
use crate::dialect::aws_kms::random::number_of_bytes;
use crate::dialect::aws_kms::signed_call::{
    Outcome, SignedCall, answer, blob, check_dry_run, check_recipient,
};

/// The longest text, in bytes: that of AWS.
const TEXT_MOST: usize = 4096;

/// The longest sealed text, in bytes: that of AWS.
const SEALED_MOST: usize = 6144;

/// The algorithm of keys that seal.
pub(crate) const ALGORITHM: &str = "SYMMETRIC_DEFAULT";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EncryptAsked<'a> {
    key_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    plaintext: Option<Cow<'a, str>>,
    #[serde(default)]
    encryption_context: Option<EncryptionContext>,
    encryption_algorithm: Option<Cow<'a, str>>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DecryptAsked<'a> {
    key_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    ciphertext_blob: Option<Cow<'a, str>>,
    #[serde(default)]
    encryption_context: Option<EncryptionContext>,
    encryption_algorithm: Option<Cow<'a, str>>,
    recipient: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReEncryptAsked<'a> {
    #[serde(borrow)]
    ciphertext_blob: Option<Cow<'a, str>>,
    source_key_id: Option<Cow<'a, str>>,
    #[serde(default)]
    source_encryption_context: Option<EncryptionContext>,
    source_encryption_algorithm: Option<Cow<'a, str>>,
    destination_key_id: Option<Cow<'a, str>>,
    #[serde(default)]
    destination_encryption_context: Option<EncryptionContext>,
    destination_encryption_algorithm: Option<Cow<'a, str>>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DataKeyAsked<'a> {
    key_id: Option<Cow<'a, str>>,
    key_spec: Option<Cow<'a, str>>,
    number_of_bytes: Option<i64>,
    #[serde(default)]
    encryption_context: Option<EncryptionContext>,
    recipient: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Done<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext_blob: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<Zeroizing<String>>,
    key_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_algorithm: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_encryption_algorithm: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_encryption_algorithm: Option<&'static str>,
}

/// Where an opened text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    /// To the caller.
    Shown,
    /// Under another key or version, without being shown: a revoked version still opens.
    SealedAgain,
}

pub(crate) fn encrypt(call: &SignedCall<'_>) -> Outcome {
    let asked: EncryptAsked<'_> = call.read()?;
    check_algorithm(asked.encryption_algorithm.as_deref())?;
    let found = sealing_key(call, asked.key_id.as_deref())?;
    let text = blob(asked.plaintext.as_deref(), "plaintext", TEXT_MOST)?;
    call.use_key()?;
    check_dry_run(asked.dry_run)?;
    let sealed = seal(call, &found, asked.encryption_context, &text)?;
    answer(&Done {
        ciphertext_blob: Some(BASE64.encode(&sealed)),
        key_id: &found.arn,
        encryption_algorithm: Some(ALGORITHM),
        ..Done::default()
    })
}

pub(crate) fn decrypt(call: &SignedCall<'_>) -> Outcome {
    let asked: DecryptAsked<'_> = call.read()?;
    check_algorithm(asked.encryption_algorithm.as_deref())?;
    check_recipient(asked.recipient.as_ref())?;
    let sealed = blob(asked.ciphertext_blob.as_deref(), "ciphertextBlob", SEALED_MOST)?;
    let context = asked.encryption_context.unwrap_or_default();
    call.use_key()?;
    let (found, text) = open(call, asked.key_id.as_deref(), &sealed, &context, Opening::Shown)?;
    check_dry_run(asked.dry_run)?;
    answer(&Done {
        plaintext: Some(Zeroizing::new(BASE64.encode(&text))),
        key_id: &found.arn,
        encryption_algorithm: Some(ALGORITHM),
        ..Done::default()
    })
}

pub(crate) fn re_encrypt(call: &SignedCall<'_>) -> Outcome {
    let asked: ReEncryptAsked<'_> = call.read()?;
    check_algorithm(asked.source_encryption_algorithm.as_deref())?;
    check_algorithm(asked.destination_encryption_algorithm.as_deref())?;
    let to = sealing_key(call, asked.destination_key_id.as_deref())?;
    let sealed = blob(asked.ciphertext_blob.as_deref(), "ciphertextBlob", SEALED_MOST)?;
    let context = asked.source_encryption_context.unwrap_or_default();
    call.use_key()?;
    let named = asked.source_key_id.as_deref();
    let (from, text) = open(call, named, &sealed, &context, Opening::SealedAgain)?;
    check_dry_run(asked.dry_run)?;
    let sealed = seal(call, &to, asked.destination_encryption_context, &text)?;
    answer(&Done {
        ciphertext_blob: Some(BASE64.encode(&sealed)),
        key_id: &to.arn,
        source_key_id: Some(&from.arn),
        source_encryption_algorithm: Some(ALGORITHM),
        destination_encryption_algorithm: Some(ALGORITHM),
        ..Done::default()
    })
}

/// A new key of the caller's, sealed, and in the clear if `is_shown`.
pub(crate) fn data_key(call: &SignedCall<'_>, is_shown: bool) -> Outcome {
    let asked: DataKeyAsked<'_> = call.read()?;
    check_recipient(asked.recipient.as_ref())?;
    let bytes = match (asked.key_spec.as_deref(), asked.number_of_bytes) {
        (Some("AES_256"), None) => 32,
        (Some("AES_128"), None) => 16,
        (None, Some(bytes)) => number_of_bytes(bytes)?,
        (Some(spec), None) => {
            let set = "Member must satisfy enum value set: [AES_256, AES_128]";
            return Err(Fault::constraint(spec, "keySpec", set));
        }
        (None, None) | (Some(_), Some(_)) => {
            let message = "Please specify either number of bytes or key spec.";
            return Err(Fault::validation(message));
        }
    };
    let found = sealing_key(call, asked.key_id.as_deref())?;
    call.use_key()?;
    check_dry_run(asked.dry_run)?;
    call.charge(bytes)?;
    let mut drawn = Zeroizing::new(vec![0; bytes]);
    call.app.generator.fill(&mut drawn)?;
    let sealed = seal(call, &found, asked.encryption_context, &drawn)?;
    answer(&Done {
        ciphertext_blob: Some(BASE64.encode(&sealed)),
        plaintext: is_shown.then(|| Zeroizing::new(BASE64.encode(&drawn))),
        key_id: &found.arn,
        ..Done::default()
    })
}

/// The key of this name, which the tenant may use, and which seals now.
fn sealing_key(call: &SignedCall<'_>, named: Option<&str>) -> Result<FoundKey, Fault> {
    let found = call.keys().find(named.unwrap_or_default())?;
    call.may_use(found.id)?;
    found.usable(ENCRYPT_DECRYPT)
}

fn seal(
    call: &SignedCall<'_>,
    found: &FoundKey,
    context: Option<EncryptionContext>,
    text: &[u8],
) -> Result<Vec<u8>, Fault> {
    let context = context.unwrap_or_default();
    ciphertext::seal(&call.app.generator, found.id, &found.key, &context, text)
}

/// Opens a sealed text by the key that it names, which must be the one of the call if that names one.
fn open(
    call: &SignedCall<'_>,
    named: Option<&str>,
    sealed: &[u8],
    context: &EncryptionContext,
    opening: Opening,
) -> Result<(FoundKey, Zeroizing<Vec<u8>>), Fault> {
    let split = Ciphertext::split(sealed).ok_or_else(Fault::ciphertext)?;
    let named = named.map(|named| call.keys().find(named)).transpose()?;
    if named.is_some_and(|named| named.id != split.key_id) {
        return Err(Fault::incorrect_key());
    }
    let found = call.keys().get(split.key_id)?.ok_or_else(Fault::ciphertext)?;
    call.may_use(found.id)?;
    let found = found.usable(ENCRYPT_DECRYPT)?;
    let (key, number) = (&found.key, split.version);
    if opening == Opening::Shown && key.is_revoked(number) {
        return Err(Fault::revoked(&found.arn, number));
    }
    let secret = key.usable_to_rewrap(number);
    let (cipher, secret) = key.kind.cipher().zip(secret).ok_or_else(Fault::ciphertext)?;
    let text = split.open(cipher, secret, context)?;
    Ok((found, text))
}

fn check_algorithm(named: Option<&str>) -> Result<(), Fault> {
    match named {
        None | Some(ALGORITHM) => Ok(()),
        Some(other) => {
            let set = "Member must satisfy enum value set: [SYMMETRIC_DEFAULT]";
            Err(Fault::constraint(other, "encryptionAlgorithm", set))
        }
    }
}
