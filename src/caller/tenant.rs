//! A tenant: its name, permissions, limits and tokens, and the account of its use.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::caller::ceiling::Ceiling;
use crate::caller::limiter::{Exceeded, Limiter};
use crate::caller::limits::{LimitSettings, Limits};
use crate::caller::permission::{Needed, Permission};
use crate::caller::usage::{self, DayUsage, Meter, PROTOCOLS, Protocol, Usage};
use crate::machine::unix_now;

/// The longest name.
pub(crate) const NAME_MOST: usize = 63;

/// In metrics, all tenants beyond those that are named.
pub(crate) const OTHER: &str = "other";

/// Names that stand for something else in paths and metrics.
const RESERVED: [&str; 2] = ["me", OTHER];

/// Tokens of one tenant.
pub(crate) const TOKENS_MOST: usize = 100;

/// The longest note of a token, in bytes.
pub(crate) const NOTE_MOST: usize = 200;

/// A tenant as it is stored: JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct TenantRecord {
    /// Its name.
    pub(crate) name: String,
    /// When it was made, in seconds since 1970.
    pub(crate) created_at: u64,
    /// What it may do.
    pub(crate) permissions: Vec<Permission>,
    /// How much, where it differs from the configuration.
    pub(crate) limits: LimitSettings,
    /// Its tokens.
    pub(crate) tokens: Vec<TokenRecord>,
    /// The number of its last token: none is used twice.
    pub(crate) last_token: u32,
    /// It is being removed: its tokens count no more.
    #[serde(default)]
    pub(crate) is_removed: bool,
}

/// A token as it is stored: its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct TokenRecord {
    /// Counted from 1.
    pub(crate) number: u32,
    /// `sha256:HEX`.
    pub(crate) hash: String,
    /// When it was made, in seconds since 1970.
    pub(crate) created_at: u64,
    /// From when on it counts no more, in seconds since 1970.
    pub(crate) expires_at: Option<u64>,
    /// What the operator wrote about it.
    pub(crate) note: Option<String>,
    /// Nobody knows the token: its holder has the access key that is derived from the hash.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_access_key: bool,
}

/// Where a tenant comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Origin {
    /// Made by `lavawall tenant create`, kept in the store.
    Stored,
    /// A line of the file that `http.tokens` names, or the administrator's token.
    TokenFile,
    /// All callers without a token, or all on the operator's socket: no tenant, but counted as one.
    Unnamed,
}

/// A tenant that calls.
#[derive(Debug)]
pub(crate) struct Tenant {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// Where it comes from.
    pub(crate) origin: Origin,
    permissions: Vec<Permission>,
    account: Arc<Account>,
}

/// What a tenant has used. Stays when its record changes.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) limiter: Limiter,
    pub(crate) meter: Meter,
    /// By token: its number, and when it was used last, in seconds since 1970.
    pub(crate) last_uses: Mutex<Vec<(u32, Arc<AtomicU64>)>>,
    pub(crate) written: Mutex<WrittenUsage>,
}

/// The part of the use that is in the store.
#[derive(Debug, Default)]
pub(crate) struct WrittenUsage {
    /// The counters at the last write.
    pub(crate) counters: [Usage; PROTOCOLS.len()],
    /// The day of the last write, in days since 1970, and its use.
    pub(crate) day: u64,
    pub(crate) usage: DayUsage,
    /// The last uses of tokens at the last write.
    pub(crate) last_uses: Vec<(u32, u64)>,
}

impl Tenant {
    pub(crate) fn new(
        name: &str,
        origin: Origin,
        permissions: Vec<Permission>,
        account: Arc<Account>,
    ) -> Self {
        Self { name: name.into(), origin, permissions, account }
    }

    /// The holder of a token of the token file: random bytes and the status.
    pub(crate) fn of_token_file(name: &str) -> Self {
        let permissions = vec![Permission::Random, Permission::StatusRead, Permission::Seed];
        Self::new(name, Origin::TokenFile, permissions, Arc::default())
    }

    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Whether the store keeps it.
    #[must_use]
    pub(crate) fn is_stored(&self) -> bool {
        self.origin == Origin::Stored
    }

    /// Whether it may do this.
    #[must_use]
    pub(crate) fn may(&self, needed: Needed<'_>) -> bool {
        self.permissions.iter().any(|permission| permission.allows(needed))
    }

    /// Its permissions.
    #[must_use]
    pub(crate) fn permissions(&self) -> &[Permission] {
        &self.permissions
    }

    /// Admits one request.
    ///
    /// # Errors
    /// The limit that is exceeded.
    pub(crate) fn admit(&self, now: Instant) -> Result<(), Exceeded> {
        self.account.limiter.admit(now)
    }

    /// Whether as many bytes of an answer are left.
    ///
    /// # Errors
    /// When fewer are.
    pub(crate) fn check_bytes(&self, bytes: u64) -> Result<(), Exceeded> {
        self.account.limiter.check_bytes(unix_now(), bytes)
    }

    /// Uses bytes of an answer, if as many are left.
    ///
    /// # Errors
    /// When fewer are left; then nothing is charged.
    pub(crate) fn charge(&self, protocol: Protocol, bytes: u64) -> Result<(), Exceeded> {
        self.account.limiter.use_bytes(unix_now(), bytes)?;
        self.account.meter.add_bytes(protocol, bytes);
        Ok(())
    }

    /// Charges bytes of an answer whose size was not known before.
    pub(crate) fn charge_after(&self, protocol: Protocol, bytes: u64) {
        self.account.limiter.add_bytes(unix_now(), bytes);
        self.account.meter.add_bytes(protocol, bytes);
    }

    /// Counts a request that was answered.
    pub(crate) fn count_request(&self, protocol: Protocol) {
        self.account.meter.add_request(protocol);
    }

    /// Whether a use of a key is left.
    ///
    /// # Errors
    /// When none is.
    pub(crate) fn check_key_use(&self) -> Result<(), Exceeded> {
        self.account.limiter.check_key_use(unix_now())
    }

    /// Counts a call that uses a key.
    ///
    /// # Errors
    /// When none is left; then it is not counted.
    pub(crate) fn use_key(&self, protocol: Protocol) -> Result<(), Exceeded> {
        self.account.limiter.use_key(unix_now())?;
        self.account.meter.add_key_use(protocol);
        Ok(())
    }

    /// Reserves the bytes of an answer that is sent in pieces, below its own limits and the ceiling of the
    /// service.
    ///
    /// # Errors
    /// The limit that is exceeded.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        ceiling: &Arc<Ceiling>,
        protocol: Protocol,
        bytes: u64,
    ) -> Result<Reservation, Exceeded> {
        let own = self.account.limiter.reserve(unix_now(), bytes)?;
        if let Err(exceeded) = ceiling.begin(own) {
            self.account.limiter.release(bytes);
            return Err(exceeded);
        }
        let (tenant, ceiling) = (Arc::clone(self), Arc::clone(ceiling));
        Ok(Reservation { tenant, ceiling, protocol, left: bytes, taken: 0 })
    }

    /// What is left of its limits.
    #[must_use]
    pub(crate) fn remaining(&self, now: Instant) -> Option<crate::caller::limiter::Remaining> {
        self.account.limiter.remaining(now, unix_now())
    }
}

/// The name in the audit log.
impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin {
            Origin::Stored => write!(f, "tenant {}", self.name),
            Origin::TokenFile => write!(f, "token {}", self.name),
            Origin::Unnamed => f.write_str(&self.name),
        }
    }
}

/// The bytes of an answer that is sent in pieces. Those that were not sent are given back when this is
/// dropped.
pub(crate) struct Reservation {
    tenant: Arc<Tenant>,
    ceiling: Arc<Ceiling>,
    protocol: Protocol,
    left: u64,
    /// Taken below the ceiling, and not sent.
    taken: u64,
}

impl Reservation {
    /// A number that tells apart those to whom answers are sent.
    pub(crate) fn caller(&self) -> usize {
        Arc::as_ptr(&self.tenant.account).addr()
    }

    /// Takes bytes below the ceiling of the service; returns the time until they may be sent.
    pub(crate) fn wait(&mut self, bytes: u64) -> Duration {
        // A turn that was lost sent nothing.
        self.ceiling.give_back(self.taken);
        self.taken = bytes;
        self.ceiling.take(Instant::now(), bytes)
    }

    /// Charges bytes that are sent now.
    pub(crate) fn charge(&mut self, bytes: u64) {
        self.left = self.left.saturating_sub(bytes);
        self.taken = 0;
        self.tenant.account.limiter.use_reserved(unix_now(), bytes);
        self.tenant.account.meter.add_bytes(self.protocol, bytes);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.tenant.account.limiter.release(self.left);
        self.ceiling.give_back(self.taken);
        self.ceiling.end();
    }
}

impl Account {
    /// The account of a stored tenant: `used` is its use on the day of `unix`.
    pub(crate) fn restored(
        limits: Limits,
        unix: u64,
        usage: DayUsage,
        last_uses: &[(u32, u64)],
    ) -> Self {
        let used = usage::sum_of(&usage);
        let atomics = last_uses.iter().map(|(number, at)| (*number, Arc::new(AtomicU64::new(*at))));
        Self {
            limiter: Limiter::new(limits, unix, used.bytes, used.key_uses),
            meter: Meter::default(),
            last_uses: Mutex::new(atomics.collect()),
            written: Mutex::new(WrittenUsage {
                counters: Default::default(),
                day: unix / crate::caller::limiter::DAY_SECONDS,
                usage,
                last_uses: last_uses.to_vec(),
            }),
        }
    }

    /// When the token of this number was used last, to be set at each use.
    pub(crate) fn last_use(&self, number: u32) -> Arc<AtomicU64> {
        let mut uses = self.last_uses.lock();
        if let Some((_, at)) = uses.iter().find(|(known, _)| *known == number) {
            return Arc::clone(at);
        }
        let at = Arc::new(AtomicU64::new(0));
        uses.push((number, Arc::clone(&at)));
        at
    }

    /// The last uses, without the tokens that were never used.
    pub(crate) fn read_last_uses(&self) -> Vec<(u32, u64)> {
        let uses = self.last_uses.lock();
        let read = uses.iter().map(|(number, at)| (*number, at.load(Ordering::Relaxed)));
        read.filter(|(_, at)| *at > 0).collect()
    }
}

/// Reads the record of a tenant; whether it is one. What is read is written as it reads.
///
/// # Panics
/// When it is written differently than it reads.
#[cfg(any(test, feature = "test-support"))]
#[must_use]
pub fn is_tenant_record(bytes: &[u8]) -> bool {
    let Ok(record) = serde_json::from_slice::<TenantRecord>(bytes) else { return false };
    let written = serde_json::to_vec(&record).expect("its keys are text");
    let again = serde_json::from_slice::<TenantRecord>(&written).expect("it was written so");
    assert_eq!(again, record);
    let _ = record.limits.over(&Limits::default());
    true
}

/// Whether a text can be the name of a tenant: 1 to 63 lower-case letters, digits, `-`, `_` and `.`, a
/// letter or digit first; not `me` and not `other`.
#[must_use]
pub(crate) fn is_tenant_name(name: &str) -> bool {
    let is_first = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_other = |byte: u8| is_first(&byte) || matches!(byte, b'-' | b'_' | b'.');
    name.len() <= NAME_MOST
        && name.as_bytes().first().is_some_and(is_first)
        && name.bytes().all(is_other)
        && !RESERVED.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for name in ["a", "acme", "0", "a-b_c.d", &"x".repeat(63)] {
            assert!(is_tenant_name(name), "{name}");
        }
        for name in
            ["", "me", "other", "Acme", "-a", ".a", "a/b", "a b", "ä", &"x".repeat(64), "a\n"]
        {
            assert!(!is_tenant_name(name), "{name}");
        }
    }

    #[test]
    fn records_of_earlier_versions_are_read_and_unknown_members_are_refused() {
        let earlier = r#"{"name":"acme","created-at":1,"permissions":["random","kv:read:acme/*"],
            "limits":{"rate":"50/s","burst":9,"bytes-per-day":1048576,"long-answers":2},
            "tokens":[{"number":1,"hash":"sha256:00","created-at":1,"expires-at":null,"note":"n"}],
            "last-token":1}"#;
        assert!(is_tenant_record(earlier.as_bytes()));
        let lifted = earlier.replace("\"50/s\"", "\"none\"").replace('9', "\"default\"");
        assert!(is_tenant_record(lifted.as_bytes()));
        for (from, to) in
            [("limits", "limit"), ("50/s", "0/s"), ("random", "all"), ("1048576", "-1")]
        {
            assert!(!is_tenant_record(earlier.replace(from, to).as_bytes()), "{to}");
        }
    }

    #[test]
    fn a_dropped_reservation_leaves_the_ceiling_to_others() {
        let ceiling = Arc::new(Ceiling::default());
        ceiling.set(None, Some(1000));
        let tenant = Arc::new(Tenant::new("acme", Origin::Stored, Vec::new(), Arc::default()));
        let reserve = || tenant.reserve(&ceiling, Protocol::Native, 1 << 20).expect("no limit");
        for _ in 0..100 {
            let mut gone = reserve();
            gone.wait(60_000);
            gone.wait(60_000);
        }
        let (mut sends, mut next) = (reserve(), reserve());
        assert!(sends.wait(60_000) < Duration::from_secs(1));
        sends.charge(60_000);
        drop(sends);
        assert!(next.wait(60_000) > Duration::from_secs(50), "what was sent is not given back");
    }

    #[test]
    fn a_dropped_reservation_gives_back_what_was_not_sent() {
        let limits = Limits { bytes_per_day: Some(100), ..Limits::default() };
        let account = Account::restored(limits, unix_now(), DayUsage::new(), &[]);
        let tenant = Tenant::new("acme", Origin::Stored, Vec::new(), Arc::new(account));
        let tenant = Arc::new(tenant);
        let mut answer =
            tenant.reserve(&Arc::default(), Protocol::Native, 100).expect("as many are left");
        answer.charge(60);
        assert!(tenant.charge(Protocol::Native, 1).is_err(), "reserved");
        drop(answer);
        assert_eq!(tenant.charge(Protocol::Native, 40), Ok(()));
        assert!(tenant.charge(Protocol::Native, 1).is_err());
        let read = tenant.account().meter.read();
        assert_eq!(read[Protocol::Native as usize].bytes, 100);
    }
}
