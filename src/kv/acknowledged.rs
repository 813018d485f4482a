//! Acknowledged commits: marked before a caller is told, and missed when they are gone.

use std::sync::atomic::Ordering;

use crate::audit::{Actor, AuditEvent};
use crate::keyring::KeyringError;
use crate::kv::commit_mark::FoundMark;
use crate::kv::error::KvError;
use crate::kv::store::{LostCommits, Store};

impl Store {
    /// Marks every commit so far, the caller's among them, which has just returned.
    ///
    /// # Errors
    /// When the mark cannot be written: the commit is on the disk, and must not be acknowledged.
    pub(crate) fn mark_commits(&self) -> Result<(), KvError> {
        let Some(mark) = &self.mark else { return Ok(()) };
        let latest = || self.committed.load(Ordering::Acquire);
        let key = self.keyring.store_key()?;
        mark.raise(latest(), latest, &self.generator, &key)
    }

    /// Compares the store's commit count with the mark; returns the findings.
    pub(crate) fn check_mark(&self, commits: u64) -> Result<Vec<String>, KvError> {
        self.committed.store(commits, Ordering::Release);
        *self.lost.lock() = None;
        let Some(mark) = &self.mark else { return Ok(Vec::new()) };
        let unreadable = match mark.read(&*self.keyring.store_key()?) {
            Ok(FoundMark::Count(known)) if known > commits => {
                let lost = LostCommits { found: commits, known };
                *self.lost.lock() = Some(lost);
                return Ok(vec![lost.error().to_string()]);
            }
            Ok(FoundMark::Count(_) | FoundMark::Missing) => None,
            Ok(FoundMark::Unreadable) => Some(
                "the commit mark is damaged, recreated; an earlier rollback of the store cannot be detected"
                    .to_owned(),
            ),
            Err(error) => Some(error.to_string()),
        };
        // A store of before has none. The next write tells when it cannot be written.
        let _ = self.mark_commits();
        Ok(unreadable.into_iter().collect())
    }

    /// # Errors
    /// When acknowledged commits are missing.
    pub(crate) fn check_complete(&self) -> Result<(), KvError> {
        self.lost.lock().map_or(Ok(()), |lost| Err(lost.error()))
    }

    /// Why nothing is written although the disk could be; `None` when it is.
    pub fn read_only_reason(&self) -> Option<String> {
        self.check_complete().err().map(|error| error.to_string())
    }

    /// Accepts the store without the commits that it has lost; returns how many they are, and 0 when nothing is
    /// missing. Later commits do not take the numbers of the lost ones.
    ///
    /// # Errors
    /// When nothing can be logged or written.
    pub fn accept_lost_commits(&self, actor: &Actor) -> Result<u64, KvError> {
        let mut writer = self.writer();
        let Some(lost) = *self.lost.lock() else { return Ok(0) };
        let (first, last) = (lost.found + 1, lost.known);
        let event = AuditEvent::new(actor, "accept-store")
            .detail(format_args!("commits {first} to {last} are lost"));
        self.keyring.audit().done(&event).map_err(KeyringError::from)?;
        let commits = lost.known + 1;
        let row = self.commit_count_row(commits)?;
        self.storage.commit(&mut std::iter::once(Ok(row)))?;
        writer.commits = commits;
        self.committed.store(commits, Ordering::Release);
        *self.lost.lock() = None;
        self.mark_commits()?;
        Ok(lost.known - lost.found)
    }
}

impl LostCommits {
    fn error(self) -> KvError {
        KvError::Behind { found: self.found, known: self.known }
    }
}
