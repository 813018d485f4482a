//! The source whose noise a command captures.

use clap::Args;

use crate::calibrate::capture;
use crate::cli::config_arguments::ConfigArguments;
use crate::cli::error::CommandError;
use crate::config::{Config, SourceEntry};

/// A source of the configuration.
#[derive(Debug, Args)]
pub(crate) struct SourceArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// The source, by its id or type in the configuration
    #[arg(long, value_name = "NAME")]
    pub(crate) source: String,
}

impl SourceArguments {
    /// The configuration.
    pub(crate) fn config(&self) -> Result<Config, CommandError> {
        Ok(self.config.load()?)
    }

    /// The source in the configuration.
    pub(crate) fn find(&self, config: &Config) -> Result<SourceEntry, CommandError> {
        Ok(capture::find(config, &self.source)?)
    }
}
