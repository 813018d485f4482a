//! Keys: a root key that only a seal opens, and the key versions of every namespace below it.
//!
//! ```text
//! seal secret ── seals ──► root key ── seals ──► key versions 1, 2, … of each namespace
//!  file, passphrase            └──────────────────── the keyring's file ───┘
//!  or k of n shares                                      key version ── seals ──► record keys, in the store
//! ```
//! The keyring's file holds all keys above the records', and the store holds none of them: a
//! namespace that is deleted here can be opened by no copy of the store.

pub(crate) mod format;
pub(crate) mod keyset;
pub(crate) mod provenance;
pub(crate) mod rollback;
pub(crate) mod state;
#[cfg(test)]
pub mod test_support;

pub mod anchor;
pub mod config;
pub(crate) mod error;
pub(crate) mod namespaces;
pub(crate) mod rekey;
pub mod seal;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use zeroize::Zeroizing;

use crate::audit::{Event, Log};
use crate::crypto::aead::{Key, SEALED_KEY_BYTES};
use crate::durable;
use crate::keyring::format::Head;
use crate::keyring::keyset::Ring;
use crate::keyring::state::{Held, Open, Sealed, read_file, read_seal};
use anchor::AnchorError;
use anchor::Mark;
use lavawall_entropy::Generator;
use seal::Choice;
use seal::Offered;
use seal::SealError;
use seal::SealKind;
use seal::Surroundings;
use seal::shares::Share;

pub use crate::keyring::format::LayoutError;
pub use crate::keyring::keyset::{NAMESPACES_LIMIT, NamespaceId, TITLE_LIMIT, VersionState};
pub use crate::keyring::provenance::{Origin, seconds};
pub use error::KeyringError;
pub use namespaces::Draft;
pub use namespaces::KeyInfo;
pub use namespaces::NamespaceInfo;
pub use namespaces::NamespaceKeys;
pub use rekey::PreparedId;

/// Where a keyring lives.
#[derive(Debug, Clone)]
pub struct Places {
    /// The keyring's own file.
    pub keyring: PathBuf,
    /// The file of a file seal.
    pub seal_file: PathBuf,
    /// The audit log.
    pub audit: PathBuf,
    /// The anchor, on another disk or machine than the keyring and the store.
    pub anchor: Option<PathBuf>,
}

impl Places {
    /// Each file would be written over another, and all keys be lost.
    fn check(&self) -> Result<(), KeyringError> {
        let all =
            [Some(&self.keyring), Some(&self.seal_file), Some(&self.audit), self.anchor.as_ref()];
        let mut seen = BTreeSet::new();
        for path in all.into_iter().flatten() {
            let place = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            if !seen.insert(place) {
                return Err(KeyringError::OnePlace { path: path.clone() });
            }
        }
        Ok(())
    }
}

/// A passphrase or a share, as it was entered.
pub type Piece = Zeroizing<Vec<u8>>;

/// How a keyring is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// There is none.
    Absent,
    /// It needs what opens its seal.
    Sealed(SealKind),
    /// Keys can be used.
    Open(SealKind),
}

impl Condition {
    /// Its name, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Sealed(_) => "sealed",
            Self::Open(_) => "open",
        }
    }

    /// What opens it, where there is one.
    #[must_use]
    pub fn seal(self) -> Option<SealKind> {
        match self {
            Self::Absent => None,
            Self::Sealed(kind) | Self::Open(kind) => Some(kind),
        }
    }
}

/// How far an unsealing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It is open.
    Open,
    /// More pieces are needed.
    More {
        /// Pieces there are.
        have: u8,
        /// Pieces there must be.
        need: u8,
    },
}

/// Keeps keys, hands them out while it is open, and makes new ones.
///
/// # Security
/// A change is on the disk, whole, before it counts. What is not protected: a copy of the
/// keyring's file together with what opens its seal opens everything that copy held, also what was
/// revoked or deleted since; and without an anchor, a keyring that is put back from a copy is not
/// noticed. Keys are wiped when dropped, and are not locked in memory: keep swap encrypted or off.
pub struct Keyring {
    generator: Arc<Generator>,
    places: Places,
    audit: Log,
    /// Somebody sealed it, and nobody has opened it since.
    closed: AtomicBool,
    held: RwLock<Held>,
}

impl Keyring {
    /// Reads the keyring's file, if there is one; the keyring is then sealed.
    ///
    /// # Errors
    /// When the file cannot be read or is no keyring, or is gone while its anchor is there; when two of the
    /// places are one.
    pub fn load(places: Places, generator: Arc<Generator>) -> Result<Self, KeyringError> {
        places.check()?;
        let held = match read_file(&places)? {
            Some(file) => Held::Sealed(Sealed::read(&file, &places)?),
            None => Held::Absent,
        };
        let audit = Log::at(places.audit.clone());
        let closed = AtomicBool::new(false);
        Ok(Self { generator, places, audit, closed, held: RwLock::new(held) })
    }

    /// How it is.
    pub fn condition(&self) -> Condition {
        match &*self.read() {
            Held::Absent => Condition::Absent,
            Held::Sealed(sealed) => Condition::Sealed(sealed.seal.kind()),
            Held::Open(open) => Condition::Open(open.kind),
        }
    }

    /// How many pieces its seal was offered, and how many it needs: none for a file.
    ///
    /// # Errors
    /// When there is no keyring.
    pub fn pieces(&self) -> Result<(u8, u8), KeyringError> {
        match &*self.read() {
            Held::Absent => Err(KeyringError::Absent),
            Held::Sealed(sealed) => Ok(sealed.seal.pieces()),
            Held::Open(open) => Ok((0, read_seal(&open.head, &self.places)?.pieces().1)),
        }
    }

    /// Whether it is to stay sealed until somebody opens it, also when its seal needs nobody.
    pub fn is_to_stay_sealed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Makes a keyring with a root key, under the seal that was chosen; it is open afterwards. The
    /// shares are given once and kept nowhere.
    ///
    /// # Errors
    /// When there is one already, or it cannot be written; then there is none.
    pub fn init(&self, choice: &Choice) -> Result<Vec<Share>, KeyringError> {
        self.audited(Event::new("init").detail(choice), |event| self.make(choice, event))
    }

    fn make(&self, choice: &Choice, event: &Event) -> Result<Vec<Share>, KeyringError> {
        let mut state = self.write();
        let is_absent = matches!(&*state, Held::Absent) && !self.places.keyring.exists();
        if !is_absent {
            return Err(KeyringError::Present);
        }
        if let Some(path) = self.places.anchor.as_ref().filter(|path| path.exists()) {
            return Err(AnchorError::Foreign { path: path.clone() }.into());
        }
        let id = crate::crypto::aead::draw(&self.generator)?;
        let (root, origin) = Origin::draw(&self.generator)?;
        let ring = Ring::new(origin, crate::crypto::aead::draw_key(&self.generator)?);
        let made = seal::make(choice, &self.surroundings(&id, None))?;
        let mut head = Head {
            format: format::FORMAT,
            id,
            counter: 0,
            seal: made.seal.kind() as u8,
            parameters: made.seal.parameters(),
            root: [0; SEALED_KEY_BYTES],
        };
        head.seal_root(&root, &made.secret, &self.generator)?;
        let mut open = Open {
            head,
            kind: made.seal.kind(),
            root,
            ring: ring.clone(),
            sealed_ring: Vec::new(),
            mark: Mark { keyring: id, ..Mark::default() },
            is_mark_due: false,
            anchor_fault: None,
            prepared: None,
            log_fault: None,
        };
        let saved = self.replace(&mut open, ring, event).and_then(|()| {
            let failed = |error| SealError::File { path: self.places.seal_file.clone(), error };
            made.seal.settle().map_err(failed)?;
            Ok(self.write_anchor(&open.mark)?)
        });
        if let Err(error) = saved {
            // Nobody has been given what opens it, and it keeps nothing; the next try must find no trace.
            for path in [Some(&self.places.keyring), self.places.anchor.as_ref()] {
                let _ = path.map(std::fs::remove_file);
            }
            let _ = made.seal.retire();
            return Err(error);
        }
        *state = Held::Open(Box::new(open));
        Ok(made.shares)
    }

    /// Opens it if its seal needs nobody; says whether it did.
    ///
    /// # Errors
    /// When the seal's file should open it and does not.
    pub fn open_alone(&self) -> Result<bool, KeyringError> {
        self.audited(Event::new("unseal"), |event| {
            let mut state = self.write();
            let sealed = state.sealed()?;
            event.set_detail(sealed.seal.kind());
            let Some(secret) = sealed.seal.open_alone()? else { return Ok(false) };
            *state = Held::Open(Box::new(self.opened(sealed, &secret, event)?));
            self.closed.store(false, Ordering::Release);
            Ok(true)
        })
    }

    /// Takes a passphrase or a share, and opens when that is enough.
    ///
    /// # Errors
    /// Says what is wrong with the piece; shares given before still count.
    pub fn offer(&self, piece: &[u8]) -> Result<Progress, KeyringError> {
        self.audited(Event::new("unseal"), |event| {
            let mut state = self.write();
            let sealed = state.sealed()?;
            event.set_detail(sealed.seal.kind());
            let progress = match sealed.seal.offer(piece)? {
                Offered::More { have, need } => {
                    event.set_detail(format_args!("share {have} of {need}"));
                    self.audit.done(event)?;
                    Progress::More { have, need }
                }
                Offered::Opened(secret) => {
                    *state = Held::Open(Box::new(self.opened(sealed, &secret, event)?));
                    self.closed.store(false, Ordering::Release);
                    Progress::Open
                }
            };
            Ok(progress)
        })
    }

    /// Opens it, once the log has been looked at and says so.
    fn opened(&self, sealed: &Sealed, secret: &Key, event: &Event) -> Result<Open, KeyringError> {
        let mut open = sealed.open(secret, &self.places)?;
        if let Some(logged) = &open.ring.logged {
            open.log_fault = self.audit.find(logged)?;
        }
        self.audit.done(event)?;
        Ok(open)
    }

    /// Forgets all keys, and any share that was offered. Data can be used again after unsealing.
    ///
    /// # Errors
    /// When there is no keyring. When the audit log cannot be written; it is sealed all the same, since
    /// that takes nothing out.
    pub fn seal(&self) -> Result<(), KeyringError> {
        self.audited(Event::new("seal"), |event| {
            self.forget()?;
            self.audit.done(event)?;
            Ok(())
        })
    }

    fn forget(&self) -> Result<(), KeyringError> {
        let mut state = self.write();
        self.closed.store(true, Ordering::Release);
        match &mut *state {
            Held::Absent => return Err(KeyringError::Absent),
            Held::Sealed(sealed) => sealed.seal.forget(),
            Held::Open(open) => {
                let seal = read_seal(&open.head, &self.places)?;
                let ring = std::mem::take(&mut open.sealed_ring);
                *state = Held::Sealed(Sealed { head: open.head.clone(), ring, seal });
            }
        }
        Ok(())
    }

    /// How often the keyring has been written.
    ///
    /// # Errors
    /// When it is not open.
    pub fn counter(&self) -> Result<u64, KeyringError> {
        Ok(self.write().open()?.head.counter)
    }

    /// What is wrong with the audit log as it was found; also that it lacks a line which the keyring knew
    /// of when it was opened.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn audit_findings(&self) -> Result<Vec<String>, KeyringError> {
        let mut findings = self.audit.findings()?;
        if let Held::Open(open) = &*self.read() {
            findings.extend(open.log_fault.clone());
        }
        Ok(findings)
    }

    /// What is wrong with the anchor as it was found.
    pub fn anchor_finding(&self) -> Option<String> {
        match &*self.read() {
            Held::Open(open) => open.anchor_fault.clone(),
            Held::Absent | Held::Sealed(_) => None,
        }
    }

    /// The log of key operations.
    pub fn audit(&self) -> &Log {
        &self.audit
    }

    /// Does a key operation, and writes down when it is refused or fails. That it is done is written by
    /// `work`, in the moment before it takes effect.
    fn audited<T>(
        &self,
        mut event: Event,
        work: impl FnOnce(&mut Event) -> Result<T, KeyringError>,
    ) -> Result<T, KeyringError> {
        let result = work(&mut event);
        match &result {
            Ok(_) | Err(KeyringError::Audit(_)) => {}
            Err(error) => self.audit.refused(&event, error)?,
        }
        result
    }

    /// Changes the ring as `change` says, on the disk first.
    fn change<T>(
        &self,
        event: Event,
        change: impl FnOnce(&mut Ring, &mut Event) -> Result<T, KeyringError>,
    ) -> Result<T, KeyringError> {
        self.audited(event, |event| {
            let mut state = self.write();
            let open = state.open()?;
            // A clone shares the keys.
            let mut ring = open.ring.clone();
            let result = change(&mut ring, event)?;
            self.save(open, ring, event)?;
            Ok(result)
        })
    }

    /// Looks something up in the ring.
    fn look<T>(
        &self,
        look: impl FnOnce(&Ring) -> Result<T, KeyringError>,
    ) -> Result<T, KeyringError> {
        match &*self.read() {
            Held::Absent => Err(KeyringError::Absent),
            Held::Sealed(_) => Err(KeyringError::Sealed),
            Held::Open(open) => look(&open.ring),
        }
    }

    /// Writes `ring` under the head and root key of `open`, and takes it over.
    ///
    /// # Errors
    /// [`KeyringError::Incomplete`] when that is done, and something that belongs to it is not. With any
    /// other, neither the file nor `open` has changed.
    fn save(&self, open: &mut Open, ring: Ring, event: &Event) -> Result<(), KeyringError> {
        // Most often an anchor that cannot be written is found out here, before anything is changed.
        self.write_anchor(&open.mark)?;
        self.replace(open, ring, event)?;
        self.write_anchor(&open.mark).map_err(|error| {
            open.is_mark_due = true;
            KeyringError::Incomplete(Box::new(error.into()))
        })
    }

    /// As `save`, and leaves the anchor alone.
    fn replace(&self, open: &mut Open, mut ring: Ring, event: &Event) -> Result<(), KeyringError> {
        let counter = open.head.counter + 1;
        let head = Head { format: format::FORMAT, counter, ..open.head.clone() };
        // A refusal of the generator comes before the line that says it is done.
        self.generator.check(Instant::now())?;
        ring.logged = Some(self.audit.done(event)?);
        let (file, ring_start) = head.seal_ring(&ring.write(), &open.root, &self.generator)?;
        let path = &self.places.keyring;
        let replaced = durable::replace(path, &file)
            .map_err(|error| KeyringError::File { path: path.clone(), error });
        // One that is there although its name could not be flushed is what the next start finds, unless the
        // machine stops before: memory must not know of another.
        if replaced.is_err() && !durable::read(path).is_ok_and(|there| *there == file) {
            return replaced;
        }
        event.took_effect();
        open.mark.counter = head.counter;
        open.head = head;
        open.ring = ring;
        open.sealed_ring = file[ring_start..].to_vec();
        replaced.map_err(|error| KeyringError::Incomplete(Box::new(error)))
    }

    fn surroundings<'a>(
        &'a self,
        id: &'a [u8; seal::ID_BYTES],
        in_use: Option<&'a [u8]>,
    ) -> Surroundings<'a> {
        Surroundings { generator: &self.generator, id, seal_file: &self.places.seal_file, in_use }
    }

    /// Nothing is left half changed by a panic: what is held is replaced in one step.
    fn read(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Held> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
