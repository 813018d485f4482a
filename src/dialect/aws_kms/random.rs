//! `GenerateRandom`.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::caller::permission::Needed;
use crate::dialect::aws_kms::fault::Fault;
use crate::dialect::aws_kms::signed_call::{
    Outcome, SignedCall, answer, check_key_store, check_recipient,
};

/// The most bytes of one call: that of AWS.
const BYTES_MOST: usize = 1024;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked {
    number_of_bytes: Option<i64>,
    custom_key_store_id: Option<serde::de::IgnoredAny>,
    recipient: Option<serde::de::IgnoredAny>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Drawn {
    plaintext: Zeroizing<String>,
}

pub(crate) fn generate(call: &SignedCall<'_>) -> Outcome {
    let asked: Asked = call.read()?;
    check_recipient(asked.recipient.as_ref())?;
    check_key_store(asked.custom_key_store_id.as_ref())?;
    let bytes =
        asked.number_of_bytes.ok_or_else(|| Fault::validation("NumberOfBytes is required."))?;
    let bytes = number_of_bytes(bytes)?;
    if !call.tenant.may(Needed::Random) {
        return Err(Fault::denied(&call.tenant.name, "random bytes"));
    }
    call.charge(bytes)?;
    let mut drawn = Zeroizing::new(vec![0; bytes]);
    call.app.generator.fill(&mut drawn)?;
    answer(&Drawn { plaintext: Zeroizing::new(BASE64.encode(&drawn)) })
}

/// A number of bytes in the range of AWS.
pub(crate) fn number_of_bytes(bytes: i64) -> Result<usize, Fault> {
    match usize::try_from(bytes) {
        Ok(bytes @ 1..=BYTES_MOST) => Ok(bytes),
        Ok(bytes) if bytes > BYTES_MOST => {
            let most = "Member must have value less than or equal to 1024";
            Err(Fault::constraint(bytes, "numberOfBytes", most))
        }
        _ => {
            let least = "Member must have value greater than or equal to 1";
            Err(Fault::constraint(bytes, "numberOfBytes", least))
        }
    }
}
