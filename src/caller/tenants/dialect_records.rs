//! Records that a dialect keeps for a tenant, beside those of the tenant itself. They go when it is removed.
//!
//! ```text
//! dialect/TENANT/NAME        JSON
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::caller::tenants::records::{TENANTS_NAMESPACE, names, read, write};
use crate::caller::tenants::{TenantError, Tenants};
use crate::kv::Store;

/// The start of the names of all that dialects keep.
const DIALECT: &str = "dialect/";

/// The start of the names of all that dialects keep for a tenant.
pub(super) fn prefix(tenant: &str) -> String {
    format!("{DIALECT}{tenant}/")
}

impl Tenants {
    /// A record of a tenant, if there is one.
    ///
    /// # Errors
    /// When it cannot be read, or is not understood.
    pub(crate) fn dialect_record<T: DeserializeOwned>(
        store: &Store,
        tenant: &str,
        name: &str,
    ) -> Result<Option<T>, TenantError> {
        read(store, &format!("{}{name}", prefix(tenant)))
    }

    /// The names of a tenant's records that begin with `start`, sorted, without that start.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn dialect_records(
        store: &Store,
        tenant: &str,
        start: &str,
    ) -> Result<Vec<String>, TenantError> {
        let start = format!("{}{start}", prefix(tenant));
        let found = names(store, &start)?.into_iter();
        Ok(found.map(|name| name[start.len()..].to_owned()).collect())
    }

    /// The records of all tenants: the tenant, and the name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn all_dialect_records(store: &Store) -> Result<Vec<(String, String)>, TenantError> {
        let found = names(store, DIALECT)?.into_iter();
        let split = found.filter_map(|name| {
            let (tenant, name) = name[DIALECT.len()..].split_once('/')?;
            Some((tenant.to_owned(), name.to_owned()))
        });
        Ok(split.collect())
    }

    /// Writes a record of a tenant. To be called while the tenant is known.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn put_dialect_record(
        store: &Store,
        tenant: &str,
        name: &str,
        value: &impl Serialize,
    ) -> Result<(), TenantError> {
        write(store, &format!("{}{name}", prefix(tenant)), value)
    }

    /// Removes records of a tenant.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) fn delete_dialect_records(
        store: &Store,
        tenant: &str,
        records: &[String],
    ) -> Result<(), TenantError> {
        let whole: Vec<_> =
            records.iter().map(|name| format!("{}{name}", prefix(tenant))).collect();
        let whole: Vec<_> = whole.iter().map(String::as_str).collect();
        store.delete(TENANTS_NAMESPACE, &whole)?;
        Ok(())
    }
}
