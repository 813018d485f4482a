//! The table of keys.

use std::fmt::Write;

use crate::api::keys::KeyEntry;
use crate::cli::{print, when};

/// One line per key.
pub(crate) fn of(keys: &[KeyEntry]) -> String {
    let mut out = format!(
        "{:<32}  {:>7}  {:<9}  {:<20}  {:<9}  {:>7}  {}\n",
        "NAMESPACE OR KEY", "VERSION", "STATE", "MADE", "WHILE", "RECORDS", "KINDS"
    );
    for key in keys {
        let made = when::rfc3339(key.made_at);
        let records = key.records.map_or_else(String::new, |records| records.to_string());
        let (of, version) = match key.namespace.as_ref().or(key.id.as_ref()) {
            None => ("root key", String::new()),
            Some(id) => (id.as_str(), key.version.to_string()),
        };
        let title = match &key.name {
            Some(name) => named(key, name),
            None => key.title.as_deref().map(print::shown).unwrap_or_default(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{of:<32}  {version:>7}  {:<9}  {made:<20}  {:<9}  {records:>7}  {}  {title}",
            key.state,
            key.made_while,
            key.kinds.join(","),
        );
    }
    out
}

/// Purpose, owner, name and oldest versions of a key that callers use by name: `kms acme/cluster, opens from 2`.
fn named(key: &KeyEntry, name: &str) -> String {
    let mut text = match &key.owner {
        Some(owner) => format!("{} {owner}/{name}", key.purpose),
        None => format!("{} {name}", key.purpose),
    };
    let least =
        [("opens", key.min_decryption_version, 1), ("seals", key.min_encryption_version, 0)];
    for (does, version, default) in least {
        if let Some(version) = version.filter(|version| *version > default) {
            // Writing to a String cannot fail.
            let _ = write!(text, ", {does} from {version}");
        }
    }
    text
}
