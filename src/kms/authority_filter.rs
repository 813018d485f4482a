//! Makes the `:authority` of a client's requests one that HTTP allows.
//!
//! gRPC's C library, and Python's client with it, sends the percent-encoded path of the socket,
//! `run%2Flavawall%2Fkms.sock`, which RFC 3986 §3.2.2 allows and the HTTP library does not. Nothing here looks at
//! the authority, so that each byte of it that is no letter, digit, `-`, `.` or `_` becomes `-`. Neither a length
//! nor an index changes: the compression of both ends (HPACK) stays in step, and what the filter does not
//! understand passes as it is, for the HTTP library to refuse.
//!
//! ```text
//! preface (24)
//! length (3) type (1) flags (1) stream (4) payload                                  RFC 9113 §4.1
//!            1 HEADERS        [padding's length (1)] [priority (5)] block [padding]         §6.2
//!            9 CONTINUATION   block                                                         §6.10
//! block   1index                              index alone                           RFC 7541 §6.1
//!         01name, 0000name, 0001name value    name is an index, or 0 and a string           §6.2
//!         001size                             size of the table                             §6.3
//! string  H length, bytes                     H: Huffman's code, which passes               §5.2
//! ```

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of the preface (RFC 9113 §3.4).
const PREFACE_BYTES: usize = 24;

/// Bytes of a frame before its payload.
const HEADER_BYTES: usize = 9;

/// Types of frames.
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;

/// Flags of HEADERS and CONTINUATION.
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// Bytes of a priority.
const PRIORITY_BYTES: usize = 5;

/// The name, and its index in the static table (RFC 7541, appendix A).
const AUTHORITY: &[u8] = b":authority";
const AUTHORITY_INDEX: u32 = 1;

/// A socket whose client's authorities are made valid.
pub(crate) struct AuthorityFilter<S> {
    socket: S,
    frames: RequestFrames,
}

impl<S> AuthorityFilter<S> {
    /// At the start of a connection.
    pub(crate) fn new(socket: S) -> Self {
        Self { socket, frames: RequestFrames::default() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for AuthorityFilter<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, into);
        self.frames.pass(&mut into.filled_mut()[before..]);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for AuthorityFilter<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, pieces)
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

/// Where in what the client sent the last byte was.
#[derive(Debug, Default)]
pub(crate) struct RequestFrames {
    /// Bytes of the preface so far.
    preface: usize,
    header: [u8; HEADER_BYTES],
    /// Bytes of the frame's header so far; all of them within a payload.
    known: usize,
    /// Bytes of the payload still to come.
    left: usize,
    /// Bytes before the block still to come: the length of the padding, and the priority.
    before_block: usize,
    /// Bytes after the block.
    padding: usize,
    block: HeaderBlock,
}

impl RequestFrames {
    /// Looks at the next bytes, and makes those valid that are of an authority.
    pub(crate) fn pass(&mut self, mut bytes: &mut [u8]) {
        let preface = (PREFACE_BYTES - self.preface).min(bytes.len());
        self.preface += preface;
        bytes = &mut bytes[preface..];
        while !bytes.is_empty() {
            let taken = if self.known < HEADER_BYTES {
                self.take_header(bytes)
            } else {
                let taken = self.left.min(bytes.len());
                self.take_payload(&mut bytes[..taken]);
                taken
            };
            bytes = &mut bytes[taken..];
            if self.known == HEADER_BYTES && self.left == 0 {
                self.end_frame();
            }
        }
    }

    /// Takes bytes of the header; their number.
    fn take_header(&mut self, bytes: &[u8]) -> usize {
        let taken = (HEADER_BYTES - self.known).min(bytes.len());
        self.header[self.known..][..taken].copy_from_slice(&bytes[..taken]);
        self.known += taken;
        if self.known == HEADER_BYTES {
            let [high, middle, low, kind, flags, ..] = self.header;
            self.left = u32::from_be_bytes([0, high, middle, low]) as usize;
            let has = |flag: u8| kind == HEADERS && flags & flag != 0;
            self.before_block =
                usize::from(has(PADDED)) + if has(PRIORITY) { PRIORITY_BYTES } else { 0 };
            self.padding = 0;
        }
        taken
    }

    /// Takes bytes of the payload.
    fn take_payload(&mut self, bytes: &mut [u8]) {
        if !self.is_of_block() {
            self.left -= bytes.len();
            return;
        }
        for byte in bytes {
            if self.before_block > 0 {
                // The length of the padding is the first byte of the payload.
                let payload =
                    u32::from_be_bytes([0, self.header[0], self.header[1], self.header[2]]);
                if self.left == payload as usize && self.header[4] & PADDED != 0 {
                    self.padding = usize::from(*byte);
                }
                self.before_block -= 1;
            } else if self.left > self.padding {
                self.block.pass(byte);
            }
            self.left -= 1;
        }
    }

    fn end_frame(&mut self) {
        self.known = 0;
        if self.is_of_block() && self.header[4] & END_HEADERS != 0 {
            self.block.end();
        }
    }

    fn is_of_block(&self) -> bool {
        matches!(self.header[3], HEADERS | CONTINUATION)
    }
}

/// Where in a block of headers the last byte was.
#[derive(Debug, Default)]
enum HeaderBlock {
    /// Before a field.
    #[default]
    Field,
    /// In a number that goes on: its value so far, and the places of the next seven bits.
    Number { then: After, value: u32, shift: u32 },
    /// Before the length of a name or a value.
    Length(Text),
    /// In a name or a value, with bytes still to come.
    Bytes { text: Text, left: u32 },
    /// In what is not understood: all that follows on the connection passes.
    Lost,
}

/// What a number was.
#[derive(Debug, Clone, Copy)]
enum After {
    /// An index or a size: a field is over.
    Whole,
    /// The index of a name.
    Name,
    /// The length of a name or a value; and whether it is in Huffman's code.
    Length(Text, bool),
}

/// A name or a value.
#[derive(Debug, Clone, Copy)]
enum Text {
    /// A name, of which so many bytes were those of [`AUTHORITY`]; `None` when one was not.
    Name(Option<usize>),
    /// A value that passes.
    Value,
    /// A value that is made valid.
    Authority,
}

impl HeaderBlock {
    fn pass(&mut self, byte: &mut u8) {
        *self = match std::mem::take(self) {
            Self::Field => Self::field(*byte),
            Self::Number { then, value, shift } => Self::number(*byte, then, value, shift),
            Self::Length(text) => Self::prefixed(*byte, 7, After::Length(text, *byte & 0x80 != 0)),
            Self::Bytes { text, left } => Self::bytes(byte, text, left),
            Self::Lost => Self::Lost,
        };
    }

    /// The end of the block, which is that of a field.
    fn end(&mut self) {
        if !matches!(self, Self::Field) {
            *self = Self::Lost;
        }
    }

    /// The first byte of a field.
    fn field(byte: u8) -> Self {
        match byte.leading_zeros() {
            0 => Self::prefixed(byte, 7, After::Whole),
            1 => Self::prefixed(byte, 6, After::Name),
            2 => Self::prefixed(byte, 5, After::Whole),
            _ => Self::prefixed(byte, 4, After::Name),
        }
    }

    /// A number that begins in the last `bits` of a byte (RFC 7541 §5.1).
    fn prefixed(byte: u8, bits: u32, then: After) -> Self {
        let most = (1 << bits) - 1;
        let value = u32::from(byte) & most;
        if value < most { Self::after(then, value) } else { Self::Number { then, value, shift: 0 } }
    }

    /// A further byte of a number.
    fn number(byte: u8, then: After, value: u32, shift: u32) -> Self {
        // No length, index or size of this service's clients is that large.
        if shift > 21 {
            return Self::Lost;
        }
        let value = value + (u32::from(byte & 0x7f) << shift);
        if byte & 0x80 == 0 {
            Self::after(then, value)
        } else {
            Self::Number { then, value, shift: shift + 7 }
        }
    }

    /// What follows a number.
    fn after(number: After, value: u32) -> Self {
        match number {
            After::Whole => Self::Field,
            After::Name if value == 0 => Self::Length(Text::Name(Some(0))),
            After::Name if value == AUTHORITY_INDEX => Self::Length(Text::Authority),
            After::Name => Self::Length(Text::Value),
            After::Length(text, is_huffman) => {
                let text = match text {
                    Text::Name(_) if is_huffman => Text::Name(None),
                    Text::Authority if is_huffman => Text::Value,
                    plain => plain,
                };
                if value == 0 { Self::after_text(text) } else { Self::Bytes { text, left: value } }
            }
        }
    }

    /// A byte of a name or a value.
    fn bytes(byte: &mut u8, text: Text, left: u32) -> Self {
        let text = match text {
            Text::Name(Some(same)) if AUTHORITY.get(same) == Some(byte) => {
                Text::Name(Some(same + 1))
            }
            Text::Name(_) => Text::Name(None),
            Text::Authority => {
                if !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')) {
                    *byte = b'-';
                }
                Text::Authority
            }
            Text::Value => Text::Value,
        };
        if left == 1 { Self::after_text(text) } else { Self::Bytes { text, left: left - 1 } }
    }

    /// What follows a name or a value.
    fn after_text(text: Text) -> Self {
        match text {
            Text::Name(Some(same)) if same == AUTHORITY.len() => Self::Length(Text::Authority),
            Text::Name(_) => Self::Length(Text::Value),
            Text::Value | Text::Authority => Self::Field,
        }
    }
}

/// What the filter makes of the bytes of a connection, which come in pieces of these lengths in turn.
#[cfg(any(test, feature = "test-support"))]
#[must_use]
pub fn valid_authorities(bytes: &[u8], pieces: &[usize]) -> Vec<u8> {
    let mut made = bytes.to_vec();
    let mut frames = RequestFrames::default();
    let mut rest = made.as_mut_slice();
    let mut lengths = pieces.iter().filter(|length| **length > 0).cycle();
    while !rest.is_empty() {
        let length = lengths.next().map_or(rest.len(), |length| rest.len().min(*length));
        let (piece, after) = rest.split_at_mut(length);
        frames.pass(piece);
        rest = after;
    }
    made
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// A string without Huffman's code.
    fn text(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match u8::try_from(bytes.len()) {
            Ok(length) if length < 127 => out.push(length),
            _ => {
                out.push(127);
                let mut rest = bytes.len() - 127;
                while rest > 127 {
                    out.push(u8::try_from(rest & 127).expect("seven bits") | 128);
                    rest >>= 7;
                }
                out.push(u8::try_from(rest).expect("seven bits"));
            }
        }
        out.extend_from_slice(bytes);
        out
    }

    /// A field whose authority is a literal, in each form.
    fn authorities(value: &[u8]) -> Vec<Vec<u8>> {
        let (name, value) = (text(AUTHORITY), text(value));
        let of = |first: u8, parts: &[&[u8]]| [&[first], parts.concat().as_slice()].concat();
        vec![
            of(0x41, &[&value]),
            of(0x40, &[&name, &value]),
            of(0x01, &[&value]),
            of(0x00, &[&name, &value]),
            of(0x11, &[&value]),
            of(0x10, &[&name, &value]),
        ]
    }

    fn passed(frames: &[Vec<u8>]) -> Vec<u8> {
        let all = [PREFACE, &frames.concat()].concat();
        let once = valid_authorities(&all, &[]);
        for pieces in [&[1][..], &[2], &[3, 1, 5], &[9], &[10, 23]] {
            assert_eq!(valid_authorities(&all, pieces), once, "{pieces:?} bytes at a time");
        }
        once[PREFACE.len()..].to_vec()
    }

    #[test]
    fn each_form_of_an_authority_is_made_valid_and_keeps_its_length() {
        let (path, valid) = (b"run%2Fa:b%2Fk_m.sock", b"run-2Fa-b-2Fk_m.sock");
        for (before, after) in authorities(path).iter().zip(authorities(valid)) {
            let around =
                |field: &[u8]| [b"\x83\x86", field, b"\x3f\x20\xff\x03\x44\x02%%"].concat();
            let sent = frame(1, END_HEADERS, &around(before));
            assert_eq!(passed(&[sent]), frame(1, END_HEADERS, &around(&after)));
        }
        let long: Vec<u8> = path.repeat(50);
        let sent = frame(1, END_HEADERS, &authorities(&long)[1]);
        assert_eq!(passed(&[sent]), frame(1, END_HEADERS, &authorities(&valid.repeat(50))[1]));
    }

    #[test]
    fn padding_priority_and_continued_blocks_are_understood() {
        let (before, after) = (authorities(b"a%b")[1].clone(), authorities(b"a-b")[1].clone());
        let padded = |block: &[u8]| [&[3][..], &[b'%'; 5], block, b"%%%"].concat();
        let flags = END_HEADERS | PADDED | PRIORITY;
        let sent = frame(1, flags, &padded(&before));
        assert_eq!(passed(&[sent]), frame(1, flags, &padded(&after)));
        for cut in 0..before.len() {
            let cut = |block: &[u8]| {
                let (begin, rest) = block.split_at(cut);
                vec![frame(1, 0, begin), frame(9, 0, &[]), frame(9, END_HEADERS, rest)]
            };
            assert_eq!(passed(&cut(&before)), cut(&after).concat());
        }
        // Another block, of a trailer, begins anew.
        let two = |block: &[u8]| vec![frame(1, END_HEADERS, block); 2];
        assert_eq!(passed(&two(&before)), two(&after).concat());
    }

    #[test]
    fn all_else_passes_as_it_is() {
        let field = |name: &[u8]| [b"\x40", text(name).as_slice(), &text(b"a%b")].concat();
        let huffman = b"\x41\x83\x1f\x55\x7f%".to_vec();
        let huffman_name = [&b"\x40\x83%%%"[..], &text(b"a%b")].concat();
        for block in [
            field(b":authoritz"),
            field(b":authority2"),
            field(b":authorit"),
            field(b"x:authority"),
            field(b""),
            huffman,
            huffman_name,
            b"\x44\x03a%b".to_vec(),
            b"\x7f\x03\x03a%b".to_vec(),
            // A number that is too large: nothing after it is understood.
            [b"\x7f\xff\xff\xff\xff\x7f", authorities(b"a%b")[0].as_slice()].concat(),
        ] {
            let sent = frame(1, END_HEADERS, &block);
            assert_eq!(passed(std::slice::from_ref(&sent)), sent, "{block:?}");
        }
        let block = &authorities(b"a%b")[0];
        for kind in [0, 2, 3, 4, 5, 6, 7, 8, 10] {
            let sent = frame(kind, END_HEADERS, block);
            assert_eq!(passed(std::slice::from_ref(&sent)), sent, "a frame of type {kind}");
        }
        // A block that ends in the middle of a field: what follows is not understood.
        let sent = [frame(1, END_HEADERS, &block[..2]), frame(1, END_HEADERS, block)];
        assert_eq!(passed(&sent), sent.concat());
        assert_eq!(valid_authorities(b"A%", &[1]), b"A%");
    }

    proptest! {
        #[test]
        fn any_bytes_pass_with_their_length_and_the_same_in_any_pieces(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            pieces in proptest::collection::vec(1_usize..40, 1..10),
        ) {
            let sent = [PREFACE, &frame(1, END_HEADERS, &bytes), &bytes].concat();
            let once = valid_authorities(&sent, &[]);
            prop_assert_eq!(&valid_authorities(&sent, &pieces), &once);
            prop_assert_eq!(&valid_authorities(&once, &pieces), &once, "made valid once");
            for (before, after) in sent.iter().zip(&once) {
                prop_assert!(before == after || *after == b'-');
            }
        }
    }
}
