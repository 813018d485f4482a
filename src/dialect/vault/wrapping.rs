//! Response wrapping, which is not there: an answer in clear to a client that asked for a wrapped one would put
//! its secret where the client does not expect it.

use hyper::HeaderMap;
use hyper::header::HeaderName;

use crate::http::refusal::Refusal;

/// The life of a wrapped answer; without it, or with zero, an answer is not wrapped.
const TTL: HeaderName = HeaderName::from_static("x-vault-wrap-ttl");

/// Whether a client asks for a wrapped answer.
pub(crate) fn is_asked(headers: &HeaderMap) -> bool {
    headers.get_all(TTL).iter().any(|ttl| !matches!(ttl.as_bytes().trim_ascii(), b"" | b"0"))
}

/// The refusal of such a call.
pub(crate) fn refused() -> Refusal {
    Refusal::invalid("response wrapping is not supported")
}
