//! The `[kv.etcd]` table of the configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// More members make etcd slower, not safer: its own limit by recommendation is 7.
const ENDPOINTS_MOST: usize = 9;

/// The longest prefix in bytes.
const PREFIX_MOST: usize = 64;

/// An etcd that keeps the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct EtcdConfig {
    /// The client addresses of its members, as URLs: all `https`, or all `http`.
    pub endpoints: Vec<String>,
    /// The beginning of all keys. Another store in the same etcd has another.
    pub prefix: String,
    /// The authority of the members' certificates, in PEM; the system's own without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The certificate by which the members know this service, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// Its key, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

impl Default for EtcdConfig {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            prefix: "lavawall/".to_owned(),
            ca: None,
            certificate: None,
            key: None,
        }
    }
}

impl EtcdConfig {
    /// Checks the limits.
    ///
    /// # Errors
    /// The field and the reason.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        let count = self.endpoints.len();
        if !(1..=ENDPOINTS_MOST).contains(&count) {
            let reason = format!("must be 1 to {ENDPOINTS_MOST} URLs of members (got {count})");
            return Err(("etcd.endpoints", reason));
        }
        let of = |scheme: &str| self.endpoints.iter().filter(|it| it.starts_with(scheme)).count();
        let (plain, tls) = (of("http://"), of("https://"));
        if let Some(other) = self
            .endpoints
            .iter()
            .find(|it| !it.starts_with("http://") && !it.starts_with("https://"))
        {
            return Err(("etcd.endpoints", format!("{other:?} is no URL: https://host:port")));
        }
        if plain > 0 && tls > 0 {
            return Err(("etcd.endpoints", "must be all https, or all http".to_owned()));
        }
        if !(1..=PREFIX_MOST).contains(&self.prefix.len()) {
            let length = self.prefix.len();
            return Err((
                "etcd.prefix",
                format!("must be 1 to {PREFIX_MOST} bytes (got {length})"),
            ));
        }
        if plain > 0 && (self.ca.is_some() || self.certificate.is_some()) {
            return Err(("etcd.endpoints", "must be https with ca or certificate".to_owned()));
        }
        if self.certificate.is_some() != self.key.is_some() {
            return Err(("etcd.certificate", "must be given with key".to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_named_by_its_field() {
        let parse =
            |text: &str| toml::from_str::<EtcdConfig>(text).expect("the test's own text is valid");
        let one = r#"endpoints = ["https://10.0.0.1:2379"]"#;
        for (text, field) in [
            (format!("{one}\nprefix = \"lavawall/\""), None),
            (format!("{one}\nprefix = \"l\"\nca = \"a\"\ncertificate = \"b\"\nkey = \"c\""), None),
            ("endpoints = [\"http://[::1]:2379\"]\nprefix = \"l\"".to_owned(), None),
            ("prefix = \"l\"".to_owned(), Some("etcd.endpoints")),
            (
                format!("endpoints = [{}]\nprefix = \"l\"", "\"http://a:1\",".repeat(10)),
                Some("etcd.endpoints"),
            ),
            ("endpoints = [\"10.0.0.1:2379\"]\nprefix = \"l\"".to_owned(), Some("etcd.endpoints")),
            (
                "endpoints = [\"http://a:1\", \"https://b:1\"]\nprefix = \"l\"".to_owned(),
                Some("etcd.endpoints"),
            ),
            (
                "endpoints = [\"http://a:1\"]\nprefix = \"l\"\nca = \"a\"".to_owned(),
                Some("etcd.endpoints"),
            ),
            (format!("{one}\nprefix = \"\""), Some("etcd.prefix")),
            (format!("{one}\nprefix = \"{}\"", "p".repeat(65)), Some("etcd.prefix")),
            (format!("{one}\nprefix = \"l\"\ncertificate = \"b\""), Some("etcd.certificate")),
            (format!("{one}\nprefix = \"l\"\nkey = \"b\""), Some("etcd.certificate")),
        ] {
            assert_eq!(parse(&text).validate().err().map(|(field, _)| field), field, "{text}");
        }
    }
}
