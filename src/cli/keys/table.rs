//! The table of keys.

use std::fmt::Write;

use crate::api::keys::KeyEntry;
use crate::cli::{print, when};

/// One line per key.
pub(crate) fn of(keys: &[KeyEntry]) -> String {
    let mut out = format!(
        "{:<32}  {:>7}  {:<9}  {:<20}  {:<9}  {:>7}  {}\n",
        "NAMESPACE", "VERSION", "STATE", "MADE", "WHILE", "RECORDS", "KINDS"
    );
    for key in keys {
        let made = when::rfc3339(key.made_at);
        let records = key.records.map_or_else(String::new, |records| records.to_string());
        let (namespace, version) = match &key.namespace {
            None => ("root key", String::new()),
            Some(id) => (id.as_str(), key.version.to_string()),
        };
        let title = key.title.as_deref().map(print::shown).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{namespace:<32}  {version:>7}  {:<9}  {made:<20}  {:<9}  {records:>7}  {}  {title}",
            key.state,
            key.made_while,
            key.kinds.join(","),
        );
    }
    out
}
