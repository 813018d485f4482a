//! The `[kv]` table of the configuration.

use std::collections::BTreeSet;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

use crate::keyring::NamespaceId;
use crate::size;

/// Less makes every read go to the disk.
const CACHE_LEAST: ByteSize = ByteSize::mib(1);

/// More is a typing error.
const CACHE_MOST: ByteSize = ByteSize::tib(1);

/// How the store is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Memory for pages of the store's file, sealed as they are on disk.
    #[serde(deserialize_with = "size::read")]
    pub cache: ByteSize,
    /// Memory for values that were read lately, opened; none with 0. It is wiped when the store is
    /// sealed.
    #[serde(deserialize_with = "size::read")]
    pub opened_cache: ByteSize,
    /// Ids of namespaces that are opened as they are found although their sum does not agree. Take
    /// them out again after the next start.
    pub accept: Vec<String>,
    /// Records that a rotation seals anew in a second, at the most; and it takes no more than half of
    /// the time of the disk.
    pub rotation_rate: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cache: ByteSize::mib(64),
            opened_cache: ByteSize::mib(16),
            accept: Vec::new(),
            rotation_rate: 2000,
        }
    }
}

impl Config {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// The field, and what is wrong with it.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if !(CACHE_LEAST..=CACHE_MOST).contains(&self.cache) {
            return Err(("cache", format!("must be 1MiB to 1TiB (got {})", self.cache)));
        }
        if self.opened_cache > CACHE_MOST {
            return Err((
                "opened-cache",
                format!("must be 0B to 1TiB (got {})", self.opened_cache),
            ));
        }
        if !(1..=1_000_000).contains(&self.rotation_rate) {
            let value = self.rotation_rate;
            return Err(("rotation-rate", format!("must be 1 to 1000000 (got {value})")));
        }
        match self.accept.iter().find(|id| NamespaceId::parse(id).is_none()) {
            Some(id) => Err(("accept", format!("{id:?} is no id: 32 hexadecimal digits"))),
            None => Ok(()),
        }
    }

    /// The namespaces of `accept`.
    #[must_use]
    pub fn accepted(&self) -> BTreeSet<NamespaceId> {
        self.accept.iter().filter_map(|id| NamespaceId::parse(id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_every_range_are_held() {
        let parse = |text| toml::from_str::<Config>(text).expect("the test's own text is valid");
        assert_eq!(parse(""), Config::default());
        let id = "00112233445566778899aabbccddeeff";
        let accept = format!("accept = [\"{id}\"]");
        for (text, is_valid) in [
            ("", true),
            ("cache = \"1MiB\"", true),
            ("cache = \"1TiB\"", true),
            ("cache = \"1023KiB\"", false),
            ("cache = \"1025GiB\"", false),
            ("opened-cache = \"0B\"", true),
            ("opened-cache = \"1TiB\"", true),
            ("opened-cache = \"1025GiB\"", false),
            (&accept, true),
            ("accept = [\"first\"]", false),
            ("rotation-rate = 1", true),
            ("rotation-rate = 1000000", true),
            ("rotation-rate = 0", false),
            ("rotation-rate = 1000001", false),
        ] {
            assert_eq!(parse(text).validate().is_ok(), is_valid, "{text}");
        }
        assert_eq!(parse(&accept).accepted().len(), 1);
    }
}
