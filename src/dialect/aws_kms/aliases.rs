//! Aliases: names of keys that can be given to another key.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::audit::AuditEvent;
use crate::caller::tenants::TenantError;
use crate::dialect::aws_kms::fault::Fault;
use crate::dialect::aws_kms::key_record::{ALIAS, AliasRecord};
use crate::dialect::aws_kms::page::Page;
use crate::dialect::aws_kms::signed_call::{Outcome, SignedCall, answer};
use crate::machine::unix_now;

/// The longest alias, in bytes, with its start: that of AWS.
const ALIAS_MOST: usize = 256;

/// Aliases of one tenant: as many as it can have keys.
const ALIASES_MOST: usize = 1000;

/// Aliases on a page, by default and at most: those of AWS.
const ON_PAGE: (usize, usize) = (50, 100);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked<'a> {
    alias_name: Option<Cow<'a, str>>,
    target_key_id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListAsked<'a> {
    key_id: Option<Cow<'a, str>>,
    limit: Option<i64>,
    marker: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    aliases: Vec<Alias>,
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_marker: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Alias {
    #[serde(rename = "AliasName")]
    name: String,
    #[serde(rename = "AliasArn")]
    arn: String,
    target_key_id: String,
    creation_date: u64,
    last_updated_date: u64,
}

pub(crate) fn create(call: &SignedCall<'_>) -> Outcome {
    let asked: Asked<'_> = call.read()?;
    let alias = name(asked.alias_name.as_deref())?;
    let key = call.keys().find(asked.target_key_id.as_deref().unwrap_or_default())?.kept()?;
    call.may_manage(key.id)?;
    call.change(|| {
        if call.keys().alias(alias)?.is_some() {
            return Err(Fault::exists(&call.keys().alias_arn(alias)));
        }
        if call.keys().aliases()?.len() >= ALIASES_MOST {
            return Err(Fault::limit(format!("A tenant has at most {ALIASES_MOST} aliases.")));
        }
        audit(call, "create-alias", key.audited_as())?;
        let now = unix_now();
        let record = AliasRecord { key: key.id, created_at: now, updated_at: now };
        call.keys().put_alias(alias, &record)?;
        Ok(None)
    })
}

pub(crate) fn update(call: &SignedCall<'_>) -> Outcome {
    let asked: Asked<'_> = call.read()?;
    let alias = name(asked.alias_name.as_deref())?;
    let key = call.keys().find(asked.target_key_id.as_deref().unwrap_or_default())?.kept()?;
    call.may_manage(key.id)?;
    call.change(|| {
        let record = known(call, alias)?;
        call.may_manage(record.key)?;
        if let Some(before) = call.keys().get(record.key)?
            && before.record.spec.usage() != key.record.spec.usage()
        {
            return Err(Fault::validation("The two keys must be of the same usage."));
        }
        audit(call, "update-alias", key.audited_as())?;
        let record = AliasRecord { key: key.id, updated_at: unix_now(), ..record };
        call.keys().put_alias(alias, &record)?;
        Ok(None)
    })
}

pub(crate) fn delete(call: &SignedCall<'_>) -> Outcome {
    let asked: Asked<'_> = call.read()?;
    let alias = name(asked.alias_name.as_deref())?;
    call.change(|| {
        let record = known(call, alias)?;
        call.may_manage(record.key)?;
        let key = call.keys().get(record.key)?;
        audit(call, "delete-alias", key.map(|key| key.audited_as()).unwrap_or_default())?;
        call.keys().delete_alias(alias)?;
        Ok(None)
    })
}

pub(crate) fn list(call: &SignedCall<'_>) -> Outcome {
    let asked: ListAsked<'_> = call.read()?;
    let of_key = asked.key_id.as_deref().map(|named| call.keys().find(named)).transpose()?;
    let page = Page::of(asked.limit, asked.marker, ON_PAGE)?;
    let mut all = Vec::new();
    for alias in call.keys().aliases()? {
        let Some(record) = call.keys().alias(&alias)? else { continue };
        let is_asked = of_key.as_ref().is_none_or(|key| key.id == record.key);
        if is_asked && call.may_see(record.key) {
            all.push((alias, record));
        }
    }
    let (shown, next_marker) = page.cut(all, |(alias, _)| alias.clone());
    let aliases = shown.into_iter().map(|(alias, record)| Alias {
        arn: call.keys().alias_arn(&alias),
        name: alias,
        target_key_id: record.key.to_string(),
        creation_date: record.created_at,
        last_updated_date: record.updated_at,
    });
    answer(&Listed { aliases: aliases.collect(), truncated: next_marker.is_some(), next_marker })
}

fn known(call: &SignedCall<'_>, alias: &str) -> Result<AliasRecord, Fault> {
    let record = call.keys().alias(alias)?;
    record.ok_or_else(|| Fault::not_found(format!("Alias {}", call.keys().alias_arn(alias))))
}

/// The name of an alias of the caller's own.
fn name(given: Option<&str>) -> Result<&str, Fault> {
    let given = given.unwrap_or_default();
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-');
    let rest =
        given.strip_prefix(ALIAS).filter(|rest| !rest.is_empty() && given.len() <= ALIAS_MOST);
    match rest {
        Some(rest) if rest.starts_with("aws/") => {
            Err(Fault::validation("Aliases that begin with alias/aws/ are those of AWS."))
        }
        Some(rest) if rest.bytes().all(is_letter) => Ok(given),
        _ => Err(Fault::constraint(
            given,
            "aliasName",
            "Member must satisfy regular expression pattern: ^alias/[a-zA-Z0-9/_-]+$, of at most 256 bytes",
        )),
    }
}

/// The log does not name aliases: names are the callers'.
fn audit(call: &SignedCall<'_>, operation: &'static str, key: String) -> Result<(), Fault> {
    let event = AuditEvent::new(call.actor, operation).detail(key);
    let done = call.store.keyring().audit().done(&event);
    done.map_err(TenantError::from)?;
    Ok(())
}
