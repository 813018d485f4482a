//! Base64 as clients of Vault send it, with the errors of Go's decoder.

use std::borrow::Cow;

use data_encoding::BASE64;
use zeroize::{Zeroize, Zeroizing};

use crate::http::refusal::Refusal;

/// The bytes of an input that is hashed or signed.
pub(crate) fn decoded_input(text: Cow<'_, str>) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    decoded(text).map_err(|refusal| {
        Refusal::invalid(format!("unable to decode input as base64: {}", refusal.message))
    })
}

/// Bytes in base64, with the error of Go's decoder. As there, line breaks are left aside. A text with escapes
/// was copied when it was read, and the copy is zeroized.
pub(crate) fn decoded(text: Cow<'_, str>) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let bytes = decoded_bytes(text.as_bytes());
    if let Cow::Owned(mut copy) = text {
        copy.zeroize();
    }
    bytes.map_err(|position| {
        Refusal::invalid(format!("illegal base64 data at input byte {position}"))
    })
}

/// The bytes, or the position of the fault.
fn decoded_bytes(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, usize> {
    let is_kept = |byte: &u8| !matches!(byte, b'\r' | b'\n');
    let joined = (!text.iter().all(is_kept)).then(|| {
        // All at once: a vector that grows leaves copies behind.
        let mut joined = Zeroizing::new(Vec::with_capacity(text.len()));
        joined.extend(text.iter().copied().filter(is_kept));
        joined
    });
    let joined = joined.as_ref().map_or(text, |joined| joined.as_slice());
    // The decoder takes one padded text after another for one text.
    let end =
        joined.iter().position(|byte| *byte == b'=').map_or(usize::MAX, |at| (at / 4 + 1) * 4);
    let bytes = BASE64.decode(joined).map(Zeroizing::new);
    match bytes {
        Ok(bytes) if joined.len() <= end => Ok(bytes),
        Ok(_) => Err(position_in(text, end)),
        Err(error) => Err(position_in(text, error.position.min(end))),
    }
}

/// The position in a text of a byte that is at `at` without its line breaks.
fn position_in(text: &[u8], at: usize) -> usize {
    let kept = text.iter().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    kept.map(|(position, _)| position).nth(at).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_over_line_breaks_and_with_padding_at_its_end_only() {
        let read = |text: &str| decoded_bytes(text.as_bytes()).map(|bytes| bytes.to_vec());
        for text in ["aGVsbG8=", "aGVs\nbG8=", "aGVs\r\nbG8=\r\n", "\naGVsbG8\n="] {
            assert_eq!(read(text), Ok(b"hello".to_vec()), "{text:?}");
        }
        assert_eq!((read(""), read("\n")), (Ok(vec![]), Ok(vec![])));
        for (text, position) in [("YQ==YQ==", 4), ("YQ==\nYQ==", 5), ("!!", 0), ("aGVs\n!!!!", 5)] {
            assert_eq!(read(text), Err(position), "{text:?}");
        }
    }
}
