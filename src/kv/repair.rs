//! Repair: a read-only store is written again, with the records that verify.

use std::iter;
use std::path::PathBuf;

use crate::audit::{Actor, AuditEvent};
use crate::keyring::{KeyringError, NamespaceId};
use crate::kv::engine::{Change, StorageError, Table};
use crate::kv::error::KvError;
use crate::kv::index::RecordFault;
use crate::kv::multiset_hash::MultisetHash;
use crate::kv::name::RecordName;
use crate::kv::namespace::Namespace;
use crate::kv::record::RecordAddress;
use crate::kv::record_id::RecordId;
use crate::kv::scrub::Checked;
use crate::kv::store::Store;

/// The outcome of a repair.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// Where the damaged file is kept; `None` when the file was sound.
    pub kept: Option<PathBuf>,
    /// Records that were written to the new file.
    pub records: usize,
    /// Records that are lost, as far as one of their rows was left.
    pub lost: Vec<(NamespaceId, RecordId)>,
    /// Pages that are lost; records of which both rows were in such pages cannot be named.
    pub lost_pages: usize,
    /// Acknowledged commits that are missing.
    pub lost_commits: u64,
}

/// The records of a namespace that are written to the new file.
struct Kept {
    keys: Vec<Vec<u8>>,
    hash: MultisetHash,
}

/// What a new file gets.
#[derive(Default)]
struct NewFile {
    /// The records that verify.
    kept: Vec<Vec<u8>>,
    /// Namespaces that are refused, or whose keyring is another: as they are.
    others: Vec<NamespaceId>,
    /// The rows of the commit.
    rows: Vec<Change>,
}

impl Store {
    /// Accepts the loss that made the store read-only, and writes again. A damaged file is replaced by a new one
    /// with the records that verify, and kept under a name that ends in `suffix`. The audit log has its line
    /// first.
    ///
    /// # Errors
    /// [`KvError::Sound`] when the store is not read-only. When nothing can be written or logged; then it stays
    /// as it is.
    pub fn repair(&self, actor: &Actor, suffix: &str) -> Result<Repair, KvError> {
        let mut writer = self.writer();
        let reason = self.read_only().ok_or(KvError::Sound)?;
        let mut repair = Repair { lost_commits: reason.lost_commits, ..Repair::default() };
        // From here on no commit that was acknowledged has a higher number.
        let commits = writer.commits + reason.lost_commits + 1;
        let file = match reason.salvage {
            Some(salvage) => {
                repair.lost_pages = salvage.lost_pages;
                Some(self.new_file(&mut repair, commits)?)
            }
            None => None,
        };
        let detail =
            format!("{} records and {} commits lost", repair.lost.len(), repair.lost_commits);
        let (audit, event) =
            (self.keyring.audit(), AuditEvent::new(actor, "repair").detail(detail));
        audit.done(&event).map_err(KeyringError::from)?;
        let written = self.write_repaired(file, commits, suffix).and_then(|kept| {
            event.took_effect();
            repair.kept = kept;
            self.load(&mut writer)?;
            self.mark_commits(commits)
        });
        if let Err(error) = written {
            audit.refused(&event, &error).map_err(KeyringError::from)?;
            return Err(error);
        }
        Ok(repair)
    }

    /// What belongs into the new file of a salvaged store.
    fn new_file(&self, repair: &mut Repair, commits: u64) -> Result<NewFile, KvError> {
        let namespaces = self.known_namespaces()?;
        let mut file = NewFile::default();
        for namespace in namespaces.iter().filter(|it| it.agrees) {
            let found = self.verified(namespace, repair)?;
            repair.records += found.keys.len();
            let (keys, hash) = (namespace.keys(), found.hash);
            file.rows.extend(self.commit_rows(&keys, namespace.id, commits, hash)?);
            file.kept.extend(found.keys);
        }
        let is_known = |id: &NamespaceId| {
            namespaces.iter().any(|namespace| namespace.id == *id && namespace.agrees)
        };
        let others = self.namespaces_on_disk()?;
        file.others = others.into_keys().filter(|id| !is_known(id)).collect();
        Ok(file)
    }

    /// Writes the new file of a salvaged store, or the commit count of a sound one. Returns where the damaged
    /// file is kept.
    fn write_repaired(
        &self,
        file: Option<NewFile>,
        commits: u64,
        suffix: &str,
    ) -> Result<Option<PathBuf>, KvError> {
        let count = self.count_row(commits)?;
        let Some(NewFile { kept, others, rows }) = file else {
            self.storage.commit(&mut iter::once(Ok(count)))?;
            return Ok(None);
        };
        let copied = kept.iter().flat_map(|key| {
            [Table::Values, Table::Entries].map(|table| self.copy(table, key)).into_iter().flatten()
        });
        let others = others.iter().flat_map(|id| {
            [Table::Values, Table::Entries, Table::Sums]
                .into_iter()
                .flat_map(|table| self.rows(table, *id))
        });
        let rows = rows.into_iter().chain([count]).map(Ok);
        let mut batch = copied.chain(others).chain(rows);
        Ok(Some(self.storage.rebuild(&mut batch, suffix)?))
    }

    /// Checks every record of a namespace, value included.
    fn verified(&self, namespace: &Namespace, repair: &mut Repair) -> Result<Kept, KvError> {
        let keys = namespace.keys();
        let (names, faults, mut hash) = {
            let index = namespace.index();
            let names = index.after("", None, 0);
            let names: Vec<_> = names.map(|(name, slot)| (RecordName::of(name), slot)).collect();
            (names, index.faults.clone(), index.hash)
        };
        let mut kept = Vec::with_capacity(names.len());
        for (name, slot) in names {
            let id = keys.record_id(name.as_str());
            let address = RecordAddress { namespace: namespace.id, id };
            let row = |table, key: &[u8]| self.storage.get(table, key);
            let checked = Self::check(&row, namespace, name.as_str(), slot)?;
            if matches!(checked, Checked::Sound(_)) {
                kept.push(address.key());
            } else {
                hash.subtract(&keys.term(id, slot.version, slot.expiry));
                repair.lost.push((namespace.id, id));
            }
        }
        for (id, fault) in faults {
            match fault {
                // It cannot be told from a sound one.
                RecordFault::Destroyed(_) | RecordFault::UnknownVersion(_) => {
                    kept.push(RecordAddress { namespace: namespace.id, id }.key());
                }
                RecordFault::Damaged => repair.lost.push((namespace.id, id)),
            }
        }
        Ok(Kept { keys: kept, hash })
    }

    /// A row as it is; nothing when there is none.
    fn copy(&self, table: Table, key: &[u8]) -> Option<Result<Change, StorageError>> {
        let row = self.storage.get(table, key).transpose()?;
        Some(row.map(|row| Change::Put(table, key.to_vec(), row)))
    }

    /// All rows of a namespace, read one at a time.
    fn rows(
        &self,
        table: Table,
        id: NamespaceId,
    ) -> impl Iterator<Item = Result<Change, StorageError>> + '_ {
        let mut after: Option<Vec<u8>> = None;
        iter::from_fn(move || {
            let read = self.storage.scan(table, &id.0, after.as_deref(), 1);
            let (key, row) = match read {
                Ok(rows) => rows.into_iter().next()?,
                Err(error) => return Some(Err(error)),
            };
            after = Some(key.clone());
            Some(Ok(Change::Put(table, key, row)))
        })
    }
}
