//! Keys whose time has come: they are destroyed.

use crate::audit::Actor;
use crate::caller::tenants::Tenants;
use crate::dialect::aws_kms::fault::Fault;
use crate::dialect::aws_kms::key_record::TenantKeys;
use crate::keyring::KeyringError;
use crate::keyring::transit::{TransitChange, TransitFault};
use crate::kv::Store;
use uuid::Uuid;

/// Destroys the keys that were scheduled for deletion until `now`, which must come from a clock that is
/// trusted; their number, and why one of them could not be destroyed. The others are, and after a crash in between
/// the rest goes the next time.
pub(crate) fn delete_due_keys(
    tenants: &Tenants,
    store: &Store,
    now: u64,
) -> (usize, Option<String>) {
    let (mut deleted, mut failed) = (0, None);
    let records = TenantKeys::of_all_tenants(store).unwrap_or_else(|fault| {
        failed = Some(fault.to_string());
        Vec::new()
    });
    for (tenant, id) in records {
        if tenants.find(&tenant).is_err() {
            // Its removal destroys all of its keys.
            continue;
        }
        let keys = TenantKeys { store, tenant: &tenant, region: "" };
        match tenants.while_known(&tenant, || delete_if_due(&keys, id, now)) {
            Ok(is_deleted) => deleted += usize::from(is_deleted),
            Err(fault) => failed = Some(format!("key {id} of tenant {tenant}: {fault}")),
        }
    }
    (deleted, failed)
}

/// Whether the key was due, and is destroyed.
fn delete_if_due(keys: &TenantKeys<'_>, id: Uuid, now: u64) -> Result<bool, Fault> {
    let Some(record) = keys.record(id)? else { return Ok(false) };
    if record.deletion_at.is_none_or(|at| at > now) {
        return Ok(false);
    }
    let (keyring, name) = (keys.store.keyring(), keys.transit_name(id));
    let allow = TransitChange { deletion_allowed: Some(true), ..TransitChange::default() };
    let destroyed = keyring
        .configure_transit_key(&Actor::SERVICE, &name, &allow)
        .and_then(|_| keyring.delete_transit_key(&Actor::SERVICE, &name));
    match destroyed {
        // Or a crash came after the key was destroyed.
        Ok(()) | Err(KeyringError::Transit(TransitFault::Unknown)) => keys.forget(id)?,
        Err(error) => return Err(error.into()),
    }
    Ok(true)
}
