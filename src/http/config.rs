//! The `[http]` table of the configuration.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

use crate::http::config_error::{HttpConfigError, paired};
use crate::http::cors::{ORIGINS_MOST, is_origin};
use crate::http::host::is_host_name;
use crate::http::listener_config::ListenerConfig;
use crate::net::listen_address::{self, ListenAddress};
use crate::size;

/// The largest `max-bytes`: half an hour of one connection at 0.5 GB/s.
const MAX_BYTES_LIMIT: ByteSize = ByteSize::tib(1);

/// What `http.listen` needs on a network.
const EXPOSED: &str = "is reachable from other machines: give tls-certificate, tls-key and tokens, or say \
                       listen-beyond-loopback-without-tls-or-tokens = true";

/// More worker threads than a machine has cores are a typing error.
const THREADS_LIMIT: usize = 1024;

/// The most file descriptors of a process on a default kernel (`fs.nr_open`).
const CONNECTIONS_LIMIT: usize = 1 << 20;

/// More names than a monitor should keep time series of.
const METRICS_TENANTS_LIMIT: usize = 10_000;

/// Timeouts longer than a day are a typing error, and shorter than 100 ms cut off honest clients.
pub(crate) const TIMEOUT_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_hours(24);

/// Addresses, TLS, tokens and limits of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address and port; port 0 takes a free one. `None` where only the listeners of `[[listen]]` are meant.
    #[serde(with = "listen_address", skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Names under which callers reach the service, besides addresses and `localhost`. Requests for
    /// other names are refused.
    pub hosts: Vec<String>,
    /// Origins whose pages may read random bytes, as `https://app.example`. None by default.
    pub cors_origins: Vec<String>,
    /// The most that one call of `/random` may ask for.
    #[serde(with = "size")]
    pub max_bytes: ByteSize,
    /// Certificate chain in PEM, the server's own first. Together with `tls-key`.
    pub tls_certificate: Option<PathBuf>,
    /// Private key in PEM.
    pub tls_key: Option<PathBuf>,
    /// File of hashed tokens, one per line: `name sha256:HEX`. When given, every call but
    /// `/health/…` needs one of them.
    pub tokens: Option<PathBuf>,
    /// Tenants that `/metrics` names, the first by name; the others are counted together as `other`. Each
    /// name is up to fifteen time series of a monitor.
    pub metrics_tenants: usize,
    /// File of the access log, or `journal` for standard error: one line of JSON per answer. None by
    /// default.
    pub access_log: Option<PathBuf>,
    /// Whether `source=platform` of the Vault dialect is answered with bytes of the operating system
    /// alone. By default it is refused.
    pub vault_platform_random: bool,
    /// Consent to serve randomness to a network in the clear, to anyone.
    pub listen_beyond_loopback_without_tls_or_tokens: bool,
    /// Worker threads; by default one per core.
    pub threads: Option<NonZeroUsize>,
    /// Concurrent connections of all workers together. Further callers get a 503 and are
    /// disconnected.
    pub max_connections: usize,
    /// A client that neither completes a request nor reads a byte of an answer for this long is
    /// disconnected, within twice the time. Bounds slow headers, idle connections and
    /// clients that vanished.
    #[serde(with = "duration")]
    pub idle_timeout: Duration,
    /// The most time for answers under way when the service stops.
    #[serde(with = "duration")]
    pub drain_timeout: Duration,
    /// The most time that `fresh=true` waits for a new seed.
    #[serde(with = "duration")]
    pub fresh_timeout: Duration,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080)),
            hosts: Vec::new(),
            cors_origins: Vec::new(),
            max_bytes: ByteSize::gib(1),
            tls_certificate: None,
            tls_key: None,
            tokens: None,
            metrics_tenants: 100,
            access_log: None,
            vault_platform_random: false,
            listen_beyond_loopback_without_tls_or_tokens: false,
            threads: None,
            max_connections: 4096,
            idle_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(30),
            fresh_timeout: Duration::from_secs(30),
        }
    }
}

impl HttpConfig {
    /// Checks the limits that the types do not express.
    ///
    /// # Errors
    /// Names the first invalid field.
    pub fn validate(&self) -> Result<(), HttpConfigError> {
        let size = ByteSize::b(1)..=MAX_BYTES_LIMIT;
        within("max-bytes", &self.max_bytes, &size, || "1B to 1TiB".to_owned())?;
        within("max-connections", &self.max_connections, &(1..=CONNECTIONS_LIMIT), || {
            format!("1 to {CONNECTIONS_LIMIT}")
        })?;
        within("metrics-tenants", &self.metrics_tenants, &(0..=METRICS_TENANTS_LIMIT), || {
            format!("0 to {METRICS_TENANTS_LIMIT}")
        })?;
        within("threads", &self.threads(), &(1..=THREADS_LIMIT), || {
            format!("1 to {THREADS_LIMIT}")
        })?;
        for (field, value) in [
            ("idle-timeout", self.idle_timeout),
            ("drain-timeout", self.drain_timeout),
            ("fresh-timeout", self.fresh_timeout),
        ] {
            if !TIMEOUT_RANGE.contains(&value) {
                let value = humantime::format_duration(value).to_string();
                return Err(HttpConfigError::new(field, value, "must be 100ms to 1day"));
            }
        }
        if let Some(name) = self.hosts.iter().find(|name| !is_host_name(name)) {
            let reason = "must be names without scheme and port, such as \"lava.example.org\"";
            return Err(HttpConfigError::new("hosts", format!("{name:?}"), reason));
        }
        self.validate_origins()?;
        self.validate_access()
    }

    /// The listener of `http.listen`.
    #[must_use]
    pub fn listener(&self) -> Option<ListenerConfig> {
        let listen = self.listen?;
        Some(ListenerConfig {
            table: "http".to_owned(),
            address_key: "listen",
            exposed: EXPOSED,
            has_tokens: self.tokens.is_some(),
            tls_certificate: self.tls_certificate.clone(),
            tls_key: self.tls_key.clone(),
            beyond_loopback_without_tls_or_tokens: self
                .listen_beyond_loopback_without_tls_or_tokens,
            ..ListenerConfig::at(ListenAddress::Tcp(listen))
        })
    }

    fn validate_origins(&self) -> Result<(), HttpConfigError> {
        let count = self.cors_origins.len();
        within("cors-origins", &count, &(0..=ORIGINS_MOST), || {
            format!("at most {ORIGINS_MOST} origins")
        })?;
        match self.cors_origins.iter().find(|origin| !is_origin(origin)) {
            None => Ok(()),
            Some(origin) => {
                let reason = "must be origins as browsers write them, such as \"https://app.example\", or \
                              \"http://localhost:3000\": not *, no path, no default port";
                Err(HttpConfigError::new("cors-origins", format!("{origin:?}"), reason))
            }
        }
    }

    /// The number of worker threads to start.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
            .or_else(|| std::thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get)
    }

    fn validate_access(&self) -> Result<(), HttpConfigError> {
        let (certificate, key) = (self.tls_certificate.as_deref(), self.tls_key.as_deref());
        paired("tls-certificate", certificate, "tls-key", key)?;
        let Some(listener) = self.listener() else {
            let Some(certificate) = certificate else { return Ok(()) };
            let reason = "is of http.listen, which is not given: give each [[listen]] its own";
            let value = certificate.display().to_string();
            return Err(HttpConfigError::new("tls-certificate", value, reason));
        };
        listener.validate()
    }
}

fn within<T: PartialOrd + fmt::Display>(
    field: &'static str,
    value: &T,
    range: &std::ops::RangeInclusive<T>,
    limits: impl FnOnce() -> String,
) -> Result<(), HttpConfigError> {
    if range.contains(value) {
        return Ok(());
    }
    Err(HttpConfigError::new(field, value.to_string(), format!("must be {}", limits())))
}

/// Durations as text: `30s`, `15min`.
pub(crate) mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(*value))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        humantime::parse_duration(&text).map_err(|error| {
            D::Error::custom(format_args!("{text:?} is not a duration such as \"30s\": {error}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> HttpConfig {
        toml::from_str(text).expect("the test's own text is valid")
    }

    #[test]
    fn an_empty_table_is_the_default_and_the_default_is_valid() {
        assert_eq!(parse(""), HttpConfig::default());
        assert_eq!(HttpConfig::default().validate(), Ok(()));
    }

    #[test]
    fn unknown_keys_are_refused() {
        let error = toml::from_str::<HttpConfig>("max-byte = 1").expect_err("unknown").to_string();
        assert!(error.contains("max-byte"), "{error}");
    }

    #[test]
    fn sizes_and_durations_are_written_as_people_write_them() {
        let config = parse("max-bytes = \"2MiB\"\nidle-timeout = \"15min\"");
        assert_eq!(config.max_bytes.as_u64(), 2 << 20);
        assert_eq!(config.idle_timeout, Duration::from_mins(15));
        assert!(toml::from_str::<HttpConfig>("idle-timeout = \"soon\"").is_err());
    }

    #[test]
    fn what_is_written_out_reads_back_the_same() {
        let config = parse("listen = \"127.0.0.1:0\"\nfresh-timeout = \"2s\"\nthreads = 3");
        let text = toml::to_string(&config).expect("every field can be written");
        assert_eq!(parse(&text), config);
    }

    #[test]
    fn both_ends_of_every_range_are_held() {
        for (text, field) in [
            ("max-bytes = 0", "max-bytes"),
            ("max-bytes = \"1025GiB\"", "max-bytes"),
            ("max-connections = 0", "max-connections"),
            ("max-connections = 1048577", "max-connections"),
            ("threads = 1025", "threads"),
            ("metrics-tenants = 10001", "metrics-tenants"),
            ("idle-timeout = \"99ms\"", "idle-timeout"),
            ("drain-timeout = \"25h\"", "drain-timeout"),
            ("fresh-timeout = \"0s\"", "fresh-timeout"),
            ("cors-origins = [\"*\"]", "cors-origins"),
            ("hosts = [\"a.example\", \"https://b.example\"]", "hosts"),
        ] {
            let error = parse(text).validate().expect_err(text);
            assert_eq!(error.field, field, "{text}");
        }
        for text in [
            "max-bytes = 1",
            "max-bytes = \"1TiB\"",
            "idle-timeout = \"100ms\"",
            "drain-timeout = \"24h\"",
        ] {
            assert_eq!(parse(text).validate(), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_network_is_not_served_in_the_clear_by_accident() {
        for listen in ["0.0.0.0:8080", "192.0.2.1:80", "[::]:8080", "[::ffff:192.0.2.1]:80"] {
            let text = format!("listen = \"{listen}\"");
            let error = parse(&text).validate().expect_err("open to a network");
            assert_eq!((error.field, error.value.as_str()), ("listen", listen));
            let half = format!("{text}\ntokens = \"t\"");
            assert!(parse(&half).validate().is_err(), "tokens in the clear can be read");
            let half = format!("{text}\ntls-certificate = \"c\"\ntls-key = \"k\"");
            assert!(parse(&half).validate().is_err(), "anyone may call");
            let full = format!("{half}\ntokens = \"t\"");
            assert_eq!(parse(&full).validate(), Ok(()));
            let consent = format!("{text}\nlisten-beyond-loopback-without-tls-or-tokens = true");
            assert_eq!(parse(&consent).validate(), Ok(()));
        }
        for listen in ["127.0.0.1:0", "127.9.9.9:1", "[::1]:8080", "[::ffff:127.0.0.1]:80"] {
            assert_eq!(parse(&format!("listen = \"{listen}\"")).validate(), Ok(()));
        }
    }

    #[test]
    fn a_certificate_needs_its_key_and_a_key_its_certificate() {
        let error = parse("tls-certificate = \"c\"").validate().expect_err("no key");
        assert_eq!(error.field, "tls-certificate");
        let error = parse("tls-key = \"k\"").validate().expect_err("no certificate");
        assert_eq!(error.field, "tls-key");
    }
}
