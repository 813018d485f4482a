//! The answer to a request: its status, and its body as a stream or whole.

use std::io::{self, Read};
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use parking_lot::Mutex;
use tokio::runtime::Runtime;

use crate::client::error::{ClientError, with_causes};
use crate::client::secret_buffer::SecretBuffer;
use crate::client::transport::HttpConnection;

/// The most of an error answer that is read, in bytes.
const ERROR_BYTES: u64 = 64 * 1024;

/// The most of an error's reason that is shown, in characters.
const REASON_LENGTH: usize = 500;

/// An answer whose body is still to be read.
pub(crate) struct ServiceAnswer {
    status: u16,
    body: AnswerBody,
    /// How errors name the service.
    url: String,
}

impl ServiceAnswer {
    pub(crate) fn new(status: u16, body: AnswerBody, url: String) -> Self {
        Self { status, body, url }
    }

    /// The status code.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// This answer if its status is one of `accepted`.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the reason in the body, for any other status.
    pub(crate) fn accepted(self, accepted: &[u16]) -> Result<Self, ClientError> {
        if accepted.contains(&self.status()) {
            return Ok(self);
        }
        let Self { status, body, url } = self;
        Err(ClientError::Refused { url, status, reason: reason(body) })
    }

    /// The body, as it arrives.
    pub(crate) fn into_reader(self) -> impl Read + use<> {
        self.body
    }

    /// The whole body, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`ClientError::BrokenOff`] when the body is longer, or ends early.
    pub(crate) fn read(self, limit: usize) -> Result<SecretBuffer, ClientError> {
        let Self { body, url, .. } = self;
        SecretBuffer::read(body, limit)
            .map_err(|error| ClientError::BrokenOff { url, reason: error.to_string() })
    }
}

/// The connection of a client that waits for the next call.
#[derive(Default)]
pub(crate) struct IdleConnection(Mutex<Option<HttpConnection>>);

impl IdleConnection {
    /// Takes the connection out, where there is one.
    pub(crate) fn take(&self) -> Option<HttpConnection> {
        self.0.lock().take()
    }

    fn put(&self, connection: HttpConnection) {
        *self.0.lock() = Some(connection);
    }
}

/// A body as it arrives. Once it is read to its end its connection is idle; dropped before, the
/// connection is closed.
pub(crate) struct AnswerBody {
    // Before the runtime that drives it.
    body: Incoming,
    /// Arrived and not read yet.
    chunk: Bytes,
    connection: Option<HttpConnection>,
    idle: Arc<IdleConnection>,
    runtime: Arc<Runtime>,
}

impl AnswerBody {
    pub(crate) fn new(
        runtime: Arc<Runtime>,
        body: Incoming,
        connection: HttpConnection,
        idle: Arc<IdleConnection>,
    ) -> Self {
        Self { body, chunk: Bytes::new(), connection: Some(connection), idle, runtime }
    }
}

impl Read for AnswerBody {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() && !buffer.is_empty() {
            let Some(frame) = self.runtime.block_on(self.body.frame()) else {
                if let Some(connection) = self.connection.take() {
                    self.idle.put(connection);
                }
                return Ok(0);
            };
            let frame = frame.map_err(|error| io::Error::other(with_causes(&error)))?;
            // Anything else is a trailer.
            self.chunk = frame.into_data().unwrap_or_default();
        }
        let length = self.chunk.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.chunk.split_to(length));
        Ok(length)
    }
}

/// The reason in an error answer, printable characters only: the detail of a problem+json (RFC 9457),
/// the messages of an envelope, or the text itself.
fn reason(body: AnswerBody) -> String {
    let mut text = Vec::new();
    let _ = body.take(ERROR_BYTES).read_to_end(&mut text);
    let parsed = serde_json::from_slice::<serde_json::Value>(&text).ok();
    let reason = parsed.and_then(|answer| detail(&answer).or_else(|| messages(&answer)));
    let reason = reason.unwrap_or_else(|| String::from_utf8_lossy(&text).into_owned());
    reason.chars().filter(|letter| !letter.is_control()).take(REASON_LENGTH).collect()
}

fn detail(problem: &serde_json::Value) -> Option<String> {
    let detail = problem.get("detail")?.as_str()?;
    let limit = problem.get("limit").and_then(|limit| limit.as_str());
    Some(limit.map_or_else(|| detail.to_owned(), |limit| format!("{detail} ({limit})")))
}

fn messages(envelope: &serde_json::Value) -> Option<String> {
    let errors = envelope.get("errors")?.as_array()?;
    let messages: Vec<_> = errors.iter().filter_map(|it| it.get("message")?.as_str()).collect();
    (!messages.is_empty()).then(|| messages.join("; "))
}
