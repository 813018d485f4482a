//! Changes of tenants: each is written to the audit log, then to the store, then takes effect.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::audit::{Actor, AuditEvent};
use crate::caller::access_key::AccessKey;
use crate::caller::limits::LimitSettings;
use crate::caller::permission::Permission;
use crate::caller::tenant::{
    Account, NOTE_MOST, TOKENS_MOST, TenantRecord, TokenRecord, is_tenant_name,
};
use crate::caller::tenants::dialect_records;
use crate::caller::tenants::records::{
    TENANTS_NAMESPACE, is_recorded, last_uses_name, make_namespace, names, tenant_name, write,
};
use crate::caller::tenants::{Index, StoredTenant, TenantError, Tenants};
use crate::caller::token::{digest, draw_token, hash_token};
use crate::keyring::{KeyringError, NamespaceInfo};
use crate::kv::{KvError, Store};
use crate::machine::unix_now;
use lavawall_entropy::Generator;

/// Tenants in all: their records are held in memory.
const TENANTS_MOST: usize = 100_000;

/// The longest life of a token, in seconds: a hundred years. More is a typing error.
const LIFE_MOST: u64 = 100 * 365 * 24 * 60 * 60;

/// A token that was made, shown once.
pub(crate) struct NewToken {
    pub(crate) number: u32,
    pub(crate) token: Zeroizing<String>,
}

/// An access key that was made, shown once.
#[derive(Debug)]
pub(crate) struct NewAccessKey {
    /// The number of the token from which it is derived.
    pub(crate) number: u32,
    pub(crate) key: AccessKey,
}

/// What to change of a tenant.
pub(crate) enum TenantChange {
    /// Its limits.
    Limits(LimitSettings),
    /// Its permissions.
    Permissions(Vec<Permission>),
    /// A token is revoked.
    Revoke(u32),
}

/// What the operator says about a token.
#[derive(Default)]
pub(crate) struct TokenTerms {
    pub(crate) note: Option<String>,
    pub(crate) expires_at: Option<u64>,
}

impl Tenants {
    /// Makes a tenant with its first token.
    ///
    /// # Errors
    /// When the name cannot be one or is taken, or nothing can be written.
    pub(crate) fn create(
        &self,
        store: &Store,
        generator: &Generator,
        actor: &Actor,
        name: &str,
        permissions: Vec<Permission>,
        terms: TokenTerms,
    ) -> Result<NewToken, TenantError> {
        if !is_tenant_name(name) {
            return Err(TenantError::Name(name.to_owned()));
        }
        let _change = self.changes.lock();
        let index = self.loaded()?;
        if index.tenants.contains_key(name) || is_recorded(store, name)? {
            return Err(TenantError::NameTaken(name.to_owned()));
        }
        if index.tenants.len() >= TENANTS_MOST {
            return Err(TenantError::TooMany { limit: TENANTS_MOST });
        }
        let mut record = TenantRecord {
            name: name.to_owned(),
            created_at: unix_now(),
            permissions,
            limits: LimitSettings::default(),
            tokens: Vec::new(),
            last_token: 0,
            is_removed: false,
        };
        let token = add_token(&mut record, generator, terms, false)?;
        make_namespace(store, actor)?;
        self.write(store, &event(actor, "create-tenant", name), record, Arc::default())?;
        Ok(token)
    }

    /// Changes a tenant as `decide` says of its present record; the new one. Changes come one after
    /// another: none is lost. A token that is revoked counts no more from here on, also when that cannot
    /// be written.
    ///
    /// # Errors
    /// When there is no such tenant or token, `decide` refuses, or nothing can be written.
    pub(crate) fn change<E: From<TenantError>>(
        &self,
        store: &Store,
        actor: &Actor,
        name: &str,
        decide: impl FnOnce(&TenantRecord) -> Result<TenantChange, E>,
    ) -> Result<StoredTenant, E> {
        let _change = self.changes.lock();
        let StoredTenant { record, tenant } = self.find(name)?;
        let change = decide(&record)?;
        let mut record = TenantRecord::clone(&record);
        let event = match change {
            TenantChange::Limits(limits) => {
                record.limits = limits;
                event(actor, "limit-tenant", name)
            }
            TenantChange::Permissions(permissions) => {
                record.permissions = permissions;
                event(actor, "permit-tenant", name)
            }
            TenantChange::Revoke(number) => {
                let before = record.tokens.len();
                record.tokens.retain(|token| token.number != number);
                if record.tokens.len() == before {
                    let tenant = name.to_owned();
                    return Err(TenantError::UnknownToken { tenant, number }.into());
                }
                self.put(record.clone(), Arc::clone(tenant.account()));
                event(actor, "revoke-token", &format!("{name}, token {number}"))
            }
        };
        self.write(store, &event, record, Arc::clone(tenant.account()))?;
        Ok(self.find(name)?)
    }

    /// Makes another token of a tenant.
    ///
    /// # Errors
    /// When there is no such tenant, it has too many tokens, or nothing can be written.
    pub(crate) fn new_token(
        &self,
        store: &Store,
        generator: &Generator,
        actor: &Actor,
        name: &str,
        terms: TokenTerms,
    ) -> Result<NewToken, TenantError> {
        self.add(store, generator, actor, name, terms, false)
    }

    /// Makes another token of a tenant that nobody sees, and the access key that is derived from it.
    ///
    /// # Errors
    /// As [`Tenants::new_token`].
    pub(crate) fn new_access_key(
        &self,
        store: &Store,
        generator: &Generator,
        actor: &Actor,
        name: &str,
        terms: TokenTerms,
    ) -> Result<NewAccessKey, TenantError> {
        let NewToken { number, token } = self.add(store, generator, actor, name, terms, true)?;
        Ok(NewAccessKey { number, key: AccessKey::of(&digest(token.as_bytes())) })
    }

    fn add(
        &self,
        store: &Store,
        generator: &Generator,
        actor: &Actor,
        name: &str,
        terms: TokenTerms,
        is_access_key: bool,
    ) -> Result<NewToken, TenantError> {
        let _change = self.changes.lock();
        let StoredTenant { record, tenant } = self.find(name)?;
        let mut record = TenantRecord::clone(&record);
        let token = add_token(&mut record, generator, terms, is_access_key)?;
        let operation = if is_access_key { "create-access-key" } else { "create-token" };
        let event = event(actor, operation, &format!("{name}, token {}", token.number));
        self.write(store, &event, record, Arc::clone(tenant.account()))?;
        Ok(token)
    }

    /// Removes a tenant: its tokens count no more, its namespaces are destroyed, then its records go.
    /// After a crash the removal goes on when the store is opened. Returns the titles of the namespaces.
    ///
    /// # Errors
    /// When there is no such tenant, it has namespaces and `shred` is false, or nothing can be written.
    pub(crate) fn remove(
        &self,
        store: &Store,
        actor: &Actor,
        name: &str,
        shred: bool,
    ) -> Result<Vec<String>, TenantError> {
        let change = self.changes.lock();
        let known = match self.find(name) {
            // A record that is not understood can be removed all the same.
            Err(TenantError::Unknown(_)) if is_recorded(store, name)? => None,
            found => Some(found?),
        };
        let namespaces = namespaces_of(store, name)?;
        if !namespaces.is_empty() && !shred {
            let count = namespaces.len();
            return Err(TenantError::HasNamespaces { tenant: name.to_owned(), count });
        }
        let count = store.keyring().transit_count(name).map_err(KvError::from)?;
        if count > 0 && !shred {
            return Err(TenantError::HasKeys { tenant: name.to_owned(), count });
        }
        let event = event(actor, "remove-tenant", name);
        match known {
            Some(StoredTenant { record, tenant }) => {
                let record = TenantRecord { is_removed: true, ..TenantRecord::clone(&record) };
                self.write(store, &event, record, Arc::clone(tenant.account()))?;
            }
            None => drop(store.keyring().audit().done(&event)?),
        }
        // Others change their tenants while namespaces are destroyed.
        drop(change);
        self.finish_removal(store, actor, name)?;
        Ok(namespaces.into_iter().map(|it| it.title).collect())
    }

    /// Goes on with removals that were interrupted.
    ///
    /// # Errors
    /// When nothing can be written.
    pub(crate) fn finish_removals(&self, store: &Store, actor: &Actor) -> Result<(), TenantError> {
        for tenant in self.list().into_iter().filter(|it| it.record.is_removed) {
            self.finish_removal(store, actor, &tenant.record.name)?;
        }
        Ok(())
    }

    fn finish_removal(&self, store: &Store, actor: &Actor, name: &str) -> Result<(), TenantError> {
        for namespace in namespaces_of(store, name)? {
            match store.delete_namespace(actor, namespace.id) {
                // Its call and the upkeep may both remove it.
                Err(KvError::Keyring(KeyringError::UnknownNamespace(_))) | Ok(()) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let _change = self.changes.lock();
        if self.index.load().tenants.get(name).is_some_and(|it| !it.record.is_removed) {
            // The other one was faster, and a new tenant has the name.
            return Ok(());
        }
        store.keyring().delete_transit_keys_of(actor, name).map_err(KvError::from)?;
        let mut records = names(store, &format!("usage/{name}/"))?;
        records.extend(names(store, &dialect_records::prefix(name))?);
        records.push(last_uses_name(name));
        // The last: with it the rest would be forgotten.
        records.push(tenant_name(name));
        let records: Vec<_> = records.iter().map(String::as_str).collect();
        store.delete(TENANTS_NAMESPACE, &records)?;
        self.update_index(|index| index.take_out(name));
        Ok(())
    }

    /// Runs `work` while no tenant is removed, if this one is still there.
    ///
    /// # Errors
    /// When it was removed.
    pub(crate) fn while_known<T, E: From<TenantError>>(
        &self,
        name: &str,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let _change = self.changes.lock();
        self.find(name)?;
        work()
    }

    fn put(&self, record: TenantRecord, account: Arc<Account>) {
        let limits = self.limits_of(&record);
        self.update_index(|index| index.put(record, account, limits));
    }

    fn update_index(&self, change: impl FnOnce(&mut Index)) {
        let mut index = Index::clone(&self.index.load());
        change(&mut index);
        self.index.store(Arc::new(index));
    }

    fn write(
        &self,
        store: &Store,
        event: &AuditEvent,
        record: TenantRecord,
        account: Arc<Account>,
    ) -> Result<(), TenantError> {
        let audit = store.keyring().audit();
        audit.done(event)?;
        if let Err(error) = write(store, &tenant_name(&record.name), &record) {
            audit.refused(event, &error)?;
            return Err(error);
        }
        self.put(record, account);
        Ok(())
    }

    fn loaded(&self) -> Result<Arc<Index>, TenantError> {
        Some(self.index.load_full()).filter(|it| it.is_loaded).ok_or(TenantError::NotLoaded)
    }
}

/// The namespaces that are a tenant's own: those whose titles begin with its name and a slash.
fn namespaces_of(store: &Store, name: &str) -> Result<Vec<NamespaceInfo>, TenantError> {
    let mut namespaces = store.namespaces()?;
    let own = format!("{name}/");
    namespaces.retain(|it| it.id != TENANTS_NAMESPACE && it.title.starts_with(&own));
    Ok(namespaces)
}

fn event(actor: &Actor, operation: &'static str, detail: &str) -> AuditEvent {
    AuditEvent::new(actor, operation).detail(detail)
}

fn add_token(
    record: &mut TenantRecord,
    generator: &Generator,
    terms: TokenTerms,
    is_access_key: bool,
) -> Result<NewToken, TenantError> {
    let now = unix_now();
    if record.tokens.len() >= TOKENS_MOST {
        return Err(TenantError::TooManyTokens(record.name.clone()));
    }
    if let Some(note) = &terms.note
        && (note.len() > NOTE_MOST || note.contains(char::is_control))
    {
        return Err(TenantError::Note(note.len()));
    }
    if let Some(value) = terms.expires_at.filter(|at| *at <= now) {
        return Err(TenantError::Expired { value, now });
    }
    if let Some(value) = terms.expires_at.filter(|at| *at > now.saturating_add(LIFE_MOST)) {
        return Err(TenantError::ExpiresLate(value));
    }
    let token = draw_token(generator)?;
    record.last_token += 1;
    record.tokens.push(TokenRecord {
        number: record.last_token,
        hash: hash_token(&token),
        created_at: now,
        expires_at: terms.expires_at,
        note: terms.note,
        is_access_key,
    });
    Ok(NewToken { number: record.last_token, token })
}
