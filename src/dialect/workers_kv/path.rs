//! Paths and queries of the dialect. A name may hold any letter, so paths are split before they are
//! decoded: `a%2Fb` is one name.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use hyper::{Method, Uri};
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::api::store::{ANY_NAMES, NAMES, PAGE_ITEMS, PageInfo};
use crate::http::refusal::{Class, Part, Refusal, Subject};
use crate::keyring::NamespaceId;

/// The start of the dialect's paths.
pub(crate) const PREFIX: &str = "/client/v4/";

/// The path templates.
pub(crate) const ENDPOINTS: [&str; 13] = [
    "/client/v4/user",
    "/client/v4/user/tokens/verify",
    "/client/v4/memberships",
    "/client/v4/accounts",
    "/client/v4/accounts/{account}",
    "/client/v4/accounts/{account}/storage/kv/namespaces",
    "/client/v4/accounts/{account}/storage/kv/namespaces/{namespace}",
    "/client/v4/accounts/{account}/storage/kv/namespaces/{namespace}/keys",
    "/client/v4/accounts/{account}/storage/kv/namespaces/{namespace}/values/{name}",
    "/client/v4/accounts/{account}/storage/kv/namespaces/{namespace}/metadata/{name}",
    "/client/v4/accounts/{account}/storage/kv/namespaces/{namespace}/bulk",
    "/client/v4/accounts/{account}/storage/kv/namespaces/{namespace}/bulk/get",
    "/client/v4/accounts/{account}/storage/kv/namespaces/{namespace}/bulk/delete",
];

/// The only account.
pub(crate) const ACCOUNT: &str = "default";

/// The operation of a request and its object.
pub(crate) struct Target {
    pub(crate) operation: Operation,
    /// All zero where the operation has none.
    pub(crate) namespace: NamespaceId,
    pub(crate) query: KvQuery,
}

/// A record's name.
pub(crate) type DecodedName = Zeroizing<String>;

/// Parameters, each by its last value. Unknown ones are ignored, as the service does.
pub(crate) struct KvQuery(BTreeMap<String, String>);

/// The operations.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    VerifyToken,
    GetUser,
    ListAccounts,
    GetAccount,
    ListMemberships,
    CreateNamespace,
    ListNamespaces,
    GetNamespace,
    RenameNamespace,
    DeleteNamespace,
    ListKeys,
    GetValue(DecodedName),
    GetMetadata(DecodedName),
    PutValue(DecodedName),
    DeleteValue(DecodedName),
    BulkPut,
    BulkGet,
    BulkDelete,
}

impl Target {
    /// Reads method, path and query.
    pub(crate) fn parse(method: &Method, uri: &Uri) -> Result<Self, Refusal> {
        let rest = uri.path().strip_prefix(PREFIX).ok_or_else(no_route)?;
        let parts: Vec<_> = rest.splitn(8, '/').collect();
        let of_no_namespace = |operation| {
            let query = KvQuery::parse(uri.query().unwrap_or_default());
            Self { operation, namespace: NamespaceId([0; 16]), query }
        };
        let about_caller = match &parts[..] {
            ["user"] => Some(Operation::GetUser),
            ["user", "tokens", "verify"] => Some(Operation::VerifyToken),
            ["memberships"] => Some(Operation::ListMemberships),
            ["accounts"] => Some(Operation::ListAccounts),
            _ => None,
        };
        if let Some(operation) = about_caller {
            return only_read(method, operation).map(of_no_namespace);
        }
        let (account, below) = match &parts[..] {
            ["accounts", account] => (account, None),
            ["accounts", account, "storage", "kv", "namespaces", below @ ..] => {
                (account, Some(below))
            }
            _ => return Err(no_route()),
        };
        if decode(account)?.as_str() != ACCOUNT {
            let message = format!("could not route: the only account here is {ACCOUNT}");
            return Err(Refusal::not_found(message));
        }
        let Some(below) = below else {
            return only_read(method, Operation::GetAccount).map(of_no_namespace);
        };
        let (id, rest) = match below {
            [] | [""] => {
                let operation = match method.as_str() {
                    "GET" | "HEAD" => Operation::ListNamespaces,
                    "POST" => Operation::CreateNamespace,
                    _ => return Err(method_not_allowed("GET, HEAD, POST")),
                };
                return Ok(of_no_namespace(operation));
            }
            [id, rest @ ..] => (id, rest),
        };
        let namespace = NamespaceId::parse(id).ok_or_else(|| {
            let why = "namespace id: must be 32 lowercase hexadecimal digits (got ";
            Refusal::invalid_part(Part::NamespaceId, format!("{why}{})", shortened(id)))
        })?;
        Ok(Self { namespace, ..of_no_namespace(within(method, rest)?) })
    }
}

/// An operation that has no other method than GET.
fn only_read(method: &Method, operation: Operation) -> Result<Operation, Refusal> {
    match method.as_str() {
        "GET" | "HEAD" => Ok(operation),
        _ => Err(method_not_allowed("GET, HEAD")),
    }
}

/// The operation on a namespace.
fn within(method: &Method, rest: &[&str]) -> Result<Operation, Refusal> {
    match (rest, method.as_str()) {
        ([] | [""], "GET" | "HEAD") => Ok(Operation::GetNamespace),
        ([] | [""], "PUT") => Ok(Operation::RenameNamespace),
        ([] | [""], "DELETE") => Ok(Operation::DeleteNamespace),
        (["keys"], "GET" | "HEAD") => Ok(Operation::ListKeys),
        (["bulk"], "PUT") => Ok(Operation::BulkPut),
        (["bulk"], "DELETE") | (["bulk", "delete"], "POST") => Ok(Operation::BulkDelete),
        (["bulk", "get"], "POST") => Ok(Operation::BulkGet),
        (["values", name], "GET" | "HEAD") => decode(name).map(Operation::GetValue),
        (["values", name], "PUT") => decode(name).map(Operation::PutValue),
        (["values", name], "DELETE") => decode(name).map(Operation::DeleteValue),
        (["metadata", name], "GET" | "HEAD") => decode(name).map(Operation::GetMetadata),
        _ => Err(methods(rest).map_or_else(no_route, method_not_allowed)),
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

fn no_route() -> Refusal {
    Refusal::not_found("could not route: no such object or path")
}

fn method_not_allowed(allow: &'static str) -> Refusal {
    let message = format!("this method is not answered here: use {allow}");
    Refusal::method_not_allowed(allow, message)
}

/// The refusal of a call about a namespace that does not exist.
pub(crate) fn namespace_not_found() -> Refusal {
    Refusal::new(Class::NotFound, Subject::Namespace, "namespace not found")
}

/// The start of a value that is repeated to the caller.
pub(crate) fn shortened(value: &str) -> String {
    const MOST_CHARS: usize = 64;
    value.chars().take(MOST_CHARS).collect()
}

fn decode(part: &str) -> Result<DecodedName, Refusal> {
    let decoded = percent_decode_str(part).decode_utf8();
    let decoded = decoded.map_err(|_| Refusal::invalid("the path is not UTF-8"))?;
    Ok(Zeroizing::new(decoded.into_owned()))
}

/// Items per numbered page by default, as Cloudflare has it, and at the most.
const PER_PAGE: u64 = 20;
const PER_PAGE_LIMIT: u64 = PAGE_ITEMS as u64;

/// The place of a numbered page in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NumberedPage {
    /// From 1.
    pub(crate) number: u64,
    /// The most items.
    pub(crate) size: usize,
}

impl NumberedPage {
    /// The number of items before it.
    pub(crate) fn skipped(self) -> usize {
        let before = usize::try_from(self.number - 1).unwrap_or(usize::MAX);
        before.saturating_mul(self.size)
    }

    /// How it is told: `count` items are on it, and `total` on all pages.
    pub(crate) fn info(self, count: usize, total: usize) -> PageInfo {
        PageInfo {
            count: count as u64,
            cursor: None,
            page: Some(self.number),
            per_page: Some(self.size as u64),
            total_count: Some(total as u64),
            total_pages: Some(total.div_ceil(self.size) as u64),
        }
    }
}

impl KvQuery {
    /// The numbered page that is asked for, the first one by default.
    pub(crate) fn page(&self) -> Result<NumberedPage, Refusal> {
        let number = self.number("page", 1..=u64::from(u32::MAX))?.unwrap_or(1);
        let size = self.number("per_page", 1..=PER_PAGE_LIMIT)?.unwrap_or(PER_PAGE);
        Ok(NumberedPage { number, size: usize::try_from(size).unwrap_or(PAGE_ITEMS) })
    }

    fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// A parameter, unless it is absent or empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a write may have a name that clients of the service could not write.
    pub(crate) fn allows_any_name(&self) -> bool {
        self.text(NAMES) == Some(ANY_NAMES)
    }

    /// A whole number within `range`.
    pub(crate) fn number(
        &self,
        name: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Refusal> {
        // Some clients send numbers as 60.0.
        self.whole_part(name, range, |fraction| fraction.bytes().all(|digit| digit == b'0'))
    }

    /// A number of seconds within `range`; a fraction of a second is dropped.
    pub(crate) fn seconds(
        &self,
        name: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Refusal> {
        self.whole_part(name, range, |fraction| fraction.bytes().all(|it| it.is_ascii_digit()))
    }

    fn whole_part(
        &self,
        name: &str,
        range: RangeInclusive<u64>,
        may_follow: impl Fn(&str) -> bool,
    ) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let number = whole.parse().ok().filter(|number| range.contains(number));
        match number.filter(|_| !fraction.is_empty() && may_follow(fraction)) {
            Some(number) => Ok(Some(number)),
            None => Err(Refusal::invalid(format!(
                "{name}: must be {} to {} (got {})",
                range.start(),
                range.end(),
                shortened(text)
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::workers_kv::envelope;

    const ID: &str = "00112233445566778899aabbccddeeff";

    fn call(method: &str, path: &str) -> Result<Operation, Refusal> {
        let uri = format!("/client/v4/accounts/default/storage/kv/namespaces{path}");
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        Target::parse(&method, &uri.parse().expect("a path")).map(|target| target.operation)
    }

    fn name(name: &str) -> DecodedName {
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
            assert_eq!(parsed, Operation::GetValue(name(expected)), "{path}");
        }
        assert!(call("GET", &format!("/{ID}/values/%FF")).is_err(), "not UTF-8");
    }

    #[test]
    fn every_call_is_found_and_no_other() {
        for (method, path, expected) in [
            ("GET", "", Operation::ListNamespaces),
            ("POST", "", Operation::CreateNamespace),
            ("GET", &format!("/{ID}"), Operation::GetNamespace),
            ("PUT", &format!("/{ID}"), Operation::RenameNamespace),
            ("DELETE", &format!("/{ID}"), Operation::DeleteNamespace),
            ("GET", &format!("/{ID}/keys"), Operation::ListKeys),
            ("PUT", &format!("/{ID}/bulk"), Operation::BulkPut),
            ("DELETE", &format!("/{ID}/bulk"), Operation::BulkDelete),
            ("POST", &format!("/{ID}/bulk/delete"), Operation::BulkDelete),
            ("POST", &format!("/{ID}/bulk/get"), Operation::BulkGet),
            ("PUT", &format!("/{ID}/values/x"), Operation::PutValue(name("x"))),
            ("DELETE", &format!("/{ID}/values/x"), Operation::DeleteValue(name("x"))),
            ("GET", &format!("/{ID}/metadata/x"), Operation::GetMetadata(name("x"))),
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
            let answer = call("PATCH", &path).expect_err("no method of ours");
            let answer = envelope::render(&answer);
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
        let query = KvQuery::parse("limit=10&ttl=60.0&part=60.5&bad=x&dot=60.&two=6.0.0&empty=");
        let number = |name, range| query.number(name, range).map_err(|_| ());
        assert_eq!(number("limit", 10..=1000), Ok(Some(10)));
        assert_eq!(number("ttl", 60..=100), Ok(Some(60)));
        assert_eq!(number("limit", 11..=1000), Err(()));
        assert_eq!(number("limit", 1..=9), Err(()));
        assert_eq!(number("bad", 1..=9), Err(()));
        assert_eq!(number("empty", 1..=9), Ok(None));
        assert_eq!(number("absent", 1..=9), Ok(None));
        assert_eq!(number("part", 1..=99), Err(()));
        let seconds = |name| query.seconds(name, 10..=60).map_err(|_| ());
        assert_eq!(seconds("part"), Ok(Some(60)));
        assert_eq!(seconds("limit"), Ok(Some(10)));
        assert_eq!((seconds("bad"), seconds("dot"), seconds("two")), (Err(()), Err(()), Err(())));
    }
}
