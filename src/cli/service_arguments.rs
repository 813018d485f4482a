//! The service that a command calls by its address, and the credentials for it.

use std::path::PathBuf;

use clap::Args;

use crate::client::{Client, ClientError, Credentials, DEFAULT_URL};

/// The address of a service.
#[derive(Debug, Args)]
pub(crate) struct ServiceArguments {
    /// Address of the service: http://…, https://… or unix:/path/admin.sock
    #[arg(long, value_name = "URL", env = "LAVAWALL_URL", default_value = DEFAULT_URL)]
    url: String,
    #[command(flatten)]
    credentials: CredentialArguments,
}

/// The files with a token and a certificate authority.
#[derive(Debug, Args)]
pub(crate) struct CredentialArguments {
    /// File with the bearer token; on the command line other users would see it
    #[arg(long, value_name = "FILE", env = "LAVAWALL_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// The only certificate authority to trust (PEM) [default: the public ones]
    #[arg(long, value_name = "FILE", env = "LAVAWALL_CA_FILE")]
    ca_file: Option<PathBuf>,
}

impl ServiceArguments {
    /// A client of the service; it connects at the first call.
    pub(crate) fn client(&self) -> Result<Client, ClientError> {
        Client::new(&self.url, &self.credentials.credentials())
    }
}

impl CredentialArguments {
    /// The credentials for the client.
    pub(crate) fn credentials(&self) -> Credentials {
        Credentials { token_file: self.token_file.clone(), ca_file: self.ca_file.clone() }
    }
}
