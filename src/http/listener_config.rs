//! A `[[listen]]` table of the configuration.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::durable;
use crate::http::config_error::{HttpConfigError, paired};
use crate::http::interface::Interface;
use crate::net::bound_listener::BoundListener;
use crate::net::listen_address::ListenAddress;
use crate::net::network::Network;
use crate::net::passed_socket::{self, PassedSocket};
use crate::net::socket_file::{PATH_MOST, SocketPermissions};
use crate::net::tcp::BindError;

/// The most bytes of a device's name: `IFNAMSIZ` is 16, the last is zero (netdevice(7)).
const DEVICE_MOST: usize = 15;

/// The users and groups of this machine, by name in the first field and number in the third (passwd(5),
/// group(5)).
const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

/// A listener: where it listens, whom and what it serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ListenerConfig {
    /// Its table: `listen[1]`, or `http` for `http.listen`.
    #[serde(skip)]
    pub(crate) table: String,
    /// The key of its address in the table: `listen` in some.
    #[serde(skip, default = "address_key")]
    pub(crate) address_key: &'static str,
    /// Why it cannot be reached from other machines without protection, and what to give.
    #[serde(skip, default = "exposed")]
    pub(crate) exposed: &'static str,
    /// Why it must be a unix socket, if it must.
    #[serde(skip)]
    pub(crate) unix_alone: Option<&'static str>,
    /// Whether every caller of the service needs a token.
    #[serde(skip)]
    pub(crate) has_tokens: bool,
    /// `10.1.0.1:8080`, or `unix:` and an absolute path.
    pub address: ListenAddress,
    /// A VRF or another interface, on which alone it listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Certificate chain in PEM, the server's own first. Together with `tls-key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_certificate: Option<PathBuf>,
    /// Private key in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    /// Authorities in PEM: a client needs a certificate of one of them, whose DNS name is that of its tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
    /// The tenants that it serves; without it all, and callers without a token where those are admitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenants: Option<Vec<String>>,
    /// The interfaces that it serves; without it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serves: Option<Vec<Interface>>,
    /// The addresses of proxies: a connection from one must begin with a header of the PROXY protocol,
    /// version 2, and others are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_from: Option<Vec<Network>>,
    /// Permission bits of a unix socket. Default 0600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<SocketMode>,
    /// Owner of a unix socket: a name in `/etc/passwd`, or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Group of a unix socket: a name in `/etc/group`, or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Consent to serve a network in the clear, or without tokens.
    #[serde(default)]
    pub beyond_loopback_without_tls_or_tokens: bool,
}

/// The key of the address in a `[[listen]]`.
fn address_key() -> &'static str {
    "address"
}

/// What a `[[listen]]` needs on a network.
fn exposed() -> &'static str {
    "is reachable from other machines: give tls-certificate, tls-key, and tenants, client-ca or \
     http.tokens, or say beyond-loopback-without-tls-or-tokens = true"
}

/// The permission bits of a unix socket, written as `"0660"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketMode(pub u32);

/// Why a listener cannot be bound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The address.
    #[error("{key}: cannot listen on {address}: {error}")]
    Address {
        /// The key of the configuration.
        key: String,
        /// The configured address.
        address: String,
        /// The system's error.
        error: io::Error,
    },
    /// Another key: a device, user or group that is not there.
    #[error("{key} = {value:?}: {reason}")]
    Key {
        /// The key of the configuration.
        key: String,
        /// Its value.
        value: String,
        /// The reason.
        reason: String,
    },
}

impl ListenerConfig {
    /// A listener at `address`, with every other key at its default.
    #[must_use]
    pub fn at(address: ListenAddress) -> Self {
        Self {
            table: String::new(),
            address_key: address_key(),
            exposed: exposed(),
            unix_alone: None,
            has_tokens: false,
            address,
            device: None,
            tls_certificate: None,
            tls_key: None,
            client_ca: None,
            tenants: None,
            serves: None,
            proxy_from: None,
            mode: None,
            owner: None,
            group: None,
            beyond_loopback_without_tls_or_tokens: false,
        }
    }

    /// Checks what the types do not express.
    ///
    /// # Errors
    /// Names the first invalid field.
    pub fn validate(&self) -> Result<(), HttpConfigError> {
        let error = |field, value: &dyn std::fmt::Debug, reason: &str| {
            Err(HttpConfigError::new(field, format!("{value:?}"), reason))
        };
        let certificate = self.tls_certificate.as_deref();
        paired("tls-certificate", certificate, "tls-key", self.tls_key.as_deref())?;
        if let (Some(path), None) = (&self.client_ca, certificate) {
            let value = path.display().to_string();
            let reason = "needs a tls-certificate beside it";
            return Err(HttpConfigError::new("client-ca", value, reason));
        }
        if let Some(device) = &self.device {
            let is_name = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
            if !(1..=DEVICE_MOST).contains(&device.len()) || !device.bytes().all(is_name) {
                let reason =
                    format!("must be the name of an interface, of 1 to {DEVICE_MOST} bytes");
                return error("device", device, &reason);
            }
        }
        if self.tenants.as_ref().is_some_and(Vec::is_empty) {
            return error("tenants", &self.tenants, "must name a tenant, or be left out for all");
        }
        if self.serves.as_ref().is_some_and(Vec::is_empty) {
            return error("serves", &self.serves, "must name one, or be left out for all");
        }
        if self.proxy_from.as_ref().is_some_and(Vec::is_empty) {
            return error("proxy-from", &self.proxy_from, "must name an address, or be left out");
        }
        match &self.address {
            ListenAddress::Unix(path) => self.validate_unix(path),
            ListenAddress::Tcp(address) => {
                self.validate_kind(*address)?;
                self.validate_no_file("is of a unix socket alone")?;
                self.validate_network(*address)
            }
            ListenAddress::Systemd(_) => {
                let reason = "is set where the service manager makes the socket";
                if let Some(device) = &self.device {
                    return Err(HttpConfigError::new("device", device.clone(), reason));
                }
                self.validate_no_file(reason)
            }
        }
    }

    fn validate_unix(&self, path: &Path) -> Result<(), HttpConfigError> {
        self.validate_local()?;
        let length = path.as_os_str().len();
        if length > PATH_MOST {
            let reason = format!("the path has {length} bytes, of at most {PATH_MOST}");
            return Err(HttpConfigError::new(self.address_key, self.address.to_string(), reason));
        }
        Ok(())
    }

    /// Checks that it has no keys of a network.
    fn validate_local(&self) -> Result<(), HttpConfigError> {
        let reason = "is not of a unix socket";
        if let Some(path) = &self.tls_certificate {
            let value = path.display().to_string();
            return Err(HttpConfigError::new("tls-certificate", value, reason));
        }
        if let Some(device) = &self.device {
            return Err(HttpConfigError::new("device", device.clone(), reason));
        }
        if let Some(Some(proxy)) = self.proxy_from.as_ref().map(|proxies| proxies.first()) {
            return Err(HttpConfigError::new("proxy-from", proxy.to_string(), reason));
        }
        Ok(())
    }

    /// Checks that it has no keys of a socket's file.
    fn validate_no_file(&self, reason: &str) -> Result<(), HttpConfigError> {
        let mode = self.mode.map(|mode| mode.to_string());
        for (field, value) in [("mode", &mode), ("owner", &self.owner), ("group", &self.group)] {
            if let Some(value) = value {
                return Err(HttpConfigError::new(field, value.clone(), reason));
            }
        }
        Ok(())
    }

    /// Checks that it may be TCP.
    fn validate_kind(&self, address: SocketAddr) -> Result<(), HttpConfigError> {
        let wrong = |reason| HttpConfigError::new(self.address_key, address.to_string(), reason);
        self.unix_alone.map_or(Ok(()), |reason| Err(wrong(reason)))
    }

    /// Checks that a network is not served in the clear or without tokens by accident.
    fn validate_network(&self, address: SocketAddr) -> Result<(), HttpConfigError> {
        let is_guarded =
            self.tls_certificate.is_some() && (self.has_tokens || self.names_tenants());
        let is_loopback = address.ip().to_canonical().is_loopback();
        if is_guarded || self.beyond_loopback_without_tls_or_tokens || is_loopback {
            return Ok(());
        }
        Err(HttpConfigError::new(self.address_key, address.to_string(), self.exposed))
    }

    /// Whether every call needs a tenant.
    fn names_tenants(&self) -> bool {
        self.tenants.is_some() || self.client_ca.is_some()
    }

    /// Whether it takes the place of another: the same address on the same device.
    pub(crate) fn is_at_place_of(&self, other: &Self) -> bool {
        let takes_any = matches!(&self.address, ListenAddress::Tcp(address) if address.port() == 0);
        !takes_any && self.address == other.address && self.device == other.device
    }

    /// Its name in metrics and the log: the address and the device, or the table for a port that the system
    /// chooses.
    pub(crate) fn name(&self) -> String {
        match (&self.address, &self.device) {
            (ListenAddress::Tcp(address), _) if address.port() == 0 => self.table.clone(),
            (address, Some(device)) => format!("{address}%{device}"),
            (address, None) => address.to_string(),
        }
    }

    /// A line about it, at the address where it listens.
    pub(crate) fn described(&self, address: &ListenAddress) -> String {
        let mut text = match address {
            ListenAddress::Unix(_) | ListenAddress::Systemd(_) => address.to_string(),
            ListenAddress::Tcp(_) if self.tls_certificate.is_some() => format!("https://{address}"),
            ListenAddress::Tcp(_) => format!("http://{address}"),
        };
        if self.client_ca.is_some() {
            text += " with client certificates";
        }
        if let Some(device) = &self.device {
            text += " on device ";
            text += device;
        }
        if let Some(tenants) = &self.tenants {
            text += ", for the tenants ";
            text += &tenants.join(", ");
        }
        if let Some(serves) = &self.serves {
            let names: Vec<_> = serves.iter().map(|interface| interface.name()).collect();
            text += ", serving ";
            text += &names.join(", ");
        }
        text
    }

    /// The name of one of its keys.
    pub(crate) fn key(&self, field: &str) -> String {
        let field = if field == "address" { self.address_key } else { field };
        format!("{}.{field}", self.table)
    }

    /// Binds it, with a socket for each of `threads`, at least one.
    ///
    /// # Errors
    /// Names the key.
    pub fn bind(&self, threads: usize) -> Result<BoundListener, ListenError> {
        let of_address = |error| ListenError::Address {
            key: self.key("address"),
            address: self.address.to_string(),
            error,
        };
        match &self.address {
            ListenAddress::Tcp(address) => {
                let device = self.device.as_deref();
                BoundListener::bind_tcp(*address, device, threads).map_err(|error| match error {
                    BindError::Address(error) => of_address(error),
                    BindError::Device(error) => ListenError::Key {
                        key: self.key("device"),
                        value: device.unwrap_or_default().to_owned(),
                        reason: error.to_string(),
                    },
                })
            }
            ListenAddress::Unix(path) => {
                let permissions = self.permissions()?;
                BoundListener::bind_unix(path, permissions, threads).map_err(of_address)
            }
            ListenAddress::Systemd(name) => self.bind_passed(name, threads),
        }
    }

    /// Takes the socket that was passed under a name, by the same rules as if it were bound here.
    fn bind_passed(&self, name: &str, threads: usize) -> Result<BoundListener, ListenError> {
        let of_key =
            |key, reason| ListenError::Key { key, value: self.address.to_string(), reason };
        let failed = |error: io::Error| of_key(self.key("address"), error.to_string());
        let socket = passed_socket::take(name).map_err(failed)?;
        let valid = match &socket {
            PassedSocket::Tcp(address, _) => {
                self.validate_kind(*address).and_then(|()| self.validate_network(*address))
            }
            PassedSocket::Unix(_) => self.validate_local(),
        };
        valid.map_err(|error| of_key(self.key(error.field), error.reason))?;
        BoundListener::passed(socket, name, threads).map_err(failed)
    }

    fn permissions(&self) -> Result<SocketPermissions, ListenError> {
        let number = |field, name: &Option<String>, file| {
            let Some(name) = name else { return Ok(None) };
            number_of(name, file).map(Some).map_err(|reason| ListenError::Key {
                key: self.key(field),
                value: name.clone(),
                reason,
            })
        };
        Ok(SocketPermissions {
            mode: self.mode.unwrap_or_default().0,
            owner: number("owner", &self.owner, USERS)?,
            group: number("group", &self.group, GROUPS)?,
        })
    }
}

/// The number of a user or group.
fn number_of(name: &str, file: &str) -> Result<u32, String> {
    if let Ok(number) = name.parse() {
        // To chown(2) the largest number means no change.
        return if number == u32::MAX { Err("is no number of one".to_owned()) } else { Ok(number) };
    }
    let text = durable::read_given(Path::new(file)).map_err(|error| format!("{file}: {error}"))?;
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let line = lines.into_iter().find(|line| line.first() == Some(&name));
    let number = line.and_then(|line| line.get(2)?.parse().ok());
    number.ok_or_else(|| format!("is not in {file}; a number is accepted, too"))
}

impl Default for SocketMode {
    fn default() -> Self {
        Self(0o600)
    }
}

impl std::fmt::Display for SocketMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl Serialize for SocketMode {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SocketMode {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit());
        let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| is_octal && *mode <= 0o777);
        mode.map(Self).ok_or_else(|| {
            D::Error::custom(format_args!(
                "must be three octal digits such as \"0660\" (got {text:?})"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ListenerConfig {
        toml::from_str(text).expect("the test's own text is valid")
    }

    #[test]
    fn what_is_written_out_reads_back_the_same() {
        let text = "address = \"10.1.0.1:8080\"\ndevice = \"red\"\ntls-certificate = \"c\"\n\
                    tls-key = \"k\"\ntenants = [\"acme\"]\nserves = [\"random\", \"kv\"]\n";
        let unix = "address = \"unix:/run/x\"\nmode = \"0660\"\ngroup = \"lavawall\"\n";
        for text in [text, unix] {
            let config = parse(text);
            let written = toml::to_string(&config).expect("every field can be written");
            assert_eq!(parse(&written), config, "{written}");
            assert_eq!(config.validate(), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_network_is_not_served_in_the_clear_or_without_tokens_by_accident() {
        let address = "address = \"10.1.0.1:80\"\n";
        let tls = "tls-certificate = \"c\"\ntls-key = \"k\"\n";
        let tenants = "tenants = [\"a\"]\n";
        for (text, has_tokens, is_valid) in [
            (address.to_owned(), true, false),
            (format!("{address}{tls}"), false, false),
            (format!("{address}{tenants}"), true, false),
            (format!("{address}{tls}"), true, true),
            (format!("{address}{tls}{tenants}"), false, true),
            (format!("{address}beyond-loopback-without-tls-or-tokens = true"), false, true),
            ("address = \"127.0.0.1:80\"".to_owned(), false, true),
        ] {
            let config = ListenerConfig { has_tokens, ..parse(&text) };
            assert_eq!(config.validate().is_ok(), is_valid, "{text}");
        }
    }

    #[test]
    fn a_wrong_key_is_named() {
        for (more, field) in [
            ("device = \"\"", "device"),
            ("device = \"sixteen-letters-\"", "device"),
            ("device = \"a/b\"", "device"),
            ("tenants = []", "tenants"),
            ("serves = []", "serves"),
            ("tls-key = \"k\"", "tls-key"),
            ("mode = \"0660\"", "mode"),
            ("group = \"x\"", "group"),
        ] {
            let error = parse(&format!("address = \"[::1]:1\"\n{more}")).validate();
            assert_eq!(error.expect_err(more).field, field);
        }
        for (more, field) in [
            ("device = \"lo\"", "device"),
            ("tls-certificate = \"c\"\ntls-key = \"k\"", "tls-certificate"),
        ] {
            let error = parse(&format!("address = \"unix:/run/x\"\n{more}")).validate();
            assert_eq!(error.expect_err(more).field, field);
        }
        let long = format!("address = \"unix:/{}\"", "x".repeat(107));
        assert_eq!(parse(&long).validate().expect_err("too long").field, "address");
        for wrong in [
            "mode = \"660x\"",
            "mode = \"1777\"",
            "mode = \"8\"",
            "mode = \"+77\"",
            "serves = [\"vaults\"]",
        ] {
            let text = format!("address = \"unix:/run/x\"\n{wrong}");
            let error = toml::from_str::<ListenerConfig>(&text).expect_err(wrong).to_string();
            assert!(error.contains("(got "), "{error}");
        }
    }

    #[test]
    fn users_and_groups_have_names_or_numbers() {
        assert_eq!(number_of("root", USERS), Ok(0));
        assert_eq!(number_of("root", GROUPS), Ok(0));
        assert_eq!(number_of("1234", GROUPS), Ok(1234));
        assert!(number_of("4294967295", USERS).is_err());
        assert!(number_of("no-such-group", GROUPS).expect_err("none").contains("/etc/group"));
    }
}
