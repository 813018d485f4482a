//! A value with metadata, as a form.
//!
//! ```text
//! --boundary CRLF Content-Disposition: form-data; name="metadata" CRLF CRLF json CRLF
//! --boundary CRLF Content-Disposition: form-data; name="value" CRLF CRLF value CRLF
//! --boundary-- CRLF
//! ```

use crate::client::Payload;
use crate::client::wiped::Wiped;

/// What stands around the two parts: more than enough.
const FRAME_BYTES: usize = 512;

/// A form that has been made.
pub(crate) struct Form {
    media_type: String,
    body: Wiped,
}

impl Form {
    /// A form of these two parts.
    pub(crate) fn new(value: &[u8], metadata: &str) -> Self {
        let boundary = boundary(&[value, metadata.as_bytes()]);
        let mut body = Wiped::with_capacity(value.len() + metadata.len() + FRAME_BYTES);
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

    pub(crate) fn payload(&self) -> Payload<'_> {
        Payload { media_type: &self.media_type, bytes: &self.body }
    }
}

/// The first of a row of boundaries that none of the parts holds.
fn boundary(parts: &[&[u8]]) -> String {
    let is_in = |boundary: &str, part: &[u8]| {
        let boundary = boundary.as_bytes();
        part.windows(boundary.len()).any(|window| window == boundary)
    };
    let mut boundaries = (0_u64..).map(|number| format!("lavawall-{number}"));
    let free = boundaries.find(|boundary| !parts.iter().any(|part| is_in(boundary, part)));
    free.expect("a part of some megabytes does not hold all numbers of 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_is_never_within_a_part() {
        assert_eq!(boundary(&[b"", b"x"]), "lavawall-0");
        assert_eq!(boundary(&[b"--lavawall-0--", b"lavawall-1"]), "lavawall-2");
        let form = Form::new(b"v\r\n--lavawall-0", "{}");
        assert!(form.media_type.ends_with("boundary=lavawall-1"));
        assert!(form.body.starts_with(b"--lavawall-1\r\n"));
        assert!(form.body.ends_with(b"--lavawall-0\r\n--lavawall-1--\r\n"));
    }
}
