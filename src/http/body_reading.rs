//! Request bodies: bounded in size, in time by their size, and all together in memory.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::header::EXPECT;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::Zeroizing;

use crate::api::bounded_list::TOO_MANY;
use crate::api::json::without_mark;
use crate::http::memory_budget::{MemoryBudget, MemoryPermit, TINY_BYTES};
use crate::http::refusal::Refusal;
use crate::net::least_rate;
use lavawall_entropy::append_secret;

/// The most that is read and dropped of a body that is not needed, in bytes, and for how long.
const DISCARDED_BYTES: usize = 64 * 1024;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// A whole body, and the permit for it. Zeroized when dropped.
pub(crate) struct ReceivedBody {
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    pub(crate) permit: MemoryPermit,
}

/// The limits of one body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// The most bytes.
    pub(crate) bytes: usize,
    /// Memory for each byte while the body is worked on.
    pub(crate) copies: usize,
}

/// Reads the bodies of all connections.
#[derive(Debug)]
pub(crate) struct BodyReader {
    /// The most time between two frames of a body.
    idle_timeout: Duration,
}

impl BodyReader {
    pub(crate) fn new(idle_timeout: Duration) -> Self {
        Self { idle_timeout }
    }

    /// Receives a body. A body of unknown length counts as a small one until more of it has come.
    pub(crate) async fn receive(
        &self,
        memory: &MemoryBudget,
        request: &mut Request<Incoming>,
        limits: BodyLimits,
    ) -> Result<ReceivedBody, Refusal> {
        let limit = limits.bytes;
        let body = request.body_mut();
        let announced = body.size_hint().exact().and_then(|len| usize::try_from(len).ok());
        if announced.is_some_and(|len| len > limit) {
            return Err(Refusal::body_too_large(limit));
        }
        let mut most = announced.unwrap_or(limit.min(TINY_BYTES / limits.copies));
        let mut permit = memory.take(most * limits.copies).await?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(announced.unwrap_or(0)));
        let started = Instant::now();
        loop {
            let rate_time = least_rate::time_for(bytes.len() as u64);
            let deadline =
                (Instant::now() + self.idle_timeout).min(started + self.idle_timeout + rate_time);
            let frame = match timeout_at(deadline, body.frame()).await {
                Err(_) => return Err(Refusal::too_slow()),
                Ok(None) => return Ok(ReceivedBody { bytes, permit }),
                Ok(Some(Err(_))) => return Err(Refusal::invalid("the body is cut short")),
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(data) = frame.into_data() else { continue };
            let len = bytes.len() + data.len();
            if len > limit {
                return Err(Refusal::body_too_large(limit));
            }
            if len > most {
                most = limit.min(memory.most() / limits.copies);
                if len > most {
                    return Err(Refusal::beyond_memory(len * limits.copies, memory.most()));
                }
                permit = memory.take(most * limits.copies).await?;
                // Growing step by step, it would be there twice at each step.
                let mut whole = Zeroizing::new(Vec::with_capacity(most));
                append_secret(&mut whole, &bytes);
                bytes = whole;
            }
            append_secret(&mut bytes, &data);
        }
    }

    /// Receives JSON of at most `limit` bytes.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        memory: &MemoryBudget,
        request: &mut Request<Incoming>,
        limit: usize,
    ) -> Result<T, Refusal> {
        let limits = BodyLimits { bytes: limit, copies: 2 };
        let received = self.receive(memory, request, limits).await?;
        read_json(&received.bytes)
    }
}

/// Reads a body of JSON.
pub(crate) fn read_json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(without_mark(body)).map_err(|error| Refusal::invalid(json_fault(&error)))
}

/// Reads and drops the rest of a request's body, as far as it is short and arrives at once, so that
/// the connection can go on. Returns whether that was all.
///
/// A client that waits for permission to send its body (`Expect: 100-continue`) gets none: the
/// answer is there.
pub(crate) async fn discard(request: &mut Request<Incoming>) -> bool {
    let expects_permission = request.headers().contains_key(EXPECT);
    let body = request.body_mut();
    if body.is_end_stream() || expects_permission {
        return body.is_end_stream();
    }
    let read = async {
        let mut left = DISCARDED_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, hyper::body::Bytes::len);
            let Some(rest) = left.checked_sub(length) else { return false };
            left = rest;
        }
        true
    };
    // The rest of a slower body is drained when the connection closes (lingering close).
    timeout(DISCARD_TIMEOUT, read).await.unwrap_or(false)
}

/// The fault of a JSON body, and its place.
fn json_fault(error: &serde_json::Error) -> String {
    let place = format!("line {}, column {}", error.line(), error.column());
    let text = error.to_string();
    // Its other messages quote the input; this one names a member of ours.
    let missing = text.split_once(" at line").map(|(fault, _)| fault);
    if let Some(count) = missing.filter(|fault| fault.starts_with(TOO_MANY)) {
        return count.to_owned();
    }
    match missing.filter(|fault| fault.starts_with("missing field `")) {
        Some(missing) => format!("the body is not the JSON that belongs here: {missing}, {place}"),
        None => format!("the body is not the JSON that belongs here: {place}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_member_is_named_and_nothing_that_was_sent_is() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "only refused")]
        struct Titled {
            title: String,
        }
        for (body, named) in [
            ("{\"secret\":1}", "missing field `title`, line 1, column 12"),
            ("{\"title\":\"secret", "line 1, column 16"),
            ("{\"title\":[\"secret\"]}", "line 1, column 9"),
            ("\"missing field `secret` at line\"", "line 1, column 32"),
        ] {
            let error = serde_json::from_str::<Titled>(body).expect_err("not that");
            let text = json_fault(&error);
            assert!(text.ends_with(named) && !text.contains("secret"), "{body}: {text}");
        }
    }
}
