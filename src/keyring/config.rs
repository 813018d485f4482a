//! The `[keyring]` table of the configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The keyring's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct KeyringConfig {
    /// Make a keyring under a file seal at the first start.
    pub init: bool,
    /// The file of a file seal; `seal-key` in the state directory when not given. On another disk it
    /// protects a copy of the state directory.
    pub seal_file: Option<PathBuf>,
    /// The anchor, which detects a rollback of the keyring or the store; on another disk than either.
    pub anchor: Option<PathBuf>,
}

impl Default for KeyringConfig {
    fn default() -> Self {
        Self { init: true, seal_file: None, anchor: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_table_is_the_default_and_unknown_keys_are_refused() {
        assert_eq!(toml::from_str::<KeyringConfig>("").expect("empty"), KeyringConfig::default());
        assert!(toml::from_str::<KeyringConfig>("seal = \"file\"").is_err());
    }
}
