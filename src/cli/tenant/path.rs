//! The path of a tenant among the operator's calls.

use crate::cli::error::CommandError;
use crate::cli::print;

/// The path of the tenant of this name.
///
/// # Errors
/// When the name would make another path. The service says what a name is.
pub(crate) fn path_of(name: &str) -> Result<String, CommandError> {
    if name.is_empty() || name.contains(['/', '?', '#', '%']) || name.contains(char::is_whitespace)
    {
        return Err(CommandError::usage(format!("there is no tenant {:?}", print::shown(name))));
    }
    Ok(format!("/admin/tenants/{name}"))
}
