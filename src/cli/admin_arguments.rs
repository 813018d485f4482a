//! The service of this machine, which operators call over its admin socket.

use std::path::PathBuf;

use clap::Args;

use crate::cli::config_arguments::ConfigArguments;
use crate::cli::error::CommandError;
use crate::client::Client;
use crate::config::{Config, ConfigError};
use crate::state::{ADMIN_SOCKET, StateDir};

/// The admin socket, or the state directory that holds it.
#[derive(Debug, Args)]
pub(crate) struct AdminArguments {
    /// Admin socket of the service [default: as configured, else admin.sock in its state directory]
    #[arg(long, value_name = "FILE", env = "LAVAWALL_SOCKET")]
    pub(crate) socket: Option<PathBuf>,
    /// State directory of the service [default: as configured]
    #[arg(long, value_name = "DIR", env = "LAVAWALL_STATE_DIR")]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArguments,
}

impl AdminArguments {
    /// The configuration.
    pub(crate) fn config(&self) -> Result<Config, ConfigError> {
        self.config.load()
    }

    /// The state directory.
    pub(crate) fn state_dir(&self) -> Result<PathBuf, CommandError> {
        if let Some(path) = &self.state_dir {
            return Ok(path.clone());
        }
        Ok(self.config.load()?.state_dir.map_or_else(StateDir::default_path, Ok)?)
    }

    /// The path of the socket, whether it exists or not.
    pub(crate) fn socket_path(&self) -> Result<PathBuf, CommandError> {
        if let Some(path) = &self.socket {
            return Ok(path.clone());
        }
        // A state directory that is named may be that of another service than the configured one.
        let configured =
            if self.state_dir.is_some() { None } else { self.config.load()?.admin_socket };
        match configured {
            Some(path) => Ok(path),
            None => Ok(self.state_dir()?.join(ADMIN_SOCKET)),
        }
    }

    /// A client of the service; it connects at the first call.
    pub(crate) fn client(&self) -> Result<Client, CommandError> {
        Ok(Client::over_socket(&self.socket_path()?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_socket_is_in_the_state_directory_unless_named() {
        let arguments = |socket: Option<&str>| AdminArguments {
            socket: socket.map(PathBuf::from),
            state_dir: Some("state".into()),
            config: ConfigArguments { config: None },
        };
        let path = |socket| arguments(socket).socket_path().expect("a path");
        assert_eq!(path(None), Path::new("state/admin.sock"));
        assert_eq!(path(Some("x")), Path::new("x"));
    }
}
