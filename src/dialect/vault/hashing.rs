//! Hashes without a key: `transit/hash` and `sys/tools/hash`.

use data_encoding::{BASE64, HEXLOWER};
use hyper::Response;
use serde_json::json;

use crate::caller::Caller;
use crate::crypto::transit::{Sha2, hash};
use crate::dialect::vault::base64::decoded_input;
use crate::dialect::vault::envelope;
use crate::dialect::vault::fields::{Fields, TEXTS};
use crate::http::body::Body;
use crate::http::call::{OwnedCall, on_thread};
use crate::http::refusal::Refusal;

/// The hash of an input, for callers that are known and may have random bytes: it costs time.
pub(crate) async fn answer(
    call: &mut OwnedCall,
    algorithm: Option<String>,
) -> Result<Response<Body>, Refusal> {
    if matches!(call.caller, Caller::Anonymous) {
        return Err(Refusal::unauthenticated());
    }
    let body = call.receive(TEXTS).await?;
    let sum = on_thread(move || {
        let fields = Fields::read(&body.bytes, &["input", "algorithm", "format"])?;
        let named = match algorithm {
            Some(algorithm) => algorithm,
            None => fields.text("algorithm")?.unwrap_or_default().into_owned(),
        };
        let input = fields.text("input")?.ok_or_else(|| Refusal::invalid("input missing"))?;
        let input = decoded_input(input)?;
        let sha2 = sha2(&named).ok_or_else(|| {
            let named: String = named.chars().take(64).collect();
            Refusal::invalid(format!("unsupported algorithm {named}"))
        })?;
        match fields.text("format")?.as_deref() {
            None | Some("hex" | "") => Ok(HEXLOWER.encode(&hash(sha2, &input))),
            Some("base64") => Ok(BASE64.encode(&hash(sha2, &input))),
            Some(other) => {
                let other: String = other.chars().take(64).collect();
                Err(Refusal::invalid(format!(
                    "unsupported encoding format {other}; must be \"hex\" or \"base64\""
                )))
            }
        }
    })
    .await?;
    Ok(envelope::data(&call.id, json!({ "sum": sum })))
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
