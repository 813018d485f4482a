//! Signatures under a key: `sign`, and `verify` of one.
//!
//! ```text
//! vault:v3:BASE64(signature)       by version 3 of the key; BASE64URL without padding for `jws`
//! ```

use std::borrow::Cow;
use std::sync::Arc;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use zeroize::Zeroizing;

use crate::crypto::key::Key;
use crate::crypto::signing::{SignatureForm, SignatureScheme};
use crate::crypto::transit::{Sha2, hash};
use crate::dialect::vault::base64::{decoded, decoded_input};
use crate::dialect::vault::fields::Fields;
use crate::dialect::vault::hashing::sha2;
use crate::dialect::vault::key_use::{context, of_context, sealing_version, version, versioned};
use crate::http::refusal::Refusal;
use crate::keyring::transit::TransitKey;

/// What a key that signs does, in errors.
pub(crate) const SIGNING: &str = "signing";
pub(crate) const VERIFICATION: &str = "verification";

/// What a body says about all its texts.
pub(crate) struct SigningOptions {
    scheme: SignatureScheme,
    /// `None` for `none`: the input is a hash.
    sha2: Option<Sha2>,
    form: SignatureForm,
    is_hashed: bool,
    version: Option<i64>,
}

/// A signature as it is answered.
pub(crate) struct SignedText {
    pub(crate) signature: String,
    pub(crate) version: u32,
    /// Of a key that is derived for a context.
    pub(crate) public_key: Option<String>,
}

impl SigningOptions {
    /// Reads them; the hash also from the path. `signature_algorithm` and `salt_length` are those of RSA and
    /// left aside.
    pub(crate) fn read(
        fields: &Fields<'_>,
        path: Option<&str>,
        scheme: SignatureScheme,
    ) -> Result<Self, Refusal> {
        let given = |name| fields.text(name).map(|text| text.filter(|text| !text.is_empty()));
        let named = match path {
            Some(name) => Some(Cow::Borrowed(name)),
            None => given("hash_algorithm")?,
        };
        let named = match named {
            Some(name) => name,
            // Its older name.
            None => given("algorithm")?.unwrap_or_default(),
        };
        let sha2 = if named == "none" {
            None
        } else {
            Some(sha2(&named).ok_or_else(|| invalid("hash algorithm", &named))?)
        };
        let form = match fields.text("marshaling_algorithm")?.as_deref() {
            None | Some("asn1") => SignatureForm::Asn1,
            Some("jws") => SignatureForm::Jws,
            Some(other) => return Err(invalid("marshaling type", other)),
        };
        let is_hashed = fields.switch("prehashed")?.unwrap_or_default();
        if scheme.signs_hashes() && sha2.is_none() && !is_hashed {
            let message =
                "hash_algorithm=none requires both prehashed=true and signature_algorithm=pkcs1v15";
            return Err(Refusal::invalid(message));
        }
        Ok(Self { scheme, sha2, form, is_hashed, version: fields.number("key_version")? })
    }

    /// What is signed of an input.
    fn signed(&self, input: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let signs_hashes = self.scheme.signs_hashes();
        match self.sha2.filter(|_| signs_hashes && !self.is_hashed) {
            Some(sha2) => Ok(Zeroizing::new(hash(sha2, &input))),
            None if signs_hashes && input.is_empty() => {
                Err(Refusal::invalid("ecdsa: hash cannot be empty"))
            }
            None => Ok(input),
        }
    }
}

/// The scheme of a key that signs.
pub(crate) fn scheme(key: &TransitKey, work: &str) -> Result<SignatureScheme, Refusal> {
    key.kind.scheme().ok_or_else(|| {
        let kind = key.kind.name();
        Refusal::invalid(format!("key type {kind} does not support {work}"))
    })
}

/// Whether signatures are to be verified, and not MACs: all texts of a body have the one or the other.
pub(crate) fn is_of_signatures(
    fields: &Fields<'_>,
    items: Option<&[Fields<'_>]>,
) -> Result<bool, Refusal> {
    let (mut of_signatures, mut of_macs, mut missing) = (false, false, false);
    for item in items.unwrap_or(std::slice::from_ref(fields)) {
        match (item.has("signature"), item.has("hmac")) {
            (true, _) => of_signatures = true,
            (false, true) => of_macs = true,
            (false, false) => missing = true,
        }
    }
    let fault = match (of_signatures, of_macs, missing) {
        (_, _, true) if items.is_none() => {
            "neither a 'signature' nor an 'hmac' were given to verify"
        }
        (true, true, _) => {
            "elements of batch_input must all provide 'signature' or all provide 'hmac'"
        }
        (true, false, true) => "some elements of batch_input are missing 'signature'",
        (false, true, true) => "some elements of batch_input are missing 'hmac'",
        (false, false, _) => "no batch_input elements have 'signature' or 'hmac'",
        (is_of_signatures, _, false) => return Ok(is_of_signatures),
    };
    Err(Refusal::invalid(fault))
}

/// Signs the input of an item.
pub(crate) fn sign(
    key: &TransitKey,
    options: &SigningOptions,
    item: &Fields<'_>,
    is_batch: bool,
) -> Result<SignedText, Refusal> {
    let text = options.signed(input(item, is_batch)?)?;
    let context = signing_context(item)?;
    let number = sealing_version(key, options.version, SIGNING)?;
    let secret = secret(key, number, &context)?;
    let signature = options.scheme.sign(&secret, &text, options.form);
    let signature = match options.form {
        SignatureForm::Asn1 => BASE64.encode(&signature),
        SignatureForm::Jws => BASE64URL_NOPAD.encode(&signature),
    };
    let public_key = key.settings.derived.then(|| options.scheme.public_key(&secret).text());
    Ok(SignedText {
        signature: format!("vault:v{number}:{signature}"),
        version: number,
        public_key,
    })
}

/// Whether the signature of an item is that of its input.
pub(crate) fn verify(
    key: &TransitKey,
    options: &SigningOptions,
    item: &Fields<'_>,
    is_batch: bool,
) -> Result<bool, Refusal> {
    let input = input(item, is_batch)?;
    let given = item.text("signature")?.unwrap_or_default();
    let text = options.signed(input)?;
    let context = signing_context(item)?;
    let (number, signature) = versioned(key, "signature", &given)?;
    let signature = match options.form {
        SignatureForm::Asn1 => decoded(signature.into()).map(|bytes| bytes.to_vec()).ok(),
        SignatureForm::Jws => BASE64URL_NOPAD.decode(signature.as_bytes()).ok(),
    };
    let signature = signature.ok_or_else(|| Refusal::invalid("invalid base64 signature value"))?;
    let secret = secret(key, number, &context)?;
    let valid = options.scheme.public_key(&secret).verify(&text, &signature, options.form);
    valid.map_err(|_| Refusal::invalid("supplied signature is invalid"))
}

/// The key of a version, for a context if each has its own.
fn secret(key: &TransitKey, number: u32, context: &[u8]) -> Result<Arc<Key>, Refusal> {
    let version = version(key, number)?;
    of_context(key, version, context)
        .map_err(|refusal| Refusal::invalid(format!("error deriving key: {}", refusal.message)))
}

/// The input of an item: without it, one alone is empty.
fn input(item: &Fields<'_>, is_batch: bool) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    match item.text("input")? {
        Some(input) => decoded_input(input),
        None if is_batch => Err(Refusal::invalid("missing input")),
        None => Ok(Zeroizing::default()),
    }
}

fn signing_context(item: &Fields<'_>) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    context(item).map_err(|_| Refusal::invalid("failed to base64-decode context"))
}

fn invalid(what: &str, value: &str) -> Refusal {
    let shown: String = value.chars().take(64).collect();
    Refusal::invalid(format!("invalid {what} {shown:?}"))
}
