//! An `[[egd]]` table of the configuration.

use serde::{Deserialize, Serialize};

use crate::http::config_error::check_tenant;
use crate::http::{HttpConfigError, ListenerConfig, SocketMode};
use crate::net::listen_address::ListenAddress;

/// What an `[[egd]]` needs on a network.
const EXPOSED: &str = "is reachable from other machines, and this protocol has neither encryption nor \
                       credentials: only the network of a tenant is served, with device and tenant";

/// A listener for the entropy gathering daemon's protocol, which has no credentials: it serves all that
/// reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EgdConfig {
    /// `unix:` and an absolute path, or `127.0.0.1:8888`.
    pub listen: ListenAddress,
    /// A VRF or another interface, on which alone it listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The tenant whose permission and limits hold, and whose use is counted; without it those of callers
    /// without a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Permission bits of a unix socket. Default 0600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<SocketMode>,
    /// Owner of a unix socket: a name in `/etc/passwd`, or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Group of a unix socket: a name in `/etc/group`, or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl EgdConfig {
    /// Checks what the types do not express.
    ///
    /// # Errors
    /// Names the first invalid field.
    pub fn validate(&self) -> Result<(), HttpConfigError> {
        check_tenant(self.tenant.as_deref())?;
        self.listener("").validate()
    }

    /// Whether it is in the network of a tenant.
    fn is_of_a_tenant(&self) -> bool {
        self.device.is_some() && self.tenant.is_some()
    }

    /// The listener, whose errors name this table.
    #[must_use]
    pub(crate) fn listener(&self, table: &str) -> ListenerConfig {
        ListenerConfig {
            table: table.to_owned(),
            address_key: "listen",
            exposed: EXPOSED,
            device: self.device.clone(),
            mode: self.mode,
            owner: self.owner.clone(),
            group: self.group.clone(),
            beyond_loopback_without_tls_or_tokens: self.is_of_a_tenant(),
            ..ListenerConfig::at(self.listen.clone())
        }
    }
}
