//! The `[limits]` table of the configuration.

use serde::{Deserialize, Serialize};

use crate::caller::limits::{ByteRate, DailyBytes, DailyUses, Limits, Rate, StoredBytes};

/// Limits of those that have none of their own, and of the whole service. Absent keys are no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Requests of a tenant in a window, as `50/s`.
    tenant_rate: Option<Rate>,
    /// Requests of a tenant at once after a pause.
    tenant_burst: Option<u32>,
    /// Bytes of answers to a tenant per day in UTC, as `1GiB/day`.
    tenant_bytes: Option<DailyBytes>,
    /// Long answers to a tenant at a time.
    tenant_long_answers: Option<u32>,
    /// Calls of a tenant that use a key, per day in UTC, as `1000/day`.
    tenant_key_uses: Option<DailyUses>,
    /// Namespaces of a tenant.
    tenant_namespaces: Option<u64>,
    /// Records in the namespaces of a tenant.
    tenant_records: Option<u64>,
    /// Bytes of these records, as `10MiB`.
    tenant_stored: Option<StoredBytes>,
    /// The same of all callers without a token together.
    anonymous_rate: Option<Rate>,
    anonymous_burst: Option<u32>,
    anonymous_bytes: Option<DailyBytes>,
    anonymous_long_answers: Option<u32>,
    /// Long answers of the whole service at a time.
    pub(crate) long_answers: Option<u32>,
    /// Bytes per second of all long answers together, as `100MiB/s`.
    pub(crate) long_answer_bytes: Option<ByteRate>,
}

impl LimitsConfig {
    /// Checks the limits that the types do not express.
    ///
    /// # Errors
    /// The first invalid field, and the reason.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        for (field, burst, rate) in [
            ("tenant-burst", self.tenant_burst, self.tenant_rate),
            ("anonymous-burst", self.anonymous_burst, self.anonymous_rate),
        ] {
            match burst {
                Some(0) => return Err((field, "must be 1 or more (got 0)".to_owned())),
                Some(_) if rate.is_none() => return Err((field, "needs a rate beside it".into())),
                _ => {}
            }
        }
        match self.long_answers {
            Some(0) => Err(("long-answers", "must be 1 or more (got 0)".to_owned())),
            _ => Ok(()),
        }
    }

    /// The limits of a tenant that has none of its own.
    #[must_use]
    pub(crate) fn of_tenants(&self) -> Limits {
        Limits {
            rate: self.tenant_rate,
            burst: self.tenant_burst,
            bytes_per_day: self.tenant_bytes.map(|DailyBytes(bytes)| bytes),
            long_answers: self.tenant_long_answers,
            key_uses_per_day: self.tenant_key_uses.map(|DailyUses(uses)| uses),
            namespaces: self.tenant_namespaces,
            records: self.tenant_records,
            stored_bytes: self.tenant_stored.map(|StoredBytes(bytes)| bytes),
        }
    }

    /// The limits of all callers without a token together.
    #[must_use]
    pub(crate) fn of_anonymous(&self) -> Limits {
        Limits {
            rate: self.anonymous_rate,
            burst: self.anonymous_burst,
            bytes_per_day: self.anonymous_bytes.map(|DailyBytes(bytes)| bytes),
            long_answers: self.anonymous_long_answers,
            ..Limits::default()
        }
    }
}
