//! The address to listen on, as it is written: `127.0.0.1:8080`, `[::1]:8080` or `localhost:8080`, and of
//! a `[[listen]]` also `unix:/path` and `systemd:NAME`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Before the path of a unix socket.
const UNIX: &str = "unix:";

/// Before the name of a socket that the service manager passes.
const SYSTEMD: &str = "systemd:";

/// The `address` of a `[[listen]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address and a port.
    Tcp(SocketAddr),
    /// The absolute path of a unix socket.
    Unix(PathBuf),
    /// The name of a socket that the service manager passes.
    Systemd(String),
}

impl ListenAddress {
    /// Reads it.
    ///
    /// # Errors
    /// What is missing or too much, with the value.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix(SYSTEMD) {
            // systemd.socket(5), FileDescriptorName=.
            return if (1..=255).contains(&name.len()) && is_plain(name) && !name.contains(':') {
                Ok(Self::Systemd(name.to_owned()))
            } else {
                Err(format!("must be {SYSTEMD} and the name of a socket (got {text:?})"))
            };
        }
        let Some(path) = text.strip_prefix(UNIX) else { return parse(text).map(Self::Tcp) };
        if path.starts_with('/') && !path.ends_with('/') && is_plain(path) {
            Ok(Self::Unix(path.into()))
        } else {
            Err(format!("must be {UNIX} and an absolute path without quotes (got {text:?})"))
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
            Self::Systemd(name) => write!(f, "{SYSTEMD}{name}"),
        }
    }
}

impl Serialize for ListenAddress {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ListenAddress {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&written(from)?).map_err(D::Error::custom)
    }
}

/// Reads an address and a port. `localhost` is `127.0.0.1`: names of other kinds may change their address.
///
/// # Errors
/// What is missing or too much, with the value.
pub(crate) fn parse(text: &str) -> Result<SocketAddr, String> {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let number = port.parse().ok().filter(|_| port.bytes().all(|digit| digit.is_ascii_digit()));
    if let Some(number) = number.filter(|_| host.eq_ignore_ascii_case("localhost")) {
        return Ok((Ipv4Addr::LOCALHOST, number).into());
    }
    text.parse().map_err(|_| format!("{} (got {text:?})", fault(text, host, number)))
}

/// Whether a text can be written in metrics and the log as it is.
fn is_plain(text: &str) -> bool {
    text.chars().all(|letter| !letter.is_control() && !matches!(letter, '"' | '\\'))
}

/// The reason why a text is no address with a port.
fn fault(text: &str, host: &str, port: Option<u16>) -> String {
    let without_brackets = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if text.contains('/') {
        return "must be an address and a port, such as \"127.0.0.1:8080\", without a scheme or a path".into();
    }
    if let (Some(port), Ok(_)) = (port, host.parse::<Ipv6Addr>()) {
        return format!("an IPv6 address needs brackets: \"[{host}]:{port}\"");
    }
    if let Ok(address) = without_brackets.unwrap_or(text).parse::<Ipv6Addr>() {
        return format!("the port is missing: \"[{address}]:8080\"");
    }
    if !text.contains(':') {
        return "must be an address and a port, such as \"127.0.0.1:8080\"".into();
    }
    match (host, port) {
        (_, None) => "the port must be from 0 to 65535".into(),
        ("" | "*", Some(port)) => format!(
            "the address is missing: \"127.0.0.1:{port}\" is for this machine, \"0.0.0.0:{port}\" or \
             \"[::]:{port}\" for every network"
        ),
        _ => "must be an IP address or localhost, not a name".into(),
    }
}

/// For serde.
#[expect(clippy::ref_option, reason = "the signature that serde calls")]
pub(crate) fn serialize<S: Serializer>(
    address: &Option<SocketAddr>,
    to: S,
) -> Result<S::Ok, S::Error> {
    address.map(|address| address.to_string()).serialize(to)
}

/// For serde.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<SocketAddr>, D::Error> {
    parse(&written(from)?).map(Some).map_err(D::Error::custom)
}

/// The text of an address.
fn written<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    /// A port alone is a number in TOML and in the environment.
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "must be an address and a port, such as \"127.0.0.1:8080\"")]
    enum Given {
        Text(String),
        Port(i64),
    }
    Ok(match Given::deserialize(from)? {
        Given::Text(text) => text,
        Given::Port(port) => port.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_understood_or_told_what_is_missing() {
        for (text, address) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]:0", "[::1]:0"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("LocalHost:65535", "127.0.0.1:65535"),
        ] {
            assert_eq!(parse(text).expect(text).to_string(), address);
        }
        for (text, part) in [
            (":8080", "the address is missing"),
            ("*:8080", "\"0.0.0.0:8080\""),
            ("8080", "an address and a port"),
            ("127.0.0.1", "an address and a port"),
            ("localhost", "an address and a port"),
            ("localhost:http", "from 0 to 65535"),
            ("127.0.0.1:65536", "from 0 to 65535"),
            ("127.0.0.1:+80", "from 0 to 65535"),
            ("::1:8080", "needs brackets: \"[::1]:8080\""),
            ("::1", "the port is missing: \"[::1]:8080\""),
            ("[fd00::11]", "the port is missing: \"[fd00::11]:8080\""),
            ("1:2:3:4:5:6:7:8", "the port is missing"),
            ("[::1%lo]:8080", "not a name"),
            ("[localhost]:8080", "not a name"),
            ("http://127.0.0.1:8080", "without a scheme"),
            ("unix:/run/lavawall.sock", "without a scheme or a path"),
            ("random.example:8080", "not a name"),
            ("", "an address and a port"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(part) && error.contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn a_listener_has_an_address_or_the_absolute_path_of_a_socket() {
        for text in
            ["10.1.0.1:8080", "[::1]:8080", "unix:/run/lavawall/random.sock", "systemd:a.socket"]
        {
            assert_eq!(ListenAddress::parse(text).expect(text).to_string(), text);
        }
        for text in [
            "unix:",
            "unix:random.sock",
            "unix:/run/",
            "unix://",
            "systemd:",
            "systemd:a:b",
            "unix:/a\n",
            "unix:/a\"",
            "tcp:127.0.0.1:1",
        ] {
            let error = ListenAddress::parse(text).expect_err(text);
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }
}
