//! The id of a request, which its answer repeats: the caller's own, or one that is made.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// The header.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id of a caller, in bytes.
const LENGTH_MOST: usize = 128;

/// Connections since the start.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// The ids of one connection's requests: the time of its start, its number and that of the request. They are
/// unique, and not secret.
#[derive(Debug)]
pub(crate) struct RequestIds {
    began: u128,
    connection: u64,
    requests: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        let began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let connection = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        Self { began: began.as_millis(), connection, requests: AtomicU64::new(0) }
    }
}

impl RequestIds {
    /// The id of the next request, which has these headers.
    pub(crate) fn next(&self, headers: &HeaderMap) -> HeaderValue {
        let mut given = headers.get_all(REQUEST_ID).iter();
        if let (Some(id), None) = (given.next(), given.next())
            && is_well_formed(id.as_bytes())
        {
            return id.clone();
        }
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:x}-{:x}-{number:x}", self.began, self.connection);
        HeaderValue::try_from(id).expect("digits and dashes are a header")
    }
}

/// Whether an id is taken over: 1 to 128 letters, digits and `-._~+/=:@`.
fn is_well_formed(id: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=:@".contains(byte);
    (1..=LENGTH_MOST).contains(&id.len()) && id.iter().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_well_formed_id_is_taken_over_and_another_is_made_unlike_all_others() {
        let ids = RequestIds::default();
        let given = |ids: &RequestIds, values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(REQUEST_ID, HeaderValue::from_str(value).expect("a value"));
            }
            ids.next(&headers).to_str().expect("text").to_owned()
        };
        let longest = "x".repeat(LENGTH_MOST);
        for id in
            ["a", "1c4f8a1e-9d3b-4f6e-8a4e-0c2f7b1d5e6f", "Root=1-67891233:a/b+c~d@e", &longest]
        {
            assert_eq!(given(&ids, &[id]), id);
        }
        let too_long = "x".repeat(LENGTH_MOST + 1);
        let other = RequestIds::default();
        let mut made = Vec::new();
        for values in [&[][..], &["a", "b"], &["a b"], &["{}"], &["\"a\""], &[""], &[&too_long]] {
            made.extend([given(&ids, values), given(&other, values)]);
        }
        let count = made.len();
        made.sort_unstable();
        made.dedup();
        assert_eq!(made.len(), count);
        assert!(
            made.iter().all(|id| is_well_formed(id.as_bytes()) && id.matches('-').count() == 2)
        );
    }
}
