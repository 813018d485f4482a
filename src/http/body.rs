//! The body of any answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http_body::{Frame, SizeHint};
use hyper::body::Bytes;
use zeroize::Zeroizing;

use crate::caller::tenant::Reservation;
use crate::http::memory_budget::MemoryPermit;
use crate::http::meters::Meters;
use crate::http::stream::RandomStream;
use crate::net::service::BodyError;
use crate::service_log::log_limit::LogLimit;

/// Lines about answers that are cut short, one per long answer.
static CUT_ANSWERS: LogLimit = LogLimit::new();

/// Polled between two buffers, so that one long answer lets the thread serve the others.
type Pause = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The body of any answer. An error cuts the connection: the caller sees fewer bytes than were
/// announced and cannot take them for the whole.
pub(crate) enum Body {
    /// All of it at once.
    Whole(Option<Bytes>),
    /// Made as it is sent.
    Random(Box<RandomBody>),
}

/// A [`RandomStream`] that is sent.
pub(crate) struct RandomBody {
    stream: RandomStream,
    meters: Arc<Meters>,
    first: Option<Bytes>,
    /// The bytes that are charged as they are sent.
    reservation: Option<Reservation>,
    pause: Option<Pause>,
}

/// An answer, and the permit for its memory.
struct HeldAnswer {
    bytes: Zeroizing<Vec<u8>>,
    _permit: MemoryPermit,
}

impl AsRef<[u8]> for HeldAnswer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Body {
    /// A complete body.
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()).filter(|bytes: &Bytes| !bytes.is_empty()))
    }

    /// A complete body, whose memory is free once it was sent. Zeroized then.
    pub(crate) fn held(bytes: Zeroizing<Vec<u8>>, mut permit: MemoryPermit) -> Self {
        permit.shrink(bytes.capacity());
        Self::whole(Bytes::from_owner(HeldAnswer { bytes, _permit: permit }))
    }

    /// A body of `first` and the rest of `stream`.
    pub(crate) fn random(
        first: Bytes,
        stream: RandomStream,
        meters: Arc<Meters>,
        reservation: Option<Reservation>,
    ) -> Self {
        let first = Some(first);
        Self::Random(Box::new(RandomBody { stream, meters, first, reservation, pause: None }))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Random(random) => random.poll_buffer(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Random(random) => random.length() == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Random(random) => SizeHint::with_exact(random.length()),
        }
    }
}

impl RandomBody {
    fn length(&self) -> u64 {
        self.first.as_ref().map_or(0, Bytes::len) as u64 + self.stream.length()
    }

    fn charge(&mut self, sent: &Bytes) {
        if let Some(reservation) = &mut self.reservation {
            reservation.charge(sent.len() as u64);
        }
    }

    fn poll_buffer(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(first) = self.first.take() {
            self.charge(&first);
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if self.stream.length() == 0 {
            return Poll::Ready(None);
        }
        // yield_now is woken after the driver has polled every other connection.
        let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::task::yield_now()));
        ready!(pause.as_mut().poll(cx));
        self.pause = None;
        match self.stream.next_buffer() {
            Ok(buffer) => {
                if let Some(buffer) = &buffer {
                    self.meters.add_bytes(buffer.len());
                    self.charge(buffer);
                }
                Poll::Ready(buffer.map(|buffer| Ok(Frame::data(buffer))))
            }
            Err(why) => {
                if CUT_ANSWERS.passes() {
                    tracing::warn!("an answer is cut short: {why}");
                }
                Poll::Ready(Some(Err(why.into())))
            }
        }
    }
}
