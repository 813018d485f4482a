//! Names of records: as their users write them, as the store keeps them.

use std::borrow::Borrow;
use std::fmt;

use data_encoding::HEXLOWER;
use zeroize::Zeroize;

use crate::kv::KvError;

/// The longest name in bytes, as the dialect's own service has it.
pub const NAME_LIMIT: usize = 512;

/// A name in memory. Wiped when dropped, and never printed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(Box<str>);

impl Name {
    pub(crate) fn of(name: &str) -> Self {
        Self(name.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

// A name is ordered as its text is, by bytes: it can be looked up by the text.
impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({} bytes)", self.0.len())
    }
}

/// Whether a record may be called so.
pub(crate) fn check(name: &str) -> Result<(), KvError> {
    if name.is_empty() || name.len() > NAME_LIMIT {
        return Err(KvError::NameLength { limit: NAME_LIMIT, value: name.len() });
    }
    // Clients that tidy up paths would never reach them.
    if name == "." || name == ".." { Err(KvError::NameDots) } else { Ok(()) }
}

/// Names a record on disk and in errors: a keyed hash of its name, which tells nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub [u8; 16]);

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_none_is_a_dot() {
        let longest = "x".repeat(NAME_LIMIT);
        for name in ["a", "a/b c", "ä", "...", "\u{0}", &longest] {
            assert!(check(name).is_ok(), "{name}");
        }
        let too_long = "x".repeat(NAME_LIMIT + 1);
        for name in ["", ".", "..", &too_long] {
            assert!(check(name).is_err(), "{name}");
        }
    }

    #[test]
    fn names_sort_by_bytes_and_are_not_printed() {
        let mut names = ["b", "a", "ä", "a/", "B"].map(Name::of);
        names.sort();
        assert_eq!(names.each_ref().map(Name::as_str), ["B", "a", "a/", "b", "ä"]);
        assert_eq!(format!("{:?}", Name::of("secret")), "Name(6 bytes)");
    }
}
