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

/// One turn of the scrub a second: more would keep the thread from its other work.
const SCRUB_MOST: u32 = 1000;

/// The store's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct KvConfig {
    /// Memory for pages of the store's file, sealed as they are on disk.
    #[serde(with = "size")]
    pub cache: ByteSize,
    /// Memory for the cache of decrypted values; disabled with 0. It is zeroized when the keyring is
    /// sealed.
    #[serde(with = "size")]
    pub opened_cache: ByteSize,
    /// Ids of namespaces that are opened although their records do not agree with the multiset hash. Remove
    /// them again after the next start.
    pub accept: Vec<String>,
    /// The most records per second that a rotation reseals; it also uses at most half of the disk's time.
    pub rotation_rate: u32,
    /// The most records per second that the scrub reads, up to 16 MiB of them; 0 disables it.
    pub scrub_rate: u32,
}

impl Default for KvConfig {
    fn default() -> Self {
        Self {
            cache: ByteSize::mib(64),
            opened_cache: ByteSize::mib(16),
            accept: Vec::new(),
            rotation_rate: 2000,
            scrub_rate: 100,
        }
    }
}

impl KvConfig {
    /// Checks the limits.
    ///
    /// # Errors
    /// The field and the reason.
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
        if self.scrub_rate > SCRUB_MOST {
            let value = self.scrub_rate;
            return Err(("scrub-rate", format!("must be 0 to {SCRUB_MOST} (got {value})")));
        }
        match self.accept.iter().find(|id| NamespaceId::parse(id).is_none()) {
            Some(id) => Err(("accept", format!("{id:?} is not an id: 32 hexadecimal digits"))),
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
        let parse = |text| toml::from_str::<KvConfig>(text).expect("the test's own text is valid");
        assert_eq!(parse(""), KvConfig::default());
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
            ("scrub-rate = 0", true),
            ("scrub-rate = 1000", true),
            ("scrub-rate = 1001", false),
        ] {
            assert_eq!(parse(text).validate().is_ok(), is_valid, "{text}");
        }
        assert_eq!(parse(&accept).accepted().len(), 1);
    }
}
