//! A connection of the entropy gathering daemon's protocol: commands of one byte each, answered in order.
//!
//! ```text
//! command                        answer
//! 00                             bits available, u32
//! 01 n                           m, then m bytes; m is n, or 0 where none is given
//! 02 n                           n bytes, as soon as they are given
//! 03 bits (u16) n data           none; the data are thrown away
//! 04                             length of the process id, its digits
//! ```
//! Numbers are big-endian (README.egd-protocol of ekeyd; RAND_egd of OpenSSL 1.1 uses 01, QEMU's rng-egd
//! 02). The client speaks first, and may send several commands at once.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use crate::net::connection::stopped;

/// The strength of the generator in bits, told as the bits available.
const STRENGTH_BITS: u32 = 256;

/// The longest pause before a read that waits tries again: limits are raised and days end.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long a client may still send after the stop began.
const LAST_COMMANDS: Duration = Duration::from_millis(50);

/// How long a client may take for its last answers. One that goes on asking, or reads none, is cut off.
const STOP_PATIENCE: Duration = Duration::from_secs(1);

/// More than the commands that a client sends at once, in bytes.
const RECEIVED_BYTES: usize = 512;

/// Gives random bytes, or none: while the generator refuses, or a limit of the tenant is exceeded.
pub(crate) trait Supply {
    /// Fills `out`.
    ///
    /// # Errors
    /// When none are given, the time after which to try again. `out` is then all zeros.
    fn fill(&self, out: &mut [u8]) -> Result<(), Duration>;

    /// Whether bytes would be given now.
    fn is_ready(&self) -> bool;
}

/// Why a conversation ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The client has gone, or the service stops and every command received was answered.
    Done,
    /// The service stops, and a command has no answer, or its answer no reader.
    Unanswered,
    /// A byte that is no command.
    Unknown(u8),
}

/// Answers the commands of a client until it leaves, or until `stop` becomes true: then commands that were
/// received are still answered, within a second.
///
/// # Errors
/// When the connection fails, or ends in the middle of a command.
pub(crate) async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    supply: &impl Supply,
    stop: &watch::Receiver<bool>,
) -> io::Result<Ended> {
    let overdue = async {
        stopped(stop.clone()).await;
        sleep(STOP_PATIENCE).await;
    };
    tokio::select! {
        biased;
        ended = answer_each(stream, supply, stop) => ended,
        () = overdue => Ok(Ended::Unanswered),
    }
}

async fn answer_each(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    supply: &impl Supply,
    stop: &watch::Receiver<bool>,
) -> io::Result<Ended> {
    let mut stream = BufReader::with_capacity(RECEIVED_BYTES, stream);
    loop {
        let received = tokio::select! {
            biased;
            received = stream.fill_buf() => Some(received?.is_empty()),
            () = stopped(stop.clone()) => None,
        };
        let is_open = match received {
            Some(is_empty) => !is_empty,
            // The last commands may be in the kernel, unseen so far.
            None => timeout(LAST_COMMANDS, stream.fill_buf())
                .await
                .is_ok_and(|received| received.is_ok_and(|received| !received.is_empty())),
        };
        if !is_open {
            return Ok(Ended::Done);
        }
        match stream.read_u8().await? {
            0 => {
                let bits = if supply.is_ready() { STRENGTH_BITS } else { 0 };
                stream.write_u32(bits).await?;
            }
            1 => {
                let asked = usize::from(stream.read_u8().await?);
                // The length and the bytes in one write.
                let mut answer = Zeroizing::new([0; 1 + u8::MAX as usize]);
                let given = supply.fill(&mut answer[1..=asked]).map_or(0, |()| asked);
                answer[0] = u8::try_from(given).unwrap_or_default();
                stream.write_all(&answer[..=given]).await?;
            }
            2 => {
                let asked = usize::from(stream.read_u8().await?);
                let mut answer = Zeroizing::new([0; u8::MAX as usize]);
                while let Err(pause) = supply.fill(&mut answer[..asked]) {
                    tokio::select! {
                        () = sleep(pause.min(LONGEST_PAUSE)) => {}
                        () = stopped(stop.clone()) => return Ok(Ended::Unanswered),
                    }
                }
                stream.write_all(&answer[..asked]).await?;
            }
            3 => {
                stream.read_u16().await?;
                let length = usize::from(stream.read_u8().await?);
                let mut data = Zeroizing::new([0; u8::MAX as usize]);
                stream.read_exact(&mut data[..length]).await?;
            }
            4 => {
                let mut digits = String::new();
                // Writing to a String cannot fail.
                let _ = write!(digits, "{}", std::process::id());
                stream.write_u8(u8::try_from(digits.len()).unwrap_or_default()).await?;
                stream.write_all(digits.as_bytes()).await?;
            }
            unknown => return Ok(Ended::Unknown(unknown)),
        }
        stream.flush().await?;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;
    use tokio::io::duplex;

    use super::*;

    /// Counts up, a byte at a time, and refuses `refusals` times first.
    struct Counting {
        refusals: AtomicUsize,
        given: AtomicUsize,
    }

    impl Counting {
        fn new(refusals: usize) -> Self {
            Self { refusals: AtomicUsize::new(refusals), given: AtomicUsize::new(0) }
        }
    }

    impl Supply for Counting {
        fn fill(&self, out: &mut [u8]) -> Result<(), Duration> {
            if !self.is_ready() {
                self.refusals.fetch_sub(1, Ordering::SeqCst);
                return Err(Duration::from_millis(1));
            }
            for byte in out {
                *byte = u8::try_from(self.given.fetch_add(1, Ordering::SeqCst) % 256).expect("one");
            }
            Ok(())
        }

        fn is_ready(&self) -> bool {
            self.refusals.load(Ordering::SeqCst) == 0
        }
    }

    /// What a client that sends `commands` and then ends gets.
    fn talk(commands: &[u8], refusals: usize) -> (Result<Ended, io::ErrorKind>, Vec<u8>) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let (mut client, server) = duplex(1 << 20);
            let (_stop, stopped) = watch::channel(false);
            client.write_all(commands).await.expect("room");
            client.shutdown().await.expect("an end");
            let ended = converse(server, &Counting::new(refusals), &stopped).await;
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.expect("an end");
            (ended.map_err(|error| error.kind()), answer)
        })
    }

    #[test]
    fn every_command_has_its_answer() {
        let id = std::process::id().to_string();
        let pid = [&[u8::try_from(id.len()).expect("short")], id.as_bytes()].concat();
        for (commands, answer) in [
            (&[0][..], vec![0, 0, 1, 0]),
            (&[1, 3], vec![3, 0, 1, 2]),
            (&[1, 0], vec![0]),
            (&[2, 3], vec![0, 1, 2]),
            (&[2, 0], vec![]),
            (&[3, 0, 8, 2, 7, 7], vec![]),
            (&[3, 0, 8, 0, 2, 1], vec![0]),
            (&[4], pid),
            (&[2, 2, 1, 1, 0], vec![0, 1, 1, 2, 0, 0, 1, 0]),
        ] {
            assert_eq!(talk(commands, 0), (Ok(Ended::Done), answer), "{commands:?}");
        }
        let (ended, answer) = talk(&[1, 255, 2, 255], 0);
        assert_eq!((ended.expect("no fault"), answer.len()), (Ended::Done, 1 + 255 + 255));
    }

    #[test]
    fn while_nothing_is_given_one_read_gets_none_and_the_other_waits() {
        assert_eq!(talk(&[0], 1), (Ok(Ended::Done), vec![0; 4]));
        assert_eq!(talk(&[1, 3, 1, 3], 1), (Ok(Ended::Done), vec![0, 3, 0, 1, 2]));
        assert_eq!(talk(&[2, 3], 5), (Ok(Ended::Done), vec![0, 1, 2]));
    }

    #[test]
    fn an_unknown_command_or_half_of_one_ends_the_conversation() {
        assert_eq!(talk(&[1, 1, 5, 1, 1], 0), (Ok(Ended::Unknown(5)), vec![1, 0]));
        for half in [&[1][..], &[2], &[3, 0], &[3, 0, 0], &[3, 0, 0, 2, 9]] {
            assert_eq!(talk(half, 0).0, Err(io::ErrorKind::UnexpectedEof));
        }
    }

    #[tokio::test]
    async fn commands_that_were_received_are_answered_after_the_stop() {
        let (mut client, server) = duplex(1 << 10);
        let (stop, stopped) = watch::channel(false);
        client.write_all(&[2, 4, 2, 4]).await.expect("room");
        stop.send(true).expect("heard");
        let ended = converse(server, &Counting::new(0), &stopped).await;
        assert_eq!(ended.expect("no fault"), Ended::Done);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.expect("an end");
        assert_eq!(answer, [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[tokio::test]
    async fn a_read_that_waits_ends_with_the_service() {
        let (mut client, server) = duplex(1 << 10);
        let (stop, stopped) = watch::channel(false);
        client.write_all(&[2, 4]).await.expect("room");
        stop.send(true).expect("heard");
        let ended = converse(server, &Counting::new(usize::MAX), &stopped).await;
        assert_eq!(ended.expect("no fault"), Ended::Unanswered);
    }

    proptest! {
        /// The answers to commands sent together are the answers to each, one after the other.
        #[test]
        fn commands_are_answered_in_order(asked in prop::collection::vec((1_u8..=2, 0_u8..=255), 0..20)) {
            let commands: Vec<u8> = asked.iter().flat_map(|(op, n)| [*op, *n]).collect();
            let mut next = 0_usize;
            let mut right = Vec::new();
            for (op, n) in &asked {
                if *op == 1 {
                    right.push(*n);
                }
                for _ in 0..*n {
                    right.push(u8::try_from(next % 256).expect("one"));
                    next += 1;
                }
            }
            let (ended, answer) = talk(&commands, 0);
            prop_assert_eq!(ended.expect("no fault"), Ended::Done);
            prop_assert_eq!(answer, right);
        }
    }
}
