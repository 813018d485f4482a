//! One record as bulk writes and exports have it: JSON with these members.
//!
//! ```text
//! {"key":"a/b","value":"AAEC","base64":true,"metadata":{…},"expiration":1896091200}
//! ```

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use zeroize::{Zeroize, Zeroizing};

use crate::api::json::Json;
use crate::kv::{METADATA_LIMIT, NAME_LIMIT, VALUE_LIMIT};

/// A record. Name and value are zeroized when dropped.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkPair {
    pub(crate) key: String,
    pub(crate) value: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) base64: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Json>,
    /// In seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expiration: Option<Number>,
    /// In seconds from when it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expiration_ttl: Option<Number>,
}

impl BulkPair {
    /// Checks the service's limits before the call.
    ///
    /// # Errors
    /// The member, its limit and its length; never its content.
    pub(crate) fn check(&self) -> Result<(), String> {
        let length = self.key.len();
        if !(1..=NAME_LIMIT).contains(&length) {
            return Err(format!("key: must be 1 to {NAME_LIMIT} bytes (got {length})"));
        }
        if self.key == "." || self.key == ".." {
            return Err("key: must not be . or ..".into());
        }
        let length = if self.base64 {
            let bytes = BASE64.decode(self.value.as_bytes()).map(Zeroizing::new);
            bytes.map_err(|_| "value: must be base64".to_owned())?.len()
        } else {
            self.value.len()
        };
        if length > VALUE_LIMIT {
            return Err(format!("value: at most {VALUE_LIMIT} bytes (got {length})"));
        }
        let length = self.metadata.as_ref().map_or(0, |metadata| metadata.text().len());
        if length > METADATA_LIMIT {
            return Err(format!("metadata: at most {METADATA_LIMIT} bytes (got {length})"));
        }
        Ok(())
    }

    /// When it expires, in seconds since 1970, if it says so.
    #[cfg(feature = "export")]
    pub(crate) fn expires_at(&self) -> Option<u64> {
        let number = self.expiration.as_ref()?;
        // Some clients write whole numbers as 60.0.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a conversion of floating-point numbers saturates"
        )]
        number.as_u64().or_else(|| number.as_f64().map(|seconds| seconds as u64))
    }
}

impl Drop for BulkPair {
    fn drop(&mut self) {
        self.key.zeroize();
        self.value.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: String, base64: bool) -> BulkPair {
        let key = key.into();
        BulkPair { key, value, base64, metadata: None, expiration: None, expiration_ttl: None }
    }

    #[test]
    fn limits_are_exact_to_the_byte() {
        let text = |length| "v".repeat(length);
        let binary = |length| BASE64.encode(&vec![0; length]);
        for (pair, is_right) in [
            (pair("a", String::new(), false), true),
            (pair("", String::new(), false), false),
            (pair("..", String::new(), false), false),
            (pair(&text(NAME_LIMIT), String::new(), false), true),
            (pair(&text(NAME_LIMIT + 1), String::new(), false), false),
            (pair("a", text(VALUE_LIMIT), false), true),
            (pair("a", text(VALUE_LIMIT + 1), false), false),
            (pair("a", binary(VALUE_LIMIT), true), true),
            (pair("a", binary(VALUE_LIMIT + 1), true), false),
            (pair("a", "*".into(), true), false),
        ] {
            assert_eq!(pair.check().is_ok(), is_right, "{:?}", pair.check());
        }
    }

    #[cfg(feature = "export")]
    #[test]
    fn expirations_are_read_as_clients_write_them() {
        for (json, expected) in [("60", Some(60)), ("60.0", Some(60)), ("null", None)] {
            let json = format!(r#"{{"key":"a","value":"","expiration":{json}}}"#);
            let pair: BulkPair = serde_json::from_str(&json).expect("a pair");
            assert_eq!(pair.expires_at(), expected, "{json}");
        }
        let typing_error = r#"{"key":"a","value":"","expiration-ttl":60}"#;
        assert!(serde_json::from_str::<BulkPair>(typing_error).is_err());
    }
}
