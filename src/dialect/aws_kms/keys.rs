//! Keys: made, described, listed, enabled, rotated, and scheduled for deletion.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use crate::audit::AuditEvent;
use crate::caller::tenants::TenantError;
use crate::crypto::key;
use crate::dialect::aws_kms::fault::Fault;
use crate::dialect::aws_kms::key_record::{ACCOUNT, ENCRYPT_DECRYPT, FoundKey, KeyRecord, KeySpec};
use crate::dialect::aws_kms::page::Page;
use crate::dialect::aws_kms::signed_call::{Outcome, SignedCall, answer};
use crate::dialect::aws_kms::signed_call::{check_dry_run, check_key_store};
use crate::dialect::aws_kms::texts::ALGORITHM;
use crate::http::refusal::Refusal;
use crate::keyring::transit::TransitChange;
use crate::machine::unix_now;

/// The longest description, in bytes: that of AWS.
const DESCRIPTION_MOST: usize = 8192;

/// Records of keys of one tenant: as many as it can have keys.
const RECORDS_MOST: usize = 1000;

/// Keys on a page, by default and at most: those of AWS.
const ON_PAGE: (usize, usize) = (100, 1000);

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// Days until a key is destroyed: least, most and default of AWS.
const WINDOW: std::ops::RangeInclusive<i64> = 7..=30;
const WINDOW_DEFAULT: i64 = 30;

/// Days between two rotations: least, most and default of AWS.
const ROTATION: std::ops::RangeInclusive<i64> = 90..=2560;
const ROTATION_DEFAULT: i64 = 365;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateAsked<'a> {
    #[serde(borrow)]
    description: Option<Cow<'a, str>>,
    key_usage: Option<Cow<'a, str>>,
    key_spec: Option<Cow<'a, str>>,
    customer_master_key_spec: Option<Cow<'a, str>>,
    origin: Option<Cow<'a, str>>,
    #[serde(default)]
    multi_region: Option<bool>,
    policy: Option<serde::de::IgnoredAny>,
    custom_key_store_id: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    tags: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyAsked<'a> {
    #[serde(borrow)]
    key_id: Option<Cow<'a, str>>,
    description: Option<Cow<'a, str>>,
    pending_window_in_days: Option<i64>,
    rotation_period_in_days: Option<i64>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListAsked {
    limit: Option<i64>,
    marker: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    key_metadata: KeyMetadata,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KeyMetadata {
    #[serde(rename = "AWSAccountId")]
    account: &'static str,
    key_id: String,
    arn: String,
    creation_date: u64,
    enabled: bool,
    description: String,
    key_usage: &'static str,
    key_state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_date: Option<u64>,
    origin: &'static str,
    key_manager: &'static str,
    customer_master_key_spec: &'static str,
    key_spec: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_algorithms: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac_algorithms: Option<[&'static str; 1]>,
    multi_region: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    keys: Vec<ListedKey>,
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_marker: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListedKey {
    key_id: String,
    key_arn: String,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Changed {
    key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_rotation_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_period_in_days: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_date: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_window_in_days: Option<i64>,
}

pub(crate) fn create(call: &SignedCall<'_>) -> Outcome {
    let asked: CreateAsked<'_> = call.read()?;
    let spec = spec(&asked)?;
    let description = description(asked.description)?;
    let drawn: [u8; 16] = key::draw(&call.app.generator)?;
    let id = Builder::from_random_bytes(drawn).into_uuid();
    call.may_manage(id)?;
    call.change(|| {
        let keys = call.keys();
        let (kind, settings) = spec.transit();
        let record = KeyRecord {
            spec,
            description,
            created_at: unix_now(),
            is_enabled: true,
            deletion_at: None,
        };
        if keys.record_count()? >= RECORDS_MOST {
            return Err(Fault::limit(format!("A tenant has at most {RECORDS_MOST} keys.")));
        }
        // A crash before the key is made leaves a record without one: it is not found.
        keys.put(id, &record)?;
        let name = keys.transit_name(id);
        let key = call.store.keyring().create_transit_key(call.actor, &name, kind, &settings);
        let key = match key {
            Ok(key) => key,
            Err(error) => {
                keys.forget(id)?;
                return Err(error.into());
            }
        };
        let found = FoundKey { id, arn: keys.arn(id), record, key };
        answer(&Described { key_metadata: metadata(&found) })
    })
}

/// The spec of a key that a call asks for, and that it asks for nothing else.
fn spec(asked: &CreateAsked<'_>) -> Result<KeySpec, Fault> {
    if asked.policy.is_some() {
        let message =
            "Policy is not supported: the operator says what a tenant may do with its keys.";
        return Err(Fault::unsupported(message));
    }
    if !asked.tags.is_empty() {
        return Err(Fault::unsupported("Tags are not supported."));
    }
    check_key_store(asked.custom_key_store_id.as_ref())?;
    if asked.multi_region == Some(true) {
        return Err(Fault::unsupported("MultiRegion is not supported."));
    }
    if asked.origin.as_deref().is_some_and(|origin| origin != "AWS_KMS") {
        return Err(Fault::unsupported("Origin must be AWS_KMS: no key comes from elsewhere."));
    }
    let named = asked.key_spec.as_deref().or(asked.customer_master_key_spec.as_deref());
    let named = named.unwrap_or(KeySpec::Symmetric.name());
    let spec = KeySpec::named(named).ok_or_else(|| {
        let set = "Member must satisfy enum value set: [SYMMETRIC_DEFAULT, HMAC_224, HMAC_256, HMAC_384, \
                   HMAC_512]";
        Fault::constraint(named, "keySpec", set)
    })?;
    let usage = asked.key_usage.as_deref().unwrap_or(ENCRYPT_DECRYPT);
    if usage != spec.usage() {
        let usage: String = usage.chars().take(64).collect();
        return Err(Fault::validation(format!(
            "KeyUsage {usage} is not compatible with KeySpec {}",
            spec.name()
        )));
    }
    Ok(spec)
}

fn description(given: Option<Cow<'_, str>>) -> Result<String, Fault> {
    let given = given.unwrap_or_default();
    if given.len() > DESCRIPTION_MOST {
        let most = format!("Member must have length less than or equal to {DESCRIPTION_MOST}");
        return Err(Fault::constraint(format!("{} bytes", given.len()), "description", &most));
    }
    Ok(given.into_owned())
}

pub(crate) fn describe(call: &SignedCall<'_>) -> Outcome {
    let asked: KeyAsked<'_> = call.read()?;
    let found = call.keys().find(asked.key_id.as_deref().unwrap_or_default())?;
    if !call.may_see(found.id) {
        call.may_use(found.id)?;
    }
    answer(&Described { key_metadata: metadata(&found) })
}

fn metadata(found: &FoundKey) -> KeyMetadata {
    let (record, spec) = (&found.record, found.record.spec);
    KeyMetadata {
        account: ACCOUNT,
        key_id: found.id.to_string(),
        arn: found.arn.clone(),
        creation_date: record.created_at,
        enabled: record.state() == "Enabled",
        description: record.description.clone(),
        key_usage: spec.usage(),
        key_state: record.state(),
        deletion_date: record.deletion_at,
        origin: "AWS_KMS",
        key_manager: "CUSTOMER",
        customer_master_key_spec: spec.name(),
        key_spec: spec.name(),
        encryption_algorithms: (spec == KeySpec::Symmetric).then_some([ALGORITHM]),
        mac_algorithms: spec.mac().map(|(name, _)| [name]),
        multi_region: false,
    }
}

pub(crate) fn list(call: &SignedCall<'_>) -> Outcome {
    let asked: ListAsked = call.read()?;
    let page = Page::of(asked.limit, asked.marker, ON_PAGE)?;
    let all: Vec<_> = call.keys().ids()?.into_iter().filter(|id| call.may_see(*id)).collect();
    let (shown, next_marker) = page.cut(all, Uuid::to_string);
    let keys = shown
        .into_iter()
        .map(|id| ListedKey { key_id: id.to_string(), key_arn: call.keys().arn(id) });
    answer(&Listed { keys: keys.collect(), truncated: next_marker.is_some(), next_marker })
}

pub(crate) fn enable(call: &SignedCall<'_>, is_enabled: bool) -> Outcome {
    let operation = if is_enabled { "enable-key" } else { "disable-key" };
    change(call, operation, |found, _| Ok((KeyRecord { is_enabled, ..found.kept()?.record }, None)))
}

pub(crate) fn update_description(call: &SignedCall<'_>) -> Outcome {
    change(call, "update-key-description", |found, asked| {
        let description = description(asked.description.take())?;
        Ok((KeyRecord { description, ..found.kept()?.record }, None))
    })
}

pub(crate) fn schedule_deletion(call: &SignedCall<'_>) -> Outcome {
    change(call, "schedule-key-deletion", |found, asked| {
        let days = asked.pending_window_in_days.unwrap_or(WINDOW_DEFAULT);
        let days = in_range(days, "pendingWindowInDays", &WINDOW)?;
        if let Some(doubt) = call.store.clock_doubt() {
            // The window would be of a wrong length, and what is destroyed is gone.
            return Err(Refusal::unavailable(doubt).into());
        }
        let at = unix_now() + days * DAY_SECONDS;
        let changed = Changed {
            key_id: found.arn.clone(),
            deletion_date: Some(at),
            key_state: Some("PendingDeletion"),
            pending_window_in_days: i64::try_from(days).ok(),
            ..Changed::default()
        };
        Ok((KeyRecord { deletion_at: Some(at), ..found.kept()?.record }, Some(changed)))
    })
}

pub(crate) fn cancel_deletion(call: &SignedCall<'_>) -> Outcome {
    change(call, "cancel-key-deletion", |found, _| {
        if found.record.deletion_at.is_none() {
            return Err(Fault::state(&found.arn, "not pending deletion"));
        }
        let changed = Changed { key_id: found.arn.clone(), ..Changed::default() };
        // As with AWS: its owner enables it again.
        let record = KeyRecord { deletion_at: None, is_enabled: false, ..found.record };
        Ok((record, Some(changed)))
    })
}

pub(crate) fn rotate_by_age(call: &SignedCall<'_>, is_on: bool) -> Outcome {
    let asked: KeyAsked<'_> = call.read()?;
    let days = asked.rotation_period_in_days.unwrap_or(ROTATION_DEFAULT);
    let days = in_range(days, "rotationPeriodInDays", &ROTATION)?;
    let found = rotating_key(call, &asked)?;
    call.change(|| {
        let seconds = if is_on { days * DAY_SECONDS } else { 0 };
        let wanted =
            TransitChange { auto_rotate_seconds: Some(seconds), ..TransitChange::default() };
        let name = call.keys().transit_name(found.id);
        call.store.keyring().configure_transit_key(call.actor, &name, &wanted)?;
        Ok(None)
    })
}

pub(crate) fn rotation_status(call: &SignedCall<'_>) -> Outcome {
    let asked: KeyAsked<'_> = call.read()?;
    let found = rotating_key(call, &asked)?;
    let days = found.key.settings.auto_rotate_seconds / DAY_SECONDS;
    answer(&Changed {
        key_id: found.arn,
        key_rotation_enabled: Some(days > 0),
        rotation_period_in_days: Some(days).filter(|days| *days > 0),
        ..Changed::default()
    })
}

pub(crate) fn rotate(call: &SignedCall<'_>) -> Outcome {
    let asked: KeyAsked<'_> = call.read()?;
    let found = rotating_key(call, &asked)?.usable(ENCRYPT_DECRYPT)?;
    call.change(|| {
        let name = call.keys().transit_name(found.id);
        call.store.keyring().rotate_transit_key(call.actor, &name)?;
        answer(&Changed { key_id: found.id.to_string(), ..Changed::default() })
    })
}

/// A key whose rotation the caller may see and change.
fn rotating_key(call: &SignedCall<'_>, asked: &KeyAsked<'_>) -> Result<FoundKey, Fault> {
    let found = call.keys().find(asked.key_id.as_deref().unwrap_or_default())?;
    call.may_manage(found.id)?;
    if found.record.spec != KeySpec::Symmetric {
        return Err(Fault::unsupported("Keys for MACs are not rotated."));
    }
    found.kept()
}

/// Changes the record of a key as `decide` says, with a line in the audit log before.
fn change<'a>(
    call: &SignedCall<'a>,
    operation: &'static str,
    decide: impl FnOnce(FoundKey, &mut KeyAsked<'a>) -> Result<(KeyRecord, Option<Changed>), Fault>,
) -> Outcome {
    let mut asked: KeyAsked<'a> = call.read()?;
    call.change(|| {
        let found = call.keys().find(asked.key_id.as_deref().unwrap_or_default())?;
        let id = found.id;
        call.may_manage(id)?;
        let detail = found.audited_as();
        let (record, changed) = decide(found, &mut asked)?;
        check_dry_run(asked.dry_run)?;
        let event = AuditEvent::new(call.actor, operation).detail(detail);
        call.store.keyring().audit().done(&event).map_err(TenantError::from)?;
        call.keys().put(id, &record)?;
        changed.map_or(Ok(None), |changed| answer(&changed))
    })
}

fn in_range(days: i64, member: &str, range: &std::ops::RangeInclusive<i64>) -> Result<u64, Fault> {
    let in_range = u64::try_from(days).ok().filter(|_| range.contains(&days));
    in_range.ok_or_else(|| {
        let limits =
            format!("Member must have value between {} and {}", range.start(), range.end());
        Fault::constraint(days, member, &limits)
    })
}
