//! Whether a connection is alive: who waits for whom, seen from the bytes that go out.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::lingering_close::Linger;

/// What one connection does. One thread writes all of it, so the atomics cost nothing.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    written: AtomicU64,
    blocked: AtomicBool,
    busy: AtomicU32,
    sends: AtomicBool,
}

impl Activity {
    /// Says that the service, not the client, is who keeps the other waiting, until the guard is
    /// dropped.
    pub(crate) fn busy(activity: &Arc<Self>) -> Busy {
        activity.busy.fetch_add(1, Relaxed);
        Busy(Arc::clone(activity))
    }

    /// Says that a request was answered before all of it was read: its client may still be sending.
    pub(crate) fn still_sends(&self) {
        self.sends.store(true, Relaxed);
    }

    /// Whether the client did something since `written` bytes had gone out, or is not the one to
    /// do something. `written` is brought up to date.
    pub(crate) fn is_alive_since(&self, written: &mut u64) -> bool {
        self.has_written_since(written)
            || (self.busy.load(Relaxed) > 0 && !self.blocked.load(Relaxed))
    }

    /// Whether nothing is being answered: nothing went out since `written` bytes had, the client
    /// could have taken more, and nobody works on an answer. `written` is brought up to date.
    pub(crate) fn is_idle_since(&self, written: &mut u64) -> bool {
        !self.has_written_since(written)
            && !self.blocked.load(Relaxed)
            && self.busy.load(Relaxed) == 0
    }

    /// Whether more has gone out than `written` bytes, which is brought up to date.
    fn has_written_since(&self, written: &mut u64) -> bool {
        let now = self.written.load(Relaxed);
        now != std::mem::replace(written, now)
    }
}

/// See [`Activity::busy`].
pub(crate) struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Relaxed);
    }
}

/// A socket whose writes are noted.
///
/// Reads are not: a client that sends its request a byte at a time is as idle as one that sends
/// nothing. Every answer and every piece of one shows up as bytes written.
pub(crate) struct Watched<S> {
    socket: S,
    activity: Arc<Activity>,
    linger: Linger,
}

impl<S> Watched<S> {
    pub(crate) fn new(socket: S, activity: Arc<Activity>) -> Self {
        Self { socket, activity, linger: Linger::default() }
    }

    fn note(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
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
        self.note(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write_vectored(cx, pieces);
        self.note(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, activity, linger } = &mut *self;
        if activity.sends.load(Relaxed) {
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
        let mut seen = 0;
        assert!(activity.is_idle_since(&mut seen));
        activity.written.store(10, Relaxed);
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
        let mut seen = 0;
        assert!(!activity.is_alive_since(&mut seen), "nothing ever went out");
        activity.written.store(10, Relaxed);
        assert!(activity.is_alive_since(&mut seen));
        assert!(!activity.is_alive_since(&mut seen), "and nothing since");
        let busy = Activity::busy(&activity);
        assert!(activity.is_alive_since(&mut seen), "it waits for us");
        activity.blocked.store(true, Relaxed);
        assert!(!activity.is_alive_since(&mut seen), "it does not read");
        activity.blocked.store(false, Relaxed);
        drop(busy);
        assert!(!activity.is_alive_since(&mut seen));
    }
}
