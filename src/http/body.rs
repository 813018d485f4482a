//! The body of any answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Frame, SizeHint};
use hyper::body::Bytes;
use zeroize::Zeroizing;

use crate::caller::tenant::Reservation;
use crate::http::buffer::BUFFER_BYTES;
use crate::http::memory_budget::MemoryPermit;
use crate::http::meters::Meters;
use crate::http::stream::RandomStream;
use crate::http::stream_turns::StreamTurn;
use crate::net::activity::{Activity, Busy};
use crate::net::least_rate::{PacedAnswer, PacedAnswers, SentMeter};
use crate::net::service::BodyError;
use crate::service_log::log_limit::LogLimit;

/// Lines about answers that are cut short, one per long answer.
static CUT_ANSWERS: LogLimit = LogLimit::new();

/// The body of any answer. An error cuts the connection: the caller sees fewer bytes than were
/// announced and cannot take them for the whole.
pub(crate) enum Body {
    /// All of it at once.
    Whole(Option<Bytes>),
    /// With a permit for its memory, which the client must read at the least rate.
    Held(Box<HeldBody>),
    /// Made as it is sent.
    Random(Box<RandomBody>),
}

/// A [`RandomStream`] that is sent.
pub(crate) struct RandomBody {
    stream: RandomStream,
    meters: Arc<Meters>,
    first: Option<Bytes>,
    /// The bytes that are charged as they are sent; `None` for HEAD.
    reservation: Option<Reservation>,
    turn: StreamTurn,
    activity: Arc<Activity>,
    /// While it waits for its turn.
    waits: Option<Busy>,
}

/// The permit for the memory of an answer, and the answers of its connection that have one.
pub(crate) struct AnswerPermit {
    pub(crate) memory: MemoryPermit,
    pub(crate) paced: Arc<PacedAnswers>,
}

/// The rest of an answer with a permit.
pub(crate) struct HeldBody {
    rest: Bytes,
    sent: SentMeter,
}

/// An answer, and what it holds until its last byte was written.
struct HeldAnswer {
    bytes: Zeroizing<Vec<u8>>,
    _permit: MemoryPermit,
    _paced: PacedAnswer,
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
    pub(crate) fn held(bytes: Zeroizing<Vec<u8>>, permit: AnswerPermit) -> Self {
        let AnswerPermit { mut memory, paced } = permit;
        memory.shrink(bytes.capacity());
        let (paced, sent) = PacedAnswers::begin(&paced);
        let answer = HeldAnswer { bytes, _permit: memory, _paced: paced };
        Self::Held(Box::new(HeldBody { rest: Bytes::from_owner(answer), sent }))
    }

    /// A body of `first` and the rest of `stream`.
    pub(crate) fn random(
        first: Bytes,
        stream: RandomStream,
        meters: Arc<Meters>,
        reservation: Option<Reservation>,
        activity: Arc<Activity>,
    ) -> Self {
        let (caller, first) = (reservation.as_ref().map_or(0, Reservation::caller), Some(first));
        let turn = StreamTurn::of(caller);
        let waits = None;
        let body = RandomBody { stream, meters, first, reservation, turn, activity, waits };
        Self::Random(Box::new(body))
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
            Self::Held(held) => Poll::Ready(held.next_piece().map(|piece| Ok(Frame::data(piece)))),
            Self::Random(random) => random.poll_buffer(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Held(held) => held.rest.is_empty(),
            Self::Random(random) => random.length() == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Held(held) => SizeHint::with_exact(held.rest.len() as u64),
            Self::Random(random) => SizeHint::with_exact(random.length()),
        }
    }
}

impl HeldBody {
    /// As much as the transport takes at a time: what it has taken shows how fast the client reads.
    fn next_piece(&mut self) -> Option<Bytes> {
        let piece = self.rest.split_to(self.rest.len().min(BUFFER_BYTES));
        self.sent.add(piece.len());
        Some(piece).filter(|piece| !piece.is_empty())
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
        if self.length() == 0 {
            return Poll::Ready(None);
        }
        let mut reservation = self.reservation.as_mut();
        let wait = || match &mut reservation {
            Some(reservation) => reservation.wait(BUFFER_BYTES as u64),
            None => Duration::ZERO,
        };
        if self.turn.poll(cx, wait).is_pending() {
            // The client waits for the service, and is not idle.
            self.waits.get_or_insert_with(|| Activity::busy(&self.activity));
            return Poll::Pending;
        }
        self.waits = None;
        if let Some(first) = self.first.take() {
            self.turn.end();
            self.charge(&first);
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let buffer = self.stream.next_buffer();
        self.turn.end();
        match buffer {
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
