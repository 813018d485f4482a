//! A long answer, made buffer by buffer as the client reads it, in any format.

use std::sync::Arc;

use data_encoding::{BASE64, BASE64URL_NOPAD, Encoding, HEXLOWER};
use hyper::body::Bytes;

use crate::http::buffer::{AnswerBuffer, BUFFER_BYTES};
use crate::http::format::RandomFormat;
use lavawall_entropy::{Generator, NotReady};

/// Random bytes in a buffer of hexadecimal digits.
const HEX_BYTES: usize = BUFFER_BYTES / 2;

/// As [`HEX_BYTES`] for base64: a multiple of 3, so that only the last buffer may need padding.
const BASE64_BYTES: usize = BUFFER_BYTES / 4 * 3;

/// The end of an answer in JSON.
const JSON_END: &[u8] = b"\"}\n";

/// The rest of an answer.
pub(crate) struct RandomStream {
    generator: Arc<Generator>,
    form: Form,
    /// Random bytes still to be made.
    left: u64,
    /// Text before the next buffer.
    head: Vec<u8>,
    /// Text after the last one.
    tail: &'static [u8],
    /// Bytes still to be sent, text included.
    length: u64,
}

impl RandomStream {
    /// An answer of `bytes` random bytes in `format`.
    pub(crate) fn new(generator: Arc<Generator>, format: RandomFormat, bytes: u64) -> Self {
        let form = Form::of(format);
        let (head, tail): (_, &[u8]) = match format {
            RandomFormat::Raw => (Vec::new(), b""),
            RandomFormat::Hex | RandomFormat::Base64 | RandomFormat::Base64Url => {
                (Vec::new(), b"\n")
            }
            RandomFormat::Json => (
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

    /// Whether the next buffer is the last.
    pub(crate) fn is_one_buffer(&self) -> bool {
        self.left <= self.form.buffer_bytes() as u64
    }

    /// The next buffer, or `None` at the end.
    ///
    /// # Errors
    /// When the generator refuses: the announced length can then not be sent.
    pub(crate) fn next_buffer(&mut self) -> Result<Option<Bytes>, NotReady> {
        if self.length == 0 {
            return Ok(None);
        }
        let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(self.form.buffer_bytes());
        let is_last = self.left == take as u64;
        let tail = if is_last { self.tail } else { b"" };
        let text = usize::try_from(self.form.encoded(take as u64)).expect("a buffer is 64 KiB");
        let mut buffer = AnswerBuffer::new(self.head.len() + text + tail.len());
        let (head, rest) = buffer.bytes().split_at_mut(self.head.len());
        let (middle, end) = rest.split_at_mut(text);
        head.copy_from_slice(&self.head);
        self.form.fill(&self.generator, take, middle)?;
        end.copy_from_slice(tail);
        self.head = Vec::new();
        self.left -= take as u64;
        self.length -= buffer.as_ref().len() as u64;
        Ok(Some(buffer.into_bytes()))
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
    fn of(format: RandomFormat) -> Self {
        match format {
            RandomFormat::Raw => Self::Raw,
            RandomFormat::Hex | RandomFormat::Json => Self::Text(&HEX, HEX_BYTES),
            RandomFormat::Base64 => Self::Text(&BASE64_PADDED, BASE64_BYTES),
            RandomFormat::Base64Url => Self::Text(&BASE64_URL, BASE64_BYTES),
        }
    }

    fn buffer_bytes(&self) -> usize {
        match self {
            Self::Raw => BUFFER_BYTES,
            Self::Text(_, bytes) => *bytes,
        }
    }

    /// The size of `bytes` random bytes in this form.
    fn encoded(&self, bytes: u64) -> u64 {
        match self {
            Self::Raw => bytes,
            Self::Text(encoding, buffer) => {
                let whole = bytes / *buffer as u64 * BUFFER_BYTES as u64;
                let rest = usize::try_from(bytes % *buffer as u64).expect("less than a buffer");
                whole + encoding.encode_len(rest) as u64
            }
        }
    }

    fn fill(&self, generator: &Generator, take: usize, out: &mut [u8]) -> Result<(), NotReady> {
        match self {
            Self::Raw => generator.fill(out),
            Self::Text(encoding, _) => {
                let mut raw = AnswerBuffer::new(take);
                generator.fill(raw.bytes())?;
                encoding.encode_mut(raw.as_ref(), out);
                Ok(())
            }
        }
    }
}
