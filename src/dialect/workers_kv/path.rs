//! Paths and queries of the dialect. A name may hold any letter, so paths are taken apart before they
//! are decoded: `a%2Fb` is one name.

use std::collections::BTreeMap;

use hyper::{Method, Uri};
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::dialect::workers_kv::envelope::Refusal;
use crate::keyring::NamespaceId;

/// The one account there is.
const ACCOUNT: &str = "default";

/// What a request asks for.
pub(crate) struct Target {
    pub(crate) call: Call,
    /// All zero where the call has none.
    pub(crate) namespace: NamespaceId,
    pub(crate) query: Query,
}

/// A record's name.
pub(crate) type Name = Zeroizing<String>;

/// Parameters, each by its last value. Those that are not known are left alone, as the service does.
pub(crate) struct Query(BTreeMap<String, String>);

/// The calls.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Call {
    CreateNamespace,
    ListNamespaces,
    GetNamespace,
    RenameNamespace,
    DeleteNamespace,
    ListKeys,
    GetValue(Name),
    GetMetadata(Name),
    PutValue(Name),
    DeleteValue(Name),
    BulkPut,
    BulkGet,
    BulkDelete,
}

impl Target {
    /// Reads method, path and query.
    pub(crate) fn parse(method: &Method, uri: &Uri) -> Result<Self, Refusal> {
        let rest = uri
            .path()
            .strip_prefix(crate::dialect::workers_kv::PREFIX)
            .ok_or_else(Refusal::no_route)?;
        let parts: Vec<_> = rest.splitn(8, '/').collect();
        let ["accounts", account, "storage", "kv", "namespaces", below @ ..] = &parts[..] else {
            return Err(Refusal::no_route());
        };
        if decode(account)?.as_str() != ACCOUNT {
            return Err(Refusal::no_account(ACCOUNT));
        }
        let query = Query::parse(uri.query().unwrap_or_default());
        let (id, rest) = match below {
            [] | [""] => {
                let call = match method.as_str() {
                    "GET" | "HEAD" => Call::ListNamespaces,
                    "POST" => Call::CreateNamespace,
                    _ => return Err(Refusal::method_not_allowed("GET, HEAD, POST")),
                };
                return Ok(Self { call, namespace: NamespaceId([0; 16]), query });
            }
            [id, rest @ ..] => (id, rest),
        };
        let namespace = NamespaceId::parse(id).ok_or_else(Refusal::namespace_not_found)?;
        Ok(Self { call: within(method, rest)?, namespace, query })
    }
}

/// What is asked of a namespace.
fn within(method: &Method, rest: &[&str]) -> Result<Call, Refusal> {
    match (rest, method.as_str()) {
        ([] | [""], "GET" | "HEAD") => Ok(Call::GetNamespace),
        ([] | [""], "PUT") => Ok(Call::RenameNamespace),
        ([] | [""], "DELETE") => Ok(Call::DeleteNamespace),
        (["keys"], "GET" | "HEAD") => Ok(Call::ListKeys),
        (["bulk"], "PUT") => Ok(Call::BulkPut),
        (["bulk"], "DELETE") | (["bulk", "delete"], "POST") => Ok(Call::BulkDelete),
        (["bulk", "get"], "POST") => Ok(Call::BulkGet),
        (["values", name], "GET" | "HEAD") => decode(name).map(Call::GetValue),
        (["values", name], "PUT") => decode(name).map(Call::PutValue),
        (["values", name], "DELETE") => decode(name).map(Call::DeleteValue),
        (["metadata", name], "GET" | "HEAD") => decode(name).map(Call::GetMetadata),
        _ => Err(methods(rest).map_or_else(Refusal::no_route, Refusal::method_not_allowed)),
    }
}

/// The methods that are answered at a path below a namespace.
fn methods(rest: &[&str]) -> Option<&'static str> {
    match rest {
        [] | [""] | ["values", _] => Some("GET, HEAD, PUT, DELETE"),
        ["keys"] | ["metadata", _] => Some("GET, HEAD"),
        ["bulk"] => Some("PUT, DELETE"),
        ["bulk", "delete" | "get"] => Some("POST"),
        _ => None,
    }
}

fn decode(part: &str) -> Result<Name, Refusal> {
    let decoded = percent_decode_str(part).decode_utf8();
    let decoded = decoded.map_err(|_| Refusal::invalid("the path is not UTF-8"))?;
    Ok(Zeroizing::new(decoded.into_owned()))
}

impl Query {
    fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// A parameter, unless it is absent or empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A whole number within `range`.
    pub(crate) fn number(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        // Some clients send numbers as 60.0.
        let whole = text.strip_suffix(".0").unwrap_or(text);
        match whole.parse().ok().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(Refusal::invalid(format!(
                "{name}: must be {} to {} (got {text})",
                range.start(),
                range.end()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "00112233445566778899aabbccddeeff";

    fn call(method: &str, path: &str) -> Result<Call, Refusal> {
        let uri = format!("/client/v4/accounts/default/storage/kv/namespaces{path}");
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        Target::parse(&method, &uri.parse().expect("a path")).map(|target| target.call)
    }

    fn name(name: &str) -> Name {
        Zeroizing::new(name.to_owned())
    }

    #[test]
    fn names_are_whole_whatever_is_in_them() {
        for (path, expected) in [
            ("plain", "plain"),
            ("a%2Fb%20c", "a/b c"),
            ("a/b", "a/b"),
            ("%C3%A4", "ä"),
            ("%3A%21%25%2B", ":!%+"),
            ("a+b", "a+b"),
            ("a/", "a/"),
            ("%2E%2E", ".."),
        ] {
            let parsed = call("GET", &format!("/{ID}/values/{path}")).expect("a name");
            assert_eq!(parsed, Call::GetValue(name(expected)), "{path}");
        }
        assert!(call("GET", &format!("/{ID}/values/%FF")).is_err(), "not UTF-8");
    }

    #[test]
    fn every_call_is_found_and_no_other() {
        for (method, path, expected) in [
            ("GET", "", Call::ListNamespaces),
            ("POST", "", Call::CreateNamespace),
            ("GET", &format!("/{ID}"), Call::GetNamespace),
            ("PUT", &format!("/{ID}"), Call::RenameNamespace),
            ("DELETE", &format!("/{ID}"), Call::DeleteNamespace),
            ("GET", &format!("/{ID}/keys"), Call::ListKeys),
            ("PUT", &format!("/{ID}/bulk"), Call::BulkPut),
            ("DELETE", &format!("/{ID}/bulk"), Call::BulkDelete),
            ("POST", &format!("/{ID}/bulk/delete"), Call::BulkDelete),
            ("POST", &format!("/{ID}/bulk/get"), Call::BulkGet),
            ("PUT", &format!("/{ID}/values/x"), Call::PutValue(name("x"))),
            ("DELETE", &format!("/{ID}/values/x"), Call::DeleteValue(name("x"))),
            ("GET", &format!("/{ID}/metadata/x"), Call::GetMetadata(name("x"))),
        ] {
            assert_eq!(call(method, path).expect("a call"), expected, "{method} {path}");
        }
        for (method, path) in [
            ("PATCH", String::new()),
            ("POST", format!("/{ID}/keys")),
            ("GET", format!("/{ID}/bulk/get")),
            ("GET", format!("/{ID}/nothing")),
            ("GET", "/short".to_owned()),
        ] {
            assert!(call(method, &path).is_err(), "{method} {path}");
        }
    }

    #[test]
    fn where_a_method_is_not_answered_it_is_said_which_are_and_those_are() {
        for path in ["", "/ID", "/ID/keys", "/ID/bulk", "/ID/bulk/get", "/ID/bulk/delete"]
            .into_iter()
            .chain(["/ID/values/x", "/ID/metadata/x"])
        {
            let path = path.replace("ID", ID);
            let answer = call("PATCH", &path).expect_err("no method of ours").response();
            assert_eq!(answer.status(), 405, "{path}");
            let allowed = answer.headers()["allow"].to_str().expect("text").to_owned();
            for method in ["GET", "HEAD", "POST", "PUT", "DELETE"] {
                let is_allowed = allowed.split(", ").any(|one| one == method);
                assert_eq!(is_allowed, call(method, &path).is_ok(), "{method} {path}: {allowed}");
            }
        }
    }

    #[test]
    fn only_the_one_account_is_there() {
        let parse = |account: &str| {
            let uri = format!("/client/v4/accounts/{account}/storage/kv/namespaces");
            Target::parse(&Method::GET, &uri.parse().expect("a path")).is_ok()
        };
        assert!(parse("default"));
        assert!(!parse("other") && !parse(""));
    }

    #[test]
    fn numbers_are_bounded_on_both_sides() {
        let query = Query::parse("limit=10&ttl=60.0&bad=x&empty=");
        let number = |name, range| query.number(name, range).map_err(|_| ());
        assert_eq!(number("limit", 10..=1000), Ok(Some(10)));
        assert_eq!(number("ttl", 60..=100), Ok(Some(60)));
        assert_eq!(number("limit", 11..=1000), Err(()));
        assert_eq!(number("limit", 1..=9), Err(()));
        assert_eq!(number("bad", 1..=9), Err(()));
        assert_eq!(number("empty", 1..=9), Ok(None));
        assert_eq!(number("absent", 1..=9), Ok(None));
    }
}
