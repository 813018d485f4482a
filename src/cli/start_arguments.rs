//! What a start of the service takes from the command line, for `serve` and `check`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::cli::config_arguments::ConfigArguments;
use crate::config::{Config, ConfigError};
use crate::net::listen_address;

/// The configuration, and the settings that override it.
#[derive(Debug, Args)]
pub(crate) struct StartArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Address and port to listen on, besides other listeners of the configuration; port 0 is any free port
    #[arg(long, value_name = "ADDRESS", value_parser = listen_address::parse)]
    listen: Option<SocketAddr>,
    /// Directory for the state that survives a restart
    #[arg(long, value_name = "DIR", env = "LAVAWALL_STATE_DIR")]
    state_dir: Option<PathBuf>,
}

impl StartArguments {
    /// The configuration, with the command line's own settings in it.
    pub(crate) fn config(&self) -> Result<Config, ConfigError> {
        let mut config = self.config.load()?;
        if let Some(listen) = self.listen {
            config.http.listen = Some(listen);
            config.http.validate().map_err(|invalid| ConfigError {
                file: "command line".into(),
                line: None,
                key: Some("--listen".into()),
                reason: invalid.to_string(),
            })?;
        }
        if self.state_dir.is_some() {
            config.state_dir.clone_from(&self.state_dir);
        }
        Ok(config)
    }
}
