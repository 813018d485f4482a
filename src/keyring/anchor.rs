//! The anchor: the write counts of the keyring and the store, kept on another disk than both.
//!
//! ```text
//! lavawall anchor 2
//! keyring HEX
//! counter N
//! commits N
//! sum HEX        the first 8 bytes of SHA-256 over the lines before
//! ```
//! The sum detects a disk that returns another digit than was written, and so a smaller number; it does
//! not protect against anyone who can write the anchor. Format 1, without it, is read and never written.
//!
//! A keyring or a store that is older than its anchor was restored from an old copy (rollback). The anchor
//! is written after the file that it counts, so a crash in between raises no false alarm.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::durable;
use crate::keyring::id::KEYRING_ID_BYTES;

/// An anchor is five short lines.
const LENGTH_LIMIT: usize = 256;

/// The content of an anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Anchor {
    /// The keyring's identifier.
    pub keyring: [u8; KEYRING_ID_BYTES],
    /// The least number of writes of the keyring.
    pub counter: u64,
    /// The least number of commits of the store.
    pub commits: u64,
}

/// The anchor cannot be used, or does not agree.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// The file cannot be read or written.
    #[error("anchor {path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The file is malformed.
    #[error("anchor {path}: is damaged, or not an anchor")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It belongs to another keyring.
    #[error("anchor {path}: belongs to another keyring; give each its own")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The keyring or the store is older than its anchor.
    #[error(
        "{what} rolled back: it has {found} writes, anchor {path} has {known}; it was restored from an \
         old copy"
    )]
    RolledBack {
        /// The keyring or the store.
        what: &'static str,
        /// The anchor's file.
        path: PathBuf,
        /// The write count that was found.
        found: u64,
        /// The write count of the anchor.
        known: u64,
    },
}

/// Reads the anchor; `None` when there is none yet.
///
/// # Errors
/// When there is one and it cannot be read.
pub(crate) fn read(path: &Path) -> Result<Option<Anchor>, AnchorError> {
    let text = match durable::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(AnchorError::File { path: path.to_owned(), error }),
    };
    let damaged = || AnchorError::Damaged { path: path.to_owned() };
    parse(&text).map(Some).ok_or_else(damaged)
}

/// Replaces the anchor.
///
/// # Errors
/// The system's error.
pub(crate) fn write(path: &Path, anchor: &Anchor) -> Result<(), AnchorError> {
    durable::replace(path, text(anchor).as_bytes())
        .map_err(|error| AnchorError::File { path: path.to_owned(), error })
}

fn text(anchor: &Anchor) -> String {
    let mut text = lines(2, anchor);
    let sum = sum(&text);
    writeln!(text, "sum {sum}").expect("writing to a string");
    text
}

fn lines(format: u8, anchor: &Anchor) -> String {
    let keyring = HEXLOWER.encode(&anchor.keyring);
    let Anchor { counter, commits, .. } = anchor;
    format!("lavawall anchor {format}\nkeyring {keyring}\ncounter {counter}\ncommits {commits}\n")
}

fn sum(lines: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(lines)[..8])
}

fn parse(text: &[u8]) -> Option<Anchor> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= LENGTH_LIMIT)?;
    let mut lines = text.lines();
    let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
    let format = field("lavawall")?;
    let keyring = HEXLOWER.decode(field("keyring")?.as_bytes()).ok()?.try_into().ok()?;
    let counter = field("counter")?.parse().ok()?;
    let commits = field("commits")?.parse().ok()?;
    let anchor = Anchor { keyring, counter, commits };
    // Only the exact bytes that would be written are accepted.
    let expected = match format {
        "anchor 1" => crate::keyring::anchor::lines(1, &anchor),
        _ => crate::keyring::anchor::text(&anchor),
    };
    (text == expected).then_some(anchor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_read_back() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("anchor");
        assert_eq!(read(&path).expect("nothing there is no error"), None);
        let anchor = Anchor { keyring: [0xab; KEYRING_ID_BYTES], counter: 12, commits: u64::MAX };
        write(&path, &anchor).expect("written");
        assert_eq!(read(&path).expect("there"), Some(anchor));
    }

    #[test]
    fn a_damaged_anchor_is_an_error_and_not_an_absent_one() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("anchor");
        let good = text(&Anchor { commits: 123, ..Anchor::default() });
        for len in 0..good.len() {
            std::fs::write(&path, &good[..len]).expect("written");
            let error = read(&path).expect_err("cut short");
            assert!(matches!(error, AnchorError::Damaged { .. }), "{len}: {error}");
        }
        std::fs::write(&path, format!("{good}more\n")).expect("written");
        assert!(read(&path).is_err());
    }

    #[test]
    fn no_bit_of_an_anchor_can_be_another_and_an_older_format_is_still_read() {
        let anchor = Anchor { keyring: [0x35; KEYRING_ID_BYTES], counter: 7531, commits: 123_456 };
        let good = text(&anchor).into_bytes();
        for at in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[at / 8] ^= 1 << (at % 8);
            assert_eq!(parse(&bad), None, "bit {at}");
        }
        assert_eq!(parse(&good), Some(anchor));
        assert_eq!(parse(lines(1, &anchor).as_bytes()), Some(anchor));
        assert_eq!(parse(lines(2, &anchor).as_bytes()), None, "without its sum");
    }
}
