//! The key versions of the service, and the namespaces they belong to.

use crate::api::keys::{KeyEntry, KeyList};
use crate::cli::error::CommandError;
use crate::cli::operator::Operator;
use crate::cli::print;

/// All keys, the root key first.
pub(crate) fn all(operator: &Operator) -> Result<Vec<KeyEntry>, CommandError> {
    Ok(operator.get::<KeyList>("/admin/keys")?.keys)
}

/// The id of the key that callers use by name with this name or id.
pub(crate) fn find_named(
    keys: &[KeyEntry],
    wanted: &str,
    purpose: Option<&str>,
    owner: Option<&str>,
) -> Result<String, CommandError> {
    let is_named = |key: &KeyEntry| {
        key.name.as_deref() == Some(wanted)
            && key.owner.as_deref() == owner
            && purpose.is_none_or(|purpose| key.purpose == purpose)
    };
    let is_it = |key: &&KeyEntry| key.id.as_deref() == Some(wanted) || is_named(key);
    let mut found: Vec<_> = keys.iter().filter(is_it).filter_map(|key| key.id.clone()).collect();
    found.dedup();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(CommandError::failure(format!(
            "there is no key {}; list them with: lavawall keys",
            print::shown(wanted)
        ))),
        _ => Err(CommandError::usage(format!(
            "there are several keys {}: give --purpose, or the id, {}",
            print::shown(wanted),
            found.join(" or ")
        ))),
    }
}

/// The id of the namespace with this title or id.
pub(crate) fn find_namespace(keys: &[KeyEntry], wanted: &str) -> Result<String, CommandError> {
    let is_it = |key: &&KeyEntry| {
        key.namespace.as_deref() == Some(wanted) || key.title.as_deref() == Some(wanted)
    };
    let mut found: Vec<_> =
        keys.iter().filter(is_it).filter_map(|key| key.namespace.clone()).collect();
    found.dedup();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(CommandError::failure(format!(
            "there is no namespace {}; list them with: lavawall kv namespaces",
            print::shown(wanted)
        ))),
        _ => Err(CommandError::usage(format!(
            "{} is the title of one namespace and the id of another: use the id, {}",
            print::shown(wanted),
            found.join(" or ")
        ))),
    }
}
