//! Which configuration file a command reads.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, ConfigError};

/// The configuration file.
#[derive(Debug, Args)]
pub(crate) struct ConfigArguments {
    /// Configuration file; without it /etc/lavawall/lavawall.toml if there is one, else defaults
    #[arg(long, value_name = "FILE", env = "LAVAWALL_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

impl ConfigArguments {
    /// Reads the file, and the variables of the environment that override it.
    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        let text = |given: OsString| given.to_string_lossy().into_owned();
        let environment = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
        Config::load(self.config.as_deref(), environment)
    }
}
