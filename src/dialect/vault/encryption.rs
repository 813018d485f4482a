//! Texts under a key: `encrypt`, `decrypt`, `rewrap`, `datakey`, `hmac`, `sign` and `verify`, one or a batch of
//! them.
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
use zeroize::Zeroizing;

use crate::audit::Actor;
use crate::caller::permission::Needed;
use crate::caller::usage::Protocol;
use crate::crypto::key::Key;
use crate::crypto::transit::{self, Sha2, TransitCipher};
use crate::dialect::vault::base64::{decoded, decoded_input};
use crate::dialect::vault::envelope;
use crate::dialect::vault::fields::{Fields, TEXTS};
use crate::dialect::vault::hashing::sha2;
use crate::dialect::vault::key_use::{
    CIPHERTEXT, NO_CONTEXT, NO_VERSION, context, of_context, sealing_version, version,
    version_to_rewrap, versioned,
};
use crate::dialect::vault::owner::{Owner, check};
use crate::dialect::vault::path::{KeyPath, TextWork};
use crate::dialect::vault::signing::{
    SIGNING, SigningOptions, VERIFICATION, is_of_signatures, scheme, sign, verify,
};
use crate::dialect::vault::transit_keys::new_key;
use crate::http::body::Body;
use crate::http::call::{OwnedCall, on_scrubbed, on_thread};
use crate::http::refusal::Refusal;
use crate::keyring::transit::{TransitKey, TransitSettings};
use lavawall_entropy::Generator;

type Outcome = Result<Response<Body>, Refusal>;

/// The members of a body, or of an item of a batch.
const MEMBERS: [&str; 21] = [
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
    "prehashed",
    "marshaling_algorithm",
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

const NO_ITEMS: &str = "missing batch input to process";
const MIXED: &str = "context should be set either in all the request blocks or in none";
const NO_PLAINTEXT: &str = "missing plaintext to encrypt";

/// The bytes of a body of one text that is worked on at once.
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
    signature: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
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
    let is_short = known.is_some() && is_short(&bytes);
    let work = move || {
        let fields = Fields::read(&bytes, &MEMBERS)?;
        // As in Vault, a call makes one data key.
        let items = match &work {
            TextWork::DataKey { .. } => None,
            _ => fields.items("batch_input", &MEMBERS)?,
        };
        if let Some(items) = &items {
            check_batch(&work, items)?;
        }
        let of_signatures = match &work {
            TextWork::Sign(_) => true,
            TextWork::Verify(_) => is_of_signatures(&fields, items.as_deref())?,
            _ => false,
        };
        let keyring = app.store()?.keyring();
        let known = match known {
            Some(key) => Some(key),
            None => keyring.transit_key(&path.name)?,
        };
        let key = match known {
            Some(key) => key,
            None if may_make => {
                let (kind, asked) = new_key(&fields)?;
                if kind.cipher().is_none() {
                    let kind = kind.name();
                    return Err(Refusal::invalid(format!("unknown key type {kind}")));
                }
                let texts = items.as_deref().unwrap_or(std::slice::from_ref(&fields));
                let derived = asked.derived || texts.first().is_some_and(is_with_context);
                check_first_use(texts, derived)?;
                let settings = TransitSettings { derived, ..asked };
                let actor = Actor::named(caller.to_string());
                owner.while_known(&app, || {
                    Ok(keyring.create_transit_key(&actor, &path.name, kind, &settings)?)
                })?
            }
            None => return Err(Refusal::invalid(without_key(&work, of_signatures))),
        };
        let asked = Asked::of(work, of_signatures, &key, &fields)?;
        let work = Work { generator: &app.generator, key: &key, asked };
        let (status, text) = match items {
            None => {
                let done = work.of(&fields, false)?;
                (StatusCode::OK, envelope::text(&id, done))
            }
            Some(items) if items.is_empty() => return Err(Refusal::invalid(NO_ITEMS)),
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

/// Whether a body is short and has one text. One that may spell a batch in another way is not.
fn is_short(body: &[u8]) -> bool {
    let has = |part: &[u8]| body.windows(part.len()).any(|at| at == part);
    body.len() <= SHORT && !has(b"batch_input") && !has(b"\\u")
}

/// What is asked for each text.
enum Asked {
    Encrypt,
    Decrypt,
    Rewrap,
    DataKey { is_shown: bool },
    Hmac(Option<String>),
    VerifyHmac(Option<String>),
    Sign(SigningOptions),
    VerifySignature(SigningOptions),
}

impl Asked {
    /// What is asked of a key. One that must sign is looked at before the options, and these before the batch, as
    /// OpenBao does.
    fn of(
        work: TextWork,
        of_signatures: bool,
        key: &TransitKey,
        fields: &Fields<'_>,
    ) -> Result<Self, Refusal> {
        Ok(match work {
            TextWork::Encrypt => Self::Encrypt,
            TextWork::Decrypt => Self::Decrypt,
            TextWork::Rewrap => Self::Rewrap,
            TextWork::DataKey { is_shown } => Self::DataKey { is_shown },
            TextWork::Hmac(name) => Self::Hmac(name),
            TextWork::Sign(name) => {
                let scheme = scheme(key, SIGNING)?;
                Self::Sign(SigningOptions::read(fields, name.as_deref(), scheme)?)
            }
            TextWork::Verify(name) if of_signatures => {
                let scheme = scheme(key, VERIFICATION)?;
                Self::VerifySignature(SigningOptions::read(fields, name.as_deref(), scheme)?)
            }
            TextWork::Verify(name) => Self::VerifyHmac(name),
        })
    }

    /// The result of an item that failed.
    fn failed(&self, refusal: Refusal) -> Done {
        let failed = Done { error: Some(refusal.message), ..Done::default() };
        match self {
            Self::Sign(_) => Done { key_version: Some(0), ..failed },
            Self::VerifySignature(_) => Done { valid: Some(false), ..failed },
            _ => failed,
        }
    }
}

struct Work<'w> {
    generator: &'w Generator,
    key: &'w TransitKey,
    asked: Asked,
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
            let mut done = match self.of(item, true) {
                Ok(done) => done,
                // Not the fault of an item.
                Err(refusal) if refusal.class.status() != StatusCode::BAD_REQUEST => {
                    return Err(refusal);
                }
                Err(refusal) => {
                    failed += 1;
                    self.asked.failed(refusal)
                }
            };
            done.reference = Some(reference);
            batch_results.push(done);
        }
        let is_partial = matches!(self.asked, Asked::Encrypt | Asked::Decrypt);
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

    fn of(&self, item: &Fields<'_>, is_batch: bool) -> Result<Done, Refusal> {
        match &self.asked {
            Asked::Encrypt => self.encrypt(item, &plaintext(item)?),
            Asked::Decrypt => {
                let text = self.decrypt(item, version)?;
                let plaintext = Some(Zeroizing::new(BASE64.encode(&text)));
                Ok(Done { plaintext, ..Done::default() })
            }
            Asked::Rewrap => {
                let text = self.decrypt(item, version_to_rewrap)?;
                self.encrypt(item, &text)
            }
            Asked::DataKey { is_shown } => self.data_key(item, *is_shown),
            Asked::Hmac(name) => self.hmac(item, algorithm(name.as_deref(), item)?),
            Asked::VerifyHmac(name) => self.verify(item, algorithm(name.as_deref(), item)?),
            Asked::Sign(options) => {
                let signed = sign(self.key, options, item, is_batch)?;
                Ok(Done {
                    signature: Some(signed.signature),
                    key_version: Some(signed.version),
                    public_key: signed.public_key,
                    ..Done::default()
                })
            }
            Asked::VerifySignature(options) => {
                let valid = verify(self.key, options, item, is_batch)?;
                Ok(Done { valid: Some(valid), ..Done::default() })
            }
        }
    }

    fn encrypt(&self, item: &Fields<'_>, text: &[u8]) -> Result<Done, Refusal> {
        let cipher = self.cipher("encryption")?;
        let number = sealing_version(self.key, item.number("key_version")?, "encryption")?;
        let key = of_context(self.key, version(self.key, number)?, &context(item)?)?;
        let data = associated(item)?;
        let sealed = transit::seal(self.generator, cipher, &key, &data, text)?;
        let ciphertext = Some(format!("vault:v{number}:{}", BASE64.encode(&sealed)));
        Ok(Done { ciphertext, key_version: Some(number), ..Done::default() })
    }

    /// Opens a text with a key of a version that `may_use` gives.
    fn decrypt(
        &self,
        item: &Fields<'_>,
        may_use: impl Fn(&TransitKey, u32) -> Result<&Arc<Key>, Refusal>,
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let text = item.text("ciphertext")?.filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| Refusal::invalid("missing ciphertext to decrypt"))?;
        let cipher = self.cipher("decryption")?;
        let (number, sealed) = versioned(self.key, CIPHERTEXT, &text)?;
        let sealed = decoded(sealed.into())
            .map_err(|_| Refusal::invalid("invalid ciphertext: could not decode base64"))?;
        if sealed.len() < SEALED_LEAST {
            return Err(Refusal::invalid("invalid ciphertext length"));
        }
        let key = of_context(self.key, may_use(self.key, number)?, &context(item)?)?;
        transit::open(cipher, &key, &associated(item)?, &sealed)
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
        let number = sealing_version(self.key, item.number("key_version")?, "encryption").map_err(
            |refusal| match &*refusal.message {
                NO_VERSION => refusal,
                _ => Refusal::invalid(
                    "cannot generate HMAC: version is too old (disallowed by policy)",
                ),
            },
        )?;
        let key = self.key.mac_key(version(self.key, number)?);
        let mac = BASE64.encode(&transit::mac(sha2, &key, &input));
        Ok(Done { hmac: Some(format!("vault:v{number}:{mac}")), ..Done::default() })
    }

    fn verify(&self, item: &Fields<'_>, sha2: Sha2) -> Result<Done, Refusal> {
        let input = input(item, "missing input")?;
        let given = item.text("hmac")?.unwrap_or_default();
        let (number, mac) = versioned(self.key, "HMAC to verify", &given)?;
        let key = self.key.mac_key(version(self.key, number)?);
        let valid = decoded(mac.into()).is_ok_and(|mac| transit::is_mac(sha2, &key, &input, &mac));
        Ok(Done { valid: Some(valid), ..Done::default() })
    }

    /// The cipher of a key that seals.
    fn cipher(&self, work: &str) -> Result<TransitCipher, Refusal> {
        let kind = self.key.kind;
        kind.cipher().ok_or_else(|| {
            let name = kind.name();
            Refusal::invalid(format!("message {work} not supported for key type {name}"))
        })
    }
}

/// What is said where there is no key.
fn without_key(work: &TextWork, of_signatures: bool) -> &'static str {
    match (work, of_signatures) {
        (TextWork::Sign(_), _) => "signing key not found",
        (_, true) => "signature verification key not found",
        (_, false) => "encryption key not found",
    }
}

/// Whether an answer with this code has a body (RFC 9110 §6.4.1).
fn has_body(code: u16) -> bool {
    (200..=599).contains(&code) && !matches!(code, 204 | 205 | 304)
}

/// Checks a batch as a whole, before anything is done.
fn check_batch(work: &TextWork, items: &[Fields<'_>]) -> Result<(), Refusal> {
    let Some(first) = items.first() else {
        // One to sign is looked at after the key.
        let is_later = matches!(work, TextWork::Sign(_));
        return if is_later { Ok(()) } else { Err(Refusal::invalid(NO_ITEMS)) };
    };
    let takes_context =
        !matches!(work, TextWork::Hmac(_) | TextWork::Verify(_) | TextWork::Sign(_));
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

fn plaintext(item: &Fields<'_>) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let text = item.text("plaintext")?;
    decoded(text.ok_or_else(|| Refusal::invalid(NO_PLAINTEXT))?)
}

fn input(item: &Fields<'_>, missing: &'static str) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let text = item.text("input")?.ok_or_else(|| Refusal::invalid(missing))?;
    decoded_input(text)
}

fn associated(item: &Fields<'_>) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    decoded(item.text("associated_data")?.unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_short_with_one_text_of_up_to_a_kibibyte() {
        let one = br#"{"plaintext":"aGVsbG8="}"#;
        assert!(is_short(one) && is_short(b""));
        assert!(is_short(&[b' '; SHORT]) && !is_short(&[b' '; SHORT + 1]));
        for several in [
            r#"{"batch_input":[{"input":""},{"input":""}]}"#,
            r#"{"batch\u005finput":[{"input":""},{"input":""}]}"#,
        ] {
            assert!(!is_short(several.as_bytes()), "{several}");
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
