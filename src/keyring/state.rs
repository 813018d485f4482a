//! What is held in memory: nothing, a sealed keyring, or an open one; and how one becomes the other.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::path::Path;

use crate::crypto::aead::Key;
use crate::durable;
use crate::keyring::anchor;
use crate::keyring::anchor::{AnchorError, Mark};
use crate::keyring::format::{Head, LayoutError};
use crate::keyring::keyset::Ring;
use crate::keyring::rekey::Prepared;
use crate::keyring::seal;
use crate::keyring::seal::{Seal, SealError, SealKind};
use crate::keyring::{KeyringError, Places};

/// The most of a file that is read: 1,000 namespaces of 4,096 versions would be larger, and are no
/// keyring of ours.
const FILE_LIMIT: u64 = 256 << 20;

pub(crate) enum Held {
    Absent,
    Sealed(Sealed),
    Open(Box<Open>),
}

pub(crate) struct Sealed {
    pub(crate) head: Head,
    pub(crate) ring: Vec<u8>,
    pub(crate) seal: Box<dyn Seal>,
}

pub(crate) struct Open {
    pub(crate) head: Head,
    pub(crate) kind: SealKind,
    pub(crate) root: Key,
    pub(crate) ring: Ring,
    /// The ring as it stands in the file: sealing needs no disk.
    pub(crate) sealed_ring: Vec<u8>,
    pub(crate) mark: Mark,
    /// The anchor does not know of the last change: it could not be written after it.
    pub(crate) is_mark_due: bool,
    /// What the anchor lacked when this was opened.
    pub(crate) anchor_fault: Option<String>,
    /// A seal that waits to be put in force.
    pub(crate) prepared: Option<Prepared>,
    /// What the audit log lacked when this was opened.
    pub(crate) log_fault: Option<String>,
}

impl Held {
    pub(crate) fn sealed(&mut self) -> Result<&mut Sealed, KeyringError> {
        match self {
            Self::Absent => Err(KeyringError::Absent),
            Self::Sealed(sealed) => Ok(sealed),
            Self::Open(_) => Err(KeyringError::Open),
        }
    }

    pub(crate) fn open(&mut self) -> Result<&mut Open, KeyringError> {
        match self {
            Self::Absent => Err(KeyringError::Absent),
            Self::Sealed(_) => Err(KeyringError::Sealed),
            Self::Open(open) => Ok(open),
        }
    }
}

impl Sealed {
    pub(crate) fn read(file: &[u8], places: &Places) -> Result<Self, KeyringError> {
        let (head, ring) = Head::read(file)
            .map_err(|error| KeyringError::Layout { path: places.keyring.clone(), error })?;
        let seal = read_seal(&head, places)?;
        Ok(Self { ring: ring.to_vec(), head, seal })
    }

    /// Opens the root key, then the ring, then looks at the anchor: the counter is believed only
    /// once the ring has opened.
    pub(crate) fn open(&self, secret: &Key, places: &Places) -> Result<Open, KeyringError> {
        let changed = || KeyringError::Changed { path: places.keyring.clone() };
        let kind = self.seal.kind();
        let root = self.head.open_root(secret).map_err(|_| wrong(kind, places))?;
        let ring = self.head.open_ring(&self.ring, &root).map_err(|_| changed())?;
        let ring = Ring::read(self.head.format, &ring).map_err(|_| changed())?;
        let (mark, anchor_fault) = self.mark(places)?;
        Ok(Open {
            head: self.head.clone(),
            kind,
            root,
            ring,
            sealed_ring: self.ring.clone(),
            mark,
            is_mark_due: false,
            anchor_fault,
            prepared: None,
            log_fault: None,
        })
    }

    /// What the anchor knows, brought up to this keyring; and what is wrong with it.
    fn mark(&self, places: &Places) -> Result<(Mark, Option<String>), KeyringError> {
        let (id, counter) = (self.head.id, self.head.counter);
        let fresh = Mark { keyring: id, counter, commits: 0 };
        let Some(path) = &places.anchor else { return Ok((fresh, None)) };
        let known = anchor::read(path)?;
        // A crash at the first start, before the anchor was written, is none of anybody's business.
        let fault = (known.is_none() && counter > 1).then(|| {
            let path = path.display();
            format!(
                "anchor {path} was not there and is begun anew: what was put back is not noticed"
            )
        });
        let known = known.unwrap_or(fresh);
        if known.keyring != id {
            return Err(AnchorError::Foreign { path: path.clone() }.into());
        }
        if counter < known.counter {
            return Err(AnchorError::RolledBack {
                what: "keyring",
                path: path.clone(),
                found: counter,
                known: known.counter,
            }
            .into());
        }
        let mark = Mark { counter, ..known };
        anchor::write(path, &mark)?;
        Ok((mark, fault))
    }
}

/// A secret that does not open the root key: a passphrase may be wrong; the other seals have
/// looked at what they were given.
pub(crate) fn wrong(kind: SealKind, places: &Places) -> KeyringError {
    match kind {
        SealKind::Passphrase => SealError::WrongPassphrase.into(),
        SealKind::File | SealKind::Shares => KeyringError::Changed { path: places.keyring.clone() },
    }
}

pub(crate) fn read_seal(head: &Head, places: &Places) -> Result<Box<dyn Seal>, SealError> {
    seal::read(head.seal, &head.parameters, &head.id, &places.seal_file)
}

/// The keyring's file; `None` when there is none.
pub(crate) fn read_file(places: &Places) -> Result<Option<Vec<u8>>, KeyringError> {
    let path = &places.keyring;
    let failed = |error| KeyringError::File { path: path.clone(), error };
    match durable::open(path, OpenOptions::new().read(true)) {
        Ok(file) => {
            let mut bytes = Vec::new();
            file.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
            if bytes.len() as u64 > FILE_LIMIT {
                return Err(KeyringError::Layout {
                    path: path.clone(),
                    error: LayoutError::Foreign,
                });
            }
            Ok(Some(bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => match &places.anchor {
            Some(anchor) => gone(anchor).map(|()| None),
            None => Ok(None),
        },
        Err(error) => Err(failed(error)),
    }
}

/// An anchor without its keyring: somebody took the keyring away.
fn gone(anchor: &Path) -> Result<(), KeyringError> {
    match anchor::read(anchor)? {
        None => Ok(()),
        Some(mark) => Err(AnchorError::RolledBack {
            what: "keyring",
            path: anchor.to_owned(),
            found: 0,
            known: mark.counter,
        }
        .into()),
    }
}
