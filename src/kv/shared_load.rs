//! Opening a store over a storage that other nodes write: everything is read at one revision, and followed from
//! there.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::keyring::NamespaceId;
use crate::kv::commit_rows::{CountFound, highest_count};
use crate::kv::derived_keys::DerivedKeys;
use crate::kv::engine::{Change, Revision, RevisionSnapshot, Table};
use crate::kv::error::KvError;
use crate::kv::follower::Follower;
use crate::kv::namespace::Namespace;
use crate::kv::store::{Namespaces, Store, WriterState};

/// The namespaces as they were loaded.
#[derive(Default)]
struct Loaded {
    namespaces: Namespaces,
    /// Those that are accepted as they were found.
    accepted: Vec<NamespaceId>,
    /// This node's commit count at its last change of any of them.
    latest: u64,
    /// Whether any row of them opens.
    has_rows: bool,
}

impl Store {
    /// As [`Store::open`], for a shared storage.
    pub(crate) fn load_shared(
        &self,
        follower: &Follower,
        writer: &mut WriterState,
    ) -> Result<(), KvError> {
        let mut findings = mem::take(&mut writer.findings);
        findings.extend(self.check_format()?);
        let mut watch = follower.watch();
        *watch = None;
        let keyring = self.keyring.counter()?;
        // What comes later was not there when the operator accepted it.
        let is_first = follower.followed() == Revision(0);
        let revision = follower.storage.revision()?;
        let rows = follower.storage.snapshot_at(revision)?;
        let Loaded { namespaces, accepted, latest, has_rows } =
            self.load_namespaces(&*rows, &mut findings, is_first)?;
        let highest = highest_count(&*rows, &*self.keyring.store_key()?)?;
        let counted = self.count_at(&*rows)?;
        drop(rows);
        // When no row opens, the store belongs to another keyring.
        let is_ours = has_rows || highest.is_some() || !accepted.is_empty();
        if !is_ours && self.has_rows()? {
            return Err(KvError::Foreign);
        }
        let own = match counted {
            CountFound::Commits(commits) => Some(commits),
            CountFound::Absent | CountFound::Damaged => None,
        };
        // A store that one process wrote before is taken over with its count, which the anchor may have.
        let commits = own.or(highest).unwrap_or_default().max(latest);
        let (marked, damaged_mark) = self.read_mark()?;
        findings.extend(damaged_mark);
        if counted == CountFound::Damaged {
            findings.push("the store's count of commits of this node is damaged".to_owned());
        }
        let read_only = self.check_commits(commits, marked, None)?;
        if let Some(reason) = &read_only {
            findings.push(KvError::ReadOnly(reason.to_string()).to_string());
        } else {
            self.mark_shared()?;
            findings.extend(self.set_apart(&namespaces)?);
            findings.extend(self.mark_opened(commits));
        }
        *watch = Some(follower.storage.watch(revision)?);
        follower.set_followed(revision);
        follower.set_keyring(keyring);
        *self.read_only.write() = read_only;
        self.replace_namespaces(Some(namespaces));
        self.is_stale.store(false, Ordering::Release);
        drop(watch);
        *writer = WriterState {
            // Numbers that this process has used are not used again.
            commits: commits.max(writer.commits),
            // One that does not open is there all the same, and is replaced.
            counted: (counted != CountFound::Absent).then_some(own.unwrap_or(commits)),
            counted_at: revision,
            in_doubt: writer.in_doubt,
            findings,
        };
        if self.read_only().is_none() {
            for id in accepted {
                if let Err(error) = self.accept_shared(follower, writer, id) {
                    let finding = format!("kv.accept takes effect only until a restart: {error}");
                    writer.findings.push(finding);
                }
            }
        }
        Ok(())
    }

    /// Loads every namespace of the keyring, and adds what is found about them.
    fn load_namespaces(
        &self,
        rows: &dyn RevisionSnapshot,
        findings: &mut Vec<String>,
        may_accept: bool,
    ) -> Result<Loaded, KvError> {
        let mut loaded = Loaded::default();
        for info in self.keyring.namespaces()? {
            let keys = DerivedKeys::new(&self.keyring.namespace_keys(info.id)?);
            let mut namespace = Namespace::load_at(rows, info.id, keys)?;
            findings.extend(namespace.findings());
            {
                let index = namespace.index();
                loaded.latest = loaded.latest.max(index.sums.commits(self.node()));
                loaded.has_rows |= index.len() > 0 || index.sums.total().is_some();
            }
            if !namespace.agrees && may_accept && self.accept.contains(&info.id) {
                namespace.agrees = true;
                loaded.accepted.push(info.id);
            }
            loaded.namespaces.insert(info.id, Arc::new(namespace));
        }
        Ok(loaded)
    }

    /// Writes the multiset hash of a namespace that is accepted as it is found, in this node's part; those of other
    /// nodes are removed.
    fn accept_shared(
        &self,
        follower: &Follower,
        writer: &mut WriterState,
        id: NamespaceId,
    ) -> Result<(), KvError> {
        let namespace = self.known_namespace(id)?;
        let (hash, sum, others) = {
            let index = namespace.index();
            let others = index.sums.nodes().filter(|node| *node != follower.node);
            let others: Vec<_> = others.map(|node| node.key(&id.0)).collect();
            let sum = follower.expected_sum(&index, id, follower.revision_of(&index));
            (index.hash, sum, others)
        };
        let rows = self.commit_rows(&namespace.keys(), id, writer.commits + 1, hash)?;
        let removed = others.into_iter().map(|key| Change::Delete(Table::Sums, key));
        let changes = rows.into_iter().chain(removed).collect();
        self.commit_own(follower, writer, changes, vec![sum])
    }
}
