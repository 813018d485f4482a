//! The calls about tenants.

use std::str::FromStr;

use hyper::{Response, StatusCode};

use crate::api::tenants::{
    CreateTenantRequest, LimitsRequest, NewAccessKeyAnswer, NewTokenAnswer, NewTokenRequest,
    PermissionsRequest, RemoveTenantRequest, RemovedTenant, TenantEntry, TenantLimits, TenantList,
    TokenEntry,
};
use crate::caller::access_key::AccessKey;
use crate::caller::limits::{DailyBytes, DailyUses, LimitSettings, Limits, Setting, StoredBytes};
use crate::caller::permission::Permission;
use crate::caller::tenant::TenantRecord;
use crate::caller::tenants::{
    NewAccessKey, NewToken, StoredTenant, TenantChange, TokenTerms, read_hash,
};
use crate::http::body::Body;
use crate::http::call::OwnedCall;
use crate::http::refusal::Refusal;
use crate::http::respond::json;
use crate::http::tenant_usage;
use std::sync::Arc;

/// More bytes than any request about a tenant has.
const BODY_LIMIT: usize = 64 * 1024;

/// Permissions of one tenant.
const PERMISSIONS_MOST: usize = 1000;

/// The words that lift a limit, and that take the default again.
const NONE: &str = "none";
const DEFAULT: &str = "default";

type Outcome = Result<Response<Body>, Refusal>;

pub(crate) fn list(call: &OwnedCall) -> Outcome {
    let all = call.app.tenants.all()?;
    let tenants = all.iter().filter(|it| !it.record.is_removed).map(|it| shown(call, it)).collect();
    Ok(json(StatusCode::OK, &TenantList { tenants }))
}

pub(crate) fn get(call: &OwnedCall, name: &str) -> Outcome {
    Ok(json(StatusCode::OK, &shown(call, &call.app.tenants.find(name)?)))
}

pub(crate) async fn create(call: &mut OwnedCall) -> Outcome {
    let CreateTenantRequest { name, permissions, note, expires_at } = call.json(BODY_LIMIT).await?;
    let permissions = match permissions {
        Some(permissions) => read_permissions(&permissions)?,
        None => vec![Permission::Random],
    };
    let app = Arc::clone(&call.app);
    call.operate(move |store, actor| {
        let terms = TokenTerms { note, expires_at };
        let made = app.tenants.create(store, &app.generator, actor, &name, permissions, terms)?;
        Ok(token(made))
    })
    .await
}

pub(crate) async fn new_token(call: &mut OwnedCall, name: String) -> Outcome {
    let NewTokenRequest { note, expires_at } = call.json(BODY_LIMIT).await?;
    let app = Arc::clone(&call.app);
    call.operate(move |store, actor| {
        let terms = TokenTerms { note, expires_at };
        Ok(token(app.tenants.new_token(store, &app.generator, actor, &name, terms)?))
    })
    .await
}

pub(crate) async fn new_access_key(call: &mut OwnedCall, name: String) -> Outcome {
    let NewTokenRequest { note, expires_at } = call.json(BODY_LIMIT).await?;
    let app = Arc::clone(&call.app);
    call.operate(move |store, actor| {
        let terms = TokenTerms { note, expires_at };
        let made = app.tenants.new_access_key(store, &app.generator, actor, &name, terms)?;
        let NewAccessKey { number, key: AccessKey { id, secret } } = made;
        let answer = NewAccessKeyAnswer { number, access_key_id: id, secret_access_key: secret };
        Ok(json(StatusCode::OK, &answer))
    })
    .await
}

pub(crate) async fn revoke(call: &OwnedCall, name: String, number: &str) -> Outcome {
    let number = number.parse().map_err(|_| Refusal::invalid("the token's number is no number"))?;
    change(call, name, move |_| Ok(TenantChange::Revoke(number))).await
}

pub(crate) async fn limit(call: &mut OwnedCall, name: String) -> Outcome {
    let request: LimitsRequest = call.json(BODY_LIMIT).await?;
    change(call, name, move |now| limits(now.limits, &request).map(TenantChange::Limits)).await
}

pub(crate) async fn permit(call: &mut OwnedCall, name: String) -> Outcome {
    let PermissionsRequest { allow, deny } = call.json(BODY_LIMIT).await?;
    let (allow, deny) = (read_permissions(&allow)?, read_permissions(&deny)?);
    change(call, name, move |now| {
        let mut permissions = now.permissions.clone();
        if let Some(missing) = deny.iter().find(|it| !permissions.contains(it)) {
            return Err(Refusal::invalid(format!(
                "deny: the tenant has not the permission {missing}"
            )));
        }
        permissions.retain(|it| !deny.contains(it));
        permissions.extend(allow);
        permissions.sort();
        permissions.dedup();
        if permissions.len() > PERMISSIONS_MOST {
            return Err(Refusal::invalid(format!(
                "allow: a tenant has at most {PERMISSIONS_MOST} permissions (got {})",
                permissions.len()
            )));
        }
        Ok(TenantChange::Permissions(permissions))
    })
    .await
}

pub(crate) async fn remove(call: &mut OwnedCall, name: String) -> Outcome {
    let RemoveTenantRequest { shred } = call.json(BODY_LIMIT).await?;
    let tenants = Arc::clone(&call.app.tenants);
    call.operate(move |store, actor| {
        let destroyed = tenants.remove(store, actor, &name, shred)?;
        Ok(json(StatusCode::OK, &RemovedTenant { destroyed }))
    })
    .await
}

pub(crate) async fn usage(call: &OwnedCall, name: String) -> Outcome {
    let days = tenant_usage::days(call.query())?;
    tenant_usage::answer(call, name, days).await
}

async fn change(
    call: &OwnedCall,
    name: String,
    decide: impl FnOnce(&TenantRecord) -> Result<TenantChange, Refusal> + Send + 'static,
) -> Outcome {
    let tenants = Arc::clone(&call.app.tenants);
    let changed =
        call.operate(move |store, actor| tenants.change(store, actor, &name, decide)).await?;
    Ok(json(StatusCode::OK, &shown(call, &changed)))
}

fn read_permissions(texts: &[String]) -> Result<Vec<Permission>, Refusal> {
    let read = texts.iter().map(|text| {
        text.parse()
            .map_err(|error| Refusal::invalid(format!("permission: {error} (got {text:?})")))
    });
    let mut permissions: Vec<_> = read.collect::<Result<_, _>>()?;
    permissions.sort();
    permissions.dedup();
    Ok(permissions)
}

/// The limits, with those that a request sets.
fn limits(mut limits: LimitSettings, request: &LimitsRequest) -> Result<LimitSettings, Refusal> {
    set(&mut limits.rate, "rate", request.rate.as_deref(), |rate| rate)?;
    if !matches!(limits.rate, Setting::At(_)) {
        limits.burst = Setting::Default;
    }
    set(&mut limits.burst, "burst", request.burst.as_deref(), |burst| burst)?;
    let bytes = request.bytes.as_deref();
    set(&mut limits.bytes_per_day, "bytes", bytes, |DailyBytes(bytes)| bytes)?;
    let long_answers = request.long_answers.as_deref();
    set(&mut limits.long_answers, "long_answers", long_answers, |most| most)?;
    let key_uses = request.key_uses.as_deref();
    set(&mut limits.key_uses_per_day, "key_uses", key_uses, |DailyUses(uses)| uses)?;
    set(&mut limits.namespaces, "namespaces", request.namespaces.as_deref(), |most| most)?;
    set(&mut limits.records, "records", request.records.as_deref(), |most| most)?;
    let stored = request.stored.as_deref();
    set(&mut limits.stored_bytes, "stored", stored, |StoredBytes(bytes)| bytes)?;
    if limits.burst == Setting::At(0) {
        return Err(Refusal::invalid("burst: must be 1 or more (got 0)"));
    }
    if matches!(limits.burst, Setting::At(_)) && !matches!(limits.rate, Setting::At(_)) {
        return Err(Refusal::invalid("burst: needs a rate beside it"));
    }
    Ok(limits)
}

fn set<Given: FromStr, T>(
    limit: &mut Setting<T>,
    field: &str,
    to: Option<&str>,
    value: impl FnOnce(Given) -> T,
) -> Result<(), Refusal>
where
    Given::Err: std::fmt::Display,
{
    match to {
        None => {}
        Some(NONE) => *limit = Setting::Lifted,
        Some(DEFAULT) => *limit = Setting::Default,
        Some(text) => {
            let read = text.parse().map_err(|error| {
                Refusal::invalid(format!("{field}: {error}, or none (got {text:?})"))
            });
            *limit = Setting::At(value(read?));
        }
    }
    Ok(())
}

fn shown(call: &OwnedCall, StoredTenant { record, tenant }: &StoredTenant) -> TenantEntry {
    let limits = call.app.tenants.limits_of(record);
    let last_uses = tenant.account().read_last_uses();
    let last_use = |number| last_uses.iter().find(|(known, _)| *known == number).map(|it| it.1);
    TenantEntry {
        name: record.name.clone(),
        created_at: record.created_at,
        permissions: record.permissions.iter().map(ToString::to_string).collect(),
        limits: TenantLimits {
            rate: limits.rate.map(|rate| rate.to_string()),
            burst: limits.burst,
            bytes_per_day: limits.bytes_per_day,
            long_answers: limits.long_answers,
            key_uses_per_day: limits.key_uses_per_day,
            namespaces: limits.namespaces,
            records: limits.records,
            stored_bytes: limits.stored_bytes,
            defaults: defaults(&record.limits, &limits),
        },
        tokens: record
            .tokens
            .iter()
            .map(|token| TokenEntry {
                number: token.number,
                created_at: token.created_at,
                expires_at: token.expires_at,
                last_used_at: last_use(token.number),
                note: token.note.clone(),
                access_key_id: read_hash(&token.hash)
                    .filter(|_| token.is_access_key)
                    .map(|hash| AccessKey::of(&hash).id),
            })
            .collect(),
    }
}

/// The limits in force that the configuration sets.
fn defaults(settings: &LimitSettings, limits: &Limits) -> Vec<String> {
    let is_rate = settings.rate.is_default();
    let is_burst = is_rate && settings.burst.is_default();
    let number = |limit: Option<u32>| limit.map(u64::from);
    let all = [
        ("rate", is_rate, limits.rate.map(|_| 1)),
        ("burst", is_burst, number(limits.burst)),
        ("bytes_per_day", settings.bytes_per_day.is_default(), limits.bytes_per_day),
        ("long_answers", settings.long_answers.is_default(), number(limits.long_answers)),
        ("key_uses_per_day", settings.key_uses_per_day.is_default(), limits.key_uses_per_day),
        ("namespaces", settings.namespaces.is_default(), limits.namespaces),
        ("records", settings.records.is_default(), limits.records),
        ("stored_bytes", settings.stored_bytes.is_default(), limits.stored_bytes),
    ];
    let of_defaults = all.into_iter().filter(|(_, is_default, at)| *is_default && at.is_some());
    of_defaults.map(|(name, ..)| name.to_owned()).collect()
}

fn token(NewToken { number, token }: NewToken) -> Response<Body> {
    json(StatusCode::OK, &NewTokenAnswer { number, token })
}
