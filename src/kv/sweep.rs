//! Removing expired records from the disk.

use crate::audit::{Actor, AuditEvent};
use crate::keyring::KeyringError;
use crate::kv::batch::CommitBatch;
use crate::kv::error::KvError;
use crate::kv::store::Store;
use crate::machine::ClockReading;

/// The most records of a namespace that are removed in one commit.
const SWEEP_BATCH: usize = 500;

impl Store {
    /// Removes records that expired by `now` from the disk, up to 500 of each namespace; returns how many.
    /// Readers do not see them in any case.
    ///
    /// While the clock is in doubt, or the store is read-only, nothing is removed.
    ///
    /// # Errors
    /// When nothing can be written.
    pub fn sweep(&self, now: u64) -> Result<usize, KvError> {
        if self.clock_doubt().is_some() || self.read_only().is_some() {
            return Ok(0);
        }
        let mut swept = 0;
        for namespace in self.known_namespaces()?.into_iter().filter(|it| it.agrees) {
            let Ok((mut writer, namespace)) = self.writing(namespace.id) else { continue };
            let keys = namespace.keys();
            let names = namespace.index().expired(now, self.commit_records(SWEEP_BATCH));
            let mut batch = CommitBatch::of(&namespace, &keys, self.follower.as_ref());
            for name in &names {
                batch.remove(name.as_str());
            }
            if !batch.changes.is_empty() {
                match self.commit(&mut writer, batch) {
                    // Another node has removed or written some: they are looked at again.
                    Err(KvError::Contended) => continue,
                    committed => committed?,
                }
            }
            swept += names.len();
        }
        Ok(swept)
    }

    /// Takes in the clocks; returns a finding when they have parted by more than a minute. From then on nothing is
    /// removed until time synchronization has held the clock for five minutes, or the operator confirms it.
    pub(crate) fn watch_clock(&self, now: ClockReading) -> Option<String> {
        self.clock.lock().look(now)
    }

    /// Why expired records are not removed; `None` when they are.
    pub fn clock_doubt(&self) -> Option<String> {
        self.clock.lock().reason()
    }

    /// The operator confirms that the clock is right.
    ///
    /// # Errors
    /// When the audit log cannot be written.
    pub fn confirm_clock(&self, actor: &Actor) -> Result<(), KvError> {
        let event = AuditEvent::new(actor, "confirm-clock");
        self.keyring.audit().done(&event).map_err(KeyringError::from)?;
        self.clock.lock().confirm();
        Ok(())
    }
}
