//! The versions of a key that a call may use.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::crypto::key::Key;
use crate::crypto::transit;
use crate::dialect::vault::base64::decoded;
use crate::dialect::vault::fields::Fields;
use crate::http::refusal::Refusal;
use crate::keyring::transit::{TransitKey, TransitSettings};

pub(crate) const NO_CONTEXT: &str = "missing 'context' for key derivation; the key was created using a derived key, which means additional, \
     per-request information must be included in order to perform operations with the key";
pub(crate) const NO_VERSION: &str = "no such key version";
const TOO_OLD: &str = "ciphertext or signature version is disallowed by policy (too old)";

/// OpenBao revokes no single version.
const REVOKED: &str = "ciphertext or signature version is disallowed by policy (revoked)";

/// The version that a call asks to be sealed or signed with, the last one without it. `work` is `encryption` or
/// `signing`.
pub(crate) fn sealing_version(
    key: &TransitKey,
    asked: Option<i64>,
    work: &str,
) -> Result<u32, Refusal> {
    let latest = key.latest();
    let TransitSettings { min_encryption, min_decryption, .. } = key.settings;
    // A version that opens nothing seals nothing.
    let least = min_decryption.max(key.min_available);
    let invalid =
        |fault: &str| Err(Refusal::invalid(format!("requested version for {work} is {fault}")));
    match asked {
        None | Some(0) => Ok(latest),
        Some(number) if number < 0 => invalid("negative"),
        Some(number) if number > i64::from(latest) => invalid("higher than the latest key version"),
        Some(number) if number < i64::from(min_encryption) => {
            invalid("less than the minimum encryption key version")
        }
        Some(number) if number < i64::from(least) => Err(Refusal::invalid(NO_VERSION)),
        Some(number) => Ok(u32::try_from(number).expect("not above the last version")),
    }
}

/// What a sealed text is, in errors.
pub(crate) const CIPHERTEXT: &str = "ciphertext";

/// The version that a text names, and the rest of it.
pub(crate) fn versioned<'t>(
    key: &TransitKey,
    what: &str,
    text: &'t str,
) -> Result<(u32, &'t str), Refusal> {
    let invalid = |fault: &str| Refusal::invalid(format!("invalid {what}: {fault}"));
    let rest = text.strip_prefix("vault:v").ok_or_else(|| invalid("no prefix"))?;
    let (number, rest) = rest.split_once(':').ok_or_else(|| invalid("wrong number of fields"))?;
    let number: i64 = number.parse().map_err(|_| invalid("version number could not be decoded"))?;
    // Vault's own first version had this number, and sealed only.
    let number = if number == 0 && what == CIPHERTEXT { 1 } else { number };
    if number > i64::from(key.latest()) {
        return Err(invalid("version is too new"));
    }
    if number < i64::from(key.settings.min_decryption) {
        return Err(Refusal::invalid(TOO_OLD));
    }
    Ok((u32::try_from(number).expect("between the first and the last version"), rest))
}

/// The key of a version, for what the caller gets.
pub(crate) fn version(key: &TransitKey, number: u32) -> Result<&Arc<Key>, Refusal> {
    key.usable(number)
        .ok_or_else(|| Refusal::invalid(if key.is_revoked(number) { REVOKED } else { TOO_OLD }))
}

/// The key of a version, for what is sealed again at once.
pub(crate) fn version_to_rewrap(key: &TransitKey, number: u32) -> Result<&Arc<Key>, Refusal> {
    key.usable_to_rewrap(number).ok_or_else(|| Refusal::invalid(TOO_OLD))
}

/// The key for a context, if each has its own.
pub(crate) fn of_context(
    key: &TransitKey,
    version: &Arc<Key>,
    context: &[u8],
) -> Result<Arc<Key>, Refusal> {
    match (key.settings.derived, context.is_empty()) {
        (false, _) => Ok(Arc::clone(version)),
        (true, true) => Err(Refusal::invalid(NO_CONTEXT)),
        (true, false) => Ok(Arc::new(transit::derived(version, context))),
    }
}

/// The context of a text; empty without it.
pub(crate) fn context(item: &Fields<'_>) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    decoded(item.text("context")?.unwrap_or_default())
}
