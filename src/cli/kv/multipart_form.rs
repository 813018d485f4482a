//! A value with metadata, as multipart/form-data (RFC 7578).
//!
//! ```text
//! --boundary CRLF Content-Disposition: form-data; name="metadata" CRLF CRLF json CRLF
//! --boundary CRLF Content-Disposition: form-data; name="value" CRLF CRLF value CRLF
//! --boundary-- CRLF
//! ```

use crate::client::Payload;
use crate::client::SecretBuffer;

/// Room for boundaries and headers.
const FRAME_BYTES: usize = 512;

/// A form of two parts, the metadata and the value.
pub(crate) struct MultipartForm {
    media_type: String,
    body: SecretBuffer,
}

impl MultipartForm {
    /// Encodes the two parts.
    pub(crate) fn new(value: &[u8], metadata: &str) -> Self {
        let boundary = boundary(&[value, metadata.as_bytes()]);
        let mut body = SecretBuffer::with_capacity(value.len() + metadata.len() + FRAME_BYTES);
        for (name, content) in [("metadata", metadata.as_bytes()), ("value", value)] {
            let head =
                format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
            body.extend(head.as_bytes());
            body.extend(content);
            body.extend(b"\r\n");
        }
        body.extend(format!("--{boundary}--\r\n").as_bytes());
        Self { media_type: format!("multipart/form-data; boundary={boundary}"), body }
    }

    /// The body to send.
    pub(crate) fn into_payload(self) -> Payload {
        Payload { media_type: self.media_type.into(), bytes: self.body }
    }
}

/// The first of a sequence of boundaries that is in none of the parts.
fn boundary(parts: &[&[u8]]) -> String {
    let is_in = |boundary: &str, part: &[u8]| {
        let boundary = boundary.as_bytes();
        part.windows(boundary.len()).any(|window| window == boundary)
    };
    let mut boundaries = (0_u64..).map(|number| format!("lavawall-{number}"));
    let free = boundaries.find(|boundary| !parts.iter().any(|part| is_in(boundary, part)));
    free.expect("parts of some megabytes do not hold all numbers of 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_is_never_within_a_part() {
        assert_eq!(boundary(&[b"", b"x"]), "lavawall-0");
        assert_eq!(boundary(&[b"--lavawall-0--", b"lavawall-1"]), "lavawall-2");
        let form = MultipartForm::new(b"v\r\n--lavawall-0", "{}");
        assert!(form.media_type.ends_with("boundary=lavawall-1"));
        assert!(form.body.starts_with(b"--lavawall-1\r\n"));
        assert!(form.body.ends_with(b"--lavawall-0\r\n--lavawall-1--\r\n"));
    }
}
