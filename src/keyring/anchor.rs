//! The anchor: what is known of the keyring and the store, kept where neither of them is.
//!
//! ```text
//! lavawall anchor 1
//! keyring HEX
//! counter N
//! commits N
//! ```
//! A keyring or a store that is older than its anchor has been put back from a copy. The anchor
//! is written after what it speaks of, so a crash in between never raises a false alarm.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

use super::seal::ID_BYTES;
use crate::durable;

/// An anchor is four short lines.
const LENGTH_LIMIT: usize = 256;

/// What an anchor holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// Which keyring it speaks of.
    pub keyring: [u8; ID_BYTES],
    /// The keyring has been written at least so often.
    pub counter: u64,
    /// The store has been written at least so often.
    pub commits: u64,
}

/// Why the anchor does not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// The file cannot be read or written.
    #[error("anchor {path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file says nothing we understand.
    #[error("anchor {path}: is damaged, or no anchor")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It belongs to another keyring.
    #[error("anchor {path}: is of another keyring; give each its own")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// What is here is older than what was here before.
    #[error(
        "the {what} was put back from a copy: it has been written {found} times, and anchor {path} \
         knows of {known}"
    )]
    RolledBack {
        /// The keyring or the store.
        what: &'static str,
        /// The anchor's file.
        path: PathBuf,
        /// How often it says it was written.
        found: u64,
        /// How often it was written at least.
        known: u64,
    },
}

/// Reads the anchor; `None` when there is none yet.
///
/// # Errors
/// When it is there and cannot be read.
pub fn read(path: &Path) -> Result<Option<Mark>, AnchorError> {
    let text = match std::fs::read(path) {
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
/// What the system said.
pub fn write(path: &Path, mark: &Mark) -> Result<(), AnchorError> {
    durable::replace(path, text(mark).as_bytes())
        .map_err(|error| AnchorError::File { path: path.to_owned(), error })
}

fn text(mark: &Mark) -> String {
    let mut text = String::from("lavawall anchor 1\n");
    let keyring = HEXLOWER.encode(&mark.keyring);
    write!(text, "keyring {keyring}\ncounter {}\ncommits {}\n", mark.counter, mark.commits)
        .expect("writing to a string");
    text
}

fn parse(text: &[u8]) -> Option<Mark> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= LENGTH_LIMIT)?;
    // Without the last newline the last number may be cut short.
    let mut lines = text.strip_suffix('\n')?.split('\n');
    let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
    field("lavawall").filter(|rest| *rest == "anchor 1")?;
    let keyring = HEXLOWER.decode(field("keyring")?.as_bytes()).ok()?.try_into().ok()?;
    let counter = field("counter")?.parse().ok()?;
    let commits = field("commits")?.parse().ok()?;
    lines.next().is_none().then_some(Mark { keyring, counter, commits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_read_back() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("anchor");
        assert_eq!(read(&path).expect("nothing there is no error"), None);
        let mark = Mark { keyring: [0xab; ID_BYTES], counter: 12, commits: u64::MAX };
        write(&path, &mark).expect("written");
        assert_eq!(read(&path).expect("there"), Some(mark));
    }

    #[test]
    fn a_damaged_anchor_is_an_error_and_not_an_absent_one() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("anchor");
        let good = text(&Mark { commits: 123, ..Mark::default() });
        for len in 0..good.len() {
            std::fs::write(&path, &good[..len]).expect("written");
            let error = read(&path).expect_err("cut short");
            assert!(matches!(error, AnchorError::Damaged { .. }), "{len}: {error}");
        }
        std::fs::write(&path, format!("{good}more\n")).expect("written");
        assert!(read(&path).is_err());
    }
}
