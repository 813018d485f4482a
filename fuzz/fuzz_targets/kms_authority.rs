//! The filter of authorities before HTTP/2: any bytes keep their length, are the same however they are cut, and
//! are changed once at most.
#![no_main]

use lavawall::valid_authorities;
use libfuzzer_sys::fuzz_target;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fuzz_target!(|input: (bool, [u8; 4], &[u8])| {
    let (has_preface, pieces, bytes) = input;
    let sent = if has_preface { [PREFACE, bytes].concat() } else { bytes.to_vec() };
    let once = valid_authorities(&sent, &[]);
    assert_eq!(valid_authorities(&sent, &pieces.map(usize::from)), once);
    assert_eq!(valid_authorities(&once, &[]), once);
    assert_eq!(once.len(), sent.len());
    assert!(sent.iter().zip(&once).all(|(before, after)| before == after || *after == b'-'));
});
