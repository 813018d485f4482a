//! The calls about tenants.

use std::str::FromStr;

use hyper::{Response, StatusCode};

use crate::api::tenants::{
    CreateTenantRequest, LimitsRequest, NewTokenAnswer, NewTokenRequest, PermissionsRequest,
    RemoveTenantRequest, RemovedTenant, TenantEntry, TenantLimits, TenantList, TokenEntry,
};
use crate::caller::limits::{DailyBytes, Limits};
use crate::caller::permission::Permission;
use crate::caller::tenant::TenantRecord;
use crate::caller::tenants::{NewToken, StoredTenant, TenantChange, TokenTerms};
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

/// The word that removes a limit.
const NONE: &str = "none";

type Outcome = Result<Response<Body>, Refusal>;

pub(crate) fn list(call: &OwnedCall) -> Outcome {
    let all = call.app.tenants.all()?;
    let tenants = all.iter().filter(|it| !it.record.is_removed).map(shown).collect();
    Ok(json(StatusCode::OK, &TenantList { tenants }))
}

pub(crate) fn get(call: &OwnedCall, name: &str) -> Outcome {
    Ok(json(StatusCode::OK, &shown(&call.app.tenants.find(name)?)))
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
    call.operate(move |store, actor| {
        let changed = tenants.change(store, actor, &name, decide)?;
        Ok(json(StatusCode::OK, &shown(&changed)))
    })
    .await
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
fn limits(mut limits: Limits, request: &LimitsRequest) -> Result<Limits, Refusal> {
    set(&mut limits.rate, "rate", request.rate.as_deref())?;
    if limits.rate.is_none() {
        limits.burst = None;
    }
    set(&mut limits.burst, "burst", request.burst.as_deref())?;
    let mut bytes = limits.bytes_per_day.map(DailyBytes);
    set(&mut bytes, "bytes", request.bytes.as_deref())?;
    limits.bytes_per_day = bytes.map(|DailyBytes(bytes)| bytes);
    set(&mut limits.long_answers, "long_answers", request.long_answers.as_deref())?;
    if limits.burst == Some(0) {
        return Err(Refusal::invalid("burst: must be 1 or more (got 0)"));
    }
    if limits.burst.is_some() && limits.rate.is_none() {
        return Err(Refusal::invalid("burst: needs a rate beside it"));
    }
    Ok(limits)
}

fn set<T: FromStr>(limit: &mut Option<T>, field: &str, to: Option<&str>) -> Result<(), Refusal>
where
    T::Err: std::fmt::Display,
{
    match to {
        None => {}
        Some(NONE) => *limit = None,
        Some(text) => {
            let read = text.parse().map_err(|error| {
                Refusal::invalid(format!("{field}: {error}, or none (got {text:?})"))
            });
            *limit = Some(read?);
        }
    }
    Ok(())
}

fn shown(StoredTenant { record, tenant }: &StoredTenant) -> TenantEntry {
    let last_uses = tenant.account().read_last_uses();
    let last_use = |number| last_uses.iter().find(|(known, _)| *known == number).map(|it| it.1);
    TenantEntry {
        name: record.name.clone(),
        created_at: record.created_at,
        permissions: record.permissions.iter().map(ToString::to_string).collect(),
        limits: TenantLimits {
            rate: record.limits.rate.map(|rate| rate.to_string()),
            burst: record.limits.burst,
            bytes_per_day: record.limits.bytes_per_day,
            long_answers: record.limits.long_answers,
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
            })
            .collect(),
    }
}

fn token(NewToken { number, token }: NewToken) -> Response<Body> {
    json(StatusCode::OK, &NewTokenAnswer { number, token })
}
