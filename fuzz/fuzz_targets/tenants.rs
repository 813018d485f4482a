//! The record of a tenant: whatever its bytes are, an error or a record that is written as it reads.
#![no_main]

use lavawall::is_tenant_record;
use libfuzzer_sys::fuzz_target;

// Either the record itself, or what its limits, a permission and a token are.
fuzz_target!(|input: (&[u8], &str, &str, &str)| {
    let (bytes, limits, permission, hash) = input;
    let _ = is_tenant_record(bytes);
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let record = format!(
        "{{\"name\":\"acme\",\"created-at\":1,\"permissions\":[{}],\"limits\":{{{limits}}},\"tokens\":[{{\
         \"number\":1,\"hash\":{},\"created-at\":1,\"expires-at\":null,\"note\":null}}],\"last-token\":1}}",
        text(permission),
        text(hash)
    );
    let _ = is_tenant_record(record.as_bytes());
});
