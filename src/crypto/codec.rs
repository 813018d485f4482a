//! Bytes on disk, written and read: big-endian numbers, lengths before their content.

use zeroize::Zeroizing;

use lavawall_entropy::append_secret;

/// The bytes are not in the expected format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ends too early, goes on too long, or holds what was never written")]
pub struct Malformed;

/// Writes bytes that may be secret: its buffer is zeroized when it grows and when it is dropped.
#[derive(Default)]
pub(crate) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    /// Appends bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        append_secret(&mut self.0, bytes);
        self
    }

    /// Appends one byte.
    pub(crate) fn byte(&mut self, byte: u8) -> &mut Self {
        self.bytes(&[byte])
    }

    /// Appends two bytes.
    pub(crate) fn u16(&mut self, number: u16) -> &mut Self {
        self.bytes(&number.to_be_bytes())
    }

    /// Appends four bytes.
    pub(crate) fn u32(&mut self, number: u32) -> &mut Self {
        self.bytes(&number.to_be_bytes())
    }

    /// Appends eight bytes.
    pub(crate) fn u64(&mut self, number: u64) -> &mut Self {
        self.bytes(&number.to_be_bytes())
    }

    /// Appends a length in two bytes, and that many bytes.
    pub(crate) fn short(&mut self, bytes: &[u8]) -> &mut Self {
        self.u16(u16::try_from(bytes.len()).expect("short fields are below 64 KiB")).bytes(bytes)
    }

    /// All of it.
    #[must_use]
    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

/// Reads the output of a [`Writer`]. Never panics, on any input.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    #[must_use]
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// When there are fewer.
    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// When there are fewer.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*bytes)
    }

    /// One byte.
    ///
    /// # Errors
    /// At the end.
    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes as a number.
    ///
    /// # Errors
    /// When there are fewer.
    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes as a number.
    ///
    /// # Errors
    /// When there are fewer.
    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes as a number.
    ///
    /// # Errors
    /// When there are fewer.
    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    /// A length in two bytes, and that many bytes.
    ///
    /// # Errors
    /// When there are fewer.
    pub(crate) fn short(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.u16()?;
        self.bytes(usize::from(len))
    }

    /// As [`Reader::short`], for text.
    ///
    /// # Errors
    /// When there are fewer, or it is not UTF-8.
    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.short()?).map_err(|_| Malformed)
    }

    /// The remaining bytes.
    #[must_use]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Checks that no bytes remain.
    ///
    /// # Errors
    /// When some do.
    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut writer = Writer::default();
        writer.byte(1).u16(2).u32(3).u64(4).short("five".as_bytes()).bytes(b"six");
        let bytes = writer.finish();
        let mut reader = Reader::of(&bytes);
        assert_eq!(reader.byte(), Ok(1));
        assert_eq!(reader.u16(), Ok(2));
        assert_eq!(reader.u32(), Ok(3));
        assert_eq!(reader.u64(), Ok(4));
        assert_eq!(reader.text(), Ok("five"));
        assert_eq!(reader.rest(), b"six");
        assert_eq!(reader.array(), Ok(*b"six"));
        assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn what_ends_too_early_or_goes_on_is_malformed() {
        assert_eq!(Reader::of(&[0, 3, 1, 2]).short(), Err(Malformed));
        assert_eq!(Reader::of(&[1]).u16(), Err(Malformed));
        assert_eq!(Reader::of(&[0, 1, 0xff]).text(), Err(Malformed));
        assert_eq!(Reader::of(&[1]).end(), Err(Malformed));
        assert_eq!(Reader::of(&[]).bytes(1), Err(Malformed));
    }
}
