//! The tokens file and the header that carries a token.
#![no_main]

use lavawall::{Tokens, bearer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Tokens::parse(&String::from_utf8_lossy(bytes));
    let _ = bearer(bytes);
});
