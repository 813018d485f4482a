//! Lingering close (RFC 9112 §9.6): drain the input to avoid a reset.
//!
//! A socket that is closed with bytes unread resets the connection, and the reset discards the answer: a
//! client that sends too large a value would see a broken pipe, and not the 413.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use zeroize::Zeroizing;

/// The silence after which the client counts as finished. A client that goes on sending is bounded by
/// the idle timeout of the connection, since nothing is written any more.
const SILENCE: Duration = Duration::from_secs(2);

/// The bytes that are read and dropped at a time.
const CHUNK: usize = 16 * 1024;

/// The closing of one socket: our direction first, then the client's.
#[derive(Debug)]
pub(crate) struct LingeringClose {
    within: Duration,
    silence: Option<Pin<Box<Sleep>>>,
}

impl Default for LingeringClose {
    fn default() -> Self {
        Self { within: SILENCE, silence: None }
    }
}

impl LingeringClose {
    /// Closes `socket` for writing; ready when the client has closed it too or is silent.
    pub(crate) fn poll<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let within = self.within;
        let silence = match &mut self.silence {
            Some(silence) => silence,
            none => {
                ready!(Pin::new(&mut *socket).poll_shutdown(cx))?;
                none.insert(Box::pin(sleep(within)))
            }
        };
        // A request's body may be in it.
        let mut chunk = Zeroizing::new([0; CHUNK]);
        loop {
            let mut read = ReadBuf::new(&mut *chunk);
            match Pin::new(&mut *socket).poll_read(cx, &mut read) {
                // The client is gone: the error has no reader.
                Poll::Ready(Err(_)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) if read.filled().is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => silence.as_mut().reset(Instant::now() + within),
                Poll::Pending => return silence.as_mut().poll(cx).map(Ok),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    fn run<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(test)
    }

    #[test]
    fn the_client_sees_the_end_and_is_read_until_it_ends_too() {
        run(async {
            let (mut client, mut server) = duplex(1024);
            let mut linger = LingeringClose { within: Duration::from_mins(1), silence: None };
            let close = poll_fn(|cx| linger.poll(&mut server, cx));
            let send = async {
                let mut answer = Vec::new();
                client.read_to_end(&mut answer).await.expect("our direction is closed first");
                client.write_all(&[0; 10_000]).await.expect("all of it is read");
                drop(client);
            };
            let (closed, ()) = tokio::join!(close, send);
            closed.expect("closed");
        });
    }

    #[test]
    fn a_silent_client_is_left() {
        run(async {
            let (_client, mut server) = duplex(1024);
            let mut linger = LingeringClose { within: Duration::from_millis(1), silence: None };
            poll_fn(|cx| linger.poll(&mut server, cx)).await.expect("closed");
        });
    }
}
