//! The host that a request names, and the site whose page sent it.
//!
//! A page of another site can make the operator's browser call a service on loopback: directly, or by
//! DNS rebinding, where the site's own name leads to 127.0.0.1. Such a name is in `Host`, and is not
//! one of ours.

use std::net::{IpAddr, Ipv6Addr};

use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use hyper::{Method, Request, Version};

use crate::http::refusal::{Class, Refusal, Subject};

/// Fetch Metadata (W3C), which browsers send and pages cannot change.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const DESTINATION: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// The Fetch standard's policy on who may embed an answer.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The most characters of a name: those of DNS (RFC 1035 §2.3.4).
const NAME_LIMIT: usize = 253;

/// The names that a request may be for, besides addresses and loopback names.
#[derive(Debug)]
pub(crate) struct HostNames(Vec<String>);

impl HostNames {
    /// `names` as they are configured.
    pub(crate) fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| normal(name)).collect())
    }

    /// Checks that a request names one host (RFC 9112 §3.2, RFC 9113 §8.3.1), and that it is this
    /// service. A browser cannot reach a unix socket by a name of its own: there any name is right.
    ///
    /// # Errors
    /// 400 when it names no host, two, or one in two ways; 421 when it is not this service.
    pub(crate) fn check_host<B>(
        &self,
        request: &Request<B>,
        is_local: bool,
    ) -> Result<(), Refusal> {
        match authority(request)? {
            Some(authority) if !is_local && !self.is_ours(authority) => Err(misdirected(authority)),
            _ => Ok(()),
        }
    }

    /// Checks that no page of another site sent a request. A link to a page of ours may be followed.
    ///
    /// # Errors
    /// 403 with the header that names the other site.
    pub(crate) fn check_sender<B>(
        &self,
        request: &Request<B>,
        is_page: bool,
    ) -> Result<(), Refusal> {
        let headers = request.headers();
        let is_followed_link = is_page
            && request.method() == Method::GET
            && headers.get(MODE).is_some_and(|mode| mode == "navigate")
            && headers.get(DESTINATION).is_none_or(|it| it == "document");
        for site in headers.get_all(SITE) {
            if site != "same-origin" && site != "none" && !is_followed_link {
                return Err(cross_site("Sec-Fetch-Site", site));
            }
        }
        let own = authority(request)?;
        for origin in headers.get_all(ORIGIN) {
            if !self.is_own_origin(origin, own) {
                return Err(cross_site("Origin", origin));
            }
        }
        Ok(())
    }

    /// Whether an authority is an address, a loopback name (RFC 6761 §6.3) or a configured name.
    fn is_ours(&self, authority: &str) -> bool {
        let Some(name) = name_of(authority) else { return false };
        name.parse::<IpAddr>().is_ok() || is_loopback(&normal(name)) || self.is_configured(name)
    }

    fn is_configured(&self, name: &str) -> bool {
        self.0.contains(&normal(name))
    }

    /// Whether an origin is the one that the request is for, or a configured name: a proxy may have
    /// rewritten the host.
    fn is_own_origin(&self, origin: &HeaderValue, own: Option<&str>) -> bool {
        let origin = origin.to_str().unwrap_or_default();
        let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        rest.is_some_and(|authority| {
            own.is_some_and(|own| own.eq_ignore_ascii_case(authority))
                || name_of(authority).is_some_and(|name| self.is_configured(name))
        })
    }
}

/// Adds the headers of every answer: a browser guesses no type, and embeds it in no other site.
pub(crate) fn protect(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
}

/// Whether text is a host name: labels of letters, digits, `-` and `_`, without scheme and port.
pub(crate) fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_letter = |letter: u8| letter.is_ascii_alphanumeric() || b"-_".contains(&letter);
        !label.is_empty() && !label.starts_with('-') && label.bytes().all(is_letter)
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= NAME_LIMIT && name.split('.').all(is_label)
}

/// The host of a request with its port; only a request of HTTP/1.0 may name none.
fn authority<B>(request: &Request<B>) -> Result<Option<&str>, Refusal> {
    let headers = request.headers().get_all(HOST);
    let (first, count) = (headers.iter().next(), headers.iter().count());
    let target = request.uri().authority().map(hyper::http::uri::Authority::as_str);
    let is_one = match request.version() {
        Version::HTTP_09 | Version::HTTP_10 => count <= 1,
        Version::HTTP_11 => count == 1,
        // HTTP/2 has `:authority`, which a `Host` may repeat or replace.
        _ => count == 1 || (count == 0 && target.is_some()),
    };
    if !is_one {
        let message = format!("a request names one host (got {count} Host headers)");
        let subject = Subject::Host { limit: "1", value: count.to_string() };
        return Err(Refusal::new(Class::Invalid, subject, message));
    }
    let named =
        first.map(|name| name.to_str().map_err(|_| misdirected("(not text)"))).transpose()?;
    match (named, target) {
        (Some(named), Some(target)) if !named.eq_ignore_ascii_case(target) => {
            let subject = Subject::Host { limit: "the host of the target", value: shown(named) };
            let message = "the Host header and the request's target name different hosts";
            Err(Refusal::new(Class::Invalid, subject, message))
        }
        (named, target) => Ok(named.or(target)),
    }
}

/// The name of an authority `name`, `name:port` or `[address]:port`; `None` for any other text.
fn name_of(authority: &str) -> Option<&str> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_number);
        return (is_port && address.parse::<Ipv6Addr>().is_ok()).then_some(address);
    }
    match authority.split_once(':') {
        Some((name, port)) => is_number(port).then_some(name),
        None => Some(authority),
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|digit| digit.is_ascii_digit())
}

/// Whether a name in lower case is a loopback name (RFC 6761 §6.3).
pub(crate) fn is_loopback(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// Lower case, without the dot of a complete name.
fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn misdirected(authority: &str) -> Refusal {
    let limit = "an address, localhost, or a name in http.hosts";
    let subject = Subject::Host { limit, value: shown(authority) };
    let message = "this service does not have this name: call it by its address, or add the name to \
                   http.hosts in its configuration";
    Refusal::new(Class::Misdirected, subject, message)
}

fn cross_site(field: &'static str, value: &HeaderValue) -> Refusal {
    let value = shown(&String::from_utf8_lossy(value.as_bytes()));
    let message = "a page of another site sent this request";
    Refusal::new(Class::Forbidden, Subject::Sender { field, value }, message)
}

/// The start of a value, no longer than a name can be.
fn shown(value: &str) -> String {
    value.chars().take(NAME_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_loopback_names_and_configured_names_are_ours() {
        let hosts = HostNames::new(&["Lava.Example".to_owned()]);
        for host in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "192.0.2.7:1",
            "[::1]",
            "[2001:db8::1]:443",
            "localhost",
            "LOCALHOST:8080",
            "localhost.",
            "a.localhost:1",
            "lava.example",
            "lava.example.:8080",
            "LAVA.EXAMPLE",
        ] {
            assert!(hosts.is_ours(host), "{host}");
        }
        for host in [
            "",
            ":",
            ":80",
            "evil.example",
            "lava.example.evil.example",
            "xlava.example",
            "localhost.evil.example",
            "evil.example:80@127.0.0.1",
            "x@127.0.0.1",
            "127.0.0.1.evil",
            "127.0.0.1:80:80",
            "notlocalhost",
            "127.0.0.1:x",
            "[::1",
            "[::1]x",
            "[evil.example]",
            "127.1",
            "0x7f.0.0.1",
            ".localhost.evil",
            "localhost/evil",
        ] {
            assert!(!hosts.is_ours(host), "{host}");
        }
    }

    #[test]
    fn a_host_name_has_no_scheme_port_or_address() {
        for name in ["a", "lava.example.org", "lava.example.org.", "my_service", "x-1"] {
            assert!(is_host_name(name), "{name}");
        }
        let long = "a.".repeat(130);
        for name in ["", ".", "a..b", "http://a", "a:80", "[::1]", "*.a", "a b", "-a", "é", &long]
        {
            assert!(!is_host_name(name), "{name}");
        }
    }
}
