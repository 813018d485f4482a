//! The operations by their names.

use crate::dialect::aws_kms::fault::Fault;
use crate::dialect::aws_kms::signed_call::{Outcome, SignedCall};
use crate::dialect::aws_kms::{aliases, keys, macs, random, texts};

/// The start of the names in the header.
const SERVICE: &str = "TrentService.";

/// Does what the header `X-Amz-Target` names.
///
/// # Errors
/// When there is no such operation, or it is refused.
pub(crate) fn run(call: &SignedCall<'_>, target: &str) -> Outcome {
    match target.strip_prefix(SERVICE).unwrap_or_default() {
        "CancelKeyDeletion" => keys::cancel_deletion(call),
        "CreateAlias" => aliases::create(call),
        "CreateKey" => keys::create(call),
        "Decrypt" => texts::decrypt(call),
        "DeleteAlias" => aliases::delete(call),
        "DescribeKey" => keys::describe(call),
        "DisableKey" => keys::enable(call, false),
        "DisableKeyRotation" => keys::rotate_by_age(call, false),
        "EnableKey" => keys::enable(call, true),
        "EnableKeyRotation" => keys::rotate_by_age(call, true),
        "Encrypt" => texts::encrypt(call),
        "GenerateDataKey" => texts::data_key(call, true),
        "GenerateDataKeyWithoutPlaintext" => texts::data_key(call, false),
        "GenerateMac" => macs::generate(call),
        "GenerateRandom" => random::generate(call),
        "GetKeyRotationStatus" => keys::rotation_status(call),
        "ListAliases" => aliases::list(call),
        "ListKeys" => keys::list(call),
        "ReEncrypt" => texts::re_encrypt(call),
        "RotateKeyOnDemand" => keys::rotate(call),
        "ScheduleKeyDeletion" => keys::schedule_deletion(call),
        "UpdateAlias" => aliases::update(call),
        "UpdateKeyDescription" => keys::update_description(call),
        "VerifyMac" => macs::verify(call),
        _ => Err(Fault::unknown_operation()),
    }
}
