//! The use of tenants in the store: written every second when it has changed, kept for a month.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::caller::limiter::DAY_SECONDS;
use crate::caller::tenant::WrittenUsage;
use crate::caller::tenants::records::{json, last_uses_name, names, read, usage_name};
use crate::caller::tenants::{StoredTenant, TENANTS_NAMESPACE, TenantError, Tenants};
use crate::caller::usage::{DayUsage, add_since};
use crate::kv::{KvError, Put, Store};
use crate::machine::unix_now;

/// How long the use of a day is kept, in days.
const KEPT_DAYS: u64 = 32;

/// Tenants whose use is written in one commit.
const AT_ONCE: usize = 1000;

/// One change of what is written about a tenant.
struct UsageChange {
    tenant: StoredTenant,
    records: Vec<(String, Vec<u8>, Option<u64>)>,
    written: WrittenUsage,
}

impl Tenants {
    /// Writes the use since the last call. A crash loses what came after it: at most a second, in the
    /// tenant's favour.
    ///
    /// # Errors
    /// When the store cannot be written; then the use is written at the next call.
    pub(crate) fn write_usage(&self, store: &Store, now: u64) -> Result<(), TenantError> {
        let _change = self.changes.lock();
        let mut changed = Vec::new();
        for tenant in self.list() {
            changed.extend(change(store, tenant, now)?);
        }
        for some in changed.chunks(AT_ONCE) {
            let puts = some.iter().flat_map(|it| &it.records).map(|(name, value, expiry)| Put {
                name,
                value,
                metadata: None,
                expiry: *expiry,
            });
            store.put(TENANTS_NAMESPACE, &puts.collect::<Vec<_>>(), now)?;
        }
        for change in changed {
            *change.tenant.tenant.account().written.lock() = change.written;
        }
        Ok(())
    }

    /// The use of a tenant on these days since 1970.
    ///
    /// # Errors
    /// When there is no such tenant, or the store cannot be read.
    pub(crate) fn usage(
        &self,
        store: &Store,
        name: &str,
        days: &RangeInclusive<u64>,
    ) -> Result<BTreeMap<u64, DayUsage>, TenantError> {
        let tenant = self.find(name)?;
        let mut used = BTreeMap::new();
        let prefix = format!("usage/{name}/");
        for record in names(store, &prefix)? {
            let day = record.strip_prefix(&prefix).and_then(|day| day.parse::<u64>().ok());
            let Some(day) = day.filter(|day| days.contains(day)) else { continue };
            used.insert(day, read_day(store, name, day)?);
        }
        // With what is not written yet.
        let now = unix_now();
        if let Some(change) = change(store, tenant, now)?
            && days.contains(&change.written.day)
        {
            used.insert(change.written.day, change.written.usage);
        }
        Ok(used)
    }
}

/// The use of a day. A record that does not open holds up nothing: it is written anew.
fn read_day(store: &Store, name: &str, day: u64) -> Result<DayUsage, TenantError> {
    match read(store, &usage_name(name, day)) {
        Ok(usage) => Ok(usage.unwrap_or_default()),
        Err(TenantError::Malformed(_) | TenantError::Store(KvError::Damaged(_))) => {
            Ok(DayUsage::new())
        }
        Err(error) => Err(error),
    }
}

fn change(
    store: &Store,
    tenant: StoredTenant,
    now: u64,
) -> Result<Option<UsageChange>, TenantError> {
    let account = tenant.tenant.account();
    let counters = account.meter.read();
    let written = account.written.lock();
    // A token is used by a call, which is counted.
    if written.counters == counters {
        return Ok(None);
    }
    let last_uses = account.read_last_uses();
    let (day, hour) = (now / DAY_SECONDS, now % DAY_SECONDS / 3600);
    let hour = u8::try_from(hour).expect("a day has 24 hours");
    let name = tenant.record.name.as_str();
    let mut usage = if written.day == day {
        written.usage.clone()
    } else {
        // The clock may have gone back to a day that has a record.
        read_day(store, name, day)?
    };
    let mut records = Vec::new();
    add_since(&mut usage, hour, &written.counters, &counters);
    let expiry = (day + KEPT_DAYS) * DAY_SECONDS;
    records.push((usage_name(name, day), json(&usage), Some(expiry)));
    if last_uses != written.last_uses {
        let uses: BTreeMap<u32, u64> = last_uses.iter().copied().collect();
        records.push((last_uses_name(name), json(&uses), None));
    }
    drop(written);
    let written = WrittenUsage { counters, day, usage, last_uses };
    Ok(Some(UsageChange { tenant, records, written }))
}
