//! `/random`: what is asked is what is given, to the byte.

use crate::appliance::Appliance;
use crate::client::{Client, get};

#[test]
fn the_default_is_32_raw_bytes_with_their_provenance() {
    let appliance = Appliance::ready();
    let answer = get(appliance.address, "/random");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.len(), 32);
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("entropy-generation"), Some("1"));
    assert_eq!(answer.header("entropy-sources"), Some("camera;q=1, os;q=1, jitter;q=0"));
    let age: u64 = answer.header("entropy-age").expect("an age").parse().expect("seconds");
    assert!(age < 60);
}

#[test]
fn every_length_around_a_piece_is_exact_in_every_form() {
    let appliance = Appliance::ready();
    let mut client = Client::connect(appliance.address);
    for bytes in [
        1, 2, 3, 4095, 4096, 4097, 32767, 32768, 32769, 49151, 49152, 49153, 65535, 65536, 65537,
        300_001,
    ] {
        let raw = client.call("GET", &format!("/random?bytes={bytes}&format=raw"), &[]);
        assert_eq!(raw.body.len(), bytes);
        let hex = client.call("GET", &format!("/random?bytes={bytes}&format=hex"), &[]);
        let digits = hex.text().strip_suffix('\n').expect("a newline");
        assert_eq!(data_encoding::HEXLOWER.decode(digits.as_bytes()).expect("hex").len(), bytes);
        let base64 = client.call("GET", &format!("/random?bytes={bytes}&format=base64"), &[]);
        let digits = base64.text().strip_suffix('\n').expect("a newline");
        assert_eq!(data_encoding::BASE64.decode(digits.as_bytes()).expect("base64").len(), bytes);
        let url = client.call("GET", &format!("/random?bytes={bytes}&format=base64url"), &[]);
        let digits = url.text().strip_suffix('\n').expect("a newline");
        let decoded = data_encoding::BASE64URL_NOPAD.decode(digits.as_bytes());
        assert_eq!(decoded.expect("base64url").len(), bytes);
        let json = client.call("GET", &format!("/random?bytes={bytes}&format=json"), &[]).json();
        assert_eq!(json["bytes"], bytes);
        assert_eq!(json["format"], "hex");
        assert_eq!(json["data"].as_str().expect("text").len(), 2 * bytes);
    }
}

#[test]
fn no_piece_of_an_answer_repeats() {
    let appliance = Appliance::ready();
    let answer = get(appliance.address, "/random?bytes=1048576");
    let mut blocks: Vec<_> = answer.body.chunks(16).collect();
    blocks.sort_unstable();
    // 2^16 blocks of 128 bits: two agree by chance once in 2^97 runs.
    assert!(blocks.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn a_head_says_what_a_get_would_and_has_no_body() {
    let appliance = Appliance::ready();
    let mut client = Client::connect(appliance.address);
    for (target, length) in [("/random?bytes=7", "7"), ("/random?bytes=1073741824", "1073741824")] {
        let answer = client.call("HEAD", target, &[]);
        assert_eq!((answer.status, answer.header("content-length")), (200, Some(length)));
        assert_eq!(answer.header("entropy-generation"), Some("1"));
    }
    assert_eq!(client.call("GET", "/random?bytes=5", &[]).body.len(), 5);
}
