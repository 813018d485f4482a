//! Reports on namespaces, for operators and for the rotation.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::keyring::NamespaceId;
use crate::kv::damage::named;
use crate::kv::error::KvError;
use crate::kv::index::RecordFault;
use crate::kv::namespace::Namespace;
use crate::kv::store::Store;

/// The state of a namespace, for operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamespaceReport {
    /// Its id.
    pub id: NamespaceId,
    /// Records, including expired ones that are not removed yet.
    pub records: usize,
    /// Records that do not open: those found at the opening, and those that reads met since.
    pub damaged: usize,
    /// Whether its records agree with the multiset hash, as far as can be checked.
    pub agrees: bool,
    /// The key version that seals.
    pub active_version: u32,
    /// The number of records under each key version.
    pub dependents: BTreeMap<u32, u64>,
    /// Records resealed by this process since the last rotation.
    pub resealed: usize,
}

impl NamespaceReport {
    /// The number of records under older versions.
    #[must_use]
    pub fn behind(&self) -> u64 {
        let older = self.dependents.iter().filter(|(version, _)| **version != self.active_version);
        older.map(|(_, records)| records).sum()
    }
}

impl Namespace {
    /// Findings for the operator.
    pub(crate) fn findings(&self) -> Vec<String> {
        let index = self.index();
        let disagrees = (!self.agrees).then(|| KvError::Disagrees(self.id).to_string());
        let is_unknown = |fault: &RecordFault| matches!(fault, RecordFault::UnknownVersion(_));
        let of = |unknown: bool| -> Option<(usize, String)> {
            let faults = index.faults.iter().filter(|(_, fault)| is_unknown(fault) == unknown);
            let ids: Vec<_> = faults.map(|(id, _)| id.to_string()).collect();
            let some = ids.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
            (!ids.is_empty()).then_some((ids.len(), some))
        };
        let damaged = of(false).map(|(count, ids)| {
            format!(
                "namespace {}: {count} records do not open, among them {ids}; other changes there cannot be \
                 detected",
                self.id
            )
        });
        let newer = of(true).map(|(count, ids)| {
            format!(
                "namespace {}: {count} records are sealed under key versions that are not in the keyring, among \
                 them {ids}: an older copy of the keyring is in use, or they were changed on the disk. They are \
                 kept, and can be read once the newer keyring is restored; other changes there cannot be detected",
                self.id
            )
        });
        disagrees.into_iter().chain(damaged).chain(newer).collect()
    }
}

impl Store {
    /// The state of every namespace.
    ///
    /// # Errors
    /// When the store is closed.
    pub fn report(&self) -> Result<Vec<NamespaceReport>, KvError> {
        let namespaces = self.known_namespaces()?;
        let report = namespaces.iter().map(|namespace| {
            let index = namespace.index();
            NamespaceReport {
                id: namespace.id,
                records: index.len(),
                damaged: index.faults.len() + namespace.damage.count_beside(&index.faults),
                agrees: namespace.agrees,
                active_version: namespace.keys().active,
                dependents: index.dependents().clone(),
                resealed: namespace.resealed(),
            }
        });
        Ok(report.collect())
    }

    /// Findings on damaged records that reads met since the last call, one for each namespace.
    pub fn take_damage(&self) -> Vec<String> {
        let namespaces = self.known_namespaces().unwrap_or_default();
        let found = namespaces.iter().filter_map(|namespace| {
            let ids = namespace.damage.take_new();
            (!ids.is_empty()).then(|| {
                format!(
                    "namespace {}: {} damaged records were met: {}; write them again or delete them, and look \
                     at the disk",
                    namespace.id,
                    ids.len(),
                    named(&ids)
                )
            })
        });
        found.collect()
    }
}
