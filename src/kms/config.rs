//! A `[[kms]]` table of the configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::http::config::{self, TIMEOUT_RANGE};
use crate::http::config_error::check_tenant;
use crate::http::{HttpConfigError, ListenerConfig, SocketMode};
use crate::keyring::transit::is_key_name;
use crate::net::listen_address::ListenAddress;

/// Why there is no other listener.
const UNIX_ALONE: &str =
    "must be a unix socket: this protocol has neither encryption nor credentials";

/// The time without a call after which a connection is closed, where none is configured.
fn idle_timeout() -> Duration {
    Duration::from_mins(5)
}

/// A socket of the plugin. It has no credentials: it serves all that may open it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KmsConfig {
    /// `unix:` and an absolute path.
    pub listen: ListenAddress,
    /// The name of the key, which is made at its first use.
    pub key: String,
    /// The tenant whose key it is, and whose permission and limits hold; without it the operator's key, and no
    /// limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// How long a connection may stay without a call: 100 ms to 1 day, by default 5 min. A healthy kube-apiserver
    /// asks each minute.
    #[serde(default = "idle_timeout", with = "config::duration")]
    pub idle_timeout: Duration,
    /// Permission bits of the socket. Default 0600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<SocketMode>,
    /// Owner of the socket: a name in `/etc/passwd`, or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Group of the socket: a name in `/etc/group`, or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl KmsConfig {
    /// Checks what the types do not express.
    ///
    /// # Errors
    /// Names the first invalid field.
    pub fn validate(&self) -> Result<(), HttpConfigError> {
        if !is_key_name(&self.key) {
            let reason = "must be 1 to 128 letters, digits, _, and within it - and .";
            return Err(HttpConfigError::new("key", format!("{:?}", self.key), reason));
        }
        check_tenant(self.tenant.as_deref())?;
        if !TIMEOUT_RANGE.contains(&self.idle_timeout) {
            let value = humantime::format_duration(self.idle_timeout).to_string();
            return Err(HttpConfigError::new("idle-timeout", value, "must be 100ms to 1day"));
        }
        self.listener("").validate()
    }

    /// The listener, whose errors name this table.
    #[must_use]
    pub(crate) fn listener(&self, table: &str) -> ListenerConfig {
        ListenerConfig {
            table: table.to_owned(),
            address_key: "listen",
            unix_alone: Some(UNIX_ALONE),
            mode: self.mode,
            owner: self.owner.clone(),
            group: self.group.clone(),
            ..ListenerConfig::at(self.listen.clone())
        }
    }
}
