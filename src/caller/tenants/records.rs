//! The records of tenants in the store: a namespace of their own, which no caller sees.
//!
//! ```text
//! tenant/NAME        JSON of the tenant: permissions, limits, hashes of tokens
//! usage/NAME/DAY     JSON of its use on one day in UTC, by hour and protocol; expires
//! uses/NAME          JSON of the last uses of its tokens
//! dialect/NAME/…     what a dialect keeps for it
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::audit::Actor;
use crate::caller::limiter::DAY_SECONDS;
use crate::caller::limits::Limits;
use crate::caller::tenant::{Account, TenantRecord};
use crate::caller::tenants::{Index, TenantError, Tenants};
use crate::caller::usage::DayUsage;
use crate::keyring::NamespaceId;
use crate::kv::{Put, Store};
use crate::machine::unix_now;

/// The namespace. Ids that the service draws are random.
pub(crate) const TENANTS_NAMESPACE: NamespaceId = NamespaceId(*b"lavawall tenants");

/// Its title, for `lavawall keys`.
const TITLE: &str = "lavawall/tenants";

/// Names that are read at a time.
const PAGE: usize = 1000;

const TENANT: &str = "tenant/";

pub(super) fn tenant_name(tenant: &str) -> String {
    format!("{TENANT}{tenant}")
}

pub(super) fn usage_name(tenant: &str, day: u64) -> String {
    // Sorted by day until the year 275,000.
    format!("usage/{tenant}/{day:08}")
}

pub(super) fn last_uses_name(tenant: &str) -> String {
    format!("uses/{tenant}")
}

impl Tenants {
    /// Reads all tenants from an open store. Does nothing when they were read before. Returns what is wrong
    /// with records that do not open or are not understood: they stay, and their tenants are unknown.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn load(&self, store: &Store) -> Result<Vec<String>, TenantError> {
        let mut findings = Vec::new();
        if self.is_loaded() {
            return Ok(findings);
        }
        let _change = self.changes.lock();
        let mut index = Index { is_loaded: true, ..Index::default() };
        let now = unix_now();
        for name in names(store, TENANT)? {
            match read::<TenantRecord>(store, &name) {
                Ok(Some(record)) => {
                    let mut lost = |error: TenantError| {
                        findings
                            .push(format!("the use of tenant {} is lost: {error}", record.name));
                    };
                    let limits = self.limits_of(&record);
                    let account = restored(store, &record, limits, now, &mut lost);
                    index.put(record, Arc::new(account), limits);
                }
                Ok(None) => {}
                Err(error) => {
                    let tenant = name.trim_start_matches(TENANT);
                    findings.push(format!(
                        "tenant {tenant} is not known, and its tokens do not count: {error}; make it again \
                         after: lavawall tenant remove {tenant}"
                    ));
                }
            }
        }
        self.index.store(Arc::new(index));
        Ok(findings)
    }
}

/// The account of a tenant, with its use of today. What does not open is `lost`.
fn restored(
    store: &Store,
    record: &TenantRecord,
    limits: Limits,
    now: u64,
    lost: &mut impl FnMut(TenantError),
) -> Account {
    let day = read::<DayUsage>(store, &usage_name(&record.name, now / DAY_SECONDS));
    let uses = read::<BTreeMap<u32, u64>>(store, &last_uses_name(&record.name));
    let usage = day.unwrap_or_else(|error| {
        lost(error);
        None
    });
    let uses = uses.unwrap_or_else(|error| {
        lost(error);
        None
    });
    let uses: Vec<_> = uses.unwrap_or_default().into_iter().collect();
    Account::restored(limits, now, usage.unwrap_or_default(), &uses)
}

/// Whether there is a record of this tenant, also one that is not understood.
pub(super) fn is_recorded(store: &Store, tenant: &str) -> Result<bool, TenantError> {
    let name = tenant_name(tenant);
    Ok(names(store, &name)?.contains(&name))
}

/// Makes the namespace, if there is none yet.
pub(super) fn make_namespace(store: &Store, actor: &Actor) -> Result<(), TenantError> {
    if store.namespaces()?.iter().any(|it| it.id == TENANTS_NAMESPACE) {
        return Ok(());
    }
    store.create_namespace_with_id(actor, TITLE, TENANTS_NAMESPACE)?;
    Ok(())
}

/// The names of records that begin so.
pub(super) fn names(store: &Store, prefix: &str) -> Result<Vec<String>, TenantError> {
    let mut names: Vec<String> = Vec::new();
    if !store.namespaces()?.iter().any(|it| it.id == TENANTS_NAMESPACE) {
        return Ok(names);
    }
    loop {
        let after = names.last().map(String::as_str);
        let page = store.list(TENANTS_NAMESPACE, prefix, after, PAGE, unix_now())?;
        names.extend(page.records.into_iter().map(|record| record.name.to_string()));
        if !page.more {
            return Ok(names);
        }
    }
}

/// A record, if there is one.
pub(super) fn read<T: DeserializeOwned>(
    store: &Store,
    name: &str,
) -> Result<Option<T>, TenantError> {
    let Some(value) = store.get(TENANTS_NAMESPACE, name, unix_now())? else { return Ok(None) };
    let read = serde_json::from_slice(&value.bytes);
    read.map(Some).map_err(|error| TenantError::Malformed(error.to_string()))
}

/// Writes a record.
pub(super) fn write(store: &Store, name: &str, value: &impl Serialize) -> Result<(), TenantError> {
    let value = json(value);
    let put = Put { name, value: &value, metadata: None, expiry: None };
    Ok(store.put(TENANTS_NAMESPACE, &[put], unix_now())?)
}

pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("its keys are text or numbers")
}
