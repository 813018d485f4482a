//! `GenerateMac` and `VerifyMac`: HMAC (RFC 2104) under a key that is for nothing else.

use std::borrow::Cow;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use crate::crypto::transit::{Sha2, is_mac, mac};
use crate::dialect::aws_kms::fault::Fault;
use crate::dialect::aws_kms::key_record::{FoundKey, GENERATE_VERIFY_MAC};
use crate::dialect::aws_kms::signed_call::{Outcome, SignedCall, answer, blob, check_dry_run};

/// The longest message, in bytes: that of AWS.
const MESSAGE_MOST: usize = 4096;

/// The longest MAC, in bytes.
const MAC_MOST: usize = 6144;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked<'a> {
    key_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
    mac_algorithm: Option<Cow<'a, str>>,
    mac: Option<Cow<'a, str>>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Generated<'a> {
    mac: String,
    mac_algorithm: &'static str,
    key_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Verified<'a> {
    key_id: &'a str,
    mac_valid: bool,
    mac_algorithm: &'static str,
}

pub(crate) fn generate(call: &SignedCall<'_>) -> Outcome {
    let asked: Asked<'_> = call.read()?;
    let (found, algorithm, sha2) = key_of(call, &asked)?;
    let message = blob(asked.message.as_deref(), "message", MESSAGE_MOST)?;
    call.use_key()?;
    check_dry_run(asked.dry_run)?;
    let key = found.key.usable(found.key.latest()).ok_or_else(Fault::mac)?;
    let made = mac(sha2, &found.key.mac_key(key), &message);
    answer(&Generated { mac: BASE64.encode(&made), mac_algorithm: algorithm, key_id: &found.arn })
}

pub(crate) fn verify(call: &SignedCall<'_>) -> Outcome {
    let asked: Asked<'_> = call.read()?;
    let (found, algorithm, sha2) = key_of(call, &asked)?;
    let message = blob(asked.message.as_deref(), "message", MESSAGE_MOST)?;
    let given = blob(asked.mac.as_deref(), "mac", MAC_MOST)?;
    call.use_key()?;
    // The MAC does not say its version. Such keys are not rotated here, and may be by another interface.
    let versions = found.key.versions.iter().rev();
    let mut keys = versions.filter_map(|it| found.key.usable(it.number));
    if !keys.any(|key| is_mac(sha2, &found.key.mac_key(key), &message, &given)) {
        return Err(Fault::mac());
    }
    check_dry_run(asked.dry_run)?;
    answer(&Verified { key_id: &found.arn, mac_valid: true, mac_algorithm: algorithm })
}

/// The key of a call, and the algorithm, which must be the key's.
fn key_of(
    call: &SignedCall<'_>,
    asked: &Asked<'_>,
) -> Result<(FoundKey, &'static str, Sha2), Fault> {
    let found = call.keys().find(asked.key_id.as_deref().unwrap_or_default())?;
    call.may_use(found.id)?;
    let found = found.usable(GENERATE_VERIFY_MAC)?;
    let (algorithm, sha2) =
        found.record.spec.mac().ok_or_else(|| Fault::usage(&found.arn, GENERATE_VERIFY_MAC))?;
    if asked.mac_algorithm.as_deref() != Some(algorithm) {
        let given = asked.mac_algorithm.as_deref().unwrap_or("null");
        let set = format!("Member must satisfy enum value set: [{algorithm}]");
        return Err(Fault::constraint(given, "macAlgorithm", &set));
    }
    Ok((found, algorithm, sha2))
}
