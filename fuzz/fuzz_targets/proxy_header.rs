//! Headers of the PROXY protocol: any bytes are refused, or are one header that ends within them and means
//! the same whatever follows.
#![no_main]

use lavawall::accepted_proxy_header;
use libfuzzer_sys::fuzz_target;

/// Twelve bytes of signature, four of head, and the most that follows.
const HEADER_MOST: usize = 16 + 2048;

fuzz_target!(|bytes: &[u8]| {
    let Some((length, address)) = accepted_proxy_header(bytes) else { return };
    assert!((16..=HEADER_MOST).contains(&length) && length <= bytes.len());
    assert_eq!(accepted_proxy_header(&bytes[..length]), Some((length, address)));
    assert_eq!(accepted_proxy_header(&bytes[..length - 1]), None);
});
