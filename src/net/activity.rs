//! Whether a connection is alive: which side waits for the other, by the bytes written.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::least_rate::PacedAnswers;
use crate::net::lingering_close::LingeringClose;

/// The state of one connection. One thread writes all of it, so the atomics cost nothing.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    answered: AtomicU64,
    written: AtomicU64,
    blocked: AtomicBool,
    busy: AtomicU32,
    is_sending: AtomicBool,
    /// Answers that the client must read at the least rate.
    pub(crate) paced: Arc<PacedAnswers>,
}

/// The bytes of a connection at the last check.
#[derive(Debug, Default)]
pub(crate) struct SentBytes {
    answered: u64,
    written: u64,
}

impl Activity {
    /// Counts written bytes that are of an answer.
    pub(crate) fn add_answered(&self, bytes: usize) {
        self.answered.fetch_add(bytes as u64, Relaxed);
    }

    /// Marks that the client waits for the service, until the guard is dropped.
    pub(crate) fn busy(activity: &Arc<Self>) -> Busy {
        activity.busy.fetch_add(1, Relaxed);
        Busy(Arc::clone(activity))
    }

    /// Marks that a request was answered before all of it was read: its client may still be sending.
    pub(crate) fn still_sends(&self) {
        self.is_sending.store(true, Relaxed);
    }

    /// Whether the client took some of an answer since the last check, or waits for the service.
    /// Updates `progress`.
    pub(crate) fn is_alive_since(&self, progress: &mut SentBytes) -> bool {
        let last = std::mem::replace(progress, self.progress());
        let is_blocked = self.blocked.load(Relaxed);
        progress.answered != last.answered
            // What waits behind TLS was counted as answered when it was encrypted.
            || (is_blocked && progress.written != last.written)
            || (!is_blocked && self.busy.load(Relaxed) > 0)
    }

    /// Whether nothing is being answered: nothing of an answer was written since the last check, the
    /// client could have read more, and no answer is under way. Updates `progress`.
    pub(crate) fn is_idle_since(&self, progress: &mut SentBytes) -> bool {
        let last = std::mem::replace(progress, self.progress());
        progress.answered == last.answered
            && !self.blocked.load(Relaxed)
            && self.busy.load(Relaxed) == 0
    }

    fn progress(&self) -> SentBytes {
        SentBytes { answered: self.answered.load(Relaxed), written: self.written.load(Relaxed) }
    }
}

/// See [`Activity::busy`].
pub(crate) struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Relaxed);
    }
}

/// A socket whose writes are recorded.
///
/// Reads are not: a client that sends its request byte by byte is as idle as one that sends nothing.
/// [`AnswerMeter`](crate::net::answer_meter::AnswerMeter) counts which of the written bytes are of an
/// answer.
pub(crate) struct Watched<S> {
    socket: S,
    activity: Arc<Activity>,
    linger: LingeringClose,
}

impl<S> Watched<S> {
    pub(crate) fn new(socket: S, activity: Arc<Activity>) -> Self {
        Self { socket, activity, linger: LingeringClose::default() }
    }

    fn record(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.activity.blocked.store(result.is_pending(), Relaxed);
        if let Poll::Ready(Ok(bytes)) = &result {
            self.activity.written.fetch_add(*bytes as u64, Relaxed);
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.record(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write_vectored(cx, pieces);
        self.record(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, activity, linger } = &mut *self;
        if activity.is_sending.load(Relaxed) {
            return linger.poll(socket, cx);
        }
        Pin::new(socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_idle_when_nobody_waits_for_an_answer() {
        let activity = Arc::new(Activity::default());
        let mut seen = SentBytes::default();
        assert!(activity.is_idle_since(&mut seen));
        activity.add_answered(10);
        assert!(!activity.is_idle_since(&mut seen), "something went out");
        assert!(activity.is_idle_since(&mut seen));
        activity.blocked.store(true, Relaxed);
        assert!(!activity.is_idle_since(&mut seen), "the rest waits for the client");
        activity.blocked.store(false, Relaxed);
        let busy = Activity::busy(&activity);
        assert!(!activity.is_idle_since(&mut seen), "the answer is being made");
        drop(busy);
        assert!(activity.is_idle_since(&mut seen));
    }

    #[test]
    fn a_client_is_alive_while_it_takes_bytes_or_waits_for_us() {
        let activity = Arc::new(Activity::default());
        let mut seen = SentBytes::default();
        assert!(!activity.is_alive_since(&mut seen), "nothing ever went out");
        activity.add_answered(10);
        assert!(activity.is_alive_since(&mut seen));
        assert!(!activity.is_alive_since(&mut seen), "and nothing since");
        activity.written.store(10, Relaxed);
        assert!(!activity.is_alive_since(&mut seen), "what went out is of no answer");
        let busy = Activity::busy(&activity);
        assert!(activity.is_alive_since(&mut seen), "it waits for us");
        activity.blocked.store(true, Relaxed);
        assert!(!activity.is_alive_since(&mut seen), "it does not read");
        activity.written.store(20, Relaxed);
        assert!(activity.is_alive_since(&mut seen), "it reads slowly");
        activity.blocked.store(false, Relaxed);
        drop(busy);
        assert!(!activity.is_alive_since(&mut seen));
    }
}
