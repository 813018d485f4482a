//! The error of an invalid field of `[http]` or `[[listen]]`.

use std::path::Path;

use crate::caller::tenant::is_tenant_name;

/// An invalid field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} = {value}: {reason}")]
pub struct HttpConfigError {
    /// Its name in the file.
    pub field: &'static str,
    /// Its value.
    pub value: String,
    /// The reason.
    pub reason: String,
}

impl HttpConfigError {
    pub(crate) fn new(field: &'static str, value: String, reason: impl Into<String>) -> Self {
        Self { field, value, reason: reason.into() }
    }
}

/// Checks that a `tenant` can be the name of one.
///
/// # Errors
/// When it cannot.
pub(crate) fn check_tenant(tenant: Option<&str>) -> Result<(), HttpConfigError> {
    match tenant.filter(|name| !is_tenant_name(name)) {
        None => Ok(()),
        Some(name) => {
            let reason = "must be the name of a tenant";
            Err(HttpConfigError::new("tenant", format!("{name:?}"), reason))
        }
    }
}

/// Checks that two keys are given together.
///
/// # Errors
/// Names the one that is alone.
pub(crate) fn paired(
    first: &'static str,
    one: Option<&Path>,
    second: &'static str,
    other: Option<&Path>,
) -> Result<(), HttpConfigError> {
    let (field, missing, path) = match (one, other) {
        (Some(path), None) => (first, second, path),
        (None, Some(path)) => (second, first, path),
        _ => return Ok(()),
    };
    let reason = format!("needs a {missing} beside it");
    Err(HttpConfigError::new(field, path.display().to_string(), reason))
}
