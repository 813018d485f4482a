//! Tenants as text.

use std::fmt::Write;

use bytesize::ByteSize;

use crate::api::tenants::{TenantEntry, TenantLimits, TokenEntry};
use crate::cli::print::shown;
use crate::cli::when::rfc3339;

/// One line per tenant.
pub(crate) fn of_tenants(tenants: &[TenantEntry]) -> String {
    if tenants.is_empty() {
        return "there are no tenants; make one with: lavawall tenant create NAME".to_owned();
    }
    let widest = tenants.iter().map(|it| it.name.len()).max().unwrap_or(0).max("TENANT".len());
    let mut out = format!("{:widest$}  TOKENS  LIMITS; PERMISSIONS\n", "TENANT");
    for tenant in tenants {
        let (name, tokens) = (&tenant.name, tenant.tokens.len());
        let (limits, permissions) = (limits(&tenant.limits), permissions(tenant));
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{name:widest$}  {tokens:6}  {limits}; {permissions}");
    }
    out
}

/// A tenant in several lines.
pub(crate) fn of_tenant(tenant: &TenantEntry) -> String {
    let mut out = format!(
        "tenant       {}\nmade         {}\npermissions  {}\nlimits       {}\n",
        tenant.name,
        time(tenant.created_at),
        permissions(tenant),
        limits(&tenant.limits)
    );
    for token in &tenant.tokens {
        let _ = writeln!(out, "token {:<6} {}", token.number, of_token(token));
    }
    out
}

fn of_token(token: &TokenEntry) -> String {
    let mut out = format!("made {}", time(token.created_at));
    if let Some(id) = &token.access_key_id {
        let _ = write!(out, ", access key {}", shown(id));
    }
    let _ = match token.last_used_at {
        Some(at) => write!(out, ", last used {}", time(at)),
        None => write!(out, ", never used"),
    };
    if let Some(at) = token.expires_at {
        let _ = write!(out, ", expires {}", time(at));
    }
    if let Some(note) = &token.note {
        let _ = write!(out, ": {}", shown(note));
    }
    out
}

/// Its permissions in one line.
pub(crate) fn permissions(tenant: &TenantEntry) -> String {
    if tenant.permissions.is_empty() {
        return "no permission".to_owned();
    }
    shown(&tenant.permissions.join(", "))
}

/// Limits in one line.
pub(crate) fn limits(limits: &TenantLimits) -> String {
    let mut parts = Vec::new();
    parts.extend(limits.rate.as_ref().map(|rate| format!("{rate} requests")));
    parts.extend(limits.burst.map(|burst| format!("{burst} at once")));
    parts.extend(limits.bytes_per_day.map(|bytes| format!("{} per day", ByteSize::b(bytes))));
    parts.extend(limits.long_answers.map(|most| format!("{most} long answers")));
    parts.extend(limits.key_uses_per_day.map(|uses| format!("{uses} uses of keys per day")));
    parts.extend(limits.namespaces.map(|most| format!("{most} namespaces")));
    parts.extend(limits.records.map(|most| format!("{most} records")));
    parts.extend(limits.stored_bytes.map(|bytes| format!("{} stored", ByteSize::b(bytes))));
    if parts.is_empty() {
        return "no limit".to_owned();
    }
    let defaults = limits.defaults.join(", ");
    let by_default =
        if defaults.is_empty() { String::new() } else { format!(" (by default: {defaults})") };
    parts.join(", ") + &by_default
}

fn time(unix: u64) -> String {
    rfc3339(i64::try_from(unix).unwrap_or(i64::MAX))
}
