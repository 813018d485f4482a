//! Removing expired records from the disk.

use crate::kv::batch::CommitBatch;
use crate::kv::error::KvError;
use crate::kv::store::Store;

/// The most records of a namespace that are removed in one commit.
const SWEEP_BATCH: usize = 500;

impl Store {
    /// Removes records that expired by `now` from the disk, up to 500 of each namespace; returns how many.
    /// Readers do not see them in any case.
    ///
    /// # Errors
    /// When nothing can be written.
    pub fn sweep(&self, now: u64) -> Result<usize, KvError> {
        let mut swept = 0;
        for namespace in self.known_namespaces()?.into_iter().filter(|it| it.agrees) {
            let Ok((mut writer, namespace)) = self.writing(namespace.id) else { continue };
            let keys = namespace.keys();
            let names = namespace.index().expired(now, SWEEP_BATCH);
            let mut batch = CommitBatch::of(&namespace, &keys);
            for name in &names {
                batch.remove(name.as_str());
            }
            if !batch.changes.is_empty() {
                self.commit(&mut writer, batch)?;
            }
            swept += names.len();
        }
        Ok(swept)
    }
}
