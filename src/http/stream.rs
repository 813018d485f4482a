//! A long answer, made piece by piece as the connection takes it, in whichever form.

use std::sync::Arc;

use data_encoding::{BASE64, BASE64URL_NOPAD, Encoding, HEXLOWER};
use hyper::body::Bytes;

use crate::http::buffer::{PIECE_BYTES, Piece};
use crate::http::format::Format;
use lavawall_entropy::{Generator, NotReady};

/// Random bytes in the piece that is hexadecimal when it is sent.
const HEX_BYTES: usize = PIECE_BYTES / 2;

/// As [`HEX_BYTES`] for base64: a multiple of 3, so that only the last piece may need padding.
const BASE64_BYTES: usize = PIECE_BYTES / 4 * 3;

/// The end of an answer in JSON.
const JSON_END: &[u8] = b"\"}\n";

/// What is left of an answer.
pub(crate) struct RandomStream {
    generator: Arc<Generator>,
    form: Form,
    /// Random bytes still to be made.
    left: u64,
    /// Text that goes before the next piece.
    head: Vec<u8>,
    /// Text that goes after the last one.
    tail: &'static [u8],
    /// Bytes still to be sent, with everything.
    length: u64,
}

impl RandomStream {
    /// An answer of `bytes` random bytes in `format`.
    pub(crate) fn new(generator: Arc<Generator>, format: Format, bytes: u64) -> Self {
        let form = Form::of(format);
        let (head, tail): (_, &[u8]) = match format {
            Format::Raw => (Vec::new(), b""),
            Format::Hex | Format::Base64 | Format::Base64Url => (Vec::new(), b"\n"),
            Format::Json => (
                format!("{{\"format\":\"hex\",\"bytes\":{bytes},\"data\":\"").into_bytes(),
                JSON_END,
            ),
        };
        let length = head.len() as u64 + form.encoded(bytes) + tail.len() as u64;
        Self { generator, form, left: bytes, head, tail, length }
    }

    /// Bytes still to be sent.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The next piece, or `None` at the end.
    ///
    /// # Errors
    /// When the generator refuses: what was announced can then not be sent.
    pub(crate) fn next_piece(&mut self) -> Result<Option<Bytes>, NotReady> {
        if self.length == 0 {
            return Ok(None);
        }
        let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(self.form.piece_bytes());
        let is_last = self.left == take as u64;
        let tail = if is_last { self.tail } else { b"" };
        let text = usize::try_from(self.form.encoded(take as u64)).expect("a piece is 64 KiB");
        let mut piece = Piece::new(self.head.len() + text + tail.len());
        let (head, rest) = piece.bytes().split_at_mut(self.head.len());
        let (middle, end) = rest.split_at_mut(text);
        head.copy_from_slice(&self.head);
        self.form.fill(&self.generator, take, middle)?;
        end.copy_from_slice(tail);
        self.head = Vec::new();
        self.left -= take as u64;
        self.length -= piece.as_ref().len() as u64;
        Ok(Some(piece.into_bytes()))
    }
}

static HEX: Encoding = HEXLOWER;
static BASE64_PADDED: Encoding = BASE64;
static BASE64_URL: Encoding = BASE64URL_NOPAD;

/// How random bytes become the bytes that are sent.
enum Form {
    Raw,
    Text(&'static Encoding, usize),
}

impl Form {
    fn of(format: Format) -> Self {
        match format {
            Format::Raw => Self::Raw,
            Format::Hex | Format::Json => Self::Text(&HEX, HEX_BYTES),
            Format::Base64 => Self::Text(&BASE64_PADDED, BASE64_BYTES),
            Format::Base64Url => Self::Text(&BASE64_URL, BASE64_BYTES),
        }
    }

    fn piece_bytes(&self) -> usize {
        match self {
            Self::Raw => PIECE_BYTES,
            Self::Text(_, bytes) => *bytes,
        }
    }

    /// The size of `bytes` random bytes in this form.
    fn encoded(&self, bytes: u64) -> u64 {
        match self {
            Self::Raw => bytes,
            Self::Text(encoding, piece) => {
                let whole = bytes / *piece as u64 * PIECE_BYTES as u64;
                let rest = usize::try_from(bytes % *piece as u64).expect("less than a piece");
                whole + encoding.encode_len(rest) as u64
            }
        }
    }

    fn fill(&self, generator: &Generator, take: usize, out: &mut [u8]) -> Result<(), NotReady> {
        match self {
            Self::Raw => generator.fill(out),
            Self::Text(encoding, _) => {
                let mut raw = Piece::new(take);
                generator.fill(raw.bytes())?;
                encoding.encode_mut(raw.as_ref(), out);
                Ok(())
            }
        }
    }
}
