//! Opening a store over a storage that other nodes write: everything is read at one revision, and followed from
//! there.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::keyring::NamespaceId;
use crate::kv::commit_rows::{CountFound, highest_count};
use crate::kv::derived_keys::DerivedKeys;
use crate::kv::engine::{Change, Revision, Table};
use crate::kv::error::KvError;
use crate::kv::follower::Follower;
use crate::kv::namespace::Namespace;
use crate::kv::read_only::ReadOnlyReason;
use crate::kv::shared_commit::OwnCommit;
use crate::kv::store::{Namespaces, Store, WriterState};

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
        let mut namespaces = Namespaces::new();
        let mut accepted = Vec::new();
        let (mut latest, mut is_ours) = (0, false);
        for info in self.keyring.namespaces()? {
            let keys = DerivedKeys::new(&self.keyring.namespace_keys(info.id)?);
            let mut namespace = Namespace::load_at(&*rows, info.id, keys)?;
            findings.extend(namespace.findings());
            {
                let index = namespace.index();
                latest = latest.max(index.sums.commits(follower.node));
                is_ours |= index.len() > 0 || index.sums.total().is_some();
            }
            if !namespace.agrees && is_first && self.accept.contains(&info.id) {
                namespace.agrees = true;
                accepted.push(info.id);
            }
            namespaces.insert(info.id, Arc::new(namespace));
        }
        let highest = highest_count(&*rows, &*self.keyring.store_key()?)?;
        is_ours |= highest.is_some() || !accepted.is_empty();
        let counted = self.count_at(&*rows)?;
        drop(rows);
        let own = match counted {
            CountFound::Commits(commits) => Some(commits),
            CountFound::Absent | CountFound::Damaged => None,
        };
        // When no row opens, the store belongs to another keyring.
        if !is_ours && self.has_rows()? {
            return Err(KvError::Foreign);
        }
        // A store that one process wrote before is taken over with its count, which the anchor may have.
        let commits = own.or(highest).unwrap_or_default().max(latest);
        let (marked, damaged_mark) = self.read_mark()?;
        findings.extend(damaged_mark);
        if counted == CountFound::Damaged {
            findings.push("the store's count of commits of this node is damaged".to_owned());
        }
        self.keyring.check_commits(commits.max(marked))?;
        let lost_commits = marked.saturating_sub(commits);
        let read_only =
            (lost_commits > 0).then_some(ReadOnlyReason { salvage: None, lost_commits });
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

    /// Writes the multiset hash of a namespace that is accepted as it is found, in this node's part; those of other
    /// nodes are removed.
    fn accept_shared(
        &self,
        follower: &Follower,
        writer: &mut WriterState,
        id: NamespaceId,
    ) -> Result<(), KvError> {
        let namespace = self.known_namespace(id)?;
        let commits = writer.commits + 1;
        let (hash, since, has_sum, others) = {
            let index = namespace.index();
            let others = index.sums.nodes().filter(|node| *node != follower.node);
            let others: Vec<_> = others.map(|node| node.key(&id.0)).collect();
            let since = index.revision.max(follower.followed());
            (index.hash, since, index.sums.has(follower.node), others)
        };
        let rows = self.commit_rows(&namespace.keys(), id, commits, hash)?;
        let removed = others.into_iter().map(|key| Change::Delete(Table::Sums, key));
        let changes = rows.into_iter().chain(removed).collect();
        let expected = Vec::new();
        self.commit_own(
            follower,
            writer,
            OwnCommit { namespace: id, commits, since, changes, expected, has_sum },
        )
    }
}
