//! Why a request is refused: a class that every dialect maps in the same way, and the subject and
//! words that each dialect renders in a shape of its own.

mod of_store;
mod of_tenants;

use std::borrow::Cow;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{ALLOW, CONNECTION, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};

use crate::caller::permission::Needed;
use crate::http::query::Invalid;
use crate::service_log::log_limit::LogLimit;
use lavawall_entropy::{NotReady, Quorum};

/// Lines about refusals of the generator, one per request.
static NOT_READY: LogLimit = LogLimit::new();

/// When to try again, in seconds, after a fault that has no time of its own.
const RETRY_AFTER_SECONDS: u64 = 5;

/// The class of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// The request is malformed or out of a limit.
    Invalid,
    /// The caller is not identified.
    Unauthenticated,
    /// The caller's secret is not the right one, or it may not do this.
    Forbidden,
    /// The object does not exist.
    NotFound,
    /// The path does not have this method.
    MethodNotAllowed,
    /// The caller accepts none of the formats.
    NotAcceptable,
    /// The request is for another host.
    Misdirected,
    /// The client stopped sending.
    TooSlow,
    /// The object's state does not allow it.
    Conflict,
    /// The request or its answer is too large.
    TooLarge,
    /// A limit of the tenant is exceeded.
    TooManyRequests,
    /// Stored data is damaged, or its key is gone.
    Damaged,
    /// A fault in this program.
    Internal,
    /// Applied, but not completely or not durably.
    Incomplete,
    /// Impossible now, perhaps possible later.
    Unavailable,
}

impl Class {
    /// The status code of the class.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Damaged | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Incomplete | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// The subject of a refusal, where a dialect has a code or members for it.
#[derive(Debug)]
pub(crate) enum Subject {
    /// The keyring, the store, a body: the words say it all.
    Operation,
    /// The path.
    Path,
    /// The method, and those that are allowed.
    Method(&'static str),
    /// The host that a request names, and those that are right.
    Host {
        /// What would be right.
        limit: &'static str,
        /// What was given.
        value: String,
    },
    /// The site whose page sent a request.
    Sender {
        /// The header that names it.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// The bearer token.
    Token,
    /// The headers of another way to identify a caller, which this service does not have.
    ForeignCredentials,
    /// The permission that is needed.
    Permission(String),
    /// A limit of the tenant.
    Limit(Box<LimitRefusal>),
    /// A parameter of the query.
    Parameter(Box<Invalid>),
    /// The `Accept` header, and the media types on offer.
    Accept(String),
    /// The generator's seed.
    Seed(Box<NotReady>),
    /// A fresh seed, and the time that was waited for it.
    FreshSeed(Duration),
    /// The number of connections.
    Connections,
    /// A namespace of records.
    Namespace,
    /// The title of a namespace.
    Title,
    /// A record.
    Record,
    /// A part of a call to the store.
    Part(Part),
}

/// A limit that a call exceeds.
#[derive(Debug)]
pub(crate) struct LimitRefusal {
    pub(crate) field: &'static str,
    pub(crate) limit: String,
    pub(crate) value: String,
    /// `None` when time alone does not help.
    pub(crate) retry_after: Option<Duration>,
}

/// The parts of a call to the store for which a dialect has codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The identifier of a namespace.
    NamespaceId,
    /// The number of items on a page.
    Limit,
    /// The place in a list where a page begins.
    Cursor,
    /// The member by which a list is sorted.
    Order,
    /// Whether a list ascends or descends.
    Direction,
    /// The characters of a record's name.
    Name,
    /// The length of a record's name.
    NameLength,
    /// The time at which a record expires.
    Expiration,
    /// The time until a record expires.
    TimeToLive,
    /// The metadata of a record.
    Metadata,
}

/// Why a request is not answered with the requested object.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) class: Class,
    pub(crate) subject: Subject,
    /// For any caller: no path, no system message.
    pub(crate) message: Cow<'static, str>,
    /// For the operator, where that is more.
    operator_message: Option<String>,
    /// Whether stored data, a disk or the system is at fault: the operator should find it in the log.
    pub(crate) is_fault: bool,
}

impl Refusal {
    /// A refusal of `class` about `subject`.
    pub(crate) fn new(
        class: Class,
        subject: Subject,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { class, subject, message: message.into(), operator_message: None, is_fault: false }
    }

    /// The same, with a message for the operator that says more.
    pub(crate) fn with_operator_message(self, message: impl Into<String>) -> Self {
        Self { operator_message: Some(message.into()), ..self }
    }

    /// The message for the operator.
    pub(crate) fn operator_message(&self) -> &str {
        self.operator_message.as_deref().unwrap_or(&self.message)
    }

    /// The same refusal as the operator may see it.
    pub(crate) fn for_operator(mut self) -> Self {
        if let Some(message) = self.operator_message.take() {
            self.message = message.into();
        }
        self
    }

    /// The same, caused by stored data, a disk or the system.
    fn into_fault(self) -> Self {
        Self { is_fault: true, ..self }
    }

    /// Nothing is at this path.
    pub(crate) fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Class::NotFound, Subject::Path, message)
    }

    /// The path does not have this method; it has those of `allow` (RFC 9110 §15.5.6).
    pub(crate) fn method_not_allowed(
        allow: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(Class::MethodNotAllowed, Subject::Method(allow), message)
    }

    /// None of `offers` is acceptable.
    pub(crate) fn not_acceptable(offers: &[&str]) -> Self {
        Self::new(
            Class::NotAcceptable,
            Subject::Accept(offers.join(", ")),
            "none of the media types in Accept can be given",
        )
    }

    /// No token, or an unknown one.
    pub(crate) fn unauthenticated() -> Self {
        Self::new(
            Class::Unauthenticated,
            Subject::Token,
            "a bearer token that this service knows is needed",
        )
    }

    /// The caller is no tenant whose use is recorded.
    pub(crate) fn no_tenant() -> Self {
        let message = "only a tenant of the service has recorded use: send its token";
        Self::new(Class::Unauthenticated, Subject::Token, message)
    }

    /// The tenant may not do this.
    pub(crate) fn not_permitted(needed: Needed<'_>) -> Self {
        let permission = needed.to_string();
        let message = format!("this tenant has not the permission {permission}");
        Self::new(Class::Forbidden, Subject::Permission(permission), message)
    }

    /// A part of a call is malformed, or out of a limit.
    pub(crate) fn invalid_part(part: Part, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Class::Invalid, Subject::Part(part), message)
    }

    /// The same, about a part of a call.
    pub(crate) fn about(self, part: Part) -> Self {
        Self { subject: Subject::Part(part), ..self }
    }

    /// Malformed, or out of a limit.
    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Class::Invalid, Subject::Operation, message)
    }

    /// The body is too long.
    pub(crate) fn body_too_large(limit: usize) -> Self {
        let message = format!("the request's body has more than {limit} bytes");
        Self::new(Class::TooLarge, Subject::Operation, message)
    }

    /// The call needs `bytes` bytes of memory, and one call can have `most`.
    pub(crate) fn beyond_memory(bytes: usize, most: usize) -> Self {
        let message = format!(
            "the call needs {bytes} bytes of memory, and kv.memory leaves {most} for one call"
        );
        Self::new(Class::TooLarge, Subject::Operation, message)
    }

    /// The client stopped sending, or sends too slowly.
    pub(crate) fn too_slow() -> Self {
        let message = "the request's body did not come in time";
        Self::new(Class::TooSlow, Subject::Operation, message)
    }

    /// Impossible now, perhaps possible later.
    pub(crate) fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Class::Unavailable, Subject::Operation, message)
    }

    /// A panic; it was printed where it happened.
    pub(crate) fn internal() -> Self {
        let refusal = Self::new(
            Class::Internal,
            Subject::Operation,
            "an internal fault; nothing was answered",
        );
        refusal.with_operator_message("an internal fault; the log has more")
    }

    /// The store and its keyring could not be read at the start.
    pub(crate) fn no_store() -> Self {
        let message = "the store could not be read at the start; the operator's log has the reason";
        Self::unavailable(message).with_operator_message(
            "the keyring could not be read at the start; `lavawall status` and the log have the \
             reason",
        )
    }

    /// `fresh=true` waited for as long as it may.
    pub(crate) fn not_fresh(waited: Duration) -> Self {
        Self::new(
            Class::Unavailable,
            Subject::FreshSeed(waited),
            "the sources did not give enough new entropy while this request waited",
        )
    }

    /// All connections are in use.
    pub(crate) fn overloaded() -> Self {
        let message = "all connections are in use, try later";
        Self::new(Class::Unavailable, Subject::Connections, message)
    }

    /// Adds the headers that belong to the refusal in every dialect.
    pub(crate) fn add_headers(&self, headers: &mut HeaderMap) {
        match &self.subject {
            Subject::Method(allow) => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Subject::Host { .. } if self.class == Class::Invalid => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Subject::Token | Subject::ForeignCredentials
                if self.class == Class::Unauthenticated =>
            {
                let realm = HeaderValue::from_static("Bearer realm=\"lavawall\"");
                headers.insert(WWW_AUTHENTICATE, realm);
            }
            _ => {}
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
    }

    fn retry_after(&self) -> Option<u64> {
        match &self.subject {
            Subject::Seed(why) => Some(match **why {
                NotReady::Expired(_) => 30,
                NotReady::Halted(_) => 300,
                _ => 2,
            }),
            Subject::FreshSeed(waited) => Some(waited.as_secs().max(1)),
            Subject::Limit(limit) => {
                let seconds = limit.retry_after?.as_millis().div_ceil(1000).max(1);
                u64::try_from(seconds).ok()
            }
            _ => (self.class == Class::Unavailable).then_some(RETRY_AFTER_SECONDS),
        }
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        let message = invalid.to_string();
        Self::new(Class::Invalid, Subject::Parameter(Box::new(invalid)), message)
    }
}

/// The generator refuses: callers get the kinds of source that are present and the number that is
/// needed, the log gets the operator's side.
impl From<NotReady> for Refusal {
    fn from(why: NotReady) -> Self {
        if NOT_READY.passes() {
            tracing::warn!("requests are refused: {why}");
        }
        let message = match &why {
            NotReady::Starting(quorum) => {
                format!("the first seed is not made yet: {}", outline(quorum)).into()
            }
            NotReady::Expired(quorum) => {
                format!("the last seed may no longer be used: {}", outline(quorum)).into()
            }
            NotReady::Halted(_) => {
                Cow::Borrowed("a self-test failed; the operator has to look at it")
            }
            _ => Cow::Borrowed("the generator cannot answer at the moment"),
        };
        Self::new(Class::Unavailable, Subject::Seed(Box::new(why)), message)
    }
}

/// The quorum as callers may know it: kinds and numbers, no names of devices.
fn outline(quorum: &Quorum) -> String {
    let present: Vec<_> = quorum.present.iter().map(|kind| kind.name()).collect();
    let mut text = format!(
        "{} of {} independent kinds of source are healthy ({})",
        present.len(),
        quorum.needed,
        if present.is_empty() { "none".to_owned() } else { present.join(", ") },
    );
    if !quorum.missing_required.is_empty() {
        text.push_str("; a source that is required is missing");
    }
    if quorum.overdue {
        text.push_str("; the next seed is overdue");
    }
    text
}
