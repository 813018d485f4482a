//! The anchor: what is known of the keyring and the store, kept where neither of them is.
//!
//! ```text
//! lavawall anchor 2
//! keyring HEX
//! counter N
//! commits N
//! sum HEX        the first 8 bytes of SHA-256 over the lines before
//! ```
//! The sum is against a disk that gives back another digit than was written, and so a smaller number; it is
//! no protection from whoever can write the anchor. Format 1, without it, is read and never written.
//!
//! A keyring or a store that is older than its anchor has been put back from a copy. The anchor
//! is written after what it speaks of, so a crash in between never raises a false alarm.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::durable;
use crate::keyring::seal::ID_BYTES;

/// An anchor is five short lines.
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
/// What the system said.
pub fn write(path: &Path, mark: &Mark) -> Result<(), AnchorError> {
    durable::replace(path, text(mark).as_bytes())
        .map_err(|error| AnchorError::File { path: path.to_owned(), error })
}

fn text(mark: &Mark) -> String {
    let mut text = lines(2, mark);
    let sum = sum(&text);
    writeln!(text, "sum {sum}").expect("writing to a string");
    text
}

fn lines(format: u8, mark: &Mark) -> String {
    let keyring = HEXLOWER.encode(&mark.keyring);
    let Mark { counter, commits, .. } = mark;
    format!("lavawall anchor {format}\nkeyring {keyring}\ncounter {counter}\ncommits {commits}\n")
}

fn sum(lines: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(lines)[..8])
}

fn parse(text: &[u8]) -> Option<Mark> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= LENGTH_LIMIT)?;
    let mut lines = text.lines();
    let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
    let format = field("lavawall")?;
    let keyring = HEXLOWER.decode(field("keyring")?.as_bytes()).ok()?.try_into().ok()?;
    let counter = field("counter")?.parse().ok()?;
    let commits = field("commits")?.parse().ok()?;
    let mark = Mark { keyring, counter, commits };
    // What was written is written again the same way, to the last byte.
    let expected = match format {
        "anchor 1" => crate::keyring::anchor::lines(1, &mark),
        _ => crate::keyring::anchor::text(&mark),
    };
    (text == expected).then_some(mark)
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

    #[test]
    fn no_bit_of_an_anchor_can_be_another_and_an_older_format_is_still_read() {
        let mark = Mark { keyring: [0x35; ID_BYTES], counter: 7531, commits: 123_456 };
        let good = text(&mark).into_bytes();
        for at in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[at / 8] ^= 1 << (at % 8);
            assert_eq!(parse(&bad), None, "bit {at}");
        }
        assert_eq!(parse(&good), Some(mark));
        assert_eq!(parse(lines(1, &mark).as_bytes()), Some(mark));
        assert_eq!(parse(lines(2, &mark).as_bytes()), None, "without its sum");
    }
}
