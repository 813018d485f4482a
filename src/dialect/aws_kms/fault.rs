//! Errors as clients of AWS know them: a code, a message, and 400 for nearly all.

use std::borrow::Cow;

use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::caller::tenants::TenantError;
use crate::http::body::Body;
use crate::http::refusal::{Class, Refusal, Subject};
use crate::http::respond::json;
use crate::keyring::KeyringError;
use crate::kv::KvError;
use crate::service_log::log_limit::LogLimit;
use lavawall_entropy::NotReady;

/// The media type of requests and answers.
pub(crate) const MEDIA_TYPE: &str = "application/x-amz-json-1.1";

/// Lines about faults, of which callers learn no more than that there is one.
static FAULTS: LogLimit = LogLimit::new();

/// An error.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Its name, by which clients tell it.
    pub(crate) code: &'static str,
    message: Cow<'static, str>,
    status: StatusCode,
    /// The refusal that it comes from.
    refusal: Option<Box<Refusal>>,
}

#[derive(Serialize)]
struct Shown<'a> {
    __type: &'a str,
    message: &'a str,
}

impl Fault {
    fn new(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), status: StatusCode::BAD_REQUEST, refusal: None }
    }

    /// A member is not valid.
    pub(crate) fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("ValidationException", message)
    }

    /// A member is out of its range. Of the value 64 characters are shown.
    pub(crate) fn constraint(value: impl std::fmt::Display, member: &str, most: &str) -> Self {
        let value: String = value.to_string().chars().take(64).collect();
        Self::validation(format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: \
             {most}"
        ))
    }

    /// The body is not of the form.
    pub(crate) fn serialization() -> Self {
        Self::new("SerializationException", "The body is no JSON of this operation.")
    }

    /// The operation is none of this service.
    pub(crate) fn unknown_operation() -> Self {
        Self::new("UnknownOperationException", "The operation is not supported.")
    }

    /// The operation does not do this.
    pub(crate) fn unsupported(message: &'static str) -> Self {
        Self::new("UnsupportedOperationException", message)
    }

    /// There is no such key or alias.
    pub(crate) fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new("NotFoundException", format!("{what} does not exist"))
    }

    /// The alias is taken.
    pub(crate) fn exists(alias: &str) -> Self {
        Self::new(
            "AlreadyExistsException",
            format!("An alias with the name {alias} already exists"),
        )
    }

    /// The key is disabled.
    pub(crate) fn disabled(arn: &str) -> Self {
        Self::new("DisabledException", format!("{arn} is disabled."))
    }

    /// The key's state does not allow it.
    pub(crate) fn state(arn: &str, state: &str) -> Self {
        Self::new("KMSInvalidStateException", format!("{arn} is {state}."))
    }

    /// The version of a sealed text opens nothing, except to seal it again.
    pub(crate) fn revoked(arn: &str, version: u32) -> Self {
        Self::new("KMSInvalidStateException", format!("Version {version} of {arn} is revoked."))
    }

    /// The key is of another usage.
    pub(crate) fn usage(arn: &str, usage: &str) -> Self {
        let message = format!("{arn} key usage is {usage} which is not valid for this operation.");
        Self::new("InvalidKeyUsageException", message)
    }

    /// The sealed text does not open. As with AWS, nothing says why.
    pub(crate) fn ciphertext() -> Self {
        Self::new("InvalidCiphertextException", "")
    }

    /// The sealed text is of another key than the call names.
    pub(crate) fn incorrect_key() -> Self {
        let message =
            "The key ID in the request does not identify a key that can perform this operation.";
        Self::new("IncorrectKeyException", message)
    }

    /// The MAC is not that of the message.
    pub(crate) fn mac() -> Self {
        Self::new("KMSInvalidMacException", "")
    }

    /// The tenant may not do this.
    pub(crate) fn denied(tenant: &str, what: &str) -> Self {
        let message =
            format!("Tenant {tenant} is not authorized to perform this operation on {what}");
        Self::new("AccessDeniedException", message)
    }

    /// There are too many.
    pub(crate) fn limit(message: String) -> Self {
        Self::new("LimitExceededException", message)
    }

    /// Whether the caller is not known.
    pub(crate) fn is_unidentified(&self) -> bool {
        matches!(
            self.code,
            "MissingAuthenticationTokenException"
                | "IncompleteSignatureException"
                | "UnrecognizedClientException"
                | "InvalidSignatureException"
        )
    }

    /// The call would have succeeded, and asked for nothing to be done.
    pub(crate) fn dry_run() -> Self {
        let message = "The request would have succeeded, but the DryRun option is set.";
        Self::new("DryRunOperationException", message)
    }

    /// The request is not signed.
    pub(crate) fn no_signature() -> Self {
        Self::new("MissingAuthenticationTokenException", "Request is missing Authentication Token")
    }

    /// The signature has not all of its parts.
    pub(crate) fn incomplete_signature(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("IncompleteSignatureException", message)
    }

    /// The access key is not known, or counts no more.
    pub(crate) fn unknown_access_key() -> Self {
        let message = "The security token included in the request is invalid.";
        Self::new("UnrecognizedClientException", message)
    }

    /// The signature is another one.
    pub(crate) fn wrong_signature() -> Self {
        let message = "The request signature we calculated does not match the signature you provided. Check \
                       your AWS Secret Access Key and signing method. Consult the service documentation for \
                       details.";
        Self::new("InvalidSignatureException", message)
    }

    /// The request is of another time.
    pub(crate) fn skewed(message: String) -> Self {
        Self::new("InvalidSignatureException", message)
    }

    /// The answer. Faults of this service go to the log.
    pub(crate) fn render(&self) -> Response<Body> {
        let refusal = self.refusal.as_deref();
        if let Some(refusal) = refusal.filter(|it| it.is_fault)
            && FAULTS.passes()
        {
            tracing::error!("{}", refusal.operator_message());
        }
        let shown = Shown { __type: self.code, message: &self.message };
        let mut response = of_amazon(json(self.status, &shown));
        if let Some(refusal) = refusal {
            refusal.add_headers(response.headers_mut());
        }
        response
    }
}

/// The code and the message, as the log shows them.
impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let told = self.refusal.as_deref().map_or(&*self.message, |it| it.operator_message());
        write!(f, "{}: {told}", self.code)
    }
}

/// The answer with the media type of this interface.
fn of_amazon(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    response
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        if refusal.class == Class::Unauthenticated {
            return Self::unknown_access_key();
        }
        let (code, status) = match (refusal.class, &refusal.subject) {
            (Class::TooManyRequests, Subject::Limit(limit))
                if matches!(limit.field, "requests" | "authorization") =>
            {
                ("ThrottlingException", StatusCode::BAD_REQUEST)
            }
            (Class::TooManyRequests, _) => ("LimitExceededException", StatusCode::BAD_REQUEST),
            (Class::Forbidden, _) => ("AccessDeniedException", StatusCode::BAD_REQUEST),
            (Class::NotFound, _) => ("NotFoundException", StatusCode::BAD_REQUEST),
            (Class::Unavailable | Class::Incomplete, _) => {
                ("ServiceUnavailableException", StatusCode::SERVICE_UNAVAILABLE)
            }
            (Class::Damaged | Class::Internal, _) => {
                ("KMSInternalException", StatusCode::INTERNAL_SERVER_ERROR)
            }
            (Class::TooSlow, _) => ("RequestTimeoutException", StatusCode::REQUEST_TIMEOUT),
            (Class::TooLarge, _) => ("RequestEntityTooLarge", StatusCode::PAYLOAD_TOO_LARGE),
            _ => ("ValidationException", StatusCode::BAD_REQUEST),
        };
        let message = refusal.message.clone();
        Self { code, message, status, refusal: Some(Box::new(refusal)) }
    }
}

impl From<KeyringError> for Fault {
    fn from(error: KeyringError) -> Self {
        match error {
            KeyringError::TooMany { .. } => Self::new("LimitExceededException", error.to_string()),
            error => Refusal::from(error).into(),
        }
    }
}

impl From<TenantError> for Fault {
    fn from(error: TenantError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<KvError> for Fault {
    fn from(error: KvError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<NotReady> for Fault {
    fn from(error: NotReady) -> Self {
        Refusal::from(error).into()
    }
}
