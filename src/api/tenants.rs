//! `/admin/tenants…` and `/tenants/me/usage`: tenants, their tokens and limits, and what they have used.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A tenant to make.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateTenantRequest {
    /// 1 to 63 lower-case letters, digits, `-`, `_` and `.`, a letter or digit first; not `me` and not
    /// `other`.
    pub name: String,
    /// As `random`, `status:read`, `kv:read:TITLE`, `kv:write:PREFIX*`; by default `random`.
    #[serde(default)]
    pub permissions: Option<Vec<String>>,
    /// What the operator wrote about the first token.
    #[serde(default)]
    pub note: Option<String>,
    /// From when on the first token counts no more, in seconds since 1970.
    #[serde(default)]
    pub expires_at: Option<u64>,
}

/// Another token of a tenant.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTokenRequest {
    /// What the operator wrote about it.
    #[serde(default)]
    pub note: Option<String>,
    /// From when on it counts no more, in seconds since 1970.
    #[serde(default)]
    pub expires_at: Option<u64>,
}

/// A token that was made. It is shown once: the service keeps its hash.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct NewTokenAnswer {
    /// Its number, by which it is revoked.
    pub number: u32,
    /// The token.
    #[schemars(with = "String")]
    pub token: Zeroizing<String>,
}

/// An access key that was made, for clients that sign requests. It is shown once.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct NewAccessKeyAnswer {
    /// The number of its token, by which it is revoked.
    pub number: u32,
    /// Its id, which is public.
    pub access_key_id: String,
    /// Its secret.
    #[schemars(with = "String")]
    pub secret_access_key: Zeroizing<String>,
}

/// Limits to set; those that are left out stay, `none` lifts one, and `default` is that of the
/// configuration again.
#[derive(Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsRequest {
    /// Requests in a window: `50/s`, `3000/min`, `100/h`.
    #[serde(default)]
    pub rate: Option<String>,
    /// Requests at once after a pause; without it those of a window.
    #[serde(default)]
    pub burst: Option<String>,
    /// Bytes of answers per day in UTC: `1MiB/day`.
    #[serde(default)]
    pub bytes: Option<String>,
    /// Answers of more than 64 KiB that are sent at a time.
    #[serde(default)]
    pub long_answers: Option<String>,
    /// Calls that use a key, per day in UTC: `1000/day`.
    #[serde(default)]
    pub key_uses: Option<String>,
    /// Namespaces whose titles begin with its name and a slash.
    #[serde(default)]
    pub namespaces: Option<String>,
    /// Records in these namespaces.
    #[serde(default)]
    pub records: Option<String>,
    /// Bytes of names, metadata and values of these records: `10MiB`.
    #[serde(default)]
    pub stored: Option<String>,
}

/// Permissions to give and to take.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PermissionsRequest {
    /// To give.
    #[serde(default)]
    pub allow: Vec<String>,
    /// To take.
    #[serde(default)]
    pub deny: Vec<String>,
}

/// The removal of a tenant.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemoveTenantRequest {
    /// Destroy its namespaces, whose titles begin with its name and a slash.
    #[serde(default)]
    pub shred: bool,
}

/// A tenant that was removed.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct RemovedTenant {
    /// The titles of the namespaces that were destroyed.
    pub destroyed: Vec<String>,
}

/// All tenants, by name.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct TenantList {
    /// The tenants.
    pub tenants: Vec<TenantEntry>,
}

/// A tenant.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Tenant")]
pub(crate) struct TenantEntry {
    /// Its name.
    pub name: String,
    /// When it was made, in seconds since 1970.
    pub created_at: u64,
    /// What it may do.
    pub permissions: Vec<String>,
    /// How much of it.
    pub limits: TenantLimits,
    /// Its tokens.
    pub tokens: Vec<TokenEntry>,
}

/// The limits of a tenant that are in force; null is none.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct TenantLimits {
    /// Requests in a window, as `50/s`.
    pub rate: Option<String>,
    /// Requests at once after a pause; null for those of a window.
    pub burst: Option<u32>,
    /// Bytes of answers per day in UTC.
    pub bytes_per_day: Option<u64>,
    /// Answers of more than 64 KiB at a time.
    pub long_answers: Option<u32>,
    /// Calls that use a key, per day in UTC.
    #[serde(default)]
    pub key_uses_per_day: Option<u64>,
    /// Namespaces of its own.
    #[serde(default)]
    pub namespaces: Option<u64>,
    /// Records in its namespaces.
    #[serde(default)]
    pub records: Option<u64>,
    /// Bytes of these records.
    #[serde(default)]
    pub stored_bytes: Option<u64>,
    /// The names of those limits that the configuration sets, as `bytes_per_day`.
    #[serde(default)]
    pub defaults: Vec<String>,
}

/// A token, without itself and its hash.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Token")]
pub(crate) struct TokenEntry {
    /// By which it is revoked.
    pub number: u32,
    /// When it was made, in seconds since 1970.
    pub created_at: u64,
    /// From when on it counts no more, in seconds since 1970; null for never.
    pub expires_at: Option<u64>,
    /// When it was used last, in seconds since 1970; null for never.
    pub last_used_at: Option<u64>,
    /// What the operator wrote about it.
    pub note: Option<String>,
    /// The id of the access key that it is; null for a token that callers show.
    #[serde(default)]
    pub access_key_id: Option<String>,
}

/// What a tenant has used.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TenantUsage")]
pub(crate) struct UsageAnswer {
    /// Its name.
    pub tenant: String,
    /// The first day in UTC, as 2026-01-31.
    pub from: String,
    /// The last day.
    pub to: String,
    /// All of it, by protocol: `native`, `workers-kv`, `web`.
    pub total: BTreeMap<String, UsedAmounts>,
    /// By hour and protocol; without those that have none.
    pub hours: Vec<UsedHour>,
    /// What it keeps now, in the namespaces whose titles begin with its name and a slash.
    #[serde(default)]
    pub at_rest: KeptAmounts,
}

/// What a tenant keeps, without records that expired.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct KeptAmounts {
    /// Namespaces.
    pub namespaces: u64,
    /// Records.
    pub records: u64,
    /// Bytes of their names, metadata and values; null while they are counted, after a start.
    pub stored_bytes: Option<u64>,
}

/// Amounts of use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct UsedAmounts {
    /// Calls that were answered, without those that a limit refused.
    pub requests: u64,
    /// Bytes of randomness and of records in answers.
    pub bytes: u64,
    /// Calls that used a key.
    pub key_uses: u64,
}

/// The use of one hour over one protocol.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct UsedHour {
    /// When the hour begins.
    #[schemars(extend("format" = "date-time"))]
    pub hour: String,
    /// The protocol.
    pub protocol: String,
    /// The amounts.
    #[serde(flatten)]
    pub used: UsedAmounts,
}
