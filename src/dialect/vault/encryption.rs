//! Texts under a key: `encrypt`, `decrypt`, `rewrap`, `datakey` and `hmac`, one or a batch of them.
//!
//! ```text
//! vault:v3:BASE64(nonce ‖ sealed text ‖ tag)     by version 3 of the key
//! ```
//! No member of a body chooses a nonce: one that is given is left aside.

use std::borrow::Cow;
use std::sync::Arc;

use data_encoding::BASE64;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode};
use serde::Serialize;
use zeroize::{Zeroize, Zeroizing};

use crate::audit::Actor;
use crate::caller::permission::Needed;
use crate::caller::usage::Protocol;
use crate::crypto::key::Key;
use crate::crypto::transit::{self, Sha2, TransitCipher};
use crate::dialect::vault::envelope;
use crate::dialect::vault::fields::{Fields, TEXTS};
use crate::dialect::vault::owner::{Owner, check};
use crate::dialect::vault::path::{KeyPath, TextWork};
use crate::dialect::vault::transit_keys::new_key;
use crate::http::body::Body;
use crate::http::call::{OwnedCall, on_scrubbed, on_thread};
use crate::http::refusal::Refusal;
use crate::keyring::VersionState;
use crate::keyring::transit::{TransitKey, TransitSettings};
use lavawall_entropy::Generator;

type Outcome = Result<Response<Body>, Refusal>;

/// The members of a body, or of an item of a batch.
const MEMBERS: [&str; 19] = [
    "plaintext",
    "ciphertext",
    "input",
    "hmac",
    "signature",
    "context",
    "associated_data",
    "key_version",
    "reference",
    "hash_algorithm",
    "algorithm",
    "bits",
    "batch_input",
    "partial_failure_response_code",
    // Of a key that is made by its first use.
    "type",
    "derived",
    "exportable",
    "convergent_encryption",
    "allow_plaintext_backup",
];

const NO_KEY: &str = "encryption key not found";
const NO_CONTEXT: &str = "missing 'context' for key derivation; the key was created using a derived key, \
                          which means additional, per-request information must be included in order to \
                          perform operations with the key";
const MIXED: &str = "context should be set either in all the request blocks or in none";
const NO_PLAINTEXT: &str = "missing plaintext to encrypt";
const NO_VERSION: &str = "no such key version";
const TOO_OLD: &str = "ciphertext or signature version is disallowed by policy (too old)";

/// The bytes of a body that is worked on at once: one text, or a few dozen that are next to empty.
const SHORT: usize = 1024;

/// Less than this can no sealed text have: a nonce and a tag.
const SEALED_LEAST: usize = 28;

/// The result for one text.
#[derive(Default, Serialize)]
struct Done {
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<Zeroizing<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hmac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
}

#[derive(Serialize)]
struct Batch {
    batch_results: Vec<Done>,
}

/// Does `work` with the texts of a body.
pub(crate) async fn answer(
    call: &mut OwnedCall,
    owner: Owner,
    path: KeyPath,
    work: TextWork,
) -> Outcome {
    check(&call.app, &call.caller, Needed::KeysUse(&path.name.name))?;
    if let Some(tenant) = call.caller.tenant() {
        tenant.check_bytes(1)?;
        tenant.use_key(Protocol::Vault)?;
    }
    let body = call.receive(TEXTS).await?;
    // A body takes its time: the permissions may be others.
    check(&call.app, &call.caller, Needed::KeysUse(&path.name.name))?;
    let may_make = work == TextWork::Encrypt
        && check(&call.app, &call.caller, Needed::KeysManage(&path.name.name)).is_ok();
    let (app, caller, id) = (Arc::clone(&call.app), call.caller.clone(), call.id.clone());
    let permit = call.answer_permit(body.permit);
    let bytes = body.bytes;
    // A key that is there is found without waiting, unless the keyring is being changed.
    let name = &path.name;
    let known = app.store()?.keyring().try_transit_key(name).transpose()?.flatten();
    let is_short = known.is_some() && bytes.len() <= SHORT;
    let work = move || {
        let fields = Fields::read(&bytes, &MEMBERS)?;
        let items = fields.items("batch_input", &MEMBERS)?;
        if let Some(items) = &items {
            check_batch(&work, items)?;
        }
        let keyring = app.store()?.keyring();
        let known = match known {
            Some(key) => Some(key),
            None => keyring.transit_key(&path.name)?,
        };
        let key = match known {
            Some(key) => key,
            None if may_make => {
                let (kind, asked) = new_key(&fields)?;
                let texts = items.as_deref().unwrap_or(std::slice::from_ref(&fields));
                let derived = asked.derived || texts.first().is_some_and(is_with_context);
                check_first_use(texts, derived)?;
                let settings = TransitSettings { derived, ..asked };
                let actor = Actor::named(caller.to_string());
                owner.while_known(&app, || {
                    Ok(keyring.create_transit_key(&actor, &path.name, kind, &settings)?)
                })?
            }
            None => return Err(Refusal::invalid(NO_KEY)),
        };
        let work = Work { generator: &app.generator, key: &key, kind: work };
        let (status, text) = match items {
            None => {
                let done = work.of(&fields)?;
                (StatusCode::OK, envelope::text(&id, done))
            }
            Some(items) => work.of_all(&fields, &items, &id)?,
        };
        if let Some(tenant) = caller.tenant() {
            tenant.charge(Protocol::Vault, text.len() as u64)?;
        }
        Ok(envelope::of_text(status, text, permit))
    };
    // Another thread would take more time than the work.
    if is_short { on_scrubbed(work) } else { on_thread(work).await }
}

struct Work<'w> {
    generator: &'w Generator,
    key: &'w TransitKey,
    kind: TextWork,
}

impl Work<'_> {
    /// The results in the order of the items. A batch of which an item failed is a 400, unless the caller
    /// chose another code and another item succeeded.
    fn of_all(
        &self,
        fields: &Fields<'_>,
        items: &[Fields<'_>],
        id: &HeaderValue,
    ) -> Result<(StatusCode, Zeroizing<Vec<u8>>), Refusal> {
        let mut failed = 0;
        let mut batch_results = Vec::with_capacity(items.len());
        for item in items {
            let reference = item.text("reference").ok().flatten().unwrap_or_default().into_owned();
            let mut done = match self.of(item) {
                Ok(done) => done,
                // Not the fault of an item.
                Err(refusal) if refusal.class.status() != StatusCode::BAD_REQUEST => {
                    return Err(refusal);
                }
                Err(refusal) => {
                    failed += 1;
                    Done { error: Some(refusal.message), ..Done::default() }
                }
            };
            done.reference = Some(reference);
            batch_results.push(done);
        }
        let is_partial = matches!(self.kind, TextWork::Encrypt | TextWork::Decrypt);
        let chosen = fields.number("partial_failure_response_code")?;
        let chosen = chosen.and_then(|code| u16::try_from(code).ok());
        let chosen = chosen.filter(|code| has_body(*code) && failed < items.len());
        let chosen = chosen.and_then(|code| StatusCode::from_u16(code).ok());
        let status = match (failed, is_partial) {
            (0, _) | (_, false) => StatusCode::OK,
            (_, true) => chosen.unwrap_or(StatusCode::BAD_REQUEST),
        };
        Ok((status, envelope::text(id, Batch { batch_results })))
    }

    fn of(&self, item: &Fields<'_>) -> Result<Done, Refusal> {
        match &self.kind {
            TextWork::Encrypt => self.encrypt(item, &plaintext(item)?),
            TextWork::Decrypt => {
                let text = self.decrypt(item)?;
                let plaintext = Some(Zeroizing::new(BASE64.encode(&text)));
                Ok(Done { plaintext, ..Done::default() })
            }
            TextWork::Rewrap => {
                let text = self.decrypt(item)?;
                self.encrypt(item, &text)
            }
            TextWork::DataKey { is_shown } => self.data_key(item, *is_shown),
            TextWork::Hmac(name) => self.hmac(item, algorithm(name.as_deref(), item)?),
            TextWork::Verify(name) => self.verify(item, algorithm(name.as_deref(), item)?),
        }
    }

    fn encrypt(&self, item: &Fields<'_>, text: &[u8]) -> Result<Done, Refusal> {
        let number = self.sealing_version(item)?;
        let key = self.usable(item, number)?;
        let data = associated(item)?;
        let sealed = transit::seal(self.generator, self.cipher(), &key, &data, text)?;
        let ciphertext = Some(format!("vault:v{number}:{}", BASE64.encode(&sealed)));
        Ok(Done { ciphertext, key_version: Some(number), ..Done::default() })
    }

    fn decrypt(&self, item: &Fields<'_>) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let text = item.text("ciphertext")?.filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| Refusal::invalid("missing ciphertext to decrypt"))?;
        let (number, sealed) = self.versioned("ciphertext", &text)?;
        let sealed = decoded(sealed.into())
            .map_err(|_| Refusal::invalid("invalid ciphertext: could not decode base64"))?;
        if sealed.len() < SEALED_LEAST {
            return Err(Refusal::invalid("invalid ciphertext length"));
        }
        let key = self.usable(item, number)?;
        transit::open(self.cipher(), &key, &associated(item)?, &sealed)
            .map_err(|_| Refusal::invalid("cipher: message authentication failed"))
    }

    fn data_key(&self, item: &Fields<'_>, is_shown: bool) -> Result<Done, Refusal> {
        let bytes = match item.number("bits")? {
            None | Some(256) => 32,
            Some(128) => 16,
            Some(512) => 64,
            Some(_) => return Err(Refusal::invalid("invalid bit length")),
        };
        let mut drawn = Zeroizing::new(vec![0; bytes]);
        self.generator.fill(&mut drawn)?;
        let plaintext = is_shown.then(|| Zeroizing::new(BASE64.encode(&drawn)));
        Ok(Done { plaintext, ..self.encrypt(item, &drawn)? })
    }

    fn hmac(&self, item: &Fields<'_>, sha2: Sha2) -> Result<Done, Refusal> {
        let input = input(item, "missing input for HMAC")?;
        let number = self.sealing_version(item).map_err(|refusal| match &*refusal.message {
            NO_VERSION => refusal,
            _ => {
                Refusal::invalid("cannot generate HMAC: version is too old (disallowed by policy)")
            }
        })?;
        let key = transit::mac_key(self.version(number)?);
        let mac = BASE64.encode(&transit::mac(sha2, &key, &input));
        Ok(Done { hmac: Some(format!("vault:v{number}:{mac}")), ..Done::default() })
    }

    fn verify(&self, item: &Fields<'_>, sha2: Sha2) -> Result<Done, Refusal> {
        let input = input(item, "missing input")?;
        let Some(given) = item.text("hmac")?.filter(|text| !text.is_empty()) else {
            let message = match item.text("signature")? {
                Some(_) => "key type does not support verification",
                None => "neither a 'signature' nor an 'hmac' were given to verify",
            };
            return Err(Refusal::invalid(message));
        };
        let (number, mac) = self.versioned("HMAC to verify", &given)?;
        let valid = decoded(mac.into()).is_ok_and(|mac| {
            let key = self.version(number).map(|key| transit::mac_key(key));
            key.is_ok_and(|key| transit::is_mac(sha2, &key, &input, &mac))
        });
        Ok(Done { valid: Some(valid), ..Done::default() })
    }

    /// The version that an item asks to be sealed with, the last one without it.
    fn sealing_version(&self, item: &Fields<'_>) -> Result<u32, Refusal> {
        let latest = self.key.latest();
        let TransitSettings { min_encryption, min_decryption, .. } = self.key.settings;
        // A version that opens nothing seals nothing.
        let least = min_decryption.max(self.key.min_available);
        match item.number("key_version")? {
            None | Some(0) => Ok(latest),
            Some(number) if number < 0 => {
                Err(Refusal::invalid("requested version for encryption is negative"))
            }
            Some(number) if number > i64::from(latest) => Err(Refusal::invalid(
                "requested version for encryption is higher than the latest key version",
            )),
            Some(number) if number < i64::from(min_encryption) => Err(Refusal::invalid(
                "requested version for encryption is less than the minimum encryption key version",
            )),
            Some(number) if number < i64::from(least) => Err(Refusal::invalid(NO_VERSION)),
            Some(number) => Ok(u32::try_from(number).expect("not above the last version")),
        }
    }

    /// The version that a text names, and the rest of it.
    fn versioned<'t>(&self, what: &str, text: &'t str) -> Result<(u32, &'t str), Refusal> {
        let invalid = |fault: &str| Refusal::invalid(format!("invalid {what}: {fault}"));
        let rest = text.strip_prefix("vault:v").ok_or_else(|| invalid("no prefix"))?;
        let (number, rest) =
            rest.split_once(':').ok_or_else(|| invalid("wrong number of fields"))?;
        let number: i64 =
            number.parse().map_err(|_| invalid("version number could not be decoded"))?;
        // Vault's own first version had this number.
        let number = if number == 0 { 1 } else { number };
        if number > i64::from(self.key.latest()) {
            return Err(invalid("version is too new"));
        }
        if number < i64::from(self.key.settings.min_decryption) {
            return Err(Refusal::invalid(TOO_OLD));
        }
        Ok((u32::try_from(number).expect("between the first and the last version"), rest))
    }

    fn version(&self, number: u32) -> Result<&Arc<Key>, Refusal> {
        let version = self.key.version(number).filter(|it| it.state != VersionState::Revoked);
        let key = version.and_then(|version| version.key.as_ref());
        key.ok_or_else(|| Refusal::invalid(TOO_OLD))
    }

    /// The key of a version, for the context of an item if it is derived.
    fn usable(&self, item: &Fields<'_>, number: u32) -> Result<Arc<Key>, Refusal> {
        let key = self.version(number)?;
        let context = context(item)?;
        match (self.key.settings.derived, context.is_empty()) {
            (false, _) => Ok(Arc::clone(key)),
            (true, true) => Err(Refusal::invalid(NO_CONTEXT)),
            (true, false) => Ok(Arc::new(transit::derived(key, &context))),
        }
    }

    fn cipher(&self) -> TransitCipher {
        self.key.kind.cipher()
    }
}

/// Whether an answer with this code has a body (RFC 9110 §6.4.1).
fn has_body(code: u16) -> bool {
    (200..=599).contains(&code) && !matches!(code, 204 | 205 | 304)
}

/// Checks a batch as a whole, before anything is done.
fn check_batch(work: &TextWork, items: &[Fields<'_>]) -> Result<(), Refusal> {
    let Some(first) = items.first() else {
        return Err(Refusal::invalid("missing batch input to process"));
    };
    let takes_context = !matches!(work, TextWork::Hmac(_) | TextWork::Verify(_));
    let first = is_with_context(first);
    if takes_context && items.iter().any(|item| is_with_context(item) != first) {
        return Err(Refusal::invalid(MIXED));
    }
    Ok(())
}

/// Checks the texts of a key that is not there yet: one that could seal none of them is not made.
fn check_first_use(texts: &[Fields<'_>], derived: bool) -> Result<(), Refusal> {
    let check = |item: &Fields<'_>| {
        plaintext(item)?;
        associated(item)?;
        if context(item)?.is_empty() && derived {
            return Err(Refusal::invalid(NO_CONTEXT));
        }
        Ok(())
    };
    let mut first = None;
    for item in texts {
        match check(item) {
            Ok(()) => return Ok(()),
            Err(refusal) => first = first.or(Some(refusal)),
        }
    }
    first.map_or(Ok(()), Err)
}

/// Whether a text has a context: a key that is made by it is derived.
fn is_with_context(item: &Fields<'_>) -> bool {
    item.text("context").ok().flatten().is_some_and(|text| !text.is_empty())
}

fn context(item: &Fields<'_>) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    decoded(item.text("context")?.unwrap_or_default())
}

fn plaintext(item: &Fields<'_>) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let text = item.text("plaintext")?;
    decoded(text.ok_or_else(|| Refusal::invalid(NO_PLAINTEXT))?)
}

fn input(item: &Fields<'_>, missing: &'static str) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let text = item.text("input")?.ok_or_else(|| Refusal::invalid(missing))?;
    decoded_input(text)
}

/// The bytes of an input that is hashed.
pub(crate) fn decoded_input(text: Cow<'_, str>) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    decoded(text).map_err(|refusal| {
        Refusal::invalid(format!("unable to decode input as base64: {}", refusal.message))
    })
}

fn associated(item: &Fields<'_>) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    decoded(item.text("associated_data")?.unwrap_or_default())
}

/// Bytes in base64, with the error of Go's decoder. As there, line breaks are left aside. A text with escapes
/// was copied when it was read, and the copy is zeroized.
fn decoded(text: Cow<'_, str>) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let bytes = decoded_bytes(text.as_bytes());
    if let Cow::Owned(mut copy) = text {
        copy.zeroize();
    }
    bytes.map_err(|position| {
        Refusal::invalid(format!("illegal base64 data at input byte {position}"))
    })
}

/// The bytes, or the position of the fault.
fn decoded_bytes(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, usize> {
    let is_kept = |byte: &u8| !matches!(byte, b'\r' | b'\n');
    let joined = (!text.iter().all(is_kept)).then(|| {
        // All at once: a vector that grows leaves copies behind.
        let mut joined = Zeroizing::new(Vec::with_capacity(text.len()));
        joined.extend(text.iter().copied().filter(is_kept));
        joined
    });
    let joined = joined.as_ref().map_or(text, |joined| joined.as_slice());
    // The decoder takes one padded text after another for one text.
    let end =
        joined.iter().position(|byte| *byte == b'=').map_or(usize::MAX, |at| (at / 4 + 1) * 4);
    let bytes = BASE64.decode(joined).map(Zeroizing::new);
    match bytes {
        Ok(bytes) if joined.len() <= end => Ok(bytes),
        Ok(_) => Err(position_in(text, end)),
        Err(error) => Err(position_in(text, error.position.min(end))),
    }
}

/// The position in a text of a byte that is at `at` without its line breaks.
fn position_in(text: &[u8], at: usize) -> usize {
    let kept = text.iter().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    kept.map(|(position, _)| position).nth(at).unwrap_or(text.len())
}

/// The hash that a path names, or else an item.
fn algorithm(path: Option<&str>, item: &Fields<'_>) -> Result<Sha2, Refusal> {
    let named = match path {
        Some(name) => Cow::Borrowed(name),
        None => match item.text("hash_algorithm")? {
            Some(name) => name,
            // Its older name.
            None => item.text("algorithm")?.unwrap_or_default(),
        },
    };
    // What OpenBao says to every other name.
    sha2(&named).ok_or_else(|| Refusal::invalid("unsupported algorithm '\\x00'"))
}

/// The hash of this name.
pub(crate) fn sha2(name: &str) -> Option<Sha2> {
    match name {
        "" | "sha2-256" => Some(Sha2::Sha256),
        "sha2-224" => Some(Sha2::Sha224),
        "sha2-384" => Some(Sha2::Sha384),
        "sha2-512" => Some(Sha2::Sha512),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_over_line_breaks_and_with_padding_at_its_end_only() {
        let read = |text: &str| decoded_bytes(text.as_bytes()).map(|bytes| bytes.to_vec());
        for text in ["aGVsbG8=", "aGVs\nbG8=", "aGVs\r\nbG8=\r\n", "\naGVsbG8\n="] {
            assert_eq!(read(text), Ok(b"hello".to_vec()), "{text:?}");
        }
        assert_eq!((read(""), read("\n")), (Ok(vec![]), Ok(vec![])));
        for (text, position) in [("YQ==YQ==", 4), ("YQ==\nYQ==", 5), ("!!", 0), ("aGVs\n!!!!", 5)] {
            assert_eq!(read(text), Err(position), "{text:?}");
        }
    }

    #[test]
    fn a_code_without_a_body_is_not_chosen() {
        for code in [100, 199, 204, 205, 304, 600] {
            assert!(!has_body(code), "{code}");
        }
        for code in [200, 207, 400, 599] {
            assert!(has_body(code), "{code}");
        }
    }
}
