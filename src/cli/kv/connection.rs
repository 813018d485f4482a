//! Which service the commands about records, and the report, ask.

use std::path::PathBuf;

use clap::Args;
use ureq::http::Uri;

use crate::client::{AdminArguments, Client, ClientError, Credentials, DEFAULT_URL};
use crate::config::{Config, ConfigError};
use crate::state::ADMIN_TOKEN;

/// The admin socket where it is there, else an address.
///
/// # Security
/// The administrator's token is taken from the state directory by itself only for an address of this
/// machine: another machine must not be shown it by mistake.
#[derive(Debug, Args)]
pub(crate) struct Connection {
    /// Address of the service [default: its admin socket where there is one, else
    /// http://127.0.0.1:8080]
    #[arg(long, value_name = "URL", env = "LAVAWALL_URL")]
    url: Option<String>,
    #[command(flatten)]
    admin: AdminArguments,
    #[command(flatten)]
    credentials: Credentials,
}

impl Connection {
    /// The configuration, which says where the socket is and much else.
    pub(crate) fn config(&self) -> Result<Config, ConfigError> {
        self.admin.config()
    }

    /// Where the service of this machine keeps its state.
    pub(crate) fn state_dir(&self) -> Result<PathBuf, ClientError> {
        self.admin.state_dir()
    }

    /// The service, not asked yet.
    pub(crate) fn client(&self) -> Result<Client, ClientError> {
        if self.admin.socket.is_some() {
            return self.admin.client();
        }
        if self.url.is_none() && self.admin.path()?.exists() {
            return self.admin.client();
        }
        let url = self.url.as_deref().unwrap_or(DEFAULT_URL);
        let mut credentials = self.credentials.clone();
        if credentials.token_file.is_none() && is_here(url) {
            let token = self.admin.state_dir()?.join(ADMIN_TOKEN);
            credentials.token_file = token.exists().then_some(token);
        }
        Client::new(url, &credentials)
    }
}

/// Whether an address is one of this machine's own.
fn is_here(url: &str) -> bool {
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
            assert!(is_here(url), "{url}");
        }
        for url in [
            "http://192.0.2.1",
            "https://localhost.example",
            "http://127.0.0.1.example",
            "http://127.0.0.1@192.0.2.1",
            "http://[2001:db8::1]",
            "",
        ] {
            assert!(!is_here(url), "{url}");
        }
    }
}
