//! Paths and methods as operations.

use hyper::body::Incoming;
use hyper::{Method, Request};

use crate::audit::Asked;
use crate::http::refusal::{Class, Refusal, Subject};
use crate::keyring::transit::{KeyPurpose, TransitName, is_key_name};

/// The start of every path.
pub(crate) const PREFIX: &str = "/v1/";

/// The path templates.
pub(crate) const ENDPOINTS: [&str; 33] = [
    "/v1/auth/token/lookup-self",
    "/v1/auth/token/renew-self",
    "/v1/sys/health",
    "/v1/sys/init",
    "/v1/sys/leader",
    "/v1/sys/seal-status",
    "/v1/sys/tools/hash",
    "/v1/sys/tools/hash/{algorithm}",
    "/v1/sys/tools/random",
    "/v1/sys/tools/random/{bytes}",
    "/v1/sys/tools/random/{source}/{bytes}",
    "/v1/transit/datakey/{kind}/{key}",
    "/v1/transit/decrypt/{key}",
    "/v1/transit/encrypt/{key}",
    "/v1/transit/export/{kind}/{key}",
    "/v1/transit/export/{kind}/{key}/{version}",
    "/v1/transit/hash",
    "/v1/transit/hash/{algorithm}",
    "/v1/transit/hmac/{key}",
    "/v1/transit/hmac/{key}/{algorithm}",
    "/v1/transit/keys",
    "/v1/transit/keys/{key}",
    "/v1/transit/keys/{key}/config",
    "/v1/transit/keys/{key}/rotate",
    "/v1/transit/keys/{key}/trim",
    "/v1/transit/random",
    "/v1/transit/random/{bytes}",
    "/v1/transit/random/{source}/{bytes}",
    "/v1/transit/rewrap/{key}",
    "/v1/transit/sign/{key}",
    "/v1/transit/sign/{key}/{algorithm}",
    "/v1/transit/verify/{key}",
    "/v1/transit/verify/{key}/{algorithm}",
];

/// The engines and tables of paths: below them a path is not supported, elsewhere no one handles it.
const MOUNTS: [&str; 3] = ["sys", "auth/token", "transit"];

/// What a call asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum VaultCall {
    /// Random bytes.
    Random(RandomPath),
    /// The state, as a status code.
    Health,
    /// The state of the seal.
    SealStatus,
    /// Whether there is a keyring.
    Init,
    /// The node that leads.
    Leader,
    /// The caller's own token.
    LookUpToken,
    /// A longer life of it.
    RenewToken,
    /// A hash, by the algorithm of the path or of the body.
    Hash(Option<String>),
    /// The names of keys.
    ListKeys,
    /// Something with one key.
    Key(KeyCall, KeyPath),
}

/// What is done with one key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum KeyCall {
    Create,
    Read,
    Delete,
    Configure,
    Rotate,
    Trim,
    Export { kind: String, version: Option<String> },
    Texts(TextWork),
}

/// What is done with texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TextWork {
    Encrypt,
    Decrypt,
    Rewrap,
    /// With the text, or without it.
    DataKey {
        is_shown: bool,
    },
    /// By the algorithm that the path names, or the body.
    Hmac(Option<String>),
    /// The same, of a MAC or a signature.
    Verify(Option<String>),
    /// The same.
    Sign(Option<String>),
}

/// The key that a path names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeyPath {
    /// With the owner that the call is about, once that is known.
    pub(crate) name: TransitName,
}

/// What a path says about random bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RandomPath {
    pub(crate) source: Option<String>,
    pub(crate) bytes: Option<String>,
}

/// Whether a path is one of those for random bytes.
pub(crate) fn is_random(path: &str) -> bool {
    after(path, "sys/tools/random").or_else(|| after(path, "transit/random")).is_some()
}

/// Whether a path is one of those for hashes.
pub(crate) fn is_hash(path: &str) -> bool {
    after(path, "sys/tools/hash").or_else(|| after(path, "transit/hash")).is_some()
}

/// Whether a path is answered to anyone: what a monitor or an unsealing client asks first.
pub(crate) fn is_for_monitors(path: &str) -> bool {
    matches!(path, "/v1/sys/health" | "/v1/sys/init" | "/v1/sys/seal-status" | "/v1/sys/leader")
}

/// The subject of a call, for the audit log.
pub(crate) fn asked(path: &str) -> Asked {
    if path.starts_with("/v1/transit/") && !is_random(path) {
        Asked::Keys
    } else {
        Asked::Elsewhere
    }
}

impl VaultCall {
    /// Whether the answer is more than the state of this service: such answers Vault wraps.
    pub(crate) fn gives_data(&self) -> bool {
        !matches!(
            self,
            Self::Health
                | Self::SealStatus
                | Self::Init
                | Self::Leader
                | Self::Key(KeyCall::Delete, _)
        )
    }

    /// Reads the method and the path of a request.
    pub(crate) fn parse(request: &Request<Incoming>) -> Result<Self, Refusal> {
        let uri = request.uri();
        let asks_for_list = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .any(|(name, value)| name == "list" && value == "true");
        let method = request.method();
        let is_list = method.as_str() == "LIST" || (*method == Method::GET && asks_for_list);
        Self::of(method, is_list, uri.path())
    }

    fn of(method: &Method, is_list: bool, path: &str) -> Result<Self, Refusal> {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let writes = matches!(*method, Method::POST | Method::PUT);
        let allowed = |is_allowed: bool, operation: Self| {
            if is_allowed { Ok(operation) } else { Err(unsupported_operation()) }
        };
        if let Some(rest) =
            after(path, "sys/tools/random").or_else(|| after(path, "transit/random"))
        {
            return allowed(writes, Self::Random(RandomPath::of(rest)));
        }
        match path.strip_prefix(PREFIX).unwrap_or_default().trim_end_matches('/') {
            "sys/health" => allowed(reads, Self::Health),
            "sys/seal-status" => allowed(reads, Self::SealStatus),
            "sys/init" => allowed(reads, Self::Init),
            "sys/leader" => allowed(reads, Self::Leader),
            "auth/token/lookup-self" => allowed(reads || writes, Self::LookUpToken),
            "auth/token/renew-self" => allowed(writes, Self::RenewToken),
            path => match path.split('/').collect::<Vec<_>>()[..] {
                ["transit" | "sys", .., ""] => Err(unknown(path)),
                ["transit", "hash"] | ["sys", "tools", "hash"] => allowed(writes, Self::Hash(None)),
                ["transit", "hash", name] | ["sys", "tools", "hash", name] => {
                    allowed(writes, Self::Hash(Some(name.to_owned())))
                }
                ["transit", ref rest @ ..] => Self::transit(method, is_list, rest, path),
                _ => Err(unknown(path)),
            },
        }
    }

    fn transit(
        method: &Method,
        is_list: bool,
        path: &[&str],
        whole: &str,
    ) -> Result<Self, Refusal> {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let writes = matches!(*method, Method::POST | Method::PUT);
        let deletes = *method == Method::DELETE;
        let (work, name, is_allowed) = match *path {
            ["keys"] if is_list => return Ok(Self::ListKeys),
            ["keys"] => return Err(unsupported_operation()),
            ["keys", name] if deletes => (KeyCall::Delete, name, true),
            ["keys", name] if reads => (KeyCall::Read, name, true),
            ["keys", name] => (KeyCall::Create, name, writes),
            ["keys", name, "config"] => (KeyCall::Configure, name, writes),
            ["keys", name, "rotate"] => (KeyCall::Rotate, name, writes),
            ["keys", name, "trim"] => (KeyCall::Trim, name, writes),
            ["export", kind, name] => {
                (KeyCall::Export { kind: kind.to_owned(), version: None }, name, reads)
            }
            ["export", kind, name, version] => {
                let (kind, version) = (kind.to_owned(), Some(version.to_owned()));
                (KeyCall::Export { kind, version }, name, reads)
            }
            ["encrypt", name] => (KeyCall::Texts(TextWork::Encrypt), name, writes),
            ["decrypt", name] => (KeyCall::Texts(TextWork::Decrypt), name, writes),
            ["rewrap", name] => (KeyCall::Texts(TextWork::Rewrap), name, writes),
            ["datakey", kind, name] => {
                let is_shown = match kind {
                    "plaintext" => true,
                    "wrapped" => false,
                    _ => {
                        let message = "Invalid path, must be 'plaintext' or 'wrapped'";
                        return Err(Refusal::invalid(message));
                    }
                };
                (KeyCall::Texts(TextWork::DataKey { is_shown }), name, writes)
            }
            ["hmac", name] => (KeyCall::Texts(TextWork::Hmac(None)), name, writes),
            ["hmac", name, by] => {
                (KeyCall::Texts(TextWork::Hmac(Some(by.to_owned()))), name, writes)
            }
            ["sign", name] => (KeyCall::Texts(TextWork::Sign(None)), name, writes),
            ["sign", name, by] => {
                (KeyCall::Texts(TextWork::Sign(Some(by.to_owned()))), name, writes)
            }
            ["verify", name] => (KeyCall::Texts(TextWork::Verify(None)), name, writes),
            ["verify", name, by] => {
                (KeyCall::Texts(TextWork::Verify(Some(by.to_owned()))), name, writes)
            }
            _ => return Err(unknown(whole)),
        };
        if !is_key_name(name) {
            return Err(unknown(whole));
        }
        let (purpose, owner) = (KeyPurpose::Transit, String::new());
        let name = TransitName { purpose, owner, name: name.to_owned() };
        if is_allowed {
            Ok(Self::Key(work, KeyPath { name }))
        } else {
            Err(unsupported_operation())
        }
    }
}

impl RandomPath {
    /// `SOURCE/BYTES`, or one of them.
    fn of(rest: &str) -> Self {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        match rest.split_once('/') {
            Some((source, bytes)) => Self { source: some(source), bytes: some(bytes) },
            None if matches!(rest, "platform" | "seal" | "all") => {
                Self { source: some(rest), bytes: None }
            }
            None => Self { source: None, bytes: some(rest) },
        }
    }
}

/// The rest of a path behind an endpoint and a slash.
fn after<'p>(path: &'p str, endpoint: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(PREFIX)?.strip_prefix(endpoint)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// The path is there, and does not have this method.
fn unsupported_operation() -> Refusal {
    let subject = Subject::Operation;
    Refusal::new(
        Class::MethodNotAllowed,
        subject,
        "1 error occurred:\n\t* unsupported operation\n\n",
    )
}

fn unknown(path: &str) -> Refusal {
    let is_below = |mount: &&str| {
        path.strip_prefix(*mount).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if MOUNTS.iter().any(is_below) {
        return Refusal::not_found("1 error occurred:\n\t* unsupported path\n\n");
    }
    let shown: String = path.chars().take(64).collect();
    Refusal::not_found(format!("no handler for route {shown:?}. route entry not found."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_segment_behind_random_is_a_source_or_else_a_count() {
        let of = |path: &str| match VaultCall::of(&Method::POST, false, path) {
            Ok(VaultCall::Random(asked)) => (asked.source, asked.bytes),
            other => panic!("{path}: {other:?}"),
        };
        let text = |text: &str| Some(text.to_owned());
        for base in ["/v1/sys/tools/random", "/v1/transit/random"] {
            assert_eq!(of(base), (None, None));
            assert_eq!(of(&format!("{base}/")), (None, None));
            assert_eq!(of(&format!("{base}/32")), (None, text("32")));
            assert_eq!(of(&format!("{base}/all")), (text("all"), None));
            assert_eq!(of(&format!("{base}/seal/8")), (text("seal"), text("8")));
            assert_eq!(of(&format!("{base}/8/9/10")), (text("8"), text("9/10")));
            assert!(is_random(base) && !is_random(&format!("{base}s")));
        }
    }
}
