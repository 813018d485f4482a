//! The `[keyring]` table of the configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where keys are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Make a keyring under a file seal at the first start.
    pub init: bool,
    /// The file of a file seal; `seal-key` in the state directory when not given. On another disk it
    /// protects a copy of the state directory.
    pub seal_file: Option<PathBuf>,
    /// The anchor against keyrings and stores that are put back, on another disk than either.
    pub anchor: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self { init: true, seal_file: None, anchor: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_table_is_the_default_and_unknown_keys_are_refused() {
        assert_eq!(toml::from_str::<Config>("").expect("empty"), Config::default());
        assert!(toml::from_str::<Config>("seal = \"file\"").is_err());
    }
}
