//! USB/IP messages (Linux, `Documentation/usb/usbip_protocol.rst`). All numbers are big-endian.
//!
//! ```text
//! 0       4         8       12         16        20
//! command │ sequence │ device │ direction │ endpoint │ …
//! CMD_SUBMIT  …  24 length  …  40..48 setup │ data, when the direction is out
//! CMD_UNLINK  20 the sequence of the request to take back
//! RET_SUBMIT  20 status  24 length  …                  │ data, when the direction is in
//! RET_UNLINK  20 status
//! ```

use std::io::{self, Read};

/// Every message begins with so many bytes.
const HEADER_BYTES: usize = 48;

const CMD_SUBMIT: u32 = 1;
const CMD_UNLINK: u32 = 2;
const RET_SUBMIT: u32 = 3;
const RET_UNLINK: u32 = 4;

/// The most data a request may carry: control requests to a camera carry some dozen bytes.
const MOST_DATA: u32 = 4096;

/// A refused control request (−EPIPE).
pub(crate) const STALLED: i32 = -32;

/// A request that was taken back before it was answered (−ECONNRESET).
pub(crate) const TAKEN_BACK: i32 = -104;

/// What the host wants.
pub(crate) enum Request {
    /// Answer this.
    Submit {
        sequence: u32,
        endpoint: u32,
        /// The most that may be answered, in bytes.
        length: u32,
        setup: [u8; 8],
        data: Vec<u8>,
    },
    /// Do not answer that any more.
    Unlink { sequence: u32, target: u32 },
}

/// Reads the next request.
pub(crate) fn read(from: &mut impl Read) -> io::Result<Request> {
    let mut header = [0; HEADER_BYTES];
    from.read_exact(&mut header)?;
    let number = |at: usize| {
        u32::from_be_bytes(*header[at..].first_chunk().expect("fields end within the header"))
    };
    let sequence = number(4);
    match number(0) {
        CMD_SUBMIT => {
            let is_in = number(12) == 1;
            let length = number(24);
            let carried = if is_in { 0 } else { length };
            if carried > MOST_DATA {
                return Err(invalid(format!("{carried} bytes of data")));
            }
            let mut data = vec![0; carried as usize];
            from.read_exact(&mut data)?;
            let setup = *header.last_chunk().expect("a header has 48 bytes");
            Ok(Request::Submit { sequence, endpoint: number(16), length, setup, data })
        }
        CMD_UNLINK => Ok(Request::Unlink { sequence, target: number(20) }),
        command => Err(invalid(format!("command {command}"))),
    }
}

/// The answer to a request for data, or its refusal.
pub(crate) fn answer(sequence: u32, result: Result<&[u8], i32>) -> Vec<u8> {
    let data = result.unwrap_or_default();
    let mut message = submitted(sequence, result.err().unwrap_or(0), data.len());
    message.extend_from_slice(data);
    message
}

/// The answer to a request that brought `length` bytes of data.
pub(crate) fn taken(sequence: u32, length: usize) -> Vec<u8> {
    submitted(sequence, 0, length)
}

/// The answer to taking a request back.
pub(crate) fn unlinked(sequence: u32, status: i32) -> Vec<u8> {
    header(RET_UNLINK, sequence, status, 0)
}

fn submitted(sequence: u32, status: i32, length: usize) -> Vec<u8> {
    let length = u32::try_from(length).expect("answers are a few KiB");
    header(RET_SUBMIT, sequence, status, length)
}

fn header(command: u32, sequence: u32, status: i32, length: u32) -> Vec<u8> {
    let fields = [command, sequence, 0, 0, 0, status.cast_unsigned(), length];
    let mut message: Vec<_> = fields.into_iter().flat_map(u32::to_be_bytes).collect();
    message.resize(HEADER_BYTES, 0);
    message
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
