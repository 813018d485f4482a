//! A signed request of AWS KMS: whatever its headers are, an error or a signature that nobody has made.
#![no_main]

use lavawall::has_signature;
use libfuzzer_sys::fuzz_target;

// Either the headers themselves, or the parts of those that must be there.
fuzz_target!(|input: (&[u8], &[u8], &str, &str, &str)| {
    let (headers, body, credential, signed, more) = input;
    let now = 1_440_938_160;
    let _ = has_signature(headers, body, now);
    let headers = format!(
        "host:localhost\ncontent-type:application/x-amz-json-1.1\nx-amz-date:20150830T123600Z\nx-amz-target:x\n\
         authorization:AWS4-HMAC-SHA256 Credential=A/20150830/{credential}/kms/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date;x-amz-target{signed}, Signature={}{more}\n",
        "0".repeat(64)
    );
    let _ = has_signature(headers.as_bytes(), body, now);
});
