//! The meter: requests, bytes and uses of keys, by protocol and hour.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// The interfaces over which a tenant calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Protocol {
    /// `/random`, `/status`, `/metrics`.
    Native,
    /// The pages.
    Web,
    /// Workers KV.
    WorkersKv,
    /// The operator's calls.
    Admin,
    /// The entropy gathering daemon's protocol.
    Egd,
    /// Vault and OpenBao.
    Vault,
    /// AWS KMS.
    AwsKms,
    /// Kubernetes KMS v2.
    Kms,
    /// pollen.
    Pollen,
}

/// Every protocol, in the order of their counters.
pub(crate) const PROTOCOLS: [Protocol; 9] = [
    Protocol::Native,
    Protocol::Web,
    Protocol::WorkersKv,
    Protocol::Admin,
    Protocol::Egd,
    Protocol::Vault,
    Protocol::AwsKms,
    Protocol::Kms,
    Protocol::Pollen,
];

/// Amounts of use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Calls that were answered, without those that a limit refused.
    pub(crate) requests: u64,
    /// Bytes of randomness and of records in answers.
    pub(crate) bytes: u64,
    /// Calls that used a key.
    pub(crate) key_uses: u64,
}

/// The use of one hour, by protocol.
pub(crate) type HourUsage = BTreeMap<Protocol, Usage>;

/// The use of one day in UTC: the hours 0 to 23.
pub(crate) type DayUsage = BTreeMap<u8, HourUsage>;

impl Protocol {
    /// Its name in answers and metrics.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Web => "web",
            Self::WorkersKv => "workers-kv",
            Self::Admin => "admin",
            Self::Egd => "egd",
            Self::Vault => "vault",
            Self::AwsKms => "aws-kms",
            Self::Kms => "kms",
            Self::Pollen => "pollen",
        }
    }
}

impl Usage {
    /// The sum.
    #[must_use]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            bytes: self.bytes.saturating_add(other.bytes),
            key_uses: self.key_uses.saturating_add(other.key_uses),
        }
    }

    /// What has been added since `earlier`.
    #[must_use]
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            bytes: self.bytes.saturating_sub(earlier.bytes),
            key_uses: self.key_uses.saturating_sub(earlier.key_uses),
        }
    }
}

/// Counters since the start of the process.
#[derive(Debug, Default)]
pub(crate) struct Meter([Counters; PROTOCOLS.len()]);

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    bytes: AtomicU64,
    key_uses: AtomicU64,
}

impl Meter {
    /// Counts one request.
    pub(crate) fn add_request(&self, protocol: Protocol) {
        self.of(protocol).requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts bytes of an answer.
    pub(crate) fn add_bytes(&self, protocol: Protocol, bytes: u64) {
        self.of(protocol).bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts one call that used a key.
    pub(crate) fn add_key_use(&self, protocol: Protocol) {
        self.of(protocol).key_uses.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts.
    #[must_use]
    pub(crate) fn read(&self) -> [Usage; PROTOCOLS.len()] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.0.each_ref().map(|of| Usage {
            requests: read(&of.requests),
            bytes: read(&of.bytes),
            key_uses: read(&of.key_uses),
        })
    }

    fn of(&self, protocol: Protocol) -> &Counters {
        &self.0[protocol as usize]
    }
}

/// Adds to the hour of a day what came since `before`.
pub(crate) fn add_since(
    day: &mut DayUsage,
    hour: u8,
    before: &[Usage; PROTOCOLS.len()],
    now: &[Usage; PROTOCOLS.len()],
) {
    for ((protocol, before), now) in PROTOCOLS.into_iter().zip(before).zip(now) {
        let new = now.since(*before);
        if new != Usage::default() {
            let hour = day.entry(hour).or_default().entry(protocol).or_default();
            *hour = hour.plus(new);
        }
    }
}

/// The use of a day, of all protocols.
#[must_use]
pub(crate) fn sum_of(day: &DayUsage) -> Usage {
    day.values().flat_map(BTreeMap::values).fold(Usage::default(), |sum, it| sum.plus(*it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_is_counted_by_protocol_and_added_to_its_hour_once() {
        let (meter, mut day) = (Meter::default(), DayUsage::default());
        meter.add_request(Protocol::Native);
        meter.add_bytes(Protocol::Native, 32);
        meter.add_key_use(Protocol::WorkersKv);
        let first = meter.read();
        add_since(&mut day, 3, &Default::default(), &first);
        add_since(&mut day, 4, &first, &meter.read());
        assert_eq!(day.len(), 1, "nothing is new");
        meter.add_bytes(Protocol::Native, 8);
        add_since(&mut day, 4, &first, &meter.read());
        assert_eq!(day[&3][&Protocol::Native], Usage { requests: 1, bytes: 32, key_uses: 0 });
        assert_eq!(day[&3][&Protocol::WorkersKv], Usage { key_uses: 1, ..Usage::default() });
        assert_eq!(day[&4][&Protocol::Native], Usage { bytes: 8, ..Usage::default() });
        assert_eq!((sum_of(&day).bytes, sum_of(&day).key_uses), (40, 1));
    }

    #[test]
    fn every_protocol_has_a_counter_and_a_name_of_its_own() {
        for (number, protocol) in PROTOCOLS.into_iter().enumerate() {
            assert_eq!(protocol as usize, number);
            let text = serde_json::to_string(&protocol).expect("a name");
            assert_eq!(text, format!("\"{}\"", protocol.name()));
        }
    }
}
