//! The `[pool]` section of the configuration.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::collector::assessor::ASSESSMENT_REST;
use crate::source::credited_kinds;
use lavawall_entropy::LeaseLimits;

/// The settings of a running collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectorSettings {
    /// How many distinct kinds must each give enough for a seed.
    pub quorum: usize,
    /// How often a new seed is due.
    pub reseed_interval: Duration,
    /// Seconds that the assessor rests for each second of live assessment; read at the start only.
    pub assessment_rest: u32,
}

/// Shortest and longest `reseed-interval`. Below a second sources with start-up costs cannot keep
/// up; above an hour a compromise of the state lasts too long.
const INTERVAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(1));

/// Longest `grace-period`. Zero is allowed: then losing the quorum stops output at once.
const GRACE: (Duration, Duration) = (Duration::ZERO, Duration::from_hours(24));

/// When seeds are made, and how long output outlasts a lost quorum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PoolConfig {
    /// How many distinct kinds must each give 256 bits for a seed: 1 to 6, default 2.
    #[serde(deserialize_with = "quorum")]
    pub quorum: usize,
    /// Sources, by name or by type, without which there is no seed. Default none.
    pub required: Vec<String>,
    /// How often a new seed is made: 1 s to 1 h, default 60 s.
    #[serde(serialize_with = "write", deserialize_with = "interval")]
    pub reseed_interval: Duration,
    /// How long output goes on after the quorum is lost: 0 s to 24 h, default 15 min.
    #[serde(serialize_with = "write", deserialize_with = "grace")]
    pub grace_period: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            quorum: 2,
            required: Vec::new(),
            reseed_interval: Duration::from_mins(1),
            grace_period: Duration::from_mins(15),
        }
    }
}

impl PoolConfig {
    /// The settings of the collector.
    #[must_use]
    pub fn settings(&self) -> CollectorSettings {
        CollectorSettings {
            quorum: self.quorum,
            reseed_interval: self.reseed_interval,
            assessment_rest: ASSESSMENT_REST,
        }
    }

    /// The limits of the generator.
    #[must_use]
    pub fn limits(&self) -> LeaseLimits {
        LeaseLimits { reseed_interval: self.reseed_interval, grace_period: self.grace_period }
    }
}

fn quorum<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let quorum = i64::deserialize(deserializer)?;
    let kinds = credited_kinds();
    usize::try_from(quorum)
        .ok()
        .filter(|quorum| (1..=kinds).contains(quorum))
        .ok_or_else(|| de::Error::custom(format!("must be from 1 to {kinds} (got {quorum})")))
}

fn write<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&humantime::format_duration(*duration))
}

fn interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(DurationIn(INTERVAL))
}

fn grace<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(DurationIn(GRACE))
}

/// Reads a duration written like `90s` or `15min`, within limits.
struct DurationIn((Duration, Duration));

impl de::Visitor<'_> for DurationIn {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = self.0;
        write!(
            f,
            "a duration from {} to {}, such as \"60s\" or \"15min\"",
            humantime::format_duration(least),
            humantime::format_duration(most)
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        humantime::parse_duration(text)
            .ok()
            .filter(|duration| (self.0.0..=self.0.1).contains(duration))
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}
