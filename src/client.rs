//! The client side of a running service, over TCP or over a unix socket.

pub(crate) mod unix;
pub(crate) mod wiped;

pub(crate) mod connection;

use std::io::Read;
use std::path::PathBuf;

use clap::Args;
use ureq::http::HeaderValue;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use zeroize::Zeroizing;

use crate::cli::ConfigArguments;
use crate::config::{Config, ConfigError};
use crate::exitcode::Exit;
use crate::state::{ADMIN_SOCKET, StateDir, StateDirError};

pub(crate) use connection::Answer;
pub(crate) use connection::Client;
pub(crate) use connection::Payload;
use connection::timed;

/// Where the service is when nobody says.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// Which service to ask.
#[derive(Debug, Args)]
pub(crate) struct ServiceArguments {
    /// Address of the service: http://…, https://… or unix:/path/admin.sock
    #[arg(long, value_name = "URL", env = "LAVAWALL_URL", default_value = DEFAULT_URL)]
    url: String,
    #[command(flatten)]
    credentials: Credentials,
}

/// What is shown to a service, and what it has to show.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Credentials {
    /// File with the token to show; a token never goes on the command line, where others see it
    #[arg(long, value_name = "FILE", env = "LAVAWALL_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Certificate authority of the service (PEM), when it is not a public one
    #[arg(long, value_name = "FILE", env = "LAVAWALL_CA_FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// The service on this machine, by the socket that only its operator can open.
#[derive(Debug, Args)]
pub(crate) struct AdminArguments {
    /// The service's admin socket [default: admin.sock in its state directory]
    #[arg(long, value_name = "FILE", env = "LAVAWALL_SOCKET")]
    pub(crate) socket: Option<PathBuf>,
    /// Where the service keeps its state [default: as configured]
    #[arg(long, value_name = "DIR", env = "LAVAWALL_STATE_DIR")]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArguments,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ClientError {
    /// A file named on the command line.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The configuration, which says where the state directory is.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no state directory to find the socket in.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// The address cannot be one.
    #[error("--url {url}: must be http://…, https://… or unix:/path/admin.sock")]
    Address {
        /// The address.
        url: String,
    },
    /// The answer broke off.
    #[error("{url}: the answer broke off: {reason}")]
    BrokenOff {
        /// The address.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// The service cannot be reached.
    #[error("{url}: {reason}; is the service running? start it with: lavawall serve")]
    Unreachable {
        /// The address.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// The service answered with an error.
    #[error("{url}: {status}: {reason}")]
    Refused {
        /// The address.
        url: String,
        /// The status code.
        status: u16,
        /// The problem's detail.
        reason: String,
    },
}

impl ClientError {
    /// The exit code that says the same.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Address { .. } => Exit::Usage,
            Self::File { .. } | Self::Config(_) | Self::StateDir(_) => Exit::Config,
            Self::BrokenOff { .. } => Exit::Io,
            Self::Refused { status: 401 | 403, .. } => Exit::Refused,
            Self::Refused { status: 404 | 409, .. } => Exit::Failure,
            Self::Refused { status: 400..=499, .. } => Exit::Data,
            Self::Unreachable { .. } | Self::Refused { .. } => Exit::Unavailable,
        }
    }
}

impl ServiceArguments {
    /// The service, not asked yet.
    pub(crate) fn client(&self) -> Result<Client, ClientError> {
        Client::new(&self.url, &self.credentials)
    }

    /// Asks for `path`. Any status of `accepted` is an answer; others are errors.
    pub(crate) fn get(
        &self,
        path: &str,
        accepted: &[u16],
    ) -> Result<impl Read + use<>, ClientError> {
        Ok(self.client()?.call("GET", path, None)?.accepted(accepted)?.into_reader())
    }
}

impl AdminArguments {
    /// The configuration.
    pub(crate) fn config(&self) -> Result<Config, ConfigError> {
        self.config.load()
    }

    /// Where the service keeps its state.
    pub(crate) fn state_dir(&self) -> Result<PathBuf, ClientError> {
        if let Some(path) = &self.state_dir {
            return Ok(path.clone());
        }
        Ok(self.config.load()?.state_dir.map_or_else(StateDir::default_path, Ok)?)
    }

    /// The socket, there or not.
    pub(crate) fn path(&self) -> Result<PathBuf, ClientError> {
        match &self.socket {
            Some(path) => Ok(path.clone()),
            None => Ok(self.state_dir()?.join(ADMIN_SOCKET)),
        }
    }

    /// The service, not asked yet.
    pub(crate) fn client(&self) -> Result<Client, ClientError> {
        Ok(Client::over_socket(&self.path()?))
    }
}

impl Credentials {
    fn agent(&self) -> Result<ureq::Agent, ClientError> {
        let mut config = timed(ureq::Agent::config_builder());
        if let Some(path) = &self.ca_file {
            let file_error = |reason: String| ClientError::File { path: path.clone(), reason };
            let pem = std::fs::read(path).map_err(|error| file_error(error.to_string()))?;
            let root =
                Certificate::from_pem(&pem).map_err(|error| file_error(error.to_string()))?;
            let roots = RootCerts::new_with_certs(&[root]);
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        Ok(config.build().new_agent())
    }

    fn token(&self) -> Result<Option<HeaderValue>, ClientError> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let file_error = |reason: String| ClientError::File { path: path.clone(), reason };
        let read = std::fs::read_to_string(path);
        let token = Zeroizing::new(read.map_err(|error| file_error(error.to_string()))?);
        let token = token.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(file_error("holds no token".into()));
        }
        let shown = Zeroizing::new(format!("Bearer {token}"));
        let mut value =
            HeaderValue::from_str(&shown).map_err(|_| file_error("holds no token".into()))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests;
