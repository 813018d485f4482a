//! JSON that somebody wrote: as strict as a reader that keeps everything, and the same to every reader.
#![no_main]

use lavawall::Json;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, from_slice, from_str};

fuzz_target!(|bytes: &[u8]| {
    let expected = from_slice::<Value>(bytes).ok();
    let kept = Json::read(bytes).ok();
    let read = kept.as_ref().map(|json| from_str(json.text()).expect("JSON still"));
    assert_eq!(read, expected);
    if let Some(json) = kept {
        let again = Json::read(json.text().as_bytes()).expect("JSON still");
        assert_eq!(again.text(), json.text());
    }
});
