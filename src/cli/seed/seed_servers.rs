//! The file of `lavawall seed`: the services, each with the identity by which it is known.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::BASE64;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::client::Credentials;
use crate::crypto::sealed_seed::SeedSuite;
use crate::crypto::service_identity::ServiceIdentity;
use crate::durable;

/// The most services: each is asked by a thread.
const SERVERS_MOST: usize = 32;

/// The most entropy that may be counted, in bits: the strength of one service's generator.
const CREDIT_MOST: u32 = 256;

/// The least bytes of the secret file: as strong as the keys that follow from it.
const SECRET_BYTES: usize = 32;

/// How long answers may be waited for, in seconds: at most as long as a boot may wait.
const TIMEOUT_SECONDS: std::ops::RangeInclusive<u64> = 1..=600;

/// The services, and how they are asked.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct SeedServers {
    /// How many must answer; all of them when it is not given.
    need: Option<usize>,
    /// Bits of entropy that the kernel counts for a seed.
    #[serde(default)]
    pub(crate) credit: u32,
    /// How the answers are sealed.
    #[serde(default = "strongest")]
    pub(crate) suite: SeedSuite,
    /// A file of at least 32 random bytes that only this machine has: with them no one else opens an answer,
    /// even when the kernel has no entropy yet.
    secret_file: Option<PathBuf>,
    /// How long answers are waited for, in seconds.
    #[serde(default = "ten")]
    timeout_seconds: u64,
    /// Each a `[[server]]`.
    #[serde(rename = "server", default)]
    pub(crate) servers: Vec<SeedServer>,
}

/// One service.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct SeedServer {
    /// How messages name it.
    pub(crate) name: String,
    /// `https://…`, `http://…` or `unix:/path`. The identity, and not TLS, says who answers.
    pub(crate) url: String,
    /// What `lavawall seed --identity` prints on its machine.
    #[serde(deserialize_with = "identity")]
    pub(crate) identity: ServiceIdentity,
    /// The only certificate authority to trust (PEM); without it, the public ones.
    ca_file: Option<PathBuf>,
    /// File with a bearer token, of a tenant with the permission `seed`.
    token_file: Option<PathBuf>,
}

/// The file is of no use.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub(crate) struct ServersError {
    path: PathBuf,
    reason: String,
}

impl SeedServers {
    /// Reads the file.
    ///
    /// # Errors
    /// Names the file and the fault in it.
    pub(crate) fn load(path: &Path) -> Result<Self, ServersError> {
        let failed = |reason: String| ServersError { path: path.to_owned(), reason };
        let text = durable::read_given(path).map_err(|error| failed(error.to_string()))?;
        let text = str::from_utf8(&text).map_err(|error| failed(error.to_string()))?;
        Self::parse(text).map_err(failed)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let read: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let count = read.servers.len();
        if !(1..=SERVERS_MOST).contains(&count) {
            return Err(format!("server: must be 1 to {SERVERS_MOST} (got {count})"));
        }
        // Two entries of one service would count it twice.
        let mut names = BTreeSet::new();
        let mut identities = BTreeSet::new();
        for server in &read.servers {
            if server.name.is_empty() || server.name.contains(char::is_control) {
                return Err(format!("server.name: must be printable text (got {:?})", server.name));
            }
            if !names.insert(&server.name) {
                return Err(format!("server.name: two servers are called {:?}", server.name));
            }
            if !identities.insert(server.identity.to_bytes()) {
                let name = &server.name;
                return Err(format!("server.identity: that of {name:?} is of another server, too"));
            }
        }
        read.needed(None)?;
        check_credit(read.credit).map_err(|reason| format!("credit: {reason}"))?;
        if !TIMEOUT_SECONDS.contains(&read.timeout_seconds) {
            let (least, most) = (TIMEOUT_SECONDS.start(), TIMEOUT_SECONDS.end());
            let seconds = read.timeout_seconds;
            return Err(format!("timeout-seconds: must be {least} to {most} (got {seconds})"));
        }
        Ok(read)
    }

    /// How many services must answer.
    ///
    /// # Errors
    /// When that is none, or more than there are.
    pub(crate) fn needed(&self, argument: Option<usize>) -> Result<usize, String> {
        let count = self.servers.len();
        let need = argument.or(self.need).unwrap_or(count);
        if !(1..=count).contains(&need) {
            return Err(format!("need: must be 1 to {count}, the number of servers (got {need})"));
        }
        Ok(need)
    }

    /// How long answers are waited for.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }

    /// The secret of this machine, if there is one.
    ///
    /// # Errors
    /// When its file cannot be read, others can read it, or it is too short.
    pub(crate) fn secret(&self) -> Result<Option<Zeroizing<Vec<u8>>>, ServersError> {
        let Some(path) = &self.secret_file else { return Ok(None) };
        let failed = |reason: String| ServersError { path: path.clone(), reason };
        let mode = path.metadata().map(|found| found.permissions().mode() & 0o777);
        let mode = mode.map_err(|error| failed(error.to_string()))?;
        if mode & 0o077 != 0 {
            return Err(failed(format!("others may read it: chmod 0600 (got {mode:04o})")));
        }
        let secret = durable::read_given(path).map_err(|error| failed(error.to_string()))?;
        if secret.len() < SECRET_BYTES {
            let length = secret.len();
            return Err(failed(format!("must have {SECRET_BYTES} bytes or more (got {length})")));
        }
        Ok(Some(secret))
    }
}

impl SeedServer {
    /// The files for the client.
    pub(crate) fn credentials(&self) -> Credentials {
        Credentials { token_file: self.token_file.clone(), ca_file: self.ca_file.clone() }
    }
}

/// Whether so many bits may be counted.
///
/// # Errors
/// Names the limit and the value.
pub(crate) fn check_credit(bits: u32) -> Result<(), String> {
    if bits > CREDIT_MOST {
        return Err(format!("must be 0 to {CREDIT_MOST} bits (got {bits})"));
    }
    Ok(())
}

fn strongest() -> SeedSuite {
    SeedSuite::XWing
}

fn ten() -> u64 {
    10
}

fn identity<'de, D: serde::Deserializer<'de>>(from: D) -> Result<ServiceIdentity, D::Error> {
    let text = String::deserialize(from)?;
    let bytes = BASE64.decode(text.as_bytes()).ok();
    bytes.and_then(|bytes| ServiceIdentity::from_bytes(&bytes)).ok_or_else(|| {
        let length = text.len();
        serde::de::Error::custom(format_args!(
            "identity: must be what `lavawall seed --identity` prints, 32 bytes of a public key in base64 \
             (got {length} characters)"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The public keys of RFC 8032 §7.1, TEST 1 and TEST 2.
    const KEYS: [&str; 2] = [
        "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        "PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=",
    ];

    fn server(name: &str, key: &str) -> String {
        format!(
            "[[server]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:1\"\nidentity = \"{key}\"\n"
        )
    }

    fn two() -> String {
        server("a", KEYS[0]) + &server("b", KEYS[1])
    }

    #[test]
    fn without_more_all_must_answer_and_the_kernel_counts_nothing() {
        let servers = SeedServers::parse(&two()).expect("valid");
        assert_eq!((servers.needed(None), servers.credit), (Ok(2), 0));
        assert_eq!((servers.suite, servers.timeout()), (SeedSuite::XWing, Duration::from_secs(10)));
        assert!(servers.secret().expect("none is named").is_none());
        assert_eq!(servers.needed(Some(1)), Ok(1));
        for need in [0, 3] {
            let reason = servers.needed(Some(need)).expect_err("out of range");
            assert!(reason.ends_with(&format!("(got {need})")), "{reason}");
        }
        let text = format!("need = 1\ncredit = 256\nsuite = \"x25519\"\n{}", two());
        let servers = SeedServers::parse(&text).expect("valid");
        assert_eq!((servers.needed(None), servers.needed(Some(2))), (Ok(1), Ok(2)));
        assert_eq!((servers.credit, servers.suite), (256, SeedSuite::X25519));
    }

    #[test]
    fn one_service_is_not_counted_twice_and_faults_are_named() {
        for (text, fault) in [
            (String::new(), "server: must be 1 to 32 (got 0)"),
            (server("a", KEYS[0]) + &server("a", KEYS[1]), "two servers are called \"a\""),
            (server("a", KEYS[0]) + &server("b", KEYS[0]), "that of \"b\" is of another server"),
            (server("a\\n", KEYS[0]), "server.name: must be printable"),
            (server("a", &KEYS[0][4..]), "(got 40 characters)"),
            (server("a", "x"), "lavawall seed --identity"),
            (format!("need = 3\n{}", two()), "need: must be 1 to 2"),
            (format!("need = 0\n{}", two()), "need: must be 1 to 2"),
            (format!("credit = 257\n{}", two()), "credit: must be 0 to 256 bits (got 257)"),
            (
                format!("timeout-seconds = 0\n{}", two()),
                "timeout-seconds: must be 1 to 600 (got 0)",
            ),
            (format!("suite = \"p256\"\n{}", two()), "p256"),
            (format!("server-list = 1\n{}", two()), "server-list"),
            (two() + "token = \"secret\"\n", "token"),
        ] {
            let reason = SeedServers::parse(&text).expect_err(&text);
            assert!(reason.contains(fault), "{text}: {reason}");
        }
    }

    #[test]
    fn the_secret_is_long_and_for_no_other_user() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("secret");
        let mut servers = SeedServers::parse(&two()).expect("valid");
        servers.secret_file = Some(path.clone());
        assert!(servers.secret().is_err(), "it is missing");
        for (length, mode, fault) in
            [(32, 0o600, None), (31, 0o600, Some("(got 31)")), (32, 0o640, Some("(got 0640)"))]
        {
            std::fs::write(&path, vec![7; length]).expect("written");
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("set");
            match (servers.secret(), fault) {
                (Ok(secret), None) => assert_eq!(secret.expect("named").len(), length),
                (Err(error), Some(fault)) => {
                    assert!(error.to_string().contains(fault), "{error}");
                }
                (read, fault) => panic!("{}: {fault:?}", read.is_ok()),
            }
        }
    }
}
