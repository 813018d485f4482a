//! The bytes of answers on a connection, apart from what the protocol says by itself.
//!
//! ```text
//! HTTP/1    "HTTP/1.1 200 OK…"                                every byte is of an answer
//! HTTP/2    length (3) type (1) flags (1) stream (4) payload   of an answer: DATA, HEADERS, CONTINUATION
//! ```
//! A client of HTTP/2 that only sends PING or SETTINGS makes the service write as often as it likes, and
//! so does one of TLS 1.3 that asks for new keys: neither takes an answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::activity::Activity;

/// Bytes before the payload of a frame, and the place of its type (RFC 9113 §4.1).
const FRAME_HEADER: usize = 9;
const FRAME_TYPE: usize = 3;

/// DATA, HEADERS and CONTINUATION (RFC 9113 §6).
const ANSWER_FRAMES: [u8; 3] = [0x0, 0x1, 0x9];

/// Above TLS: what is written to it is HTTP.
pub(crate) struct AnswerMeter<S> {
    socket: S,
    activity: Arc<Activity>,
    format: Format,
}

/// The protocol, by the first byte that the service writes: a status line, or the length of SETTINGS.
enum Format {
    Unknown,
    Http1,
    Http2(Frames),
}

/// Where in the sequence of frames the written bytes end.
#[derive(Default)]
struct Frames {
    header: [u8; FRAME_HEADER],
    /// Bytes of the header so far; all of them within a payload.
    known: usize,
    /// Bytes of the payload still to come.
    left: usize,
}

impl<S> AnswerMeter<S> {
    pub(crate) fn new(socket: S, activity: Arc<Activity>) -> Self {
        Self { socket, activity, format: Format::Unknown }
    }

    fn record(&mut self, bytes: &[u8]) {
        self.activity.add_answered(self.format.answered(bytes));
    }
}

impl Format {
    /// The bytes of answers among the next written bytes.
    fn answered(&mut self, bytes: &[u8]) -> usize {
        if let (Self::Unknown, Some(first)) = (&*self, bytes.first()) {
            *self = if *first == b'H' { Self::Http1 } else { Self::Http2(Frames::default()) };
        }
        match self {
            Self::Unknown => 0,
            Self::Http1 => bytes.len(),
            Self::Http2(frames) => frames.answered(bytes),
        }
    }
}

impl Frames {
    fn answered(&mut self, mut bytes: &[u8]) -> usize {
        let mut answered = 0;
        while !bytes.is_empty() {
            if self.known < FRAME_HEADER {
                let taken = bytes.len().min(FRAME_HEADER - self.known);
                self.header[self.known..][..taken].copy_from_slice(&bytes[..taken]);
                self.known += taken;
                bytes = &bytes[taken..];
                if self.known < FRAME_HEADER {
                    break;
                }
                let [high, middle, low, ..] = self.header;
                self.left = u32::from_be_bytes([0, high, middle, low]) as usize;
                if self.is_of_answer() {
                    answered += FRAME_HEADER;
                }
            }
            let taken = bytes.len().min(self.left);
            if self.is_of_answer() {
                answered += taken;
            }
            self.left -= taken;
            bytes = &bytes[taken..];
            if self.left == 0 {
                self.known = 0;
            }
        }
        answered
    }

    fn is_of_answer(&self) -> bool {
        ANSWER_FRAMES.contains(&self.header[FRAME_TYPE])
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for AnswerMeter<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for AnswerMeter<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.socket).poll_write(cx, bytes))?;
        self.record(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, pieces))?;
        let mut left = written;
        for piece in pieces {
            let taken = left.min(piece.len());
            self.record(&piece[..taken]);
            left -= taken;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).expect("small").to_be_bytes();
        let header = [length[1], length[2], length[3], kind, 0, 0, 0, 0, 1];
        [&header[..], &vec![7; payload]].concat()
    }

    #[test]
    fn answers_count_and_pings_do_not_however_the_writes_are_cut() {
        let frames = [(4, 0), (6, 8), (1, 30), (0, 1000), (4, 12), (0, 0), (9, 5), (7, 8), (6, 8)];
        let bytes: Vec<_> = frames.iter().flat_map(|(kind, size)| frame(*kind, *size)).collect();
        let expected = (9 + 30) + (9 + 1000) + 9 + (9 + 5);
        for size in [1, 2, 9, 10, 17, 500, bytes.len()] {
            let mut format = Format::Unknown;
            let counted: usize = bytes.chunks(size).map(|piece| format.answered(piece)).sum();
            assert_eq!(counted, expected, "{size} bytes at a time");
        }
        let text = b"HTTP/1.1 200 OK\r\n\r\n";
        assert_eq!(Format::Unknown.answered(text), text.len());
    }
}
