//! The rotation: reseals records under older key versions, at a bounded rate, and destroys versions that no
//! record needs.
//!
//! There is no work list that a crash could lose: every record that is not under the active version is due.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::audit::Actor;
use crate::kv::{KvError, Store};

/// The rotation, and what it has reported.
#[derive(Default)]
pub(crate) struct Rotation {
    /// Keys that are due and have no room for a version, so that each is reported once.
    full: BTreeSet<String>,
}

impl Rotation {
    /// Rotates the keys of callers that are due, and reseals one batch of records, if one is due; returns the
    /// pause after it, which leaves the disk to others. `now` is the calendar as the store's clock watch saw it.
    ///
    /// # Errors
    /// When nothing can be written.
    pub(crate) fn turn(
        &mut self,
        store: &Store,
        now: SystemTime,
        records_per_second: u32,
    ) -> Result<Option<Duration>, KvError> {
        // Records do not wait for the keys of callers.
        let rotated = self.rotate_by_age(store, now);
        let pause = reseal(store, records_per_second)?;
        rotated?;
        Ok(pause)
    }

    /// While the clock is in doubt, no key has an age.
    fn rotate_by_age(&mut self, store: &Store, now: SystemTime) -> Result<(), KvError> {
        if store.clock_doubt().is_some() {
            return Ok(());
        }
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let done = store.keyring().rotate_due_transit_keys(now)?;
        if done.rotated > 0 {
            tracing::info!("{} keys that callers use were rotated by their age", done.rotated);
        }
        for (id, limit) in &done.full {
            if !self.full.contains(id) {
                tracing::warn!("key {id} of a caller is not rotated by its age: {limit}");
            }
        }
        self.full = done.full.into_keys().collect();
        Ok(())
    }
}

fn reseal(store: &Store, records_per_second: u32) -> Result<Option<Duration>, KvError> {
    for report in store.report()?.into_iter().filter(|report| report.agrees) {
        let id = report.id;
        let begun = Instant::now();
        let moved = if report.behind() > 0 { unless_deleted(store.reseal(id))? } else { 0 };
        if moved > 0 {
            return Ok(Some(rest(moved, begun.elapsed(), records_per_second)));
        }
        for version in unless_deleted(store.destroy_unneeded(&Actor::SERVICE, id))? {
            tracing::info!("namespace {id}: key version {version} destroyed, no record needs it");
        }
    }
    Ok(None)
}

/// The result; nothing in a namespace that was deleted after the report.
fn unless_deleted<T: Default>(done: Result<T, KvError>) -> Result<T, KvError> {
    match done {
        Err(KvError::UnknownNamespace(_)) => Ok(T::default()),
        done => done,
    }
}

/// The duration of the batch, so that others have at least half of the disk; longer when the rate requires
/// it.
fn rest(moved: usize, took: Duration, records_per_second: u32) -> Duration {
    let moved = u32::try_from(moved).unwrap_or(u32::MAX);
    let due = Duration::from_secs(1) * moved / records_per_second.max(1);
    due.saturating_sub(took).max(took)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::NamespaceId;

    #[test]
    fn a_namespace_that_was_deleted_meanwhile_is_no_fault() {
        let unknown = KvError::UnknownNamespace(NamespaceId([0; 16]));
        assert_eq!(unless_deleted::<usize>(Err(unknown)).ok(), Some(0));
        assert_eq!(unless_deleted(Ok(7)).ok(), Some(7));
        assert!(unless_deleted::<usize>(Err(KvError::Closed)).is_err());
    }

    #[test]
    fn the_rate_is_kept_and_others_have_half_of_the_disk() {
        let ms = Duration::from_millis;
        assert_eq!(rest(500, ms(10), 1000), ms(490), "500 records are half a second's");
        assert_eq!(rest(500, ms(400), 1000), ms(400), "a slow disk is left alone as long");
        assert_eq!(rest(500, ms(2000), 1000), ms(2000));
        assert_eq!(rest(0, ms(0), 0), ms(0));
    }
}
