//! The body of a request.

use std::borrow::Cow;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::watch;

use crate::client::secret_buffer::SecretBuffer;

/// How much hyper takes at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// The body of a request and its media type.
pub(crate) struct Payload {
    /// The media type.
    pub(crate) media_type: Cow<'static, str>,
    /// All bytes; zeroized once they are sent, or sending has failed.
    pub(crate) bytes: SecretBuffer,
}

impl Payload {
    /// A body of JSON.
    pub(crate) fn json(bytes: impl Into<SecretBuffer>) -> Self {
        Self { media_type: "application/json".into(), bytes: bytes.into() }
    }
}

/// A body as hyper takes it: in chunks, which share the payload's memory.
pub(crate) struct PayloadBody {
    rest: Bytes,
    /// Notified of every chunk taken; closed when hyper has dropped the body.
    taken: watch::Sender<()>,
}

impl PayloadBody {
    /// The body, and the receiver of its progress.
    pub(crate) fn new(bytes: SecretBuffer) -> (Self, watch::Receiver<()>) {
        let (taken, progress) = watch::channel(());
        (Self { rest: Bytes::from_owner(bytes), taken }, progress)
    }
}

impl Body for PayloadBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(CHUNK_BYTES);
        let chunk = self.rest.split_to(length);
        self.taken.send_replace(());
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
