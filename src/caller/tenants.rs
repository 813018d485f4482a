//! The tenants that the store keeps, and the index by which a token finds its tenant.

mod changes;
mod dialect_records;
mod error;
mod records;
mod usage_records;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use data_encoding::HEXLOWER_PERMISSIVE;
use parking_lot::Mutex;

use crate::caller::access_key::AccessKey;
use crate::caller::limits::Limits;
use crate::caller::tenant::{Account, Origin, Tenant, TenantRecord};
use crate::caller::token::{HASH_BYTES, SCHEME, digest};
use crate::kv::{RecordQuota, RecordQuotas};
use crate::machine::unix_now;

pub(crate) use changes::{NewAccessKey, NewToken, TenantChange, TokenTerms};
pub(crate) use error::TenantError;
pub(crate) use records::TENANTS_NAMESPACE;

/// The first part of the titles of the service's own namespaces.
const OWN_NAME: &str = "lavawall";

/// The tenants that the store keeps. Read when the store is opened, and held from then on: sealing the
/// keyring takes no caller's randomness away.
#[derive(Default)]
pub struct Tenants {
    index: ArcSwap<Index>,
    /// The limits of tenants that have none of their own.
    default_limits: Mutex<Limits>,
    /// One change at a time.
    changes: Mutex<()>,
}

/// All tenants at some time.
#[derive(Clone, Default)]
struct Index {
    is_loaded: bool,
    tenants: BTreeMap<String, StoredTenant>,
    /// By the token's hash. A lookup takes the same time however many there are, and what its time tells
    /// is about the hash: a token has 256 bits and cannot be guessed from it.
    tokens: HashMap<[u8; HASH_BYTES], IndexedToken>,
    /// The hash of the token from which each access key is derived, by its id.
    access_keys: HashMap<String, [u8; HASH_BYTES]>,
}

/// A tenant and its record.
#[derive(Clone)]
pub(crate) struct StoredTenant {
    pub(crate) record: Arc<TenantRecord>,
    pub(crate) tenant: Arc<Tenant>,
}

#[derive(Clone)]
struct IndexedToken {
    tenant: Arc<Tenant>,
    expires_at: Option<u64>,
    last_use: Arc<AtomicU64>,
}

/// Whose token it is.
pub(crate) enum TokenOwner {
    /// Of this tenant.
    Tenant(Arc<Tenant>),
    /// Of no tenant, revoked or expired.
    Unknown,
    /// The tenants were not read yet.
    NotLoaded,
}

/// Whose access key it is: whether a request is signed with it is still to be checked.
pub(crate) enum AccessKeyOwner {
    /// Of a tenant.
    Tenant(Signer),
    /// Of no tenant, revoked or expired.
    Unknown,
    /// The tenants were not read yet.
    NotLoaded,
}

/// The tenant of an access key.
pub(crate) struct Signer {
    pub(crate) tenant: Arc<Tenant>,
    /// From which the key is derived.
    pub(crate) token_hash: [u8; HASH_BYTES],
    /// To be set once a signature is right.
    pub(crate) last_use: Arc<AtomicU64>,
}

impl IndexedToken {
    /// Whether it counts at a time, in seconds since 1970.
    fn is_valid(&self, now: u64) -> bool {
        self.expires_at.is_none_or(|at| at > now)
    }
}

impl Tenants {
    /// No tenants, for a service whose store keeps none: every token is unknown.
    #[must_use]
    pub fn none() -> Self {
        let index = Index { is_loaded: true, ..Index::default() };
        Self { index: ArcSwap::from_pointee(index), ..Self::default() }
    }

    /// Sets the limits of tenants that have none of their own.
    pub(crate) fn set_default_limits(&self, limits: Limits) {
        let _change = self.changes.lock();
        *self.default_limits.lock() = limits;
        for StoredTenant { record, tenant } in self.list() {
            tenant.account().limiter.set(record.limits.over(&limits));
        }
    }

    /// The limits in force of the tenant of this record.
    pub(crate) fn limits_of(&self, record: &TenantRecord) -> Limits {
        record.limits.over(&self.default_limits.lock())
    }

    /// Whose token this is.
    pub(crate) fn owner(&self, token: &[u8]) -> TokenOwner {
        let index = self.index.load();
        if !index.is_loaded {
            return TokenOwner::NotLoaded;
        }
        let Some(known) = index.tokens.get(&digest(token)) else { return TokenOwner::Unknown };
        let now = unix_now();
        if !known.is_valid(now) {
            return TokenOwner::Unknown;
        }
        known.last_use.store(now, Ordering::Relaxed);
        TokenOwner::Tenant(Arc::clone(&known.tenant))
    }

    /// Whose access key this is.
    pub(crate) fn access_key(&self, id: &str) -> AccessKeyOwner {
        let index = self.index.load();
        if !index.is_loaded {
            return AccessKeyOwner::NotLoaded;
        }
        let known =
            index.access_keys.get(id).and_then(|hash| Some((hash, index.tokens.get(hash)?)));
        match known {
            Some((hash, token)) if token.is_valid(unix_now()) => AccessKeyOwner::Tenant(Signer {
                tenant: Arc::clone(&token.tenant),
                token_hash: *hash,
                last_use: Arc::clone(&token.last_use),
            }),
            _ => AccessKeyOwner::Unknown,
        }
    }

    /// From when on a token counts no more, in seconds since 1970; `None` for ever, or for a token of no
    /// tenant.
    pub(crate) fn expiry(&self, token: &[u8]) -> Option<u64> {
        self.index.load().tokens.get(&digest(token))?.expires_at
    }

    /// Whether they were read.
    pub(crate) fn is_loaded(&self) -> bool {
        self.index.load().is_loaded
    }

    /// A tenant as it is now: its permissions may have changed since the call began. `None` when it was
    /// removed.
    pub(crate) fn now(&self, tenant: &Arc<Tenant>) -> Option<Arc<Tenant>> {
        match tenant.origin {
            Origin::TokenFile | Origin::Unnamed => Some(Arc::clone(tenant)),
            Origin::Stored => self.find(&tenant.name).ok().map(|found| found.tenant),
        }
    }

    /// All, by name.
    ///
    /// # Errors
    /// When they were not read yet.
    pub(crate) fn all(&self) -> Result<Vec<StoredTenant>, TenantError> {
        if self.is_loaded() { Ok(self.list()) } else { Err(TenantError::NotLoaded) }
    }

    /// Whether there is none, or none is known yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.index.load().tenants.is_empty()
    }

    /// All that are known, by name.
    pub(crate) fn list(&self) -> Vec<StoredTenant> {
        self.index.load().tenants.values().cloned().collect()
    }

    /// The tenant of this name.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn find(&self, name: &str) -> Result<StoredTenant, TenantError> {
        let index = self.index.load();
        if !index.is_loaded {
            return Err(TenantError::NotLoaded);
        }
        let found = index.tenants.get(name).filter(|it| !it.record.is_removed).cloned();
        found.ok_or_else(|| TenantError::Unknown(name.to_owned()))
    }
}

/// A namespace is of the tenant whose name is the first part of its title.
impl RecordQuotas for Tenants {
    fn of(&self, title: &str) -> Option<RecordQuota> {
        let (name, _) = title.split_once('/').filter(|(name, _)| *name != OWN_NAME)?;
        let index = self.index.load();
        let limits = self.limits_of(&index.tenants.get(name)?.record);
        Some(RecordQuota {
            titles: format!("{name}/"),
            namespaces: limits.namespaces,
            records: limits.records,
            bytes: limits.stored_bytes,
        })
    }
}

impl Index {
    /// Takes over the record of one tenant, with its account and the limits in force.
    fn put(&mut self, record: TenantRecord, account: Arc<Account>, limits: Limits) {
        self.take_out(&record.name);
        account.limiter.set(limits);
        let permissions = record.permissions.clone();
        let tenant = Tenant::new(&record.name, Origin::Stored, permissions, account);
        let tenant = Arc::new(tenant);
        let tokens = if record.is_removed { &[] } else { record.tokens.as_slice() };
        for token in tokens {
            let Some(hash) = read_hash(&token.hash) else { continue };
            let last_use = tenant.account().last_use(token.number);
            let (tenant, expires_at) = (Arc::clone(&tenant), token.expires_at);
            if token.is_access_key {
                self.access_keys.insert(AccessKey::of(&hash).id, hash);
            }
            self.tokens.insert(hash, IndexedToken { tenant, expires_at, last_use });
        }
        let name = record.name.clone();
        self.tenants.insert(name, StoredTenant { record: Arc::new(record), tenant });
    }

    /// Removes a tenant and its tokens.
    fn take_out(&mut self, name: &str) {
        let Some(old) = self.tenants.remove(name) else { return };
        for token in &old.record.tokens {
            let Some(hash) = read_hash(&token.hash) else { continue };
            self.tokens.remove(&hash);
            if token.is_access_key {
                self.access_keys.remove(&AccessKey::of(&hash).id);
            }
        }
    }
}

/// The hash in the record of a token.
pub(crate) fn read_hash(text: &str) -> Option<[u8; HASH_BYTES]> {
    let digits = text.strip_prefix(SCHEME)?;
    HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?.try_into().ok()
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tenants({})", self.index.load().tenants.len())
    }
}
