//! The configuration file: any text gives a configuration or an error that names its place.
#![no_main]

use lavawall::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = Config::parse("fuzz.toml", text, std::iter::empty()) {
        assert!(error.to_string().starts_with("fuzz.toml"));
    }
});
