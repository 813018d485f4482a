//! How random bytes are written to the terminal.

use clap::ValueEnum;
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};

/// The forms `lavawall random` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// The bytes themselves
    Raw,
    /// Two lower-case hexadecimal digits per byte, and a newline
    Hex,
    /// Base64 with padding, and a newline
    Base64,
    /// Base64 for URLs without padding, and a newline
    Base64url,
}

impl OutputFormat {
    /// How many bytes are encoded at once. A multiple of three, so that base64 has no padding between
    /// chunks.
    pub(crate) const CHUNK_BYTES: usize = 48 * 1024;

    /// Encodes one chunk. Only the last may be shorter than [`OutputFormat::CHUNK_BYTES`].
    pub(crate) fn encode(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Raw => bytes.to_vec(),
            Self::Hex => HEXLOWER.encode(bytes).into_bytes(),
            Self::Base64 => BASE64.encode(bytes).into_bytes(),
            Self::Base64url => BASE64URL_NOPAD.encode(bytes).into_bytes(),
        }
    }

    /// The end of the text.
    pub(crate) fn end(self) -> &'static [u8] {
        if self == Self::Raw { b"" } else { b"\n" }
    }
}
