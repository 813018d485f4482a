//! Writers, and who deletes, share a commit when they come at the same time: the disk flushes once for all
//! of them.
//!
//! A writer leaves a copy of its change in the queue and asks for the right to write. Whoever gets it
//! writes what waits for its namespace; the others, when their turn comes, find that theirs is done.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use crate::keyring::NamespaceId;
use crate::kv::write::{Edit, Put};

/// Longer values, in bytes, are written alone: then copying costs as much as a flush.
const VALUE_MOST: usize = 64 << 10;

/// Changes that share a commit, at the most: at 64 KiB each they are 16 MiB.
const EDITS_MOST: usize = 256;

/// Changes that wait for a commit, oldest first.
#[derive(Default)]
pub(crate) struct Queue(Mutex<Vec<Arc<Waiting>>>);

/// A change, kept while its writer waits.
pub(crate) struct Waiting {
    namespace: NamespaceId,
    name: Zeroizing<String>,
    /// `None` when the record is to go.
    content: Option<Content>,
    is_written: AtomicBool,
}

/// What a record is to hold.
struct Content {
    value: Zeroizing<Vec<u8>>,
    metadata: Option<Zeroizing<Vec<u8>>>,
    expiry: Option<u64>,
}

impl Queue {
    /// Leaves the change of a call here; `None` when the call is better made alone.
    pub(crate) fn add(&self, namespace: NamespaceId, edits: &[Edit<'_>]) -> Option<Arc<Waiting>> {
        let [edit] = edits else { return None };
        let content = match edit {
            Edit::Put(put) if put.value.len() > VALUE_MOST => return None,
            Edit::Put(put) => Some(Content {
                value: Zeroizing::new(put.value.to_vec()),
                metadata: put.metadata.map(|json| Zeroizing::new(json.to_vec())),
                expiry: put.expiry,
            }),
            Edit::Delete(_) => None,
        };
        let waiting = Arc::new(Waiting {
            namespace,
            name: Zeroizing::new(edit.name().to_owned()),
            content,
            is_written: AtomicBool::new(false),
        });
        self.lock().push(Arc::clone(&waiting));
        Some(waiting)
    }

    /// Takes out what can share the next commit of this namespace.
    pub(crate) fn take(&self, namespace: NamespaceId) -> Vec<Arc<Waiting>> {
        let mut queue = self.lock();
        let waits_here = |waiting: &mut Arc<Waiting>| waiting.namespace == namespace;
        queue.extract_if(.., waits_here).take(EDITS_MOST).collect()
    }

    /// Takes this one out, if it is still there.
    pub(crate) fn remove(&self, waiting: &Arc<Waiting>) {
        self.lock().retain(|other| !Arc::ptr_eq(other, waiting));
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Changed only in whole steps, so a panic elsewhere spoils nothing.
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Waiting>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// The change.
    pub(crate) fn edit(&self) -> Edit<'_> {
        let Some(content) = &self.content else { return Edit::Delete(&self.name) };
        Edit::Put(Put {
            name: &self.name,
            value: &content.value,
            metadata: content.metadata.as_deref().map(Vec::as_slice),
            expiry: content.expiry,
        })
    }

    /// Whether it is on the disk.
    pub(crate) fn is_written(&self) -> bool {
        self.is_written.load(Ordering::Acquire)
    }

    pub(crate) fn set_written(&self) {
        self.is_written.store(true, Ordering::Release);
    }
}
