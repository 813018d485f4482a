//! Paths and methods as operations.

use hyper::body::Incoming;
use hyper::{Method, Request};

use crate::audit::Asked;
use crate::http::refusal::{Class, Refusal, Subject};

/// The start of every path.
pub(crate) const PREFIX: &str = "/v1/";

/// The path templates.
pub(crate) const ENDPOINTS: [&str; 11] = [
    "/v1/auth/token/lookup-self",
    "/v1/auth/token/renew-self",
    "/v1/sys/health",
    "/v1/sys/leader",
    "/v1/sys/seal-status",
    "/v1/sys/tools/random",
    "/v1/sys/tools/random/{bytes}",
    "/v1/sys/tools/random/{source}/{bytes}",
    "/v1/transit/random",
    "/v1/transit/random/{bytes}",
    "/v1/transit/random/{source}/{bytes}",
];

/// The engines and tables of paths: below them a path is not supported, elsewhere no one handles it.
const MOUNTS: [&str; 3] = ["sys", "auth/token", "transit"];

/// What a call asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Random bytes.
    Random(RandomPath),
    /// The state, as a status code.
    Health,
    /// The state of the seal.
    SealStatus,
    /// The node that leads.
    Leader,
    /// The caller's own token.
    LookUpToken,
    /// A longer life of it.
    RenewToken,
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

/// Whether a path is answered to anyone: what a monitor or an unsealing client asks first.
pub(crate) fn is_for_monitors(path: &str) -> bool {
    matches!(path, "/v1/sys/health" | "/v1/sys/seal-status" | "/v1/sys/leader")
}

/// The subject of a call, for the audit log.
pub(crate) fn asked(path: &str) -> Asked {
    if path.starts_with("/v1/transit/") && !is_random(path) {
        Asked::Keys
    } else {
        Asked::Elsewhere
    }
}

impl Operation {
    /// Reads the method and the path of a request.
    pub(crate) fn parse(request: &Request<Incoming>) -> Result<Self, Refusal> {
        Self::of(request.method(), request.uri().path())
    }

    fn of(method: &Method, path: &str) -> Result<Self, Refusal> {
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
            "sys/leader" => allowed(reads, Self::Leader),
            "auth/token/lookup-self" => allowed(reads || writes, Self::LookUpToken),
            "auth/token/renew-self" => allowed(writes, Self::RenewToken),
            path => Err(unknown(path)),
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
    if MOUNTS.iter().any(|mount| is_below(&mount)) {
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
        let of = |path: &str| match Operation::of(&Method::POST, path) {
            Ok(Operation::Random(asked)) => (asked.source, asked.bytes),
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
