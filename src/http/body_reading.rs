//! Request bodies: bounded in size, in time, and all together in memory.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::header::EXPECT;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::http::refusal::Refusal;
use lavawall_entropy::append_secret;

/// Memory for the bodies of all connections together, in MiB. When it is used up, further bodies
/// wait.
const BODIES_MIB: usize = 256;

/// The most that is read and dropped of a body that is not needed, in bytes, and for how long.
const DISCARDED_BYTES: usize = 64 * 1024;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// A whole body. Zeroized when dropped.
pub(crate) type ReceivedBody = Zeroizing<Vec<u8>>;

/// Reads the bodies of all connections.
#[derive(Debug)]
pub(crate) struct BodyReader {
    memory: Semaphore,
    /// The most time between two frames of a body.
    idle_timeout: Duration,
}

impl BodyReader {
    pub(crate) fn new(idle_timeout: Duration) -> Self {
        Self { memory: Semaphore::new(BODIES_MIB), idle_timeout }
    }

    /// Receives a body of at most `limit` bytes.
    pub(crate) async fn receive(
        &self,
        request: &mut Request<Incoming>,
        limit: usize,
    ) -> Result<ReceivedBody, Refusal> {
        let body = request.body_mut();
        let announced = body.size_hint().exact().and_then(|len| usize::try_from(len).ok());
        if announced.is_some_and(|len| len > limit) {
            return Err(Refusal::body_too_large(limit));
        }
        let most = announced.unwrap_or(limit);
        let mib = u32::try_from(most >> 20).unwrap_or(u32::MAX) + 1;
        let memory = timeout(self.idle_timeout, self.memory.acquire_many(mib)).await;
        let Ok(Ok(_memory)) = memory else {
            return Err(Refusal::unavailable("too much is being written at once, try later"));
        };
        let mut received = Zeroizing::new(Vec::with_capacity(announced.unwrap_or(0)));
        loop {
            let frame = match timeout(self.idle_timeout, body.frame()).await {
                Err(_) => return Err(Refusal::too_slow()),
                Ok(None) => return Ok(received),
                Ok(Some(Err(_))) => return Err(Refusal::invalid("the body is cut short")),
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(data) = frame.into_data() else { continue };
            if received.len() + data.len() > limit {
                return Err(Refusal::body_too_large(limit));
            }
            append_secret(&mut received, &data);
        }
    }

    /// Receives JSON of at most `limit` bytes.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        request: &mut Request<Incoming>,
        limit: usize,
    ) -> Result<T, Refusal> {
        let received = self.receive(request, limit).await?;
        serde_json::from_slice(&received).map_err(|error| Refusal::invalid(json_fault(&error)))
    }
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
