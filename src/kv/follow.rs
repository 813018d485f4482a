//! Following the commits of other nodes: each change of a row is taken into the index, in the order of the
//! commits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::keyring::NamespaceId;
use crate::kv::derived_keys::DerivedKeys;
use crate::kv::engine::{Revision, RowChange, Table, WatchError};
use crate::kv::error::KvError;
use crate::kv::follower::{Follower, WatchGuard};
use crate::kv::index::Index;
use crate::kv::namespace::{Namespace, open_entry_row, slot_of};
use crate::kv::node_number::NodeNumber;
use crate::kv::node_sums::NodeSum;
use crate::kv::record::RecordAddress;
use crate::kv::record_id::RecordId;
use crate::kv::store::Store;

/// A change that does not fit the index: the namespace must be loaded and checked as a whole.
struct Unfit;

impl Store {
    /// Takes in every commit that was acknowledged before this call, by any node. Nothing when the storage is not
    /// shared. Readers and writers do it themselves; made now and then, it keeps what they have to take in small.
    ///
    /// # Errors
    /// When the storage is away.
    pub(crate) fn follow(&self) -> Result<(), KvError> {
        let Some(follower) = &self.follower else { return Ok(()) };
        let latest = follower.storage.revision()?;
        self.follow_until(follower, latest)?;
        self.follow_keyring()
    }

    /// Takes in all commits up to this revision.
    pub(crate) fn follow_until(
        &self,
        follower: &Follower,
        revision: Revision,
    ) -> Result<(), KvError> {
        if follower.followed() >= revision {
            return Ok(());
        }
        let mut watch = follower.watch_in_time()?;
        if follower.followed() >= revision {
            return Ok(());
        }
        self.advance(follower, &mut watch, revision)
    }

    /// Takes the keys and the namespaces of the keyring, if it has changed. Nothing when the storage is not
    /// shared.
    pub(crate) fn follow_keyring(&self) -> Result<(), KvError> {
        let Some(follower) = &self.follower else { return Ok(()) };
        if !self.is_open() || follower.keyring() == self.keyring.counter()? {
            return Ok(());
        }
        self.advance(follower, &mut follower.watch_in_time()?, follower.followed())
    }

    /// Takes in all commits up to this revision, and the keyring as it is. The caller has the right to change the
    /// indices.
    fn advance(
        &self,
        follower: &Follower,
        watch: &mut WatchGuard<'_>,
        mut revision: Revision,
    ) -> Result<(), KvError> {
        if !self.is_open() {
            return Ok(());
        }
        let counter = self.keyring.counter()?;
        let has_keyring_changed = follower.keyring() != counter;
        if has_keyring_changed {
            // The first row of a namespace is older than the keyring that names it.
            revision = revision.max(follower.storage.revision()?);
        }
        let Some(open) = watch.as_mut() else {
            self.is_stale.store(true, Ordering::Release);
            return Ok(());
        };
        let changes = match open.until(revision) {
            Ok(changes) => changes,
            Err(WatchError::Away(error)) => return Err(error.into()),
            Err(WatchError::Lost(_)) => {
                **watch = None;
                self.is_stale.store(true, Ordering::Release);
                return Ok(());
            }
        };
        if has_keyring_changed {
            self.refresh_namespaces()?;
        }
        for commit in changes.chunk_by(|one, next| one.revision == next.revision) {
            self.take_in(commit);
        }
        let last = changes.last().map_or(revision, |change| change.revision.max(revision));
        follower.set_followed(last);
        if has_keyring_changed {
            self.add_namespaces(follower)?;
            follower.set_keyring(counter);
        }
        Ok(())
    }

    /// Takes the keys of the keyring, and drops namespaces that it no longer has.
    fn refresh_namespaces(&self) -> Result<(), KvError> {
        let infos = self.keyring.namespaces()?;
        for namespace in self.known_namespaces()? {
            if infos.iter().any(|info| info.id == namespace.id) {
                namespace.set_keys(DerivedKeys::new(&self.keyring.namespace_keys(namespace.id)?));
            } else {
                self.drop_namespace(namespace.id)?;
            }
        }
        Ok(())
    }

    /// Loads namespaces of the keyring that are new here.
    fn add_namespaces(&self, follower: &Follower) -> Result<(), KvError> {
        for info in self.keyring.namespaces()? {
            if self.namespaces.read().as_ref().is_some_and(|it| it.contains_key(&info.id)) {
                continue;
            }
            let rows = follower.storage.snapshot_at(follower.followed())?;
            let keys = DerivedKeys::new(&self.keyring.namespace_keys(info.id)?);
            let namespace = Namespace::load_at(&*rows, info.id, keys)?;
            self.change_namespaces(|namespaces| namespaces.insert(info.id, Arc::new(namespace)))?;
        }
        Ok(())
    }

    /// Takes in the changes of one commit.
    fn take_in(&self, commit: &[RowChange]) {
        let mut of_each = BTreeMap::<_, Vec<_>>::new();
        for change in commit.iter().filter(|it| matches!(it.table, Table::Entries | Table::Sums)) {
            if let Some(id) = change.key.first_chunk() {
                of_each.entry(NamespaceId(*id)).or_default().push(change);
            }
        }
        for (id, changes) in of_each {
            // Changes of one that is not known are in the rows when it is loaded.
            let known = self.namespaces.read().as_ref().and_then(|it| it.get(&id).map(Arc::clone));
            let Some(namespace) = known else { continue };
            if self.take_in_namespace(&namespace, &changes).is_err() {
                self.is_stale.store(true, Ordering::Release);
            }
        }
    }

    /// Takes in the changes of one commit in one namespace, and checks its multiset hash.
    fn take_in_namespace(
        &self,
        namespace: &Namespace,
        changes: &[&RowChange],
    ) -> Result<(), Unfit> {
        let keys = namespace.keys();
        let mut index = namespace.index_mut();
        let mut is_fit = true;
        for change in changes {
            index.revision = index.revision.max(change.revision);
            is_fit &= match change.table {
                Table::Sums => take_sum(&mut index, &keys, namespace.id, change),
                _ => self.take_entry(&mut index, &keys, namespace, change),
            }
            .is_ok();
        }
        let agrees = index.sums.total().is_none_or(|total| total == index.hash);
        // A deleted namespace has no sums, and no records.
        let is_deleted = index.sums.nodes().next().is_none() && index.len() == 0;
        let is_checked = !namespace.agrees || !index.is_whole() || is_deleted;
        if is_fit && (is_checked || (agrees && index.sums.total().is_some())) {
            Ok(())
        } else {
            Err(Unfit)
        }
    }

    fn take_entry(
        &self,
        index: &mut Index,
        keys: &DerivedKeys,
        namespace: &Namespace,
        change: &RowChange,
    ) -> Result<(), Unfit> {
        let address = address(namespace.id, &change.key)?;
        self.cache.remove(address);
        let opened = |row: &Vec<u8>| open_entry_row(keys, address, row).map_err(|_| Unfit);
        let before = change.before.as_ref().map(opened).transpose();
        let after = change.after.as_ref().map(opened).transpose()?;
        // What did not open before had no slot, and no term.
        index.faults.remove(&address.id);
        if let Ok(Some((_, entry))) = &before
            && let Some(slot) = index.get(entry.name.as_str())
        {
            index.hash.subtract(&keys.term(address.id, slot.version, slot.expiry));
            index.set(entry.name.as_str(), None);
        }
        namespace.damage.remove(address.id);
        if let Some((head, entry)) = after {
            let slot = slot_of(head, &entry);
            index.hash.add(&keys.term(address.id, slot.version, slot.expiry));
            index.set(entry.name.as_str(), Some(slot));
        }
        before.map(drop)
    }
}

/// Takes in the part of the multiset hash that a node wrote.
fn take_sum(
    index: &mut Index,
    keys: &DerivedKeys,
    id: NamespaceId,
    change: &RowChange,
) -> Result<(), Unfit> {
    let node = NodeNumber::of_key(&change.key, &id.0).ok_or(Unfit)?;
    match &change.after {
        None => index.sums.remove(node),
        Some(row) => {
            let (commits, hash) = keys.open_hash((id, node), row).map_err(|_| Unfit)?;
            index.sums.set(node, Some(NodeSum { commits, hash }));
        }
    }
    Ok(())
}

fn address(namespace: NamespaceId, key: &[u8]) -> Result<RecordAddress, Unfit> {
    let id = key.strip_prefix(&namespace.0).and_then(|id| id.try_into().ok()).ok_or(Unfit)?;
    Ok(RecordAddress { namespace, id: RecordId(id) })
}
