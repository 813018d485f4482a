//! Keys whose time has come: they are destroyed.

use crate::audit::Actor;
use crate::caller::tenants::Tenants;
use crate::dialect::aws_kms::fault::Fault;
use crate::dialect::aws_kms::key_record::TenantKeys;
use crate::keyring::KeyringError;
use crate::keyring::transit::{TransitChange, TransitFault};
use crate::kv::Store;

/// Destroys the keys that were scheduled for deletion until `now`, which must come from a clock that is
/// trusted; their number. After a crash in between, the rest goes the next time.
///
/// # Errors
/// Why a key could not be destroyed; the others are.
pub(crate) fn delete_due_keys(tenants: &Tenants, store: &Store, now: u64) -> Result<usize, String> {
    let (mut deleted, mut failed) = (0, None);
    for tenant in tenants.list().into_iter().filter(|it| !it.record.is_removed) {
        let keys = TenantKeys { store, tenant: &tenant.record.name, region: "" };
        match delete_due_keys_of(tenants, &keys, now) {
            Ok(count) => deleted += count,
            Err(fault) => failed = Some(format!("{fault:?}")),
        }
    }
    failed.map_or(Ok(deleted), Err)
}

fn delete_due_keys_of(tenants: &Tenants, keys: &TenantKeys<'_>, now: u64) -> Result<usize, Fault> {
    let mut deleted = 0;
    for id in keys.ids()? {
        deleted += tenants.while_known(keys.tenant, || {
            let Some(record) = keys.record(id)? else { return Ok(0) };
            if record.deletion_at.is_none_or(|at| at > now) {
                return Ok::<usize, Fault>(0);
            }
            let (keyring, name) = (keys.store.keyring(), keys.transit_name(id));
            let allow = TransitChange { deletion_allowed: Some(true), ..TransitChange::default() };
            let destroyed = keyring
                .configure_transit_key(&Actor::SERVICE, &name, &allow)
                .and_then(|_| keyring.delete_transit_key(&Actor::SERVICE, &name));
            match destroyed {
                // A crash after the key was destroyed.
                Ok(()) | Err(KeyringError::Transit(TransitFault::Unknown)) => keys.forget(id)?,
                Err(error) => return Err(error.into()),
            }
            Ok(1)
        })?;
    }
    Ok(deleted)
}
