//! The service that the store's commands and the report call.

use std::path::PathBuf;

use clap::Args;
use hyper::Uri;

use crate::cli::admin_arguments::AdminArguments;
use crate::cli::error::CommandError;
use crate::cli::service_arguments::CredentialArguments;
use crate::client::{Client, DEFAULT_URL};
use crate::config::{Config, ConfigError};
use crate::state::ADMIN_TOKEN;

/// The admin socket where there is one, else an address.
///
/// # Security
/// The administrator's token is taken from the state directory unasked only for a loopback address:
/// no other machine sees it by mistake.
#[derive(Debug, Args)]
pub(crate) struct ConnectionArguments {
    /// Address of the service [default: its admin socket where there is one, else
    /// http://127.0.0.1:8080]
    #[arg(long, value_name = "URL", env = "LAVAWALL_URL")]
    url: Option<String>,
    #[command(flatten)]
    admin: AdminArguments,
    #[command(flatten)]
    credentials: CredentialArguments,
}

impl ConnectionArguments {
    /// The configuration.
    pub(crate) fn config(&self) -> Result<Config, ConfigError> {
        self.admin.config()
    }

    /// The state directory of this machine's service.
    pub(crate) fn state_dir(&self) -> Result<PathBuf, CommandError> {
        self.admin.state_dir()
    }

    /// A client of the service; it connects at the first call.
    pub(crate) fn client(&self) -> Result<Client, CommandError> {
        if self.admin.socket.is_some() {
            return self.admin.client();
        }
        if self.url.is_none() && self.admin.socket_path()?.exists() {
            return self.admin.client();
        }
        let url = self.url.as_deref().unwrap_or(DEFAULT_URL);
        let mut credentials = self.credentials.credentials();
        if credentials.token_file.is_none() && is_loopback(url) {
            let token = self.admin.state_dir()?.join(ADMIN_TOKEN);
            credentials.token_file = token.exists().then_some(token);
        }
        Ok(Client::new(url, &credentials)?)
    }
}

/// Whether the host of an address is `localhost` or a loopback address.
fn is_loopback(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_shown_its_token_unasked() {
        for url in
            ["http://127.0.0.1:8080", "https://localhost", "http://[::1]:1", "http://127.9.9.9"]
        {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "http://192.0.2.1",
            "https://localhost.example",
            "http://127.0.0.1.example",
            "http://127.0.0.1@192.0.2.1",
            "http://[2001:db8::1]",
            "",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
