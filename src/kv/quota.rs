//! Quotas of records at rest, by the owner of a namespace.

/// Says whose a namespace is, and what its owner may keep.
pub(crate) trait RecordQuotas: Send + Sync {
    /// The quota for a namespace with this title; `None` when it has no owner.
    fn of(&self, title: &str) -> Option<RecordQuota>;
}

/// What an owner of namespaces may keep; `None` is no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordQuota {
    /// The beginning of the titles of its namespaces.
    pub(crate) titles: String,
    pub(crate) namespaces: Option<u64>,
    pub(crate) records: Option<u64>,
    /// Bytes of names, metadata and values.
    pub(crate) bytes: Option<u64>,
}

/// What is kept, without records that expired.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) namespaces: u64,
    pub(crate) records: u64,
    /// Bytes of names, metadata and values; `None` while they are counted, after a start.
    pub(crate) bytes: Option<u64>,
}

/// A quota that a write would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaExceeded {
    /// `namespaces`, `records` or `stored`.
    pub field: &'static str,
    /// The limit.
    pub most: u64,
    /// What there would be.
    pub wanted: u64,
}

impl Kept {
    pub(crate) fn none() -> Self {
        Self { bytes: Some(0), ..Self::default() }
    }

    /// The sum.
    #[must_use]
    pub(crate) fn plus(self, other: Self) -> Self {
        let bytes = self.bytes.zip(other.bytes).map(|(one, other)| one + other);
        let namespaces = self.namespaces + other.namespaces;
        Self { namespaces, records: self.records + other.records, bytes }
    }
}
