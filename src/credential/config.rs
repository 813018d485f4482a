//! The `[credential]` table of the configuration.

use serde::{Deserialize, Serialize};

use crate::http::{HttpConfigError, ListenerConfig};
use crate::net::listen_address::ListenAddress;

/// The most bytes: more than any key or seed has, and as much as a socket takes at once.
const BYTES_MOST: usize = 4096;

/// A unix socket for `LoadCredential=` of systemd, whose mode is 0600: root connects all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CredentialConfig {
    /// `unix:` and an absolute path, or `systemd:` and the name of a socket that is passed.
    pub listen: ListenAddress,
    /// The length of each credential. Default 32.
    #[serde(default = "key")]
    pub bytes: usize,
}

fn key() -> usize {
    32
}

impl CredentialConfig {
    /// Checks what the types do not express.
    ///
    /// # Errors
    /// Names the first invalid field.
    pub fn validate(&self) -> Result<(), HttpConfigError> {
        if !(1..=BYTES_MOST).contains(&self.bytes) {
            let reason = format!("must be 1 to {BYTES_MOST}");
            return Err(HttpConfigError::new("bytes", self.bytes.to_string(), reason));
        }
        self.listener().validate()
    }

    /// The listener, whose errors name this table.
    #[must_use]
    pub(crate) fn listener(&self) -> ListenerConfig {
        ListenerConfig {
            table: "credential".to_owned(),
            address_key: "listen",
            unix_alone: Some("must be a unix socket: only there it is known who asks"),
            ..ListenerConfig::at(self.listen.clone())
        }
    }
}
