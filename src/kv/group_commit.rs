//! Group commit: concurrent edits of one namespace share one fsync.
//!
//! Each caller queues a copy of its edit and waits for the right to write. The caller that gets it writes all
//! queued edits of its namespace; the others find theirs written when their turn comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use zeroize::Zeroizing;

use crate::keyring::NamespaceId;
use crate::kv::edit::{Edit, Put};

/// Longer values, in bytes, are written alone: copying one costs as much as a flush.
const VALUE_MOST: usize = 64 << 10;

/// The most edits of one commit: at 64 KiB each they are 16 MiB.
const EDITS_MOST: usize = 256;

/// Edits that wait for a commit, oldest first.
#[derive(Default)]
pub(crate) struct CommitQueue(Mutex<Vec<Arc<QueuedEdit>>>);

/// A copy of an edit, kept while its caller waits.
pub(crate) struct QueuedEdit {
    id: NamespaceId,
    name: Zeroizing<String>,
    /// `None` for a deletion.
    content: Option<Content>,
    is_written: AtomicBool,
}

/// The new content of a record.
struct Content {
    value: Zeroizing<Vec<u8>>,
    metadata: Option<Zeroizing<Vec<u8>>>,
    expiry: Option<u64>,
}

impl CommitQueue {
    /// Queues the edit of a call; `None` when the call must be made alone.
    pub(crate) fn add(&self, id: NamespaceId, edits: &[Edit<'_>]) -> Option<Arc<QueuedEdit>> {
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
        let queued = Arc::new(QueuedEdit {
            id,
            name: Zeroizing::new(edit.name().to_owned()),
            content,
            is_written: AtomicBool::new(false),
        });
        self.0.lock().push(Arc::clone(&queued));
        Some(queued)
    }

    /// Takes the edits of the next commit of this namespace.
    pub(crate) fn take(&self, id: NamespaceId) -> Vec<Arc<QueuedEdit>> {
        let mut queue = self.0.lock();
        queue.extract_if(.., |queued| queued.id == id).take(EDITS_MOST).collect()
    }

    /// Removes this edit, if it is still there.
    pub(crate) fn remove(&self, queued: &Arc<QueuedEdit>) {
        self.0.lock().retain(|other| !Arc::ptr_eq(other, queued));
    }

    /// The number of queued edits.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

impl QueuedEdit {
    /// The edit.
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
