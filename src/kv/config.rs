//! The `[kv]` table of the configuration.

use std::collections::BTreeSet;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

use crate::keyring::NamespaceId;
use crate::kv::edit::VALUE_LIMIT;
use crate::kv::etcd_config::EtcdConfig;
use crate::size;

/// Less makes every read go to the disk.
const CACHE_LEAST: ByteSize = ByteSize::mib(1);

/// More is a typing error.
const CACHE_MOST: ByteSize = ByteSize::tib(1);

/// Memory for the one write at a time and for rows that are read, in bytes. The largest of each is the sealed row
/// of a value of 25 MiB and two pages of the store's file of 32 MiB, the next power of two: 89 MiB. The rest of
/// that is within the fifth that the ceiling may be exceeded by.
const WRITING_BYTES: usize = 68 << 20;

/// Shares of calls of up to 64 KiB, and of up to 1 MiB, in bytes.
pub(crate) const CALLS_TINY_BYTES: usize = 4 << 20;
pub(crate) const CALLS_SMALL_BYTES: usize = 8 << 20;

/// The least share of larger calls in bytes: one of the largest value, and what a form adds to it.
const CALLS_LARGE_LEAST: usize = VALUE_LIMIT + (64 << 10);

/// One turn of the scrub a second: more would keep the thread from its other work.
const SCRUB_MOST: u32 = 1000;

/// The engine that keeps the rows of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineChoice {
    /// A file in the state directory.
    #[default]
    Redb,
    /// An etcd.
    Etcd,
}

/// The store's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct KvConfig {
    /// What keeps the rows of the store: `redb`, a file in the state directory, or `etcd`.
    pub engine: EngineChoice,
    /// Memory of the store: `cache`, `opened-cache`, the one write at a time, and the bodies and answers of
    /// all calls. Calls wait for it. The index of names comes on top.
    #[serde(with = "size")]
    pub memory: ByteSize,
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
    /// The etcd of the engine `etcd`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etcd: Option<EtcdConfig>,
}

impl Default for KvConfig {
    fn default() -> Self {
        Self {
            engine: EngineChoice::default(),
            etcd: None,
            memory: ByteSize::mib(256),
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
        if self.memory > CACHE_MOST || self.large_calls() < CALLS_LARGE_LEAST {
            let least = self.apart_from_large_calls() + CALLS_LARGE_LEAST as u64;
            return Err((
                "memory",
                format!(
                    "must be {least} bytes to 1TiB: cache, opened-cache, {} bytes for reading and writing rows, and {} for \
                     calls (got {})",
                    WRITING_BYTES,
                    CALLS_TINY_BYTES + CALLS_SMALL_BYTES + CALLS_LARGE_LEAST,
                    self.memory.as_u64()
                ),
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
        match (self.engine, &self.etcd) {
            (EngineChoice::Etcd, None) => {
                return Err(("etcd", "must be given for the engine etcd".to_owned()));
            }
            (EngineChoice::Redb, Some(_)) => {
                let reason = "must be \"etcd\" when kv.etcd is given (got \"redb\")";
                return Err(("engine", reason.to_owned()));
            }
            (EngineChoice::Etcd, Some(_)) if !cfg!(feature = "etcd") => {
                let reason = "must be \"redb\": this program is built without the feature etcd";
                return Err(("engine", reason.to_owned()));
            }
            (EngineChoice::Etcd, Some(etcd)) => etcd.validate()?,
            (EngineChoice::Redb, None) => {}
        }
        match self.accept.iter().find(|id| NamespaceId::parse(id).is_none()) {
            Some(id) => Err(("accept", format!("{id:?} is not an id: 32 hexadecimal digits"))),
            None => Ok(()),
        }
    }

    /// The share of calls of more than 1 MiB, in bytes; also the most that one call can have.
    #[must_use]
    pub fn large_calls(&self) -> usize {
        let left = self.memory.as_u64().saturating_sub(self.apart_from_large_calls());
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    fn apart_from_large_calls(&self) -> u64 {
        let fixed = WRITING_BYTES + CALLS_TINY_BYTES + CALLS_SMALL_BYTES;
        self.cache.as_u64().saturating_add(self.opened_cache.as_u64()).saturating_add(fixed as u64)
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
            ("cache = \"100MiB\"", true),
            ("cache = \"512MiB\"", false),
            ("cache = \"512MiB\"\nmemory = \"1GiB\"", true),
            ("memory = \"1TiB\"\ncache = \"1023GiB\"", true),
            ("memory = \"1025GiB\"", false),
            ("cache = \"1023KiB\"", false),
            ("cache = \"1025GiB\"", false),
            ("opened-cache = \"0B\"", true),
            ("opened-cache = \"1TiB\"", false),
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
            ("engine = \"redb\"", true),
            ("engine = \"etcd\"", false),
            ("[etcd]\nendpoints = [\"http://10.0.0.1:2379\"]", false),
            ("engine = \"etcd\"\n[etcd]\nendpoints = [\"http://a:1\"]", cfg!(feature = "etcd")),
            ("engine = \"etcd\"\n[etcd]\nendpoints = []", false),
        ] {
            assert_eq!(parse(text).validate().is_ok(), is_valid, "{text}");
        }
        assert_eq!(parse(&accept).accepted().len(), 1);
    }

    #[test]
    fn the_least_memory_is_named_and_has_room_for_one_largest_value() {
        let config = |memory| KvConfig { memory: ByteSize::b(memory), ..KvConfig::default() };
        let least = (64 + 16 + 68 + 4 + 8 + 25) * (1 << 20) + (64 << 10);
        assert_eq!(config(least).validate(), Ok(()));
        assert_eq!(config(least).large_calls(), VALUE_LIMIT + (64 << 10));
        let (field, reason) = config(least - 1).validate().expect_err("one byte too few");
        assert!(field == "memory" && reason.contains(&least.to_string()), "{reason}");
    }
}
