//! What strangers send about seeds: requests for sealed ones and answers with them, challenges of pollinate,
//! addresses of units. Each is refused, or within its limits.
#![no_main]

use arbitrary::Arbitrary;

use lavawall::{accepted_seed_request, answered_challenge, asking_unit, opens_as_a_seed};
use libfuzzer_sys::fuzz_target;

/// Two hashes in hexadecimal digits, each with a newline.
const ANSWER_BYTES: usize = 2 * 129;

#[derive(Debug, Arbitrary)]
enum Input<'a> {
    Request(&'a [u8]),
    Answer { enc: &'a [u8], ciphertext: &'a [u8], signature: [u8; 64] },
    Form(&'a [u8]),
    Address(&'a [u8]),
}

fuzz_target!(|input: Input| match input {
    Input::Request(body) => {
        let Some((nonce, seed)) = accepted_seed_request(body) else { return };
        assert!((16..=64).contains(&nonce) && (32..=64).contains(&seed));
    }
    Input::Answer { enc, ciphertext, signature } => {
        assert!(!opens_as_a_seed(enc, ciphertext, &signature));
    }
    Input::Form(form) => {
        let Some(answer) = answered_challenge(form) else { return };
        assert!(answer.len() == ANSWER_BYTES && answer.is_ascii());
    }
    Input::Address(address) => {
        let Some(unit) = asking_unit(address) else { return };
        assert!(!unit.contains(char::is_control) && unit.is_ascii());
    }
});
